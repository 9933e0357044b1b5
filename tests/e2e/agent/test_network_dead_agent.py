"""A dead agent: packets counted until the kernel closes by itself. A file of its own, since it mostly waits."""

import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from simulator.stage.home import HUB_LAN
from tests.e2e.agent.home import Home, a_home, require_namespaces

pytestmark = [pytest.mark.e2e, pytest.mark.root]


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[Home]:
    await require_namespaces()
    async with a_home(tmp_path) as made:
        yield made


@pytest.mark.slow
async def test_a_killed_agent_leaves_the_kernel_to_stop_packets_within_ninety_seconds(home: Home) -> None:
    began = time.monotonic()
    await home.agent.stop(signal.SIGKILL)
    took = await home.stops(began, 95.0)
    assert 55.0 < took <= 90.5
    # The filter of the dead agent went on answering until then, and the next life takes it over.
    assert await home.dig("blocked.example", HUB_LAN) == "NXDOMAIN"
    await home.agent.start()
    await home.flows()
    assert await home.dig("blocked.example", HUB_LAN) == "NXDOMAIN"
