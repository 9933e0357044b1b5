"""The carrier's webhooks: checked, taken in once under their event's id, like any observation. Order doesn't matter.

An operation that ended says only "look at the SIM": its row becomes due, and the work loop reads.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

import structlog
from fastapi import APIRouter, Request, Response
from sqlmodel import Session

from controller.carrier.port import (
    Carrier,
    NotUnderstoodError,
    Observation,
    OperationNews,
    OperationState,
    UntrustedWebhookError,
    Webhook,
)
from controller.services import sims
from controller.services.actor import Actor
from controller.services.database import Database
from controller.work.sim_records import seen_of
from controller.work.together import Together

PATH: Final = "/hooks/carrier"
LARGEST: Final = 64 * 1024
ACTOR: Final = Actor.system("carrier.webhook")


def carrier_router(database: Database, carrier: Carrier, secret: str, now: Callable[[], datetime]) -> APIRouter:
    """Make the route. 204 settles a webhook; 400 and 401 are answered to what is not one; 413 to what is too large."""
    router = APIRouter()
    taking = Together(database, ACTOR, now, take_webhooks)
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
        await taking.add(webhook)
        return Response(status_code=204)

    return router


def take_webhooks(session: Session, actor: Actor, now: datetime, *, items: Sequence[Webhook]) -> list[None]:
    """Record what webhooks say, each once: with its event's id, or not at all."""
    # Of copies in one batch the first counts, as it would had they come one by one.
    events = {webhook.event_id: webhook for webhook in reversed(items)}
    new = sims.new_events(session, now, events)
    news = [item for id_, webhook in reversed(events.items()) if id_ in new for item in webhook.news]
    sims.observe_many(session, actor, now, [seen_of(item) for item in news if isinstance(item, Observation)])
    moved = [item for item in news if isinstance(item, OperationNews) and item.state is not OperationState.RUNNING]
    sims.doubt(session, now, [item.iccid for item in moved])
    return [None] * len(items)
