"""History of hubs: events and telemetry, each once under (hub, boot, seq), and how far each hub may forget.

The acknowledgement of a boot is the highest sequence up to which everything is committed, or known to be lost: what
lies below the oldest message that a hub still holds can never come, so it is recorded as a gap (decision 5).
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Table, and_, delete, insert, or_, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session

from controller.services import journal
from controller.services.actor import Actor
from controller.tables.hubs import HubBoot, HubEvent, HubMessage, HubState
from controller.tables.telemetry import TelemetrySample

_BOOTS: Final[Table] = HubBoot.__table__  # type: ignore[attr-defined]  # SQLModel doesn't declare it
_MESSAGES: Final[Table] = HubMessage.__table__  # type: ignore[attr-defined]
_EVENTS: Final[Table] = HubEvent.__table__  # type: ignore[attr-defined]
_SAMPLES: Final[Table] = TelemetrySample.__table__  # type: ignore[attr-defined]
_STATES: Final[Table] = HubState.__table__  # type: ignore[attr-defined]
_CHUNK: Final = 400

Key = tuple[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class HubHistory:
    """One message of history: a batch of samples, or one event. Keys are the columns' names; `at` may be absent."""

    hub_id: str
    boot: int
    seq: int
    samples: tuple[dict[str, Any], ...] = ()
    event: dict[str, Any] | None = None


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
    session: Session, actor: Actor, now: datetime, *, batch: Sequence[HubHistory]
) -> dict[str, tuple[BootAck, ...]]:
    """Commit a batch, each message once; returns each hub's acknowledgement. Messages of unknown hubs are left out."""
    del actor
    known = _known_hubs(session, {each.hub_id for each in batch})
    wanted = {(m.hub_id, m.boot, m.seq): m for m in batch if m.hub_id in known}
    boots = _boots(session, {(hub, boot) for hub, boot, _ in wanted}, now)
    ahead = _ahead(session, boots)
    new = {
        key: message
        for key, message in wanted.items()
        if key[2] > boots[key[0], key[1]] and key[2] not in ahead[key[0], key[1]]
    }
    _insert(session, list(new.values()), now)
    for hub, boot, seq in new:
        ahead[hub, boot].add(seq)
    _advance(session, boots, ahead, {(hub, boot, seq) for hub, boot, seq in new})
    _seen(session, known & {m.hub_id for m in batch}, now)
    for hub in sorted({hub for hub, _, _ in new}):
        journal.changed(session, "hub", hub, "history")
    return _acks(boots)


def note_spool(session: Session, now: datetime, *, hub_id: str, spool: Iterable[Spooled]) -> None:
    """Take note of what a hub still holds: what is missing below its oldest message is a gap, counted as lost."""
    held = {(hub_id, each.boot): each for each in spool}
    boots = _boots(session, set(held), now)
    ahead = _ahead(session, boots)
    for key, each in held.items():
        floor = each.oldest - 1
        if floor > boots[key]:
            lost = floor - boots[key] - sum(1 for seq in ahead[key] if seq <= floor)
            boots[key] = floor
            _write_boot(session, key, floor, lost)
            _forget(session, key, floor)
    _advance(session, boots, ahead, set())


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


def acknowledged(session: Session, actor: Actor, now: datetime, *, hub_id: str, acks: Sequence[BootAck]) -> None:
    """Remember what a hub was told."""
    del actor, now
    for ack in acks:
        mine = and_(_BOOTS.c.hub_id == hub_id, _BOOTS.c.boot == ack.boot, _BOOTS.c.acknowledged < ack.seq)
        session.connection().execute(update(_BOOTS).where(mine).values(acknowledged=ack.seq))


def _known_hubs(session: Session, hub_ids: set[str]) -> set[str]:
    ids = sorted(hub_ids)
    found: set[str] = set()
    for start in range(0, len(ids), _CHUNK):
        statement = select(_STATES.c.hub_id).where(_STATES.c.hub_id.in_(ids[start : start + _CHUNK]))
        found.update(session.connection().execute(statement).scalars())
    return found


