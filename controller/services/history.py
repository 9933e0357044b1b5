"""History of hubs: events and telemetry, each once under (hub, boot, seq), and how far each hub may forget.

The acknowledgement of a boot is the highest sequence up to which everything is committed, or known to be lost: what
lies below the oldest message that a hub still holds can never come, so it is recorded as a gap (decision 5).
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain
from operator import attrgetter
from typing import Any, Final

import msgspec
from sqlalchemy import Table
from sqlmodel import Session, select

from controller.services import journal, samples, signal
from controller.services.actor import Actor
from controller.services.bulk import Bulk
from controller.services.samples import Sample
from controller.tables.hubs import HubBoot, HubEvent
from controller.tables.telemetry import TelemetrySample

_BOOTS: Final[Table] = HubBoot.__table__  # type: ignore[attr-defined]  # SQLModel doesn't declare it
# Readers of the feed hear of a hub's history so often: a page that refetches for each batch shows nothing more.
FEED_EVERY: Final = timedelta(minutes=1)

Key = tuple[str, int]


class HubHistory(msgspec.Struct, frozen=True, gc=False):
    """One message of history: a batch of samples (services/samples.py: SAMPLE), or one event by columns' names."""

    hub_id: str
    boot: int
    seq: int
    samples: tuple[Sample, ...] = ()
    event: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BootAck:
    """Everything of `boot` up to and including `seq` is ours."""

    boot: int
    seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Spooled:
    """What a hub still holds of one boot."""

    boot: int
    oldest: int
    newest: int


def record(
    session: Session,
    actor: Actor,
    now: datetime,
    *,
    batch: Sequence[HubHistory],
    known: Mapping[str, bool] | None = None,
) -> dict[str, tuple[BootAck, ...]]:
    """Commit a batch, each message once; returns each hub's acknowledgement.

    Messages of hubs that are not among `known_hubs` are left out; the caller may have looked already.
    """
    del actor
    known = known_hubs(session, {each.hub_id for each in batch}, now) if known is None else known
    wanted: defaultdict[Key, dict[int, HubHistory]] = defaultdict(dict)
    for message in batch:
        if message.hub_id in known:
            wanted[message.hub_id, message.boot][message.seq] = message
    boots = _boots(session, wanted)
    ahead = _ahead(session, boots)
    for key, messages in wanted.items():
        for seq in [seq for seq in messages if seq <= boots[key] or seq in ahead[key]]:
            del messages[seq]
    _store(session, list(chain.from_iterable(messages.values() for messages in wanted.values())), now)
    _advance(session, boots, ahead, wanted)
    hubs = sorted({hub for hub, _ in wanted})
    _SEEN.run(session, [(hub, now) for hub in hubs])
    fresh = {hub for (hub, _), messages in wanted.items() if messages}
    for hub in hubs:
        if hub in fresh and known[hub]:
            journal.changed(session, "hub", hub, "history")
    return _acks(boots)


def keep(session: Session, now: datetime, *, message: HubHistory) -> bool:
    """Keep what a message holds whose number was counted already, once; False if it is here (a replay)."""
    number = {"hub_id": message.hub_id, "boot": message.boot, "seq": message.seq}
    for table in (HubEvent, TelemetrySample):
        if session.exec(select(table).filter_by(**number).limit(1)).first() is not None:
            return False
    _store(session, [message], now)
    journal.changed(session, "hub", message.hub_id, "history")
    return True


def known_hubs(session: Session, hub_ids: Iterable[str], now: datetime) -> dict[str, bool]:
    """Return which of these hubs are enrolled and not revoked, held against a second writer in the order of their ids.

    The value tells whether readers of the feed have heard nothing of it for a while.
    """
    rows = [(hub, now - FEED_EVERY) for hub in sorted(set(hub_ids))]
    return {row.hub_id: bool(row.quiet) for row in _KNOWN.run(session, rows)} if rows else {}


def note_spool(session: Session, *, hub_id: str, spool: Iterable[Spooled]) -> None:
    """Take note of what a hub still holds: what is missing below its oldest message is a gap, counted as lost."""
    held = {(hub_id, each.boot): each for each in spool}
    boots = _boots(session, set(held))
    ahead = _ahead(session, boots)
    moved: list[tuple[str, int, int, int]] = []
    for key, each in held.items():
        floor = each.oldest - 1
        if floor > boots[key]:
            moved.append((*key, floor, floor - boots[key] - sum(1 for seq in ahead[key] if seq <= floor)))
            boots[key] = floor
    if moved:
        _MOVE.run(session, moved)
    _advance(session, boots, ahead, {})


