import os
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import Connection, Engine, create_engine, text

from controller.api import create_routes
from controller.services.database import Database, normalise_url, open_engine
from controller.services.policy import Policy
from tests.unit.controller import postgresql
from tests.unit.controller.household import Household, numbered_ids

MakeDatabase = Callable[..., Database]


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "controller.db"
    database = Database(f"sqlite:///{path}")
    database.create_now()
    database.engine.dispose()
    return path


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[tuple[str, Connection]]:
    """The URL of a server that holds the template, and a connection that makes and drops databases."""
    if not postgresql.is_installed():
        reason = f"PostgreSQL 15 is missing: {postgresql.INSTALL}"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    with postgresql.running_server() as url:
        engine = create_engine(normalise_url(url.format(name="postgres")), isolation_level="AUTOCOMMIT")
        with engine.connect() as admin:
            admin.execute(text("CREATE DATABASE template_controller"))
            database = Database(url.format(name="template_controller"))
            database.create_now()
            database.engine.dispose()
            yield url, admin
        engine.dispose()


@pytest.fixture(scope="session")
def engines() -> Iterator[dict[tuple[str, int], Engine]]:
    """Engines by URL and by which of a test's they are: what they compiled for one test serves the next."""
    opened: dict[tuple[str, int], Engine] = {}
    yield opened
    for engine in opened.values():
        engine.dispose()


@pytest.fixture(scope="session")
def database_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("database")


@pytest.fixture
def sqlite_url(sqlite_template: Path, database_directory: Path) -> str:
    """The URL of a fresh SQLite database at this code's schema."""
    for each in database_directory.glob("controller.db*"):
        each.unlink()
    shutil.copy(sqlite_template, database_directory / "controller.db")
    return f"sqlite:///{database_directory / 'controller.db'}"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a fresh database at this code's schema, on each of the two engines."""
    if request.param == "sqlite":
        yield request.getfixturevalue("sqlite_url")
        return
    url, admin = request.getfixturevalue("postgresql_server")
    name = f"test_{os.getpid()}"
    # Copying the template's files needs no log of every page; dropping at once keeps the files in memory few.
    admin.execute(text(f"CREATE DATABASE {name} TEMPLATE template_controller STRATEGY file_copy"))
    yield url.format(name=name)
    admin.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture
def make_database(database_url: str, engines: dict[tuple[str, int], Engine]) -> Iterator[MakeDatabase]:
    """Open the database, as often as a test wants, with ids that repeat from run to run."""
    opened: list[Database] = []

    def make(**options: Any) -> Database:
        ids = numbered_ids(len(opened) * 1_000_000)
        key = (database_url, len(opened))
        if key not in engines:
            engines[key] = open_engine(normalise_url(database_url))
        given = {"ids": ids, "random": random.Random(1), "engine": engines[key], **options}
        database = Database(database_url, **given)
        opened.append(database)
        return database

    yield make
    for database in opened:
        database._executor.shutdown(wait=True)
        database.engine.dispose()


@pytest.fixture
def database(make_database: MakeDatabase) -> Database:
    return make_database(policy=Policy().with_immediate_switch_off())


@pytest.fixture
def home(database: Database) -> Household:
    return Household(database)


@pytest.fixture
def broken(home: Household) -> tuple[Household, str]:
    """A home whose hub and Backup are on for a fault."""
    home.move_in(allowances=(1000,))
    home.put_hub_in_drawer()
    fault_id = home.broken()
    home.outside_follows()
    home.pass_time(minutes=5)
    return home, fault_id


@pytest.fixture(scope="session")
def routes() -> FastAPI:
    """The API without a database: `serve` gives it one, since building it anew takes longer than a test does."""
    return create_routes()
