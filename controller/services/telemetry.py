"""Telemetry as series: samples for an hour, five minutes for a day, hours for a month.

Finished hours are rolled up by an owed row. What is not rolled up yet, or has got late samples since, stands in
`telemetry_due`; a series computes exactly those hours from the samples, so that it never shows an old bucket.
"""

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import Table, and_, delete, func, select, tuple_
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session

from controller.services import desired, journal, samples
from controller.services.actor import Actor
from controller.tables.telemetry import FiveMinutes, Hour, TelemetryDue, TelemetrySample

_SAMPLES: Final[Table] = TelemetrySample.__table__  # type: ignore[attr-defined]  # SQLModel doesn't declare it
_DUE: Final[Table] = TelemetryDue.__table__  # type: ignore[attr-defined]
_FIVE_MINUTES: Final[Table] = FiveMinutes.__table__  # type: ignore[attr-defined]
_HOURS: Final[Table] = Hour.__table__  # type: ignore[attr-defined]

HOUR: Final = timedelta(hours=1)
# Resolution in seconds (0: as they were taken) by span.
SPANS: Final = {"hour": (HOUR, 0), "day": (timedelta(days=1), 300), "month": (timedelta(days=31), 3600)}
_ROLLED: Final = {300: _FIVE_MINUTES, 3600: _HOURS}
# Of the measured a bucket holds mean, least and most; of the rest, whose counters only grow, the last.
MEASURED: Final = ("rssi_dbm", "rsrp_dbm", "rsrq_db", "sinr_db", "temperature_c")
LAST: Final = ("operator", "technology", "band", "cell_id", "tac", "tx_bytes", "rx_bytes")
ROLL_UP_EVERY: Final = HOUR
# A hub sends a batch within five minutes; what comes later makes its hour due again.
GRACE: Final = timedelta(minutes=10)
SHARE: Final = 200
_MOST: Final = 100_000

Bucket = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Samples, oldest first; `resolution_s` 0 means as they were taken."""

    resolution_s: int
    samples: tuple[Bucket, ...]


def series(session: Session, actor: Actor, now: datetime, *, hub_id: str, span: str) -> Series:
    """Return a hub's samples over a span that ends now. Raises NotFoundError.

    Audited: cells tell where a home is, and counters when somebody is in.
    """
    del actor
    desired.state_of(session, hub_id)
    journal.audited(session, "hub", hub_id, "telemetry_read", span=span)
    length, resolution = SPANS[span]
    since = now - length
    if resolution == 0:
        found = _read(session, hub_id, since, now + samples.AHEAD)
        return Series(resolution_s=0, samples=tuple(_raw(row) for row in found))
    # A bucket that has only partly left the span is shown whole.
    since = _floor(since, resolution)
    due = _due_hours(session, hub_id, since)
    buckets = {
        row.at: _shown(row.at, row.count, row.figures)
        for row in _stored(session, _ROLLED[resolution], hub_id, since)
        if _floor(row.at, 3600) not in due
    }
    for hour in due:
        for at, count, figures in _rolled(_read(session, hub_id, hour, hour + HOUR), resolution):
            if at >= since:
                buckets[at] = _shown(at, count, figures)
    return Series(resolution_s=resolution, samples=tuple(buckets[at] for at in sorted(buckets)))


def erase(session: Session, actor: Actor, now: datetime, *, hub_id: str) -> dict[str, int]:
    """Delete a hub's samples and buckets before their time, as its household may ask; returns how many of each.

    Their numbers stay counted, so that nothing the hub still holds brings them back. Raises NotFoundError.
    """
    del actor, now
    desired.state_of(session, hub_id)
    # What is due goes first: on PostgreSQL that waits for a roll-up under way, whose buckets then go with the rest.
    gone = {
        table.name: session.connection().execute(delete(table).where(table.c.hub_id == hub_id)).rowcount
        for table in (_DUE, _SAMPLES, _FIVE_MINUTES, _HOURS)
    }
    journal.audited(session, "hub", hub_id, "telemetry_erased", **gone)
    journal.changed(session, "hub", hub_id, "history")
    return gone


def as_csv(found: Series) -> str:
    """Return a series as CSV (RFC 4180), a column for each figure; unknown is empty."""
    out = io.StringIO(newline="")
    columns = list(found.samples[0]) if found.samples else ["at"]
    writer = csv.DictWriter(out, columns)
    writer.writeheader()
    writer.writerows({name: _defused(value) for name, value in row.items()} for row in found.samples)
    return out.getvalue()


def _defused(value: Any) -> Any:
    """Return text so that no spreadsheet takes it for a formula: an operator's name comes off the air."""
    return f"'{value}" if isinstance(value, str) and value[:1] in {"=", "+", "-", "@", "\t", "\r"} else value


