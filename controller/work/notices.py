"""Notices: look up the address, render, send, record. Crashed between sending and recording, it is sent again.

The second copy carries the same key. A notice that keeps failing is undeliverable after a bounded number of attempts:
what waits for it (a switch-off) waits a bounded time only.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

import structlog
from sqlmodel import Session

from controller.notify.port import Medium, Message, Notifier, NotifyError, NotSentError, UndeliverableError
from controller.notify.templates import render
from controller.services import notices, owed
from controller.services.actor import Actor
from controller.services.database import Database
from controller.services.owed import Claim
from controller.work.loop import Work
from controller.work.together import Together, each

ACTOR: Final = Actor.system("work.notices")
# With the rows' own back-off about a quarter of an hour.
MOST_ATTEMPTS: Final = 10
CONCURRENCY: Final = 4


class Notices:
    """Handles one row of noun "notices"."""

    def __init__(self, database: Database, notifier: Notifier, now: Callable[[], datetime]) -> None:
        self._notifier = notifier
        self._records = Together(database, ACTOR, now, each)
        self._log = structlog.get_logger("controller.work").bind(noun=notices.NOUN)

    def work(self) -> Work:
        """Return the loop's description."""
        return Work(notices.NOUN, CONCURRENCY, self.handle, prepare=look)

    async def handle(self, claim: Claim, work: notices.NoticeWork) -> None:
        """Send one notice."""
        try:
            reference = await self._notifier.send(_message(work))
        except UndeliverableError as error:
            await self._end(claim, "undeliverable", error=str(error))
        except NotifyError as error:
            self._log.warning("notice_not_sent", notice=work.id, kind=work.kind, error=str(error))
            sure = isinstance(error, NotSentError) and not work.may_have_left
            await self._records.add((record_failure, {"claim": claim, "error": str(error), "sure": sure}))
        else:
            self._log.info("notice_sent", notice=work.id, kind=work.kind, channel=work.channel)
            # Taken by the side that is responsible for delivering it; nothing more will be heard of it.
            await self._end(claim, "delivered", reference=reference)

    async def _end(self, claim: Claim, outcome: str, *, reference: str | None = None, error: str | None = None) -> None:
        if outcome == "undeliverable":
            self._log.warning("notice_undeliverable", notice=claim.key, error=error)
        told = {"claim": claim, "outcome": outcome, "reference": reference, "error": error}
        await self._records.add((record, told))


def look(session: Session, actor: Actor, now: datetime, *, claims: Sequence[Claim]) -> list[notices.NoticeWork | None]:
    """Return the notices that are still owed, written down as ones that may leave; None, and settled, for others."""
    del actor
    works = notices.attempt_many(session, now, [claim.key for claim in claims])
    owed.settle_many(session, {claim: None for claim in claims if claim.key not in works})
    return [works.get(claim.key) for claim in claims]


def record_failure(session: Session, actor: Actor, now: datetime, *, claim: Claim, error: str, sure: bool) -> None:
    """Record an attempt that failed: it is made again, a bounded number of times. `sure`: nothing left."""
    if sure:
        notices.record_unsent(session, actor, now, notice_id=claim.key)
    else:
        notices.record_doubt(session, actor, now, notice_id=claim.key, error=error)
    if claim.attempts + 1 >= MOST_ATTEMPTS:
        record(session, actor, now, claim=claim, outcome="undeliverable", reference=None, error=error)
    else:
        owed.postpone(session, claim, error, now)


def record(
    session: Session,
    actor: Actor,
    now: datetime,
    *,
    claim: Claim,
    outcome: str,
    reference: str | None,
    error: str | None,
) -> None:
    """Record how the notice ended."""
    notices.record(session, actor, now, notice_id=claim.key, outcome=outcome, reference=reference, error=error)
    owed.settle(session, claim)


def _message(work: notices.NoticeWork) -> Message:
    if not work.to:
        raise UndeliverableError("no address is known")
    medium = Medium(work.channel)
    return render(work.kind, key=work.id, medium=medium, to=work.to, name=work.holder_name, facts=work.facts)
