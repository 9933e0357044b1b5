"""The local socket: who asks where nobody answers, and an agent that can have none."""

import asyncio
import logging
from pathlib import Path

import pytest

from device_agent.status import NotRunningError, ask, serve


def test_what_the_agent_knows_is_told_and_the_socket_is_gone_afterwards(tmp_path: Path) -> None:
    async def story() -> None:
        async with serve(tmp_path / "s.sock", lambda: {"reason": "open"}):
            assert await ask(tmp_path / "s.sock") == {"reason": "open"}
            assert (tmp_path / "s.sock").stat().st_mode & 0o777 == 0o660
        with pytest.raises(NotRunningError, match=r"no hub-agent answers on .* start it"):
            await ask(tmp_path / "s.sock")

    asyncio.run(story())


def test_an_agent_that_can_have_no_socket_runs_and_says_why(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> str:
        async with serve(tmp_path / "nowhere" / "s.sock", dict):
            return "runs"

    with caplog.at_level(logging.ERROR):
        assert asyncio.run(story()) == "runs"
    assert "nobody can ask for the status" in caplog.text
