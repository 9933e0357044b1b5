"""A running simulated carrier, over real HTTP."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.e2e.controller.processes import CARRIER, Platform, running


@pytest.fixture
async def platform(tmp_path: Path) -> AsyncIterator[Platform]:
    async with running(CARRIER, tmp_path / "carrier.log") as child, httpx.AsyncClient(timeout=10) as http:
        yield Platform(child.url, http)
