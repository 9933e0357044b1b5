"""The third reading: scenarios from the terms, played through the API (tests/data/decisions/third_reading.toml)."""

import os
import random
import shutil
import tomllib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Protocol

import httpx
import pytest
from sqlalchemy import Connection, text
from sqlmodel import delete

from controller.api import create_api
from controller.services import keys
from controller.services.actor import Role
from controller.services.database import Database
from controller.services.policy import Policy
from controller.tables.owed import Owed
from tests.unit.controller.domain.outsider import Outsider
from tests.unit.controller.household import Household, numbered_ids

DATA = Path(__file__).parents[3] / "data" / "decisions" / "third_reading.toml"
CASES = tomllib.loads(DATA.read_text(encoding="utf-8"))["case"]
# Each takes a fifth of a second; the rows of test_tables.py hold the rules themselves in every build.
PLAYED = [case for case in CASES if case.get("always") or os.environ.get("MINIHUB_FULL")]


# The whole on PostgreSQL alone: MINIHUB_FULL=1 pytest tests/unit/controller/domain -k postgresql
ENGINES = ("sqlite", "postgresql") if os.environ.get("MINIHUB_FULL") else ("sqlite",)


class Store(Protocol):
    """The one database of all scenarios, in which each finds what was prepared, and nothing of another."""

    url: str

    def keep(self) -> None:
        """Keep what is in it as the start of every scenario; nobody is connected."""

    def restore(self) -> None:
        """Make it what was kept; nobody is connected."""


class SqliteStore:
    """A file and a copy of it."""

    def __init__(self, template: Path, path: Path) -> None:
        shutil.copy(template, path)
        self.url = f"sqlite:///{path}"
        self._path, self._start = path, path.with_suffix(".start")

    def keep(self) -> None:
        shutil.copy(self._path, self._start)

    def restore(self) -> None:
        for each in self._path.parent.glob("controller.db*"):
            each.unlink()
        shutil.copy(self._start, self._path)


class PostgresqlStore:
    """A database and another one as its template."""

    def __init__(self, url: str, admin: Connection) -> None:
        self.url, self._admin = url.format(name="scenario"), admin
        self._copy("template_controller", "scenario")

    def keep(self) -> None:
        self._copy("scenario", "scenario_start")

    def restore(self) -> None:
        self._admin.execute(text("DROP DATABASE scenario WITH (FORCE)"))
        self._copy("scenario_start", "scenario")

    def _copy(self, start: str, name: str) -> None:
        self._admin.execute(text(f"CREATE DATABASE {name} TEMPLATE {start} STRATEGY file_copy"))


class Stage:
    """One engine and one API for every scenario, since what they prepare serves all; each gets a fresh database."""

    def __init__(self, store: Store) -> None:
        self.database = Database(store.url, policy=Policy(), ids=numbered_ids(), random=random.Random(1))
        self.home = Household(self.database)
        _, self.key = self.home.run(keys.create, name="call centre", role=Role.OPERATOR)
        # The ageing of old rows is no part of a scenario.
        self.home.run(lambda session, actor, now: session.exec(delete(Owed)))
        self.api = create_api(self.database, now=lambda: self.home.now)
        self._store = store
        self.database.engine.dispose()
        store.keep()

    def begin(self) -> httpx.AsyncClient:
        self.database.engine.dispose()
        self._store.restore()
        self.home = Household(self.database)
        headers = {"Authorization": f"Bearer {self.key}"}
        transport = httpx.ASGITransport(self.api)
        return httpx.AsyncClient(transport=transport, base_url="http://controller", headers=headers)


@pytest.fixture(scope="module", params=ENGINES)
def stage(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    store: Store
    if request.param == "sqlite":
        path = tmp_path_factory.mktemp("scenarios") / "controller.db"
        store = SqliteStore(request.getfixturevalue("sqlite_template"), path)
    else:
        store = PostgresqlStore(*request.getfixturevalue("postgresql_server"))
    stage = Stage(store)
    yield stage
    stage.database._executor.shutdown(wait=True)
    stage.database.engine.dispose()


@pytest.fixture
async def outsider(stage: Stage) -> AsyncIterator[Outsider]:
    async with stage.begin() as client:
        yield Outsider(stage.home, client)


@pytest.mark.parametrize("case", PLAYED, ids=[case["name"] for case in PLAYED])
async def test_as_the_terms_say(outsider: Outsider, case: dict[str, str]) -> None:
    await outsider.assert_plays(case["script"])
