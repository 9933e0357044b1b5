"""The doorbell carried out: one signed SMS to one silent hub, by the SMS notifier or the carrier."""

from collections.abc import Callable
from datetime import datetime
from typing import Final, Protocol

import structlog
from sqlmodel import Session

from controller.link.doorbell import render_ring
from controller.notify.port import Medium, Message, Notifier, NotifyError
from controller.services import doorbells, owed
from controller.services.actor import Actor
from controller.services.database import Database
from controller.services.doorbells import Ring
from controller.services.owed import Claim
from controller.work.loop import settle

ACTOR: Final = Actor.system("work.doorbell")


class Ringer(Protocol):
    """Who can send an SMS to a hub. Raises NotifyError; nothing comes back."""

    async def ring(self, *, key: str, to: str, text: str) -> None:
        """Hand over one SMS; `key` names this ring."""


class NotifierRinger:
    """Rings by the notifier that sends people their SMS."""

    def __init__(self, notifier: Notifier) -> None:
        self._notifier = notifier

    async def ring(self, *, key: str, to: str, text: str) -> None:
        """See Ringer."""
        await self._notifier.send(Message(key=key, medium=Medium.SMS, to=to, subject="", text=text))


class Doorbells:
    """Handles one row of noun "doorbell"."""

    def __init__(
        self, database: Database, ringer: Ringer, now: Callable[[], datetime], *, management_bearer: bool
    ) -> None:
        self._database, self._ringer, self._now = database, ringer, now
        self._management_bearer = management_bearer
        self._log = structlog.get_logger("controller.work").bind(noun=doorbells.NOUN)

    async def handle(self, claim: Claim) -> None:
        """Ring at one hub if it is due. A ring that failed counts: the next one comes by itself."""
        ring = await self._database.run(
            look, actor=ACTOR, now=self._now(), claim=claim, management_bearer=self._management_bearer
        )
        if ring is None:
            return
        text = render_ring(ring.key, ring.hub_id, ring.counter)
        try:
            await self._ringer.ring(key=f"{ring.hub_id}:{ring.counter}", to=ring.to, text=text)
        except NotifyError as error:
            self._log.warning("doorbell_not_rung", hub=ring.hub_id, error=str(error))
        else:
            self._log.info("doorbell_rung", hub=ring.hub_id)


def look(session: Session, actor: Actor, now: datetime, *, claim: Claim, management_bearer: bool) -> Ring | None:
    """Return the ring due now, its claim settled until the next look; None: nothing to do, settled too.

    It is settled before the SMS leaves: after a crash in between one ring is missing, which the next one makes good.
    """
    found = doorbells.look(session, actor, now, hub_id=claim.key, management_bearer=management_bearer)
    if isinstance(found, Ring):
        owed.settle(session, claim, again=doorbells.next_look(session, claim.key, now))
        return found
    settle(session, actor, now, claim=claim, again=found)
    return None
