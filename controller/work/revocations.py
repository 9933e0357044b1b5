"""The revocation list: signed anew when a certificate was revoked, and before a broker would refuse the old one."""

from collections.abc import Callable
from datetime import datetime
from typing import Final

import structlog
from sqlmodel import Session

from controller.pki.port import Authority, AuthorityBrokenError, PkiError, Revoked
from controller.services import owed, revocations
from controller.services.actor import Actor
from controller.services.database import Database
from controller.services.owed import Claim
from controller.work.loop import postpone, settle

ACTOR: Final = Actor.system("work.crl")


class Revocations:
    """Handles the row of noun "crl"."""

    def __init__(self, database: Database, authority: Authority, now: Callable[[], datetime]) -> None:
        self._database, self._authority, self._now = database, authority, now
        self._log = structlog.get_logger("controller.work").bind(noun=revocations.NOUN)

    async def handle(self, claim: Claim) -> None:
        """Sign the list if it is due. To refuse is the safe direction: it is tried until it works, with an alarm."""
        now = self._now()
        wanted = await self._database.run(revocations.look, actor=ACTOR, now=now)
        if isinstance(wanted, datetime):
            await self._database.run(settle, actor=ACTOR, now=now, claim=claim, again=wanted)
            return
        try:
            pem = await self._sign(wanted, now)
        except PkiError as error:
            self._log.error("crl_not_signed", kind=type(error).__name__, error=str(error))
            await self._database.run(
                postpone, actor=ACTOR, now=self._now(), claim=claim, error=str(error), safe_direction=True
            )
            return
        await self._database.run(record, actor=ACTOR, now=now, claim=claim, wanted=wanted, pem=pem)
        self._log.info("crl_signed", number=wanted.number, entries=len(wanted.revoked))

    async def _sign(self, wanted: revocations.Wanted, now: datetime) -> bytes:
        from controller.pki import reading

        revoked = [Revoked(serial, at) for serial, at in wanted.revoked]
        pem = await self._authority.revocation_list(
            revoked, number=wanted.number, now=now, next_update=wanted.next_update
        )
        _, ends = reading.read_revocation_list(pem)
        if ends <= now + revocations.RENEW_AFTER:
            raise AuthorityBrokenError("the authority's list ends before the next one is due")
        return pem


def record(
    session: Session, actor: Actor, now: datetime, *, claim: Claim, wanted: revocations.Wanted, pem: bytes
) -> None:
    """Record a signed list and come back when it wants renewing. What was revoked meanwhile is marked anew."""
    again = revocations.record(session, actor, now, wanted=wanted, pem=pem)
    owed.settle(session, claim, again=again)