def acks_of(session: Session, hub_id: str) -> tuple[BootAck, ...]:
    """Return a hub's acknowledgement of every boot that has one, the newest 64 boots."""
    statement = (
        select(_BOOTS.c.boot, _BOOTS.c.contiguous)
        .where(_BOOTS.c.hub_id == hub_id, _BOOTS.c.contiguous > 0)
        .order_by(_BOOTS.c.boot.desc())
        .limit(64)
    )
    rows = session.connection().execute(statement).all()
    return tuple(BootAck(boot=row.boot, seq=row.contiguous) for row in sorted(rows, key=lambda row: row.boot))


def owed_acks(session: Session, actor: Actor, now: datetime, *, limit: int = 500) -> dict[str, tuple[BootAck, ...]]:
    """Return the acknowledgements that hubs were not told yet."""
    del actor, now
    statement = (
        select(_BOOTS.c.hub_id, _BOOTS.c.boot, _BOOTS.c.contiguous)
        .where(_BOOTS.c.contiguous > _BOOTS.c.acknowledged)
        .order_by(_BOOTS.c.hub_id, _BOOTS.c.boot)
        .limit(limit)
    )
    found: dict[str, list[BootAck]] = defaultdict(list)
    for row in session.connection().execute(statement):
        found[row.hub_id].append(BootAck(boot=row.boot, seq=row.contiguous))
    return {hub: tuple(acks) for hub, acks in found.items()}


def acknowledged(session: Session, actor: Actor, now: datetime, *, told: Mapping[str, Mapping[int, int]]) -> None:
    """Remember what hubs were told: {hub: {boot: seq}}."""
    del actor, now
    if rows := sorted((hub, boot, seq) for hub, boots in told.items() for boot, seq in boots.items()):
        _TOLD.run(session, rows)


_KNOWN: Final = Bulk(
    {"hub_id": "text", "since": "instant"},
    "SELECT s.hub_id, (s.last_seen_at IS NULL OR s.last_seen_at < r.since) AS quiet "
    "FROM hub_states AS s JOIN {rows} ON r.hub_id = s.hub_id "
    "WHERE EXISTS (SELECT 1 FROM hubs AS h WHERE h.id = s.hub_id AND h.superseded_at IS NULL AND h.revoked_at IS NULL) "
    "ORDER BY s.hub_id {lock}",
    "FOR UPDATE OF s",
)
_SEEN: Final = Bulk(
    {"hub_id": "text", "at": "instant"},
    "UPDATE hub_states SET last_seen_at = r.at FROM {rows} "
    "WHERE hub_states.hub_id = r.hub_id AND (last_seen_at IS NULL OR last_seen_at < r.at)",
)
_KEY: Final = {"hub_id": "text", "boot": "bigint"}
_BEGIN: Final = Bulk(
    _KEY,
    "INSERT INTO hub_boots (hub_id, boot, contiguous, acknowledged, lost) "
    "SELECT hub_id, boot, 0, 0, 0 FROM {rows} WHERE true ON CONFLICT DO NOTHING",
)
_HELD: Final = Bulk(
    _KEY,
    "SELECT b.hub_id, b.boot, b.contiguous FROM hub_boots AS b JOIN {rows} ON b.hub_id = r.hub_id AND b.boot = r.boot "
    "ORDER BY b.hub_id, b.boot {lock}",
    "FOR UPDATE OF b",
)
_MOVE: Final = Bulk(
    {**_KEY, "contiguous": "bigint", "lost": "bigint"},
    "UPDATE hub_boots SET contiguous = r.contiguous, lost = hub_boots.lost + r.lost FROM {rows} "
    "WHERE hub_boots.hub_id = r.hub_id AND hub_boots.boot = r.boot",
)
_TOLD: Final = Bulk(
    {**_KEY, "seq": "bigint"},
    "UPDATE hub_boots SET acknowledged = r.seq FROM {rows} "
    "WHERE hub_boots.hub_id = r.hub_id AND hub_boots.boot = r.boot AND hub_boots.acknowledged < r.seq",
)
_AHEAD: Final = Bulk(
    _KEY,
    "SELECT m.hub_id, m.boot, m.seq FROM hub_messages AS m JOIN {rows} ON m.hub_id = r.hub_id AND m.boot = r.boot",
)
_NUMBER: Final = {**_KEY, "seq": "bigint"}
_KEEP: Final = Bulk(_NUMBER, "INSERT INTO hub_messages (hub_id, boot, seq) SELECT hub_id, boot, seq FROM {rows}")
_FORGET: Final = Bulk(
    {**_KEY, "reached": "bigint"},
    "DELETE FROM hub_messages WHERE EXISTS (SELECT 1 FROM {rows} "
    "WHERE r.hub_id = hub_messages.hub_id AND r.boot = hub_messages.boot AND hub_messages.seq <= r.reached)",
)
_EVENTS: Final = Bulk(
    {
        **_NUMBER,
        "kind": "text",
        "severity": "text",
        "uptime_ms": "bigint",
        "at": "instant",
        "received_at": "instant",
        "facts": "json",
    },
    "INSERT INTO hub_events (hub_id, boot, seq, kind, severity, uptime_ms, at, received_at, facts) "
    "SELECT hub_id, boot, seq, kind, severity, uptime_ms, at, received_at, facts FROM {rows}",
)


