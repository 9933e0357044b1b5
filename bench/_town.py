"""A town for figures: one home made by the real services, copied in the database as often as wanted.

Copies differ in ids and card numbers only, so what is measured runs over the very rows that the services write.
`vary_homes` makes them differ in what rules look at, too, so that no figure rests on homes that are alike.
"""

import itertools
from collections.abc import Iterator
from typing import Any

from sqlalchemy import (
    JSON,
    Column,
    Connection,
    Integer,
    String,
    Table,
    Text,
    cast,
    func,
    insert,
    literal,
    or_,
    select,
    text,
    type_coerce,
)
from sqlalchemy.sql import ColumnElement
from sqlmodel import SQLModel
from sqlmodel.sql.sqltypes import AutoString

from controller.services.database import Database
from tests.unit.controller.household import Household

# Every id of the first home begins so, and every card's number.
IDS = "01990000-0000-7000-8000"
CARDS = "89441100000000"
_LEFT_ALONE = frozenset({"audit", "feed", "filter_lists"})
# Of PostgreSQL; hashes of ids, so that every run is the same.
_VARIED = (
    (
        "UPDATE line_events SET source = 'dslam' || (hashtext(line_id) & 7),"
        " at = at - make_interval(secs => 5 + (hashtext(line_id || id) & 1023))"
    ),
    (
        "INSERT INTO line_events (line_id, kind, at, source, cause, recorded_at)"
        " SELECT line_id, kind, at - interval '37 minutes', source, cause, recorded_at FROM line_events"
        " WHERE hashtext(line_id) & 3 = 0"
    ),
    (
        "UPDATE services SET starts_on = starts_on - (hashtext(id) & 255),"
        " product = CASE hashtext(id) & 1 WHEN 0 THEN product ELSE 'Ultrafast Fibre Plus' END"
    ),
    "UPDATE accounts SET holder_name = 'H. ' || id, email = id || '@example.org'",
    "UPDATE plans SET purchased_at = purchased_at - make_interval(hours => hashtext(id) & 2047)",
    "UPDATE faults SET reported_at = reported_at - make_interval(secs => hashtext(id) & 63)",
    "UPDATE hub_assignments SET dispatched_at = dispatched_at - make_interval(hours => hashtext(hub_id) & 1023)",
)
_NUMBERS = text("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :copies) SELECT i FROM n")


def town_ids() -> Iterator[str]:
    """Yield the ids of the first home, and of whatever is made later; threads may take from it beside each other."""
    # A generator would be running already when the second thread asks.
    return map(f"{IDS}-{{:012d}}".format, itertools.count())


def found_home(database: Database, *, plans: int = 2) -> Household:
    """Make the first home, with a hub in the drawer, and its SIMs as they should be."""
    home = Household(database)
    home.move_in(allowances=(1000, None)[:plans])
    home.put_hub_in_drawer()
    home.outside_follows()
    return home


def copy_home(database: Database, copies: int) -> None:
    """Copy the first home's rows, whatever they are by now, owed work included."""
    with database.engine.begin() as connection:
        for table in SQLModel.metadata.sorted_tables:
            if table.name not in _LEFT_ALONE and copies > 0:
                _copy_table(connection, table, copies)
    _settle(database)


def _settle(database: Database) -> None:
    """Let nothing of what was prepared be left for the measured work to wait for."""
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if database.engine.dialect.name == "postgresql":
            connection.execute(text("VACUUM ANALYZE"))
            connection.execute(text("CHECKPOINT"))
        else:
            connection.execute(text("ANALYZE"))


def vary_homes(database: Database) -> None:
    """Let homes differ, on PostgreSQL: drops and when they were, products, names, plans, reports, hubs."""
    with database.engine.begin() as connection:
        for each in _VARIED:
            connection.execute(text(each))
    _settle(database)


def id_in(id_: str, number: int) -> str:
    """Return the id that a thing of the first home has in a copy; the first home is number 0."""
    return id_.replace(IDS, f"{number:08d}{IDS[8:]}", 1) if number else id_


def _copy_table(connection: Connection, table: Table, copies: int) -> None:
    columns = [each for each in table.columns if not (each.primary_key and isinstance(each.type, Integer))]
    names = [each for each in columns if isinstance(each.type, String | AutoString) and _length(each) in {36, 64}]
    if not names:
        return
    known = or_(*(cast(each, Text).like(f"{IDS}%") for each in names))
    numbers = _NUMBERS.columns(Column("i")).subquery("n")
    postgresql = connection.dialect.name == "postgresql"
    i = func.lpad(cast(numbers.c.i, Text), 8, "0") if postgresql else func.printf("%08d", numbers.c.i)
    # What is the same in every home is a constant of the statement; only what is not is put together anew.
    for row in connection.execute(select(*(_as_stored(each) for each in columns)).where(known)).all():
        values = [_copied(each, value, i, postgresql=postgresql) for each, value in zip(columns, row, strict=True)]
        statement = insert(table).from_select([each.name for each in columns], select(*values).select_from(numbers))
        connection.execute(statement, {"copies": copies})


def _length(column: Column[Any]) -> int | None:
    length: int | None = getattr(getattr(column.type, "impl", column.type), "length", None)
    return length


def _as_stored(column: Column[Any]) -> ColumnElement[Any]:
    """Return a column as it is, a document as its text."""
    return type_coerce(cast(column, Text), Text) if isinstance(column.type, JSON) else column


def _copied(column: Column[Any], value: Any, i: ColumnElement[Any], *, postgresql: bool) -> ColumnElement[Any]:
    """Return a value of the first home in another: ids and cards are renamed wherever they stand."""
    is_document = isinstance(column.type, JSON)
    if not isinstance(value, str):
        return literal(value, column.type)
    found: ColumnElement[Any] = literal("", Text)
    rest = value
    while rest:
        at, name = min((rest.find(each) % (len(rest) + 1), each) for each in (IDS, CARDS))
        found = found + literal(rest[:at], Text)
        if at < len(rest):
            found = found + (i + literal(IDS[8:], Text) if name == IDS else literal(CARDS[:6], Text) + i)
        rest = rest[at + len(name) :]
    return cast(found, column.type) if is_document and postgresql else found
