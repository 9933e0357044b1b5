"""One transaction for one batch: reports, presence, history and quarantine, each idempotent under its own numbers."""

from collections import defaultdict
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlmodel import Session

from controller.ingest.decode import HistoryMessage, Incoming, PresenceMessage, Quarantined, ReportMessage
from controller.services import history, quarantine, reported
from controller.services.actor import Actor
from controller.services.history import HubHistory


@dataclass(slots=True)
class Taken:
    """What a committed batch allows: acknowledgements {hub: {boot: seq}}, and which hubs get theirs at once."""

    acks: dict[str, dict[int, int]] = field(default_factory=dict)
    at_once: set[str] = field(default_factory=set)
    quarantined: int = 0

    def merge(self, other: "Taken") -> None:
        """Add another batch's result."""
        for hub_id, boots in other.acks.items():
            self.acknowledge(hub_id, boots.items())
        self.at_once |= other.at_once
        self.quarantined += other.quarantined

    def acknowledge(self, hub_id: str, boots: Iterable[tuple[int, int]]) -> None:
        """Add one hub's boots; the highest seq of each counts."""
        known = self.acks.setdefault(hub_id, {})
        for boot, seq in boots:
            known[boot] = max(seq, known.get(boot, 0))


def take_in(session: Session, actor: Actor, now: datetime, *, received: Sequence[Incoming]) -> Taken:
    """Record a batch. Messages of unknown or revoked hubs go to the quarantine with the unreadable ones."""
    taken = Taken()
    known = history.known_hubs(session, {m.hub_id for m in received if m.hub_id}, now)
    kinds = _by_kind(received, known)
    past: list[HistoryMessage] = kinds[HistoryMessage]
    batch = [message.history for message in past]
    if aside := kinds[Quarantined]:
        kept = quarantine.put(session, actor, now, messages=[(each.topic, each.payload, each.reason) for each in aside])
        taken.quarantined = len(aside)
        # What is kept here need not be kept by the hub: its number counts, or it would come again for ever.
        batch += [HubHistory(m.hub_id, *m.number) for m in aside[: len(kept)] if m.number]
    if batch:
        acks = history.record(session, actor, now, batch=batch, known=known)
        for hub_id, boots in acks.items():
            taken.acknowledge(hub_id, ((ack.boot, ack.seq) for ack in boots))
        taken.at_once |= {message.hub_id for message in past if message.history.event is not None}
    for presence in kinds[PresenceMessage]:
        reported.presence(
            session,
            actor,
            now,
            hub_id=presence.hub_id,
            state=presence.state,
            boot=presence.boot,
            connection=presence.connection,
        )
    for message in kinds[ReportMessage]:
        result = reported.record(session, actor, now, hub_id=message.hub_id, report=message.report)
        if result.acks:
            taken.acknowledge(message.hub_id, ((ack.boot, ack.seq) for ack in result.acks))
            taken.at_once.add(message.hub_id)
    return taken


def _by_kind(received: Iterable[Incoming], known: Container[str]) -> defaultdict[type[Incoming], list[Any]]:
    kinds: defaultdict[type[Incoming], list[Any]] = defaultdict(list)
    for message in received:
        if message.hub_id in known or isinstance(message, Quarantined):
            kinds[type(message)].append(message)
        else:
            stranger = Quarantined(message.topic, message.payload, "no such hub is enrolled, or it was revoked")
            kinds[Quarantined].append(stranger)
    return kinds