def _boots(session: Session, keys: Iterable[Key]) -> dict[Key, int]:
    """Return how far each boot is committed, starting those never heard of; locks them against a second writer."""
    ordered = sorted(keys)
    found = _held(session, ordered)
    if missing := [key for key in ordered if key not in found]:
        _BEGIN.run(session, missing)
        found |= _held(session, missing)
    return found


def _held(session: Session, keys: Sequence[Key]) -> dict[Key, int]:
    return {(row.hub_id, row.boot): row.contiguous for row in _HELD.run(session, keys)} if keys else {}


def _ahead(session: Session, boots: Iterable[Key]) -> dict[Key, set[int]]:
    keys = sorted(boots)
    found: dict[Key, set[int]] = {key: set() for key in keys}
    for row in _AHEAD.run(session, keys) if keys else ():
        found[row.hub_id, row.boot].add(row.seq)
    return found


def _advance(
    session: Session, boots: dict[Key, int], ahead: Mapping[Key, set[int]], new: Mapping[Key, Collection[int]]
) -> None:
    """Move each boot's contiguous sequence as far as it goes, and keep what lies beyond the next gap."""
    moved: list[tuple[str, int, int, int]] = []
    stays: list[tuple[str, int, int]] = []
    for key, before in list(boots.items()):
        came, stored, reached = new.get(key, ()), ahead[key], before
        while reached + 1 in came or reached + 1 in stored:
            reached += 1
        if reached > before:
            boots[key] = reached
            moved.append((*key, reached, 0))
        stays += [(*key, seq) for seq in came if seq > reached]
    if moved:
        _MOVE.run(session, moved)
    if passed := [(*key, boots[key]) for key, stored in ahead.items() if stored and min(stored) <= boots[key]]:
        _FORGET.run(session, passed)
    if stays:
        _KEEP.run(session, sorted(stays))


def _store(session: Session, messages: Sequence[HubHistory], now: datetime) -> None:
    if events := [_event(m, m.event, now) for m in messages if m.event is not None]:
        _EVENTS.run(session, events)
    if sampled := [message for message in messages if message.samples]:
        samples.store(session, sampled, now=now)
        # By their numbers, not as they came: a spool or a second controller brings older ones behind newer ones.
        in_order = sorted(sampled, key=attrgetter("boot", "seq"))
        signal.judge(session, {message.hub_id: message.samples for message in in_order}, now)


def _event(message: HubHistory, event: Mapping[str, Any], now: datetime) -> tuple[Any, ...]:
    facts = (event["kind"], event.get("severity", "info"), event.get("uptime_ms", 0), event.get("at"))
    return (message.hub_id, message.boot, message.seq, *facts, now, event.get("facts", {}))


def _acks(boots: dict[Key, int]) -> dict[str, tuple[BootAck, ...]]:
    found: dict[str, list[BootAck]] = defaultdict(list)
    for (hub, boot), seq in sorted(boots.items()):
        if seq > 0:
            found[hub].append(BootAck(boot=boot, seq=seq))
    return {hub: tuple(acks) for hub, acks in found.items()}
