"""Tables read as facts: one statement reads many tables, each as one JSON document that the codec makes facts of.

A row costs no step of this program on its way from the database to its fact, and a statement costs one round trip
whatever it reads. What keys are looked up by goes as JSON too, so that a statement's text never changes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
from msgspec.structs import fields
from sqlalchemy import JSON, Boolean, Column, Table
from sqlmodel import Session, SQLModel

from controller.domain.facts import NOT_SUPERSEDED
from controller.services import rows, sending
from controller.services.bulk import sqlite_instant
from controller.tables.columns import UtcDateTime

_ENCODER: Final = msgspec.json.Encoder()
# How the two engines say "is one of what a query or a parameter gives". PostgreSQL then looks each up by an index.
_AMONG: Final = {True: ("= ANY(ARRAY(", "))"), False: ("IN (", ")")}
_NEVER: Final = sqlite_instant(NOT_SUPERSEDED)


@dataclass(frozen=True, slots=True)
class Source:
    """Rows of a table as facts: `renamed` are fields whose columns have another name; `where` chooses the rows.

    In `where`, `{name}` compares with the keys given under that name, `{among}…{end}` with what a query gives, and
    a value stands under its name.
    """

    fact: type[Any]
    model: type[SQLModel]
    where: str
    renamed: Mapping[str, str] = field(default_factory=dict)


class Reading:
    """One statement that reads all facts of some sources.

    Args:
        sources: name to where the facts come from.
        keys: the names under which keys are given.
        values: the names under which single values are given.
        found: keys that queries find among the keys given, by name; each is looked up once, however many sources ask.
    """

    def __init__(
        self,
        sources: Mapping[str, Source],
        keys: tuple[str, ...],
        values: tuple[str, ...] = (),
        found: Mapping[str, str] | None = None,
    ) -> None:
        self._decoders = {name: msgspec.json.Decoder(list[each.fact]) for name, each in sources.items()}  # type: ignore[name-defined]  # only known here
        self._keys, self._values, self._found = keys, values, found or {}
        self._texts = {is_pg: self._statement(sources, postgresql=is_pg) for is_pg in (True, False)}

    def _statement(self, sources: Mapping[str, Source], *, postgresql: bool) -> str:
        among, end = _AMONG[postgresql]
        given = {"among": among, "end": end}
        for name in self._keys:
            elements = (
                f"jsonb_array_elements_text(%({name})s::jsonb)" if postgresql else f"value FROM json_each(:{name})"
            )
            given[name] = f"{among}SELECT {elements}{end}"
        given |= {name: f"%({name})s" if postgresql else f":{name}" for name in self._values}
        named = []
        for name, query in self._found.items():
            named.append(f"{name} (key) AS ({query.format_map(given)})")
            given[name] = f"{among}SELECT key FROM {name}{end}"  # noqa: S608  # names of ours
        documents = [_document(each, each.where.format_map(given), postgresql=postgresql) for each in sources.values()]
        return f"{'WITH ' if named else ''}{', '.join(named)} SELECT {', '.join(documents)}"

    def run(self, session: Session, **given: Any) -> dict[str, list[Any]]:
        """Return the facts of each source; keys are given as collections of texts, values as instants."""
        is_pg = rows.is_postgresql(session)
        session.flush()
        parameters: dict[str, Any] = {name: _ENCODER.encode(sorted(given[name])).decode() for name in self._keys}
        parameters |= {name: given[name] if is_pg else sqlite_instant(given[name]) for name in self._values}
        (found,) = sending.fetch(session, self._texts[is_pg], parameters)
        return {
            name: [] if text is None else decoder.decode(text)
            for (name, decoder), text in zip(self._decoders.items(), found, strict=True)
        }


def _document(source: Source, where: str, *, postgresql: bool) -> str:
    """Return the query that makes one JSON array of a source's rows."""
    table = rows.table_of(source.model)
    values = [(name, _value(table.c[column], postgresql=postgresql)) for name, column in columns_of(source, table)]
    if postgresql:
        # Rows of a query are made documents in three quarters of the time that names and values given singly take.
        listed = ", ".join(f'{value} AS "{name}"' for name, value in values)
        return f"(SELECT json_agg(q)::text FROM (SELECT {listed} FROM {table.name} AS t WHERE {where}) AS q)"  # noqa: S608  # names of ours
    pairs = ", ".join(f"'{name}', {value}" for name, value in values)
    return f"(SELECT json_group_array(json_object({pairs})) FROM {table.name} AS t WHERE {where})"  # noqa: S608  # names of ours


def columns_of(source: Source, table: Table) -> list[tuple[str, str]]:
    """Return the (field, column) pairs of a source."""
    pairs = ((each.name, source.renamed.get(each.name, each.name)) for each in fields(source.fact))
    return [(name, column) for name, column in pairs if column in table.c]


def _value(column: Column[Any], *, postgresql: bool) -> str:
    """Return a column's value as JSON has it."""
    name = f't."{column.name}"'
    is_end = column.name == "superseded_at"
    if postgresql:
        # What is JSON already is not put into words row by row.
        return f"""coalesce(to_json({name}), '"{NOT_SUPERSEDED.isoformat()}"'::json)""" if is_end else name
    if is_end:
        name = f"coalesce({name}, '{_NEVER}')"
    if isinstance(column.type, UtcDateTime):
        return f"replace({name}, ' ', 'T') || 'Z'"
    if isinstance(column.type, JSON):
        return f"json({name})"
    return f"json(iif({name}, 'true', 'false'))" if isinstance(column.type, Boolean) else name
