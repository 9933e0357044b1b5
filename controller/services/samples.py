"""Samples into the database, as fast as each engine takes them: binary COPY, or inserts of many rows in one step."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from itertools import chain
from typing import Any, Final, Protocol

import psycopg
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session

from controller.services.bulk import Bulk, sqlite_instant

# What a sample is made of, in this order; unknown is None. `at` is in Unix milliseconds, None where the hub's clock
# could not tell.
SAMPLE: Final = (
    "uptime_ms",
    "at",
    "rssi_dbm",
    "rsrp_dbm",
    "rsrq_db",
    "sinr_db",
    "operator",
    "technology",
    "band",
    "cell_id",
    "tac",
    "tx_bytes",
    "rx_bytes",
    "temperature_c",
)
Sample = tuple[Any, ...]
COLUMNS: Final = ("hub_id", "boot", "seq", "position", *SAMPLE)
# Rolled up they are kept longer (services/telemetry.py).
KEPT: Final = timedelta(days=14)
# The time of a sample beyond the present by more is the error of a clock.
AHEAD: Final = timedelta(minutes=5)
# 512 rows are 9,216 parameters of SQLite's 32,766; what is left over goes in smaller powers of two, prepared as well.
_MOST: Final = 512
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_HOUR_MS: Final = 3_600_000
_TYPES: Final = (
    *("varchar", "int8", "int8", "int4", "int8", "timestamptz", "float8", "float8", "float8", "float8"),
    *("varchar", "varchar", "int8", "int8", "int8", "int8", "int8", "float8"),
)
_COPY: Final = f"COPY telemetry ({', '.join(COLUMNS)}) FROM STDIN (FORMAT BINARY)"
_DUE: Final = {"hour": "instant", "hub_id": "text"}
# On PostgreSQL the row is locked, so that a roll-up which is under way sees these samples or comes again.
_OWE_POSTGRESQL: Final = Bulk(
    _DUE,
    "INSERT INTO telemetry_due (hour, hub_id) SELECT hour, hub_id FROM {rows} WHERE true "
    "ON CONFLICT (hour, hub_id) DO UPDATE SET hub_id = excluded.hub_id",
)
_OWE_SQLITE: Final = Bulk(
    _DUE, "INSERT INTO telemetry_due (hour, hub_id) SELECT hour, hub_id FROM {rows} WHERE true ON CONFLICT DO NOTHING"
)


class Batch(Protocol):
    """One message's samples, under its number."""

    @property
    def hub_id(self) -> str: ...
    @property
    def boot(self) -> int: ...
    @property
    def seq(self) -> int: ...
    @property
    def samples(self) -> Sequence[Sample]: ...


def store(session: Session, batches: Iterable[Batch], *, now: datetime) -> None:
    """Write the samples of messages, none of which is there yet; those older than is kept are left out.

    A time that is unknown or lies in the future becomes `now`. The hours concerned are owed a roll-up.
    """
    on_postgresql = session.get_bind().dialect.name == "postgresql"
    write = _instant if on_postgresql else _text
    present, latest, oldest = (_milliseconds(each) for each in (now, now + AHEAD, now - KEPT))
    rows: list[Sample] = []
    hours: set[tuple[int, str]] = set()
    for batch in batches:
        for position, sample in enumerate(batch.samples):
            at = sample[1]
            if at is None or at > latest:
                at = present
            if at >= oldest:
                hours.add((at // _HOUR_MS, batch.hub_id))
                rows.append((batch.hub_id, batch.boot, batch.seq, position, sample[0], write(at), *sample[2:]))
    if rows:
        (_copy if on_postgresql else _insert)(session, rows)
        owe = _OWE_POSTGRESQL if on_postgresql else _OWE_SQLITE
        owe.run(session, [(_instant(hour * _HOUR_MS), hub_id) for hour, hub_id in sorted(hours)])


def _milliseconds(instant: datetime) -> int:
    return (instant - _EPOCH) // _MILLISECOND


def _instant(milliseconds: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=milliseconds)


def _text(milliseconds: int) -> str:
    """Return an instant as the tables' own type writes it into SQLite; a batch holds few different seconds."""
    seconds, rest = divmod(milliseconds, 1000)
    return f"{_second(seconds)}.{rest:03d}000"


@lru_cache(maxsize=8192)
def _second(seconds: int) -> str:
    return sqlite_instant(_EPOCH + timedelta(seconds=seconds))[:19]


def _copy(session: Session, rows: Sequence[Sample]) -> None:
    connection = session.connection()
    raw: Any = connection.connection.driver_connection
    try:
        with raw.cursor() as cursor, cursor.copy(_COPY) as copy:
            copy.set_types(_TYPES)
            for row in rows:
                copy.write_row(row)
    except psycopg.Error as error:
        raise DBAPIError.instance(_COPY, None, error, psycopg.Error, dialect=connection.dialect) from error


def _insert(session: Session, rows: Sequence[Sample]) -> None:
    connection = session.connection()
    for chunk in _powers_of_two(rows):
        connection.exec_driver_sql(_insertion(len(chunk)), tuple(chain.from_iterable(chunk)))


def _powers_of_two(rows: Sequence[Sample]) -> Iterator[Sequence[Sample]]:
    start, size = 0, _MOST
    while start < len(rows):
        while size > len(rows) - start:
            size //= 2
        yield rows[start : start + size]
        start += size


@cache
def _insertion(count: int) -> str:
    one = f"({', '.join('?' * len(COLUMNS))})"
    return f"INSERT INTO telemetry ({', '.join(COLUMNS)}) VALUES {', '.join([one] * count)}"  # noqa: S608  # our names
