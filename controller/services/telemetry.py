"""Telemetry as series: raw for an hour, five minutes for a day, hours for a month."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import Table, select
from sqlmodel import Session

from controller.services import desired
from controller.services.actor import Actor
from controller.tables.telemetry import TelemetrySample

_SAMPLES: Final[Table] = TelemetrySample.__table__  # type: ignore[attr-defined]  # SQLModel doesn't declare it
SPANS: Final = {
    "hour": (timedelta(hours=1), 0),
    "day": (timedelta(days=1), 300),
    "month": (timedelta(days=31), 3600),
}
_MEANS: Final = ("rssi_dbm", "rsrp_dbm", "rsrq_db", "sinr_db", "temperature_c")
_LAST: Final = ("operator", "technology", "band", "cell_id", "tac", "tx_bytes", "rx_bytes")
_MOST: Final = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Samples, oldest first; `resolution_s` 0 means as they were taken."""

    resolution_s: int
    samples: tuple[dict[str, Any], ...]


def series(session: Session, actor: Actor, now: datetime, *, hub_id: str, span: str) -> Series:
    """Return a hub's samples over a span that ends now. Raises NotFoundError."""
    del actor
    desired.state_of(session, hub_id)
    length, resolution = SPANS[span]
    statement = (
        select(_SAMPLES)
        .where(_SAMPLES.c.hub_id == hub_id, _SAMPLES.c.at >= now - length, _SAMPLES.c.at <= now)
        .order_by(_SAMPLES.c.at, _SAMPLES.c.boot, _SAMPLES.c.seq, _SAMPLES.c.position)
        .limit(_MOST)
    )
    rows = session.connection().execute(statement).mappings()
    if resolution == 0:
        return Series(resolution_s=0, samples=tuple(_raw(dict(row)) for row in rows))
    return Series(resolution_s=resolution, samples=tuple(_rolled(rows, resolution)))


def _raw(row: dict[str, Any]) -> dict[str, Any]:
    return {"at": row["at"].isoformat(), **{name: row[name] for name in (*_MEANS, *_LAST)}}


def _rolled(rows: Iterable[Any], resolution: int) -> list[dict[str, Any]]:
    buckets: dict[int, list[Any]] = {}
    for row in rows:
        buckets.setdefault(int(row["at"].timestamp()) // resolution * resolution, []).append(row)
    return [_bucket(start, members) for start, members in sorted(buckets.items())]


def _bucket(start: int, members: list[Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"at": datetime.fromtimestamp(start, UTC).isoformat(), "count": len(members)}
    for name in _MEANS:
        known = [row[name] for row in members if row[name] is not None]
        found[name] = round(sum(known) / len(known), 2) if known else None
    for name in _LAST:
        known = [row[name] for row in members if row[name] is not None]
        found[name] = known[-1] if known else None
    return found
