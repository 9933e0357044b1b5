"""Backup and restore: one consistent snapshot as compressed JSON lines, the same for SQLite and PostgreSQL.

A restored controller is behind the world. What it owes is computed anew: claims are let go, every hub is owed its
document, every account with an open fault is decided again, every SIM is looked at. Revisions still grow, since a new
one is at least now in milliseconds, and more than what a hub reports to have seen.
"""

import base64
import gzip
import json
import os
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import IO, Any, Final

from sqlalchemy import Connection, Date, Engine, LargeBinary, Table, func, insert, select, text
from sqlmodel import Session

from controller.services import owed, schema
from controller.services.actor import Actor
from controller.services.errors import ConflictError, UnprocessableError
from controller.tables import METADATA
from controller.tables.columns import UtcDateTime

FORMAT: Final = 1
_CHUNK: Final = 500
# A new database holds the shipped examples already; the backup holds its own.
_SEEDED: Final = frozenset({"filter_lists"})
# Who called the carrier then calls no more; an older backup also counts calls, which no schema does now.
_CLAIMS: Final = frozenset({"carrier_lanes"})


def backup(engine: Engine, path: Path, now: datetime) -> int:
    """Write every row to `path` (replaced only when whole); returns how many."""
    partial = path.with_name(path.name + ".partial")
    rows = 0
    options = {"isolation_level": "REPEATABLE READ"} if engine.dialect.name == "postgresql" else {}
    with engine.connect().execution_options(**options) as connection, gzip.open(partial, "wt", encoding="utf-8") as out:
        found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        _write(out, {"format": FORMAT, "schema": found, "taken_at": now.isoformat()})
        for table in METADATA.sorted_tables:
            for row in connection.execute(select(table)).mappings():
                _write(out, {"table": table.name, "row": {name: _plain(row[name]) for name in row}})
                rows += 1
        _write(out, {"rows": rows})
    with partial.open("rb+") as written:
        os.fsync(written.fileno())
    partial.replace(path)
    return rows


def restore(engine: Engine, path: Path) -> int:
    """Fill an empty database from a backup; returns how many rows. All or nothing.

    Raises ConflictError when the database holds anything, UnprocessableError for a file that is no whole backup.
    """
    with _open(path) as lines:
        head = _line(lines)
        if head.get("format") != FORMAT:
            raise UnprocessableError(f"{path.name} is no backup of this software", remedy="name another file")
        schema.upgrade(engine, str(head["schema"]))
        with engine.begin() as connection:
            _refuse_full(connection)
            rows = _fill(connection, lines, path)
            _set_sequences(connection)
    schema.upgrade(engine)
    return rows


def catch_up(session: Session, actor: Actor, now: datetime) -> None:
    """Owe a look at everything that may have moved on since the backup was taken."""
    del actor
    connection = session.connection()
    connection.execute(text("UPDATE owed SET claimed_until = NULL"))
    for noun, table, column in (
        ("hubs", "hub_states", "hub_id"),
        ("sims", "sim_states", "id"),
        ("decide", "accounts", "id"),
    ):
        keys = sorted(set(connection.execute(select(METADATA.tables[table].c[column])).scalars()))
        owed.mark_many(session, noun, [(key, None, now) for key in keys], now=now)


def _refuse_full(connection: Connection) -> None:
    for table in METADATA.sorted_tables:
        if table.name in _SEEDED:
            connection.execute(table.delete())
        elif connection.execute(select(func.count()).select_from(table)).scalar():
            raise ConflictError(f"the database is not empty ({table.name})", remedy="restore into a new database")


def _fill(connection: Connection, lines: Iterator[dict[str, Any]], path: Path) -> int:
    waiting: dict[str, list[dict[str, Any]]] = {}
    for count, line in enumerate(lines):
        if "rows" in line:
            if line["rows"] != count:
                break
            for name, rows in waiting.items():
                connection.execute(insert(METADATA.tables[name]), rows)
            return count
        if line["table"] in _CLAIMS:
            continue
        table = METADATA.tables[line["table"]]
        rows = waiting.setdefault(table.name, [])
        rows.append(_row(table, line["row"]))
        if len(rows) >= _CHUNK:
            connection.execute(insert(table), waiting.pop(table.name))
    raise UnprocessableError(f"{path.name} ends in the middle", remedy="use a whole backup")


def _set_sequences(connection: Connection) -> None:
    """Rows came with their numbers: the next number comes after them (SQLite does this by itself)."""
    if connection.dialect.name != "postgresql":
        return
    for table in METADATA.sorted_tables:
        column = table.autoincrement_column
        if column is not None:
            connection.execute(
                text(
                    f"SELECT setval(pg_get_serial_sequence('{table.name}', '{column.name}'), "  # noqa: S608  # our names
                    f"coalesce((SELECT max({column.name}) FROM {table.name}), 1))"
                )
            )


def _open(path: Path) -> "_Lines":
    if not path.is_file():
        raise UnprocessableError(f"there is no file {path}", remedy="name a backup")
    return _Lines(path)


class _Lines:
    """The lines of a backup; whatever is wrong with the file is one clear error."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = gzip.open(path, "rt", encoding="utf-8")  # noqa: SIM115  # closed by __exit__

    def __enter__(self) -> Iterator[dict[str, Any]]:
        return self._read()

    def __exit__(self, *exception: object) -> None:
        self._file.close()

    def _read(self) -> Iterator[dict[str, Any]]:
        try:
            for line in self._file:
                yield json.loads(line)
        except (OSError, EOFError, ValueError) as error:
            raise UnprocessableError(
                f"{self._path.name} can't be read: {error}", remedy="use a whole backup"
            ) from error


def _line(lines: Iterator[dict[str, Any]]) -> dict[str, Any]:
    return next(lines, {})


def _write(out: IO[str], document: Mapping[str, Any]) -> None:
    out.write(json.dumps(document, separators=(",", ":")) + "\n")


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return value.isoformat() if isinstance(value, datetime | date) else value


def _row(table: Table, row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _typed(table.c[name].type, value) for name, value in row.items()}


def _typed(kind: Any, value: Any) -> Any:
    if value is None:
        return None
    if isinstance(kind, UtcDateTime):
        return datetime.fromisoformat(value)
    if isinstance(kind, Date):
        return date.fromisoformat(value)
    return base64.b64decode(value) if isinstance(kind, LargeBinary) else value
