"""Hubs: compose what a hub should be, render it, publish it retained, and come back when its lease wants renewing."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlmodel import Session, col, or_, select

from controller.link.keeper import Keeper
from controller.link.port import LinkError
from controller.link.render import render_document
from controller.services import desired, doorbells, owed, reported
from controller.services.actor import Actor
from controller.services.database import Database
from controller.services.owed import Claim
from controller.tables.hubs import HubState
from controller.work.loop import Work, postpone
from controller.work.together import Together

NOUN: Final = "hubs"
ACTOR: Final = Actor.system("work.hubs")
# A document without a lease is kept by the broker so long; nothing depends on it (decision 4).
KEPT: Final = timedelta(days=7)
NO_LINK_RETRY_S: Final = 1.0
CONCURRENCY: Final = 8


@dataclass(frozen=True, slots=True)
class Publication:
    """A document that the broker took; its lease is looked at `again`."""

    claim: Claim
    revision: int
    again: datetime | None


class Hubs:
    """Handles one row of noun "hubs"."""

    def __init__(self, database: Database, keeper: Keeper, now: Callable[[], datetime], *, lists_base_url: str) -> None:
        self._database, self._keeper, self._now, self._lists_base_url = database, keeper, now, lists_base_url
        self._records = Together(database, ACTOR, now, published)
        self._log = structlog.get_logger("controller.work").bind(noun=NOUN)

    async def gate(self) -> float:
        """Return how long to wait before claiming: without a link nothing can be published."""
        return 0.0 if self._keeper.current is not None else NO_LINK_RETRY_S

    def work(self) -> Work:
        """Return the loop's description."""
        return Work(NOUN, CONCURRENCY, self.handle, self.gate, compose)

    async def handle(self, _claim: Claim, step: tuple[desired.DesiredDocument, Claim]) -> None:
        """Publish the document due to one hub, under the claim that covers what was composed."""
        document, claim = step
        rendered = render_document(document, lists_base_url=self._lists_base_url)
        expires = (document.until or self._now() + KEPT) - self._now()
        link = self._keeper.current
        try:
            if link is None:
                raise LinkError("there is no link to the broker")  # noqa: TRY301  # one way out for both losses
            await link.publish(
                rendered.topic, rendered.payload, retain=True, expiry_s=max(1, int(expires.total_seconds()))
            )
        except LinkError as error:
            await self._database.run(
                postpone, actor=ACTOR, now=self._now(), claim=claim, error=str(error), safe_direction=True
            )
            return
        self._log.info("document_published", hub=document.hub_id, revision=document.revision)
        await self._records.add(Publication(claim, document.revision, document.renew_at))


def compose(
    session: Session, actor: Actor, now: datetime, *, claims: Sequence[Claim]
) -> list[tuple[desired.DesiredDocument, Claim] | None]:
    """Return the documents to publish, each with the claim that covers it.

    None, and settled, for a hub that is not enrolled any more, and for one that has this very document.
    """
    del actor
    documents = desired.refresh_many(session, [claim.key for claim in claims], now)
    # Composing marks the row when it changes the document, as when a lease is renewed: that change is in hand here,
    # and a claim of before would leave the row due and the document published twice.
    held = [owed.in_hand(session, claim) for claim in claims]
    steps: list[tuple[desired.DesiredDocument, Claim] | None] = []
    over: dict[Claim, datetime | None] = {}
    for claim in held:
        document = documents.get(claim.key)
        if document is None or _is_there(document):
            over[claim] = document.renew_at if document is not None else None
        steps.append((document, claim) if document is not None and claim not in over else None)
    owed.settle_many(session, over)
    return steps


def _is_there(document: desired.DesiredDocument) -> bool:
    return document.revision == document.observed_revision == document.published_revision


def owe_undelivered(session: Session, actor: Actor, now: datetime) -> None:
    """Owe their documents again to hubs that may wait for one: those present, and those that should be on.

    Called on every connection to the broker, which may have lost documents and hellos alike. A hub answers a document
    that it has already by reporting itself. Hubs that nothing was heard of for a while are present again when they do.
    """
    del actor
    waiting = or_(col(HubState.present), HubState.desired["internet_on"].as_boolean())
    statement = select(HubState.hub_id).where(HubState.observed_revision != HubState.revision, waiting)
    owed.mark_many(session, NOUN, [(hub_id, None, now) for hub_id in session.exec(statement)], now=now)
    reported.doubt(session, now)


def published(session: Session, actor: Actor, now: datetime, *, items: Sequence[Publication]) -> list[None]:
    """Record that the broker took documents; their leases are looked at again in time."""
    del actor
    desired.published_many(session, {each.claim.key: each.revision for each in items})
    # Its lease runs: it should be online, and is looked after until it is heard of.
    doorbells.expect_many(session, now, [each.claim.key for each in items if each.again is not None])
    owed.settle_many(session, {each.claim: each.again for each in items})
    return [None] * len(items)
