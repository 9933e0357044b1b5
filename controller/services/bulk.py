"""Statements over many rows that come in as one JSON parameter.

Their text never changes, so it is prepared once, and one step of the engine does all rows. That matters on SQLite:
Python's module lets go of the interpreter lock at each step, and a writer thread that asks for it a thousand times a
batch waits each time for a loop that is busy.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from sqlalchemy import JSON, BigInteger, Boolean, Connection, CursorResult, Date, Float, Integer, String, Table
from sqlmodel import Session
from sqlmodel.sql.sqltypes import AutoString

from controller.services import sending
from controller.tables.columns import UtcDateTime

_ENCODER: Final = msgspec.json.Encoder()
_POSTGRESQL: Final = {"json": "jsonb", "instant": "timestamptz"}
_WORDS: Final = (
    (JSON, "json"),
    (UtcDateTime, "instant"),
    (BigInteger, "bigint"),
    (Integer, "integer"),
    (Boolean, "boolean"),
    (Float, "double precision"),
    (Date, "date"),
    (String, "text"),
    (AutoString, "text"),
)


def column_types(table: Table, names: Iterable[str]) -> dict[str, str]:
    """Return the types of a table's columns, in the words of `Bulk`."""
    return {name: next(word for type_, word in _WORDS if isinstance(table.c[name].type, type_)) for name in names}


class Bulk:
    """A statement in SQL that both engines read. `{rows}` stands for the rows, `{lock}` for a lock on PostgreSQL.

    Args:
        columns: the rows' columns and their types: text, integer, bigint, boolean, double precision, date, instant or
            json.
        text: the statement.
        lock: which rows of PostgreSQL are locked, such as `FOR UPDATE OF t`.
    """

    def __init__(self, columns: Mapping[str, str], text: str, lock: str = "") -> None:
        self._instants = [place for place, type_ in enumerate(columns.values()) if type_ == "instant"]
        self._sqlite = text.format(rows=_sqlite_rows(columns), lock="")
        self._postgresql = text.format(rows=_postgresql_rows(columns), lock=lock)

    def run(self, session: Session, rows: Iterable[Sequence[Any]]) -> CursorResult[Any]:
        """Execute it over the rows; instants are aware datetimes or None. Raises ValueError for a naive one."""
        connection = sending.connection_of(session)
        return connection.exec_driver_sql(*self._statement(connection, list(rows)))

    def fetch(self, session: Session, rows: Iterable[Sequence[Any]]) -> list[tuple[Any, ...]]:
        """Return the rows of a selection over the rows, as the engine's driver has them."""
        connection = sending.connection_of(session)
        text, (parameter,) = self._statement(connection, list(rows))
        return sending.fetch_with(session, text, parameter)

    def send(self, session: Session, rows: Iterable[Sequence[Any]]) -> None:
        """Write the rows, see `run`, where nothing is asked back (`sending.py`)."""
        text, (parameter,) = self._statement(sending.connection_of(session), list(rows))
        sending.write(session, text, parameter)

    def _statement(self, connection: Connection, given: list[Sequence[Any]]) -> tuple[str, tuple[str]]:
        for place in self._instants:
            for row in given:
                if row[place] is not None and row[place].tzinfo is None:
                    raise ValueError(f"a naive datetime is no instant: {row[place]!r}")
        if connection.dialect.name == "postgresql":
            return self._postgresql, (_ENCODER.encode(given).decode(),)
        if self._instants:
            given = [self._with_texts(row) for row in given]
        return self._sqlite, (_ENCODER.encode(given).decode(),)

    def _with_texts(self, row: Sequence[Any]) -> list[Any]:
        changed = list(row)
        for place in self._instants:
            changed[place] = None if changed[place] is None else sqlite_instant(changed[place])
        return changed


def sqlite_instant(instant: datetime) -> str:
    """Return an instant as the tables' own type writes it into SQLite."""
    return instant.astimezone(UTC).isoformat(" ", "microseconds")[:26]


def _sqlite_rows(columns: Mapping[str, str]) -> str:
    fields = ", ".join(
        f'value {"->" if type_ == "json" else "->>"} {place} AS "{name}"'
        for place, (name, type_) in enumerate(columns.items())
    )
    return f"(SELECT {fields} FROM json_each(?)) AS r"  # noqa: S608  # names of ours


def _postgresql_rows(columns: Mapping[str, str]) -> str:
    fields = ", ".join(
        f'(v {"->" if type_ == "json" else "->>"} {place})::{_POSTGRESQL.get(type_, type_)} AS "{name}"'
        for place, (name, type_) in enumerate(columns.items())
    )
    return f"(SELECT {fields} FROM jsonb_array_elements(%s::jsonb) AS each(v)) AS r"  # noqa: S608  # names of ours
