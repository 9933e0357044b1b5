"""Rows in bulk, by SQLAlchemy Core: as many statements as there are kinds of rows, however many rows there are.

A statement is built once a table and engine and keeps its text whatever the number of keys, so that it is compiled
once here and prepared once on PostgreSQL. What the session holds of a row that changes here is read again when it is
looked at next.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Row,
    String,
    Table,
    Update,
    any_,
    bindparam,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.sql import Delete, Select
from sqlmodel import Session, SQLModel

Model = type[SQLModel]
Condition = Callable[[Table], ColumnElement[bool]]
Found = Row[Any]

KEYS_A_STATEMENT: Final = 1000
_KEY: Final = "key_"


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
        given = keys_given(session, wanted[start : start + KEYS_A_STATEMENT])
        found.extend(session.connection().execute(_selection(shape), {"keys": given, **fixed, **(values or {})}))
    return found


def keys_given(session: Session, keys: Sequence[str]) -> list[str] | str:
    """Return keys as the value of a statement's one parameter."""
    return list(keys) if is_postgresql(session) else json.dumps(keys)


def one_of(of: ColumnElement[Any], *, postgresql: bool) -> ColumnElement[bool]:
    """Compare a column with the keys given as the parameter `keys`."""
    if postgresql:
        return of == any_(bindparam("keys", type_=ARRAY(String)))
    values = func.json_each(bindparam("keys", type_=String)).table_valued("value")
    return of.in_(select(values.c.value))


def add(session: Session, model: Model, values: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows in the order given; a column that is left out takes the model's own default."""
    if values:
        session.flush()
        defaults = _defaults(model)
        session.connection().execute(_insertion(model), [{**defaults, **each} for each in values])


def change(session: Session, model: Model, changes: Mapping[Any, Mapping[str, Any]]) -> None:
    """Update rows by primary key: key to the columns that change, the same ones for each."""
    if not changes:
        return
    session.flush()
    names = tuple(next(iter(changes.values())))
    session.connection().execute(_change(model, names), [{_KEY: key, **each} for key, each in changes.items()])
    _expire(session, model, changes)


def remove(session: Session, model: Model, by: str, keys: Iterable[str], **fixed: Any) -> int:
    """Delete the rows whose column `by` is one of `keys` and whose others are as `fixed`; returns how many."""
    shape = _Shape(model, by, None, tuple(fixed), (), for_update=False, postgresql=is_postgresql(session))
    wanted = sorted(set(keys))
    session.flush()
    gone = 0
    for start in range(0, len(wanted), KEYS_A_STATEMENT):
        given = keys_given(session, wanted[start : start + KEYS_A_STATEMENT])
        gone += session.connection().execute(_removal(shape), {"keys": given, **fixed}).rowcount
    return gone


def grouped(found: Iterable[Found], by: str) -> dict[str, list[Found]]:
    """Return rows by the value of one of their columns."""
    groups: dict[str, list[Found]] = {}
    for row in found:
        groups.setdefault(getattr(row, by), []).append(row)
    return groups


def is_postgresql(session: Session) -> bool:
    """Tell which of the two engines this is."""
    return session.get_bind().dialect.name == "postgresql"


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
def _insertion(model: Model) -> Any:
    return insert(table_of(model))


@cache
def _change(model: Model, names: tuple[str, ...]) -> Update:
    table = table_of(model)
    (key,) = table.primary_key.columns
    return update(table).where(key == bindparam(_KEY)).values({name: bindparam(name) for name in names})


@cache
def _removal(shape: _Shape) -> Delete:
    table = table_of(shape.model)
    statement = delete(table).where(one_of(table.c[shape.by], postgresql=shape.postgresql))
    return statement.where(*(table.c[name] == bindparam(name) for name in shape.fixed))


@cache
def _defaults(model: Model) -> dict[str, Any]:
    """Return what the model gives to columns that nobody names; the database numbers rows by itself."""
    numbered = {each.name for each in table_of(model).primary_key.columns}
    optional = ((name, field) for name, field in model.model_fields.items() if not field.is_required())
    return {name: field.default for name, field in optional if name not in numbered}