def roll_up(session: Session, now: datetime) -> datetime:
    """Roll a share of the finished hours up; returns when to look again, at once while there are more."""
    finished = _DUE.c.hour <= now - HOUR - GRACE
    statement = select(_DUE.c.hub_id, _DUE.c.hour).where(finished).order_by(_DUE.c.hour, _DUE.c.hub_id).limit(SHARE)
    if session.get_bind().dialect.name == "postgresql":
        statement = statement.with_for_update(skip_locked=True)
    rows = session.connection().execute(statement).all()
    if rows:
        # Gone before the samples are read: those that come meanwhile make their hour due again.
        keys = [(row.hub_id, row.hour) for row in rows]
        session.connection().execute(delete(_DUE).where(tuple_(_DUE.c.hub_id, _DUE.c.hour).in_(keys)))
    for row in rows:
        # Of an hour that has begun to age away the rest would make a smaller bucket of what is whole now.
        if row.hour >= now - samples.KEPT:
            _roll(session, row.hub_id, row.hour)
    return now if len(rows) == SHARE else now + ROLL_UP_EVERY


def waiting(session: Session) -> int:
    """Count the hours that are not rolled up."""
    return session.connection().execute(select(func.count()).select_from(_DUE)).scalar_one()


def _roll(session: Session, hub_id: str, hour: datetime) -> None:
    found = list(_read(session, hub_id, hour, hour + HOUR))
    for resolution, table in _ROLLED.items():
        rows = [
            {"hub_id": hub_id, "at": at, "count": count, "figures": figures}
            for at, count, figures in _rolled(found, resolution)
        ]
        if rows:
            _put(session, table, rows)


def _put(session: Session, table: Table, rows: list[dict[str, Any]]) -> None:
    make: Any = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    statement = make(table)
    new = {"count": statement.excluded.count, "figures": statement.excluded.figures}
    session.connection().execute(statement.on_conflict_do_update(index_elements=["hub_id", "at"], set_=new), rows)


def _read(session: Session, hub_id: str, since: datetime, until: datetime) -> Iterable[Mapping[str, Any]]:
    statement = (
        select(_SAMPLES)
        .where(_SAMPLES.c.hub_id == hub_id, _SAMPLES.c.at >= since, _SAMPLES.c.at < until)
        .order_by(_SAMPLES.c.at, _SAMPLES.c.boot, _SAMPLES.c.seq, _SAMPLES.c.position)
        .limit(_MOST)
    )
    return session.connection().execute(statement).mappings()  # type: ignore[return-value]  # a row is a mapping


def _stored(session: Session, table: Table, hub_id: str, since: datetime) -> Iterable[Any]:
    return session.connection().execute(select(table).where(and_(table.c.hub_id == hub_id, table.c.at >= since)))


def _due_hours(session: Session, hub_id: str, since: datetime) -> set[datetime]:
    statement = select(_DUE.c.hour).where(_DUE.c.hub_id == hub_id, _DUE.c.hour >= _floor(since, 3600))
    return set(session.connection().execute(statement).scalars())


def _raw(row: Mapping[str, Any]) -> Bucket:
    return {"at": row["at"].isoformat(), **{name: row[name] for name in (*MEASURED, *LAST)}}


def _shown(at: datetime, count: int, figures: Mapping[str, Any]) -> Bucket:
    return {"at": at.isoformat(), "count": count, **figures}


def _rolled(rows: Iterable[Mapping[str, Any]], resolution: int) -> list[tuple[datetime, int, Bucket]]:
    buckets: dict[datetime, list[Mapping[str, Any]]] = {}
    for row in rows:
        buckets.setdefault(_floor(row["at"], resolution), []).append(row)
    return [(at, len(members), _figures(members)) for at, members in sorted(buckets.items())]


def _figures(members: list[Mapping[str, Any]]) -> Bucket:
    found: Bucket = {}
    for name in MEASURED:
        known = [row[name] for row in members if row[name] is not None]
        found[name] = round(sum(known) / len(known), 2) if known else None
        found[f"{name}_min"], found[f"{name}_max"] = min(known, default=None), max(known, default=None)
    for name in LAST:
        found[name] = next((row[name] for row in reversed(members) if row[name] is not None), None)
    return found


def _floor(at: datetime, resolution_s: int) -> datetime:
    return datetime.fromtimestamp(int(at.timestamp()) // resolution_s * resolution_s, UTC)
