"""Samples into the database, as fast as each engine takes them: binary COPY, or inserts of many rows in one step."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from functools import cache
from itertools import chain
from typing import Any, Final

import psycopg
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session

from controller.services.bulk import Bulk, sqlite_instant

# What a sample is made of, in this order; unknown is None, and so is a time that the hub's clock could not tell.
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
_AT: Final = COLUMNS.index("at")
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


def store(session: Session, rows: Sequence[Sample], *, now: datetime) -> None:
    """Write rows of COLUMNS, none of which is there yet; those older than is kept are left out.

    A time that is unknown or lies in the future becomes `now`. The hours concerned are owed a roll-up.
    """
    latest = now + AHEAD
    timed = [row if row[_AT] is not None and row[_AT] <= latest else (*row[:_AT], now, *row[_AT + 1 :]) for row in rows]
    kept = [row for row in timed if row[_AT] >= now - KEPT]
    if not kept:
        return
    if session.get_bind().dialect.name == "postgresql":
        _copy(session, kept)
    else:
        _insert(session, [(*row[:_AT], sqlite_instant(row[_AT]), *row[_AT + 1 :]) for row in kept])
    hours = {(row[_AT].replace(minute=0, second=0, microsecond=0), row[0]) for row in kept}
    owe = _OWE_POSTGRESQL if session.get_bind().dialect.name == "postgresql" else _OWE_SQLITE
    owe.run(session, sorted(hours))


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
