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
from controller.services.errors import NotFoundError
from controller.services.owed import Claim
from controller.work.loop import postpone, settle

ACTOR: Final = Actor.system("work.dispatch")


class Dispatch:
    """Handles one row of noun "dispatch"."""

    def __init__(self, database: Database, courier: Courier, now: Callable[[], datetime]) -> None:
        self._database, self._courier, self._now = database, courier, now
        self._log = structlog.get_logger("controller.work").bind(noun=dispatch.NOUN)

    async def handle(self, claim: Claim) -> None:
        """Hand one order to the courier; a crash before it is recorded orders the same reference again."""
        work = await self._database.run(look, actor=ACTOR, now=self._now(), claim=claim)
        if work is None:
            return
        try:
            if not work.postcode:
                raise CourierError("no address is known")  # noqa: TRY301  # one way out for both failures
            reference = await self._courier.order(Parcel(work.reference, work.holder_name, work.postcode))
        except CourierError as error:
            self._log.warning("order_not_taken", order=work.id, error=str(error))
            await self._database.run(postpone, actor=ACTOR, now=self._now(), claim=claim, error=str(error))
            return
        self._log.info("order_taken", order=work.id, courier_reference=reference)
        await self._database.run(settle, actor=ACTOR, now=self._now(), claim=claim)


def look(session: Session, actor: Actor, now: datetime, *, claim: Claim) -> dispatch.OrderWork | None:
    """Return the order if it has still to be told; None, and settled, otherwise."""
    try:
        work = dispatch.look(session, actor, now, order_id=claim.key)
    except NotFoundError:
        work = None
    if work is None or work.state != "ordered":
        settle(session, actor, now, claim=claim)
        return None
    return work
