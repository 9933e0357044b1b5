"""The outside of the controller, over real interfaces: a simulated carrier and a home location register."""

import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from tests.e2e.controller.processes import CARRIER, Platform
from tests.e2e.controller.register import running_register


@pytest.fixture(scope="session")
def platform_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One simulated platform for all tests of this room: each makes SIMs of its own and sets the manners first."""
    log = tmp_path_factory.mktemp("carrier") / "carrier.log"
    with log.open("wb") as sink:
        process = subprocess.Popen([sys.executable, *CARRIER], stdout=subprocess.PIPE, stderr=sink)
    assert process.stdout is not None
    try:
        yield str(json.loads(process.stdout.readline())["listening"])
    finally:
        process.kill()
        process.communicate(timeout=10)


@pytest.fixture
async def platform(platform_url: str) -> AsyncIterator[Platform]:
    async with httpx.AsyncClient(timeout=10) as http:
        yield Platform(platform_url, http)


@pytest.fixture(scope="session")
def register(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One register for all tests of this room: the address it listens on."""
    directory: Path = tmp_path_factory.mktemp("register")
    with running_register(directory) as address:
        yield address