def _boots(session: Session, keys: set[Key], now: datetime) -> dict[Key, int]:
    """Return how far each boot is committed, starting those never heard of; locks them against a second writer."""
    del now
    if not keys:
        return {}
    ordered = sorted(keys)
    make = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    rows = [{"hub_id": hub, "boot": boot, "contiguous": 0, "acknowledged": 0, "lost": 0} for hub, boot in ordered]
    found: dict[Key, int] = {}
    for start in range(0, len(rows), _CHUNK):
        chunk = ordered[start : start + _CHUNK]
        session.connection().execute(make(_BOOTS).values(rows[start : start + _CHUNK]).on_conflict_do_nothing())
        statement = (
            select(_BOOTS.c.hub_id, _BOOTS.c.boot, _BOOTS.c.contiguous)
            .where(tuple_(_BOOTS.c.hub_id, _BOOTS.c.boot).in_(chunk))
            .order_by(_BOOTS.c.hub_id, _BOOTS.c.boot)
            .with_for_update()
        )
        found.update({(row.hub_id, row.boot): row.contiguous for row in session.connection().execute(statement)})
    return found


def _ahead(session: Session, boots: Iterable[Key]) -> dict[Key, set[int]]:
    keys = sorted(boots)
    found: dict[Key, set[int]] = {key: set() for key in keys}
    for start in range(0, len(keys), _CHUNK):
        statement = select(_MESSAGES).where(
            tuple_(_MESSAGES.c.hub_id, _MESSAGES.c.boot).in_(keys[start : start + _CHUNK])
        )
        for row in session.connection().execute(statement):
            found[row.hub_id, row.boot].add(row.seq)
    return found


def _advance(
    session: Session, boots: dict[Key, int], ahead: dict[Key, set[int]], new: set[tuple[str, int, int]]
) -> None:
    """Move each boot's contiguous sequence as far as it goes, and keep what lies beyond the next gap."""
    stays: list[dict[str, Any]] = []
    for key, before in list(boots.items()):
        reached = before
        while reached + 1 in ahead[key]:
            reached += 1
        if reached > before:
            _write_boot(session, key, reached, 0)
            _forget(session, key, reached)
        boots[key] = reached
        stays.extend(
            {"hub_id": hub, "boot": boot, "seq": seq} for hub, boot, seq in new if (hub, boot) == key and seq > reached
        )
    if stays:
        session.connection().execute(insert(_MESSAGES), sorted(stays, key=lambda row: tuple(row.values())))


def _write_boot(session: Session, key: Key, contiguous: int, lost: int) -> None:
    statement = (
        update(_BOOTS)
        .where(_BOOTS.c.hub_id == key[0], _BOOTS.c.boot == key[1])
        .values(contiguous=contiguous, lost=_BOOTS.c.lost + lost)
    )
    session.connection().execute(statement)


def _forget(session: Session, key: Key, reached: int) -> None:
    passed = and_(_MESSAGES.c.hub_id == key[0], _MESSAGES.c.boot == key[1], _MESSAGES.c.seq <= reached)
    session.connection().execute(delete(_MESSAGES).where(passed))


def _insert(session: Session, messages: Sequence[HubHistory], now: datetime) -> None:
    events = [
        {"at": None, "severity": "info", "facts": {}, **m.event, **_key(m), "received_at": now}
        for m in messages
        if m.event is not None
    ]
    if events:
        session.connection().execute(insert(_EVENTS), events)
    blank: dict[str, Any] = dict.fromkeys(column.name for column in _SAMPLES.c)
    samples = [
        {**blank, **sample, **_key(m), "position": position, "at": sample.get("at") or now}
        for m in messages
        for position, sample in enumerate(m.samples)
    ]
    for start in range(0, len(samples), 1000):
        session.connection().execute(insert(_SAMPLES), samples[start : start + 1000])


def _key(message: HubHistory) -> dict[str, Any]:
    return {"hub_id": message.hub_id, "boot": message.boot, "seq": message.seq}


def _seen(session: Session, hub_ids: set[str], now: datetime) -> None:
    if hub_ids:
        older = or_(_STATES.c.last_seen_at.is_(None), _STATES.c.last_seen_at < now)
        statement = update(_STATES).where(_STATES.c.hub_id.in_(sorted(hub_ids)), older).values(last_seen_at=now)
        session.connection().execute(statement)


def _acks(boots: dict[Key, int]) -> dict[str, tuple[BootAck, ...]]:
    found: dict[str, list[BootAck]] = defaultdict(list)
    for (hub, boot), seq in sorted(boots.items()):
        if seq > 0:
            found[hub].append(BootAck(boot=boot, seq=seq))
    return {hub: tuple(acks) for hub, acks in found.items()}
