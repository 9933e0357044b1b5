"""Samples into the database, as fast as each engine takes them: binary COPY, or inserts of many rows in one step."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import chain, compress
from typing import Any, Final, Protocol

import psycopg
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session

from controller.services import sending
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
_AT: Final = COLUMNS.index("at")
_OPTIONAL: Final = frozenset(SAMPLE[2:])
# What no text of the wire holds (controller/ingest/decode.py refuses it), as a parameter and in SQL.
_NULL, _NULL_TEXT = "\0", "char(0)"
# The time goes as what its binary form is: microseconds since 2000 (PostgreSQL's manual, 8.5, and timestamptz_recv).
_POSTGRESQL_EPOCH_MS: Final = 946_684_800_000
_TYPES: Final = (
    *("varchar", "int8", "int8", "int4", "int8", "int8", "float8", "float8", "float8", "float8"),
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


def store(session: Session, batches: Sequence[Batch], *, now: datetime) -> None:
    """Write the samples of messages, none of which is there yet; those older than is kept are left out.

    A time that is unknown or lies in the future becomes `now`. The hours concerned are owed a roll-up.
    """
    # By column, since a step over a column costs a tenth of one over a row's parts; nothing here looks at a row whole.
    columns: list[Sequence[Any]] = [
        [batch.hub_id for batch in batches for _ in batch.samples],
        [batch.boot for batch in batches for _ in batch.samples],
        [batch.seq for batch in batches for _ in batch.samples],
        list(chain.from_iterable(range(len(batch.samples)) for batch in batches)),
        *zip(*chain.from_iterable(batch.samples for batch in batches), strict=True),
    ]
    present, latest, oldest = (_milliseconds(each) for each in (now, now + AHEAD, now - KEPT))
    times = [present if at is None or at > latest else at for at in columns[_AT]]
    if min(times) < oldest:
        kept = [at >= oldest for at in times]
        columns, times = [list(compress(column, kept)) for column in columns], list(compress(times, kept))
    if times:
        on_postgresql = session.get_bind().dialect.name == "postgresql"
        (_copy if on_postgresql else _insert)(session, columns, times)
        owe = _OWE_POSTGRESQL if on_postgresql else _OWE_SQLITE
        hours = sorted(set(zip([at // _HOUR_MS for at in times], columns[0], strict=True)))
        owe.run(session, [(_instant(hour * _HOUR_MS), hub_id) for hour, hub_id in hours])


def _milliseconds(instant: datetime) -> int:
    return (instant - _EPOCH) // _MILLISECOND


def _instant(milliseconds: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=milliseconds)


def _text(milliseconds: int) -> str:
    """Return an instant as the tables' own type writes it into SQLite; a batch holds few different seconds."""
    return f"{_second(milliseconds // 1000)}.{milliseconds % 1000:03d}000"


@lru_cache(maxsize=8192)
def _second(seconds: int) -> str:
    return sqlite_instant(_EPOCH + timedelta(seconds=seconds))[:19]


def _copy(session: Session, columns: list[Sequence[Any]], times: Sequence[int]) -> None:
    columns[_AT] = [(at - _POSTGRESQL_EPOCH_MS) * 1000 for at in times]
    connection = session.connection()
    sending.wait(connection)
    raw: Any = connection.connection.driver_connection
    try:
        with raw.cursor() as cursor, cursor.copy(_COPY) as copy:
            copy.set_types(_TYPES)
            for row in zip(*columns, strict=True):
                copy.write_row(row)
    except psycopg.Error as error:
        raise DBAPIError.instance(_COPY, None, error, psycopg.Error, dialect=connection.dialect) from error


def _insert(session: Session, columns: list[Sequence[Any]], times: Sequence[int]) -> None:
    """Insert without a single None: Python's module looks for an adapter of each, which takes longer than its row.

    A column that all rows leave out is left out; in one that some do, a text that no sample can hold stands for NULL.
    """
    columns[_AT] = list(map(_text, times))
    names: list[str] = []
    values: list[Sequence[Any]] = []
    for name, column in zip(COLUMNS, columns, strict=True):
        missing = column.count(None) if name in _OPTIONAL else 0
        if missing != len(times):
            names.append(f"{name}=" if missing else name)
            values.append([_NULL if value is None else value for value in column] if missing else column)
    connection = session.connection()
    for chunk in _powers_of_two(list(zip(*values, strict=True))):
        statement = _insertion(len(chunk), tuple(names))
        connection.exec_driver_sql(statement, tuple(chain.from_iterable(chunk)))


def _powers_of_two(rows: Sequence[Sample]) -> Iterator[Sequence[Sample]]:
    start, size = 0, _MOST
    while start < len(rows):
        while size > len(rows) - start:
            size //= 2
        yield rows[start : start + size]
        start += size


@lru_cache(maxsize=128)
def _insertion(count: int, columns: tuple[str, ...]) -> str:
    one = ", ".join(f"nullif(?, {_NULL_TEXT})" if name.endswith("=") else "?" for name in columns)
    names = ", ".join(name.rstrip("=") for name in columns)
    return f"INSERT INTO telemetry ({names}) VALUES {', '.join([f'({one})'] * count)}"  # noqa: S608  # our names
