"""The third reading: scenarios from the terms, played through the API (tests/data/decisions/third_reading.toml)."""

import itertools
import os
import random
import shutil
import tomllib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from sqlmodel import delete

from controller.api import create_api
from controller.services import keys
from controller.services.actor import Role
from controller.services.database import Database
from controller.services.policy import Policy
from controller.tables.owed import Owed
from tests.unit.controller.domain.outsider import Outsider
from tests.unit.controller.household import Household

DATA = Path(__file__).parents[3] / "data" / "decisions" / "third_reading.toml"
CASES = tomllib.loads(DATA.read_text(encoding="utf-8"))["case"]
# Each takes a fifth of a second; the rows of test_tables.py hold the rules themselves in every build.
PLAYED = [case for case in CASES if case.get("always") or os.environ.get("MINIHUB_FULL")]


class Stage:
    """One engine and one API for every scenario, since what they prepare serves all; each gets a fresh database."""

    def __init__(self, template: Path, path: Path) -> None:
        shutil.copy(template, path)
        numbers = itertools.count()
        ids = lambda: f"01990000-0000-7000-8000-{next(numbers):012d}"  # noqa: E731  # one line, used once
        self.database = Database(f"sqlite:///{path}", policy=Policy(), ids=ids, random=random.Random(1))
        self.home = Household(self.database)
        _, self.key = self.home.run(keys.create, name="call centre", role=Role.OPERATOR)
        # The ageing of old rows is no part of a scenario.
        self.home.run(lambda session, actor, now: session.exec(delete(Owed)))
        self.api = create_api(self.database, now=lambda: self.home.now)
        self._path, self._start = path, path.with_suffix(".start")
        self.database.engine.dispose()
        shutil.copy(path, self._start)

    def begin(self) -> httpx.AsyncClient:
        self.database.engine.dispose()
        for each in self._path.parent.glob("controller.db*"):
            each.unlink()
        shutil.copy(self._start, self._path)
        self.home = Household(self.database)
        headers = {"Authorization": f"Bearer {self.key}"}
        transport = httpx.ASGITransport(self.api)
        return httpx.AsyncClient(transport=transport, base_url="http://controller", headers=headers)


@pytest.fixture(scope="module")
def stage(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    stage = Stage(sqlite_template, tmp_path_factory.mktemp("scenarios") / "controller.db")
    yield stage
    stage.database._executor.shutdown(wait=True)
    stage.database.engine.dispose()


@pytest.fixture
async def outsider(stage: Stage) -> AsyncIterator[Outsider]:
    async with stage.begin() as client:
        yield Outsider(stage.home, client)


@pytest.mark.parametrize("case", PLAYED, ids=[case["name"] for case in PLAYED])
async def test_as_the_terms_say(outsider: Outsider, case: dict[str, str]) -> None:
    await outsider.play(case["script"])
