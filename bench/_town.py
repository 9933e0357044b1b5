"""A town for figures: one home made by the real services, copied in the database as often as wanted.

Copies differ in ids and card numbers only, so what is measured runs over the very rows that the services write.
"""

import itertools
from collections.abc import Iterator
from typing import Any

from sqlalchemy import JSON, Column, Connection, Integer, String, Table, Text, cast, func, insert, or_, select, text
from sqlalchemy.sql import ColumnElement
from sqlmodel import SQLModel
from sqlmodel.sql.sqltypes import AutoString

from controller.services.database import Database
from tests.unit.controller.household import Household

# Every id of the first home begins so, and every card's number.
IDS = "01990000-0000-7000-8000"
CARDS = "89441100000000"
_LEFT_ALONE = frozenset({"audit", "feed", "pseudonyms", "filter_lists"})
_NUMBERS = text("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :copies) SELECT i FROM n")


def town_ids() -> Iterator[str]:
    """Yield the ids of the first home, and of whatever is made later."""
    return (f"{IDS}-{number:012d}" for number in itertools.count())


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
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE"))


def id_in(id_: str, number: int) -> str:
    """Return the id that a thing of the first home has in a copy; the first home is number 0."""
    return id_.replace(IDS, f"{number:08d}{IDS[8:]}", 1) if number else id_


def _copy_table(connection: Connection, table: Table, copies: int) -> None:
    numbers = _NUMBERS.columns(Column("i")).subquery("n")
    postgresql = connection.dialect.name == "postgresql"
    i = func.lpad(cast(numbers.c.i, Text), 8, "0") if postgresql else func.printf("%08d", numbers.c.i)
    columns = [each for each in table.columns if not (each.primary_key and isinstance(each.type, Integer))]
    names = [each for each in columns if isinstance(each.type, String | AutoString) and _length(each) in {36, 64}]
    if not names:
        return
    source = select(*(_copied(each, i, postgresql=postgresql) for each in columns)).select_from(
        table.join(numbers, text("1=1"))
    )
    known = [cast(each, Text).like(f"{IDS}%") for each in names]
    statement = insert(table).from_select([each.name for each in columns], source.where(or_(*known)))
    connection.execute(statement, {"copies": copies})


def _length(column: Column[Any]) -> int | None:
    length: int | None = getattr(getattr(column.type, "impl", column.type), "length", None)
    return length


def _copied(column: Column[Any], i: ColumnElement[Any], *, postgresql: bool) -> ColumnElement[Any]:
    """Return a column's value in another home: ids and cards are renamed wherever they stand."""
    is_document = isinstance(column.type, JSON)
    if not is_document and not isinstance(column.type, String | AutoString):
        return column
    renamed = func.replace(cast(column, Text), IDS, i + IDS[8:])
    renamed = func.replace(renamed, CARDS, CARDS[:6] + i)
    # SQLite keeps documents as text; a cast would read them as numbers.
    return cast(renamed, column.type) if is_document and postgresql else renamed
