"""Rows in bulk: as many statements as there are kinds of rows, however many rows there are.

A statement is built once a table and engine and keeps its text whatever the number of keys or rows, so that it is
prepared once on PostgreSQL. What is written goes as one JSON parameter (`bulk.py`): a row costs this process some
2 us that way, and some 28 as one of many sets of parameters. It is sent, and waited for later (`sending.py`). What the
session holds of a row that changes here is read again when it is looked at next.
"""

from collections import namedtuple
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from operator import itemgetter
from typing import Any, Final, TypeAlias, TypeVar

import msgspec
from sqlalchemy import (
    ColumnElement,
    Dialect,
    String,
    Table,
    any_,
    bindparam,
    cast,
    func,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.sql import Select
from sqlalchemy.sql.dml import ReturningUpdate
from sqlalchemy.types import TypeEngine
from sqlmodel import Session, SQLModel

from controller.services import sending
from controller.services.bulk import Bulk, column_types

Model = type[SQLModel]
Condition = Callable[[Table], ColumnElement[bool]]
# A row's columns by name.
Found: TypeAlias = Any
Rows: TypeAlias = Select[Any] | ReturningUpdate[Any]
T = TypeVar("T")

KEYS_A_STATEMENT: Final = 1000
_KEY: Final = "key_"
_IS_POSTGRESQL: Final = "rows.is_postgresql"
_ENCODER: Final = msgspec.json.Encoder()
_DIALECT: Final[Dialect] = PGDialect_psycopg()  # type: ignore[no-untyped-call]  # SQLAlchemy doesn't declare it


def table_of(model: Model) -> Table:
    """Return a model's table, which SQLModel does not declare."""
    table: Table = model.__table__  # type: ignore[attr-defined]
    return table


def present(table: Table) -> ColumnElement[bool]:
    """Keep the versions that nothing has superseded."""
    return table.c.superseded_at.is_(None)


@dataclass(frozen=True, slots=True)
class _Shape:
    """What makes a statement another one: everything but its values."""

    model: Model
    by: str
    condition: Condition | None
    fixed: tuple[str, ...]
    columns: tuple[str, ...]
    for_update: bool
    postgresql: bool


def read(
    session: Session,
    model: Model,
    by: str,
    keys: Iterable[str],
    condition: Condition | None = None,
    *,
    columns: tuple[str, ...] = (),
    for_update: bool = False,
    values: Mapping[str, Any] | None = None,
    **fixed: Any,
) -> list[Found]:
    """Return the rows whose column `by` is one of `keys` and whose other columns are as `fixed`.

    Every column unless some are named. `values` are the parameters of `condition`. `for_update` locks the rows in the
    order of their keys, on PostgreSQL.
    """
    shape = _Shape(model, by, condition, tuple(fixed), columns, for_update, is_postgresql(session))
    wanted = sorted(set(keys))
    session.flush()
    found: list[Found] = []
    for start in range(0, len(wanted), KEYS_A_STATEMENT):
        given = keys_given(wanted[start : start + KEYS_A_STATEMENT])
        asked = {"keys": given, **fixed, **(values or {})}
        found.extend(fetch(session, _selection(shape), asked))
    return found


def read_either(
    session: Session,
    model: Model,
    keys: Mapping[str, Iterable[str]],
    *,
    columns: tuple[str, ...],
    for_update: bool,
) -> list[Found]:
    """Return the rows of which any of some columns is one of its keys, in one statement.

    `for_update` locks them in the order of their ids, on PostgreSQL.
    """
    session.flush()
    statement = _alternative(model, tuple(keys), columns, for_update=for_update, postgresql=is_postgresql(session))
    given = {name: keys_given(sorted(of_column)) for name, of_column in keys.items()}
    return fetch(session, statement, given)


def fetch(session: Session, statement: Rows, given: Mapping[str, Any]) -> list[Found]:
    """Return the rows of a statement that is built once and kept, with its parameters."""
    connection = sending.connection_of(session)
    if connection.dialect.name != "postgresql":
        return list(connection.execute(statement, given).all())
    return _in_driver_form(statement).fetch(session, given)


@dataclass(frozen=True, slots=True)
class _DriverForm:
    """A statement as the driver of PostgreSQL takes it: SQLAlchemy's own steps would be most of a look-up's cost."""

    text: str
    constants: Mapping[str, Any]
    given: Mapping[str, Callable[[Any], Any]]
    taken: Sequence[tuple[int, Callable[[Any], Any]]]
    row: Callable[[Iterable[Any]], Found]

    def fetch(self, session: Session, given: Mapping[str, Any]) -> list[Found]:
        asked = {**self.constants, **given}
        for name, process in self.given.items():
            asked[name] = process(asked[name])
        found = sending.fetch(session, self.text, asked)
        if self.taken:
            found = [self._processed(row) for row in found]
        return list(map(self.row, found))

    def _processed(self, row: tuple[Any, ...]) -> tuple[Any, ...]:
        changed = list(row)
        for place, process in self.taken:
            changed[place] = process(changed[place])
        return tuple(changed)


def _named(names: Iterable[str]) -> Callable[[Iterable[Any]], Found]:
    row: Any = namedtuple("Found", [*names])  # type: ignore[misc]  # noqa: PYI024  # its names are data
    make: Callable[[Iterable[Any]], Found] = row._make  # a public name of named tuples
    return make


def _impl(column: ColumnElement[Any]) -> TypeEngine[Any]:
    return column.type.dialect_impl(_DIALECT)


@cache
def _in_driver_form(statement: Rows) -> _DriverForm:
    compiled = statement.compile(dialect=_DIALECT)
    columns = list(statement.exported_columns)
    taken = [(place, _impl(each).result_processor(_DIALECT, None)) for place, each in enumerate(columns)]
    given = {name: _impl(each).bind_processor(_DIALECT) for name, each in compiled.binds.items()}
    return _DriverForm(
        text=str(compiled),
        constants=dict(compiled.params),
        given={name: process for name, process in given.items() if process is not None},
        taken=[(place, process) for place, process in taken if process is not None],
        row=_named(each.name for each in columns),
    )


def keys_given(keys: Sequence[str]) -> str:
    """Return keys as the value of a statement's one parameter."""
    return _ENCODER.encode(keys).decode()


def one_of(of: ColumnElement[Any], *, postgresql: bool, keys: str = "keys") -> ColumnElement[bool]:
    """Compare a column with the keys given as a parameter."""
    if postgresql:
        # The array is made once a statement, and each of its keys looked up by an index.
        elements = select(func.jsonb_array_elements_text(cast(bindparam(keys, type_=String), JSONB)))
        return of == any_(func.array(elements.scalar_subquery()))
    values = func.json_each(bindparam(keys, type_=String)).table_valued("value")
    return of.in_(select(values.c.value))


def add(session: Session, model: Model, values: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows in the order given, with the same columns each; one left out takes the model's own default."""
    if values:
        session.flush()
        named = tuple(values[0])
        left_out = {name: value for name, value in _defaults(model).items() if name not in values[0]}
        columns, defaults = _taking(named), tuple(left_out.values())
        _insertion(model, (*named, *left_out)).send(session, [(*columns(each), *defaults) for each in values])


def _taking(names: tuple[str, ...]) -> Callable[[Mapping[str, Any]], tuple[Any, ...]]:
    """Return what takes these columns of a row: of several together in one step."""
    return itemgetter(*names) if len(names) > 1 else lambda row: tuple(row[name] for name in names)


def change(session: Session, model: Model, changes: Mapping[Any, Mapping[str, Any]]) -> None:
    """Update rows by primary key: key to the columns that change, the same ones for each."""
    if not changes:
        return
    session.flush()
    names = tuple(next(iter(changes.values())))
    _change(model, names).send(session, [(key, *map(each.__getitem__, names)) for key, each in changes.items()])
    _expire(session, model, changes)


def remove(session: Session, model: Model, by: str, keys: Iterable[str], **fixed: str) -> None:
    """Delete the rows whose column `by` is one of `keys` and whose others are as `fixed`."""
    wanted = sorted(set(keys))
    if wanted:
        session.flush()
        removal = _removal(model, by, tuple(fixed))
        removal.send(session, [[key, *fixed.values()] for key in wanted])


def grouped(found: Iterable[T], by: str) -> dict[str, list[T]]:
    """Return rows, or what was made of them, by the value of one of their columns."""
    groups: dict[str, list[T]] = {}
    for row in found:
        groups.setdefault(getattr(row, by), []).append(row)
    return groups


def is_postgresql(session: Session) -> bool:
    """Tell which of the two engines this is."""
    known: bool | None = session.info.get(_IS_POSTGRESQL)
    if known is None:
        known = session.info[_IS_POSTGRESQL] = session.get_bind().dialect.name == "postgresql"
    return known


def _expire(session: Session, model: Model, keys: Iterable[Any]) -> None:
    if session.identity_map:
        for held in _held(session, model, keys):
            session.expire(held)


def _held(session: Session, model: Model, keys: Iterable[Any]) -> Iterator[Any]:
    for key in keys:
        held = session.identity_map.get(session.identity_key(model, key))
        if held is not None:
            yield held


@cache
def _selection(shape: _Shape) -> Select[Any]:
    table = table_of(shape.model)
    wanted = [table.c[name] for name in shape.columns] if shape.columns else [table]
    statement = select(*wanted).where(one_of(table.c[shape.by], postgresql=shape.postgresql))
    statement = statement.where(*(table.c[name] == bindparam(name) for name in shape.fixed))
    if shape.condition is not None:
        statement = statement.where(shape.condition(table))
    return statement.order_by(table.c[shape.by]).with_for_update() if shape.for_update else statement


@cache
def _alternative(
    model: Model, by: tuple[str, ...], columns: tuple[str, ...], *, for_update: bool, postgresql: bool
) -> Select[Any]:
    table = table_of(model)
    among = or_(*(one_of(table.c[name], postgresql=postgresql, keys=name) for name in by))
    statement = select(*(table.c[name] for name in columns)).where(among)
    return statement.order_by(table.c.id).with_for_update() if for_update else statement


@cache
def _insertion(model: Model, names: tuple[str, ...]) -> Bulk:
    table = table_of(model)
    listed = ", ".join(f'"{name}"' for name in names)
    # Rows come out of the parameter in its order, and are numbered in that order.
    return Bulk(column_types(table, names), f"INSERT INTO {table.name} ({listed}) SELECT {listed} FROM {{rows}}")  # noqa: S608  # names of ours


@cache
def _change(model: Model, names: tuple[str, ...]) -> Bulk:
    table = table_of(model)
    (key,) = table.primary_key.columns
    given = {_KEY: column_types(table, [key.name])[key.name], **column_types(table, names)}
    settings = ", ".join(f'"{name}" = r."{name}"' for name in names)
    return Bulk(given, f"UPDATE {table.name} SET {settings} FROM {{rows}} WHERE {table.name}.{key.name} = r.{_KEY}")  # noqa: S608  # names of ours


@cache
def _removal(model: Model, by: str, fixed: tuple[str, ...]) -> Bulk:
    table = table_of(model)
    names = (by, *fixed)
    listed, given = (", ".join(f'{of}"{name}"' for name in names) for of in ("", "r."))
    gone = f"DELETE FROM {table.name} WHERE ({listed}) IN (SELECT {given} FROM {{rows}})"  # noqa: S608  # names of ours
    return Bulk(column_types(table, names), gone)


@cache
def _defaults(model: Model) -> dict[str, Any]:
    """Return what the model gives to columns that nobody names; the database numbers rows by itself."""
    numbered = {each.name for each in table_of(model).primary_key.columns}
    optional = ((name, field) for name, field in model.model_fields.items() if not field.is_required())
    return {name: field.default for name, field in optional if name not in numbered}
