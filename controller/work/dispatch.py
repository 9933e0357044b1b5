"""Dispatch orders: told to the courier under their own reference; what becomes of the parcel comes back by the API."""

from collections.abc import Callable
from datetime import datetime
from typing import Final

import structlog
from sqlmodel import Session

from controller.notify.courier import Courier, CourierError, Parcel
from controller.services import dispatch
from controller.services.actor import Actor
from controller.services.database import Database
from controller.services.owed import Claim
from controller.work.loop import Work, one_by_one, postpone, settle

ACTOR: Final = Actor.system("work.dispatch")
CONCURRENCY: Final = 2


class Dispatch:
    """Handles one row of noun "dispatch"."""

    def __init__(self, database: Database, courier: Courier, now: Callable[[], datetime]) -> None:
        self._database, self._courier, self._now = database, courier, now
        self._log = structlog.get_logger("controller.work").bind(noun=dispatch.NOUN)

    def work(self) -> Work:
        """Return the loop's description."""
        return Work(dispatch.NOUN, CONCURRENCY, self.handle, prepare=look)

    async def handle(self, claim: Claim, work: dispatch.OrderWork) -> None:
        """Hand one order to the courier; a crash before it is recorded orders the same reference again."""
        try:
            if not work.postcode:
                raise CourierError("no address is known")  # noqa: TRY301  # one way out for both failures
            reference = await self._courier.order(Parcel(work.reference, work.holder_name, work.postcode))
        except CourierError as error:
            self._log.warning("order_not_taken", order=work.id, error=str(error))
            await self._database.run(postpone, actor=ACTOR, now=self._now(), claim=claim, error=str(error))
            return
        self._log.info("order_taken", order=work.id, courier_reference=reference)
        await self._database.run(record_taken, actor=ACTOR, now=self._now(), claim=claim, courier_reference=reference)


def attempt(session: Session, actor: Actor, now: datetime, key: str) -> dispatch.OrderWork | None:
    """Return the order if it has still to be told, written down as one that may be."""
    return dispatch.attempt(session, actor, now, order_id=key)


look: Final = one_by_one(attempt)


def record_taken(session: Session, actor: Actor, now: datetime, *, claim: Claim, courier_reference: str) -> None:
    """Record that the courier took the order."""
    dispatch.record_taken(session, actor, now, order_id=claim.key, courier_reference=courier_reference)
    settle(session, actor, now, claim=claim)
