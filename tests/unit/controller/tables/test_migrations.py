"""Migrations up and down, with data, on both engines; a database newer than the code is refused."""

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect, text

from controller.services import schema
from controller.services.database import Database
from controller.services.errors import (
    DatabaseError,
    DatabaseUnreachableError,
    NewerDatabaseError,
    OlderDatabaseError,
)
from controller.tables import METADATA
from tests.unit.controller.household import Household


def test_migrations_make_exactly_what_the_models_say(database: Database) -> None:
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, METADATA) == []


def test_down_and_up_again_with_data(home: Household) -> None:
    home.move_in(allowances=(1000,))
    home.put_hub_in_drawer()
    home.broken()
    engine = home.database.engine
    schema.downgrade(engine, "base")
    assert set(inspect(engine).get_table_names()) <= {"alembic_version", "sqlite_sequence"}
    schema.upgrade(engine)
    schema.check(engine)
    home.move_in()


async def test_an_empty_database_is_created_and_then_fits(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'new.db'}")
    with pytest.raises(OlderDatabaseError, match="schema none"):
        await database.check()
    await database.create()
    await database.create()
    await database.check()
    await database.close()
    await database.close()


def test_a_newer_database_is_refused_untouched(database: Database) -> None:
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    for attempt in (schema.check, schema.upgrade):
        with pytest.raises(NewerDatabaseError) as caught:
            attempt(database.engine)
        assert "9999" in caught.value.message
        assert caught.value.remedy
        assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    "url",
    ["mysql://x/y", "no url at all", "sqlite:////nowhere/at/all.db", "sqlite:////"],
)
def test_what_cannot_be_opened_is_one_clear_line(url: str) -> None:
    with pytest.raises(DatabaseError) as caught:
        Database(url).create_now()
    assert caught.value.remedy
    assert "\n" not in str(caught.value)


def test_a_server_that_is_not_there_is_one_clear_line() -> None:
    database = Database("postgresql://postgres@127.0.0.1:1/none?connect_timeout=2")
    with pytest.raises(DatabaseUnreachableError) as caught:
        database.create_now()
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_database_is_one_clear_line(tmp_path: Path) -> None:
    path = tmp_path / "text.db"
    path.write_text("this is no database, whatever its name says " * 50)
    database = Database(f"sqlite:///{path}")
    with pytest.raises(DatabaseUnreachableError) as caught:
        database.create_now()
    assert "\n" not in str(caught.value)
    database.engine.dispose()
