"""The carrier's webhooks: checked, taken in once under their event's id, like any observation. Order doesn't matter.

An operation that ended says only "look at the SIM": its row becomes due, and the work loop reads.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Final

import structlog
from fastapi import APIRouter, Request, Response
from sqlmodel import Session, select

from controller.carrier.port import (
    Carrier,
    NotUnderstoodError,
    Observation,
    OperationState,
    UntrustedWebhookError,
    Webhook,
)
from controller.services import owed, sims
from controller.services.actor import Actor
from controller.services.database import Database
from controller.tables.sims import SimState
from controller.work.sims import observe

PATH: Final = "/hooks/carrier"
LARGEST: Final = 64 * 1024
ACTOR: Final = Actor.system("carrier.webhook")


def carrier_router(database: Database, carrier: Carrier, secret: str, now: Callable[[], datetime]) -> APIRouter:
    """Make the route. 204 settles a webhook; 400 and 401 are answered to what is not one; 413 to what is too large."""
    router = APIRouter()
    log = structlog.get_logger("controller.carrier")

    @router.post(PATH, status_code=204, response_class=Response, tags=["hooks"])
    async def receive(request: Request) -> Response:
        """Take one event of the carrier's."""
        body = bytearray()
        async for part in request.stream():
            body += part
            if len(body) > LARGEST:
                return Response(status_code=413)
        try:
            webhook = carrier.read_webhook(request.headers, bytes(body), secret)
        except UntrustedWebhookError as error:
            log.warning("webhook_untrusted", error=str(error))
            return Response(status_code=401)
        except NotUnderstoodError as error:
            log.warning("webhook_not_understood", error=str(error))
            return Response(status_code=400)
        await database.run(take_webhook, actor=ACTOR, now=now(), webhook=webhook)
        return Response(status_code=204)

    return router


def take_webhook(session: Session, actor: Actor, now: datetime, *, webhook: Webhook) -> None:
    """Record what a webhook says, once: with its event's id, or not at all."""
    if not sims.seen_event(session, actor, now, event_id=webhook.event_id):
        return
    for item in webhook.news:
        if isinstance(item, Observation):
            observe(session, actor, now, observation=item)
        elif item.state is not OperationState.RUNNING:
            row = session.exec(select(SimState).where(SimState.iccid == item.iccid)).first()
            if row is not None and not sims.is_as_intended(row):
                owed.mark(session, sims.NOUN, row.id, now=now)
