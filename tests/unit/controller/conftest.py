import itertools
import os
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, create_engine, text

from controller.services.database import Database, normalise_url
from controller.services.policy import Policy
from tests.unit.controller import postgresql
from tests.unit.controller.household import Household

MakeDatabase = Callable[..., Database]
_names = itertools.count()


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


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a fresh database at this code's schema, on each of the two engines."""
    if request.param == "sqlite":
        template: Path = request.getfixturevalue("sqlite_template")
        shutil.copy(template, tmp_path / "controller.db")
        yield f"sqlite:///{tmp_path / 'controller.db'}"
        return
    url, admin = request.getfixturevalue("postgresql_server")
    name = f"test_{os.getpid()}_{next(_names)}"
    # Copying the template's files needs no log of every page; dropping at once keeps the files in memory few.
    admin.execute(text(f"CREATE DATABASE {name} TEMPLATE template_controller STRATEGY file_copy"))
    yield url.format(name=name)
    admin.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture
def make_database(database_url: str) -> Iterator[MakeDatabase]:
    """Open the database, as often as a test wants, with ids that repeat from run to run."""
    opened: list[Database] = []

    def make(**options: Any) -> Database:
        numbers = itertools.count(len(opened) * 1_000_000)
        ids = lambda: f"01990000-0000-7000-8000-{next(numbers):012d}"  # noqa: E731  # one line, used once
        database = Database(database_url, **{"ids": ids, "random": random.Random(1), **options})
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
