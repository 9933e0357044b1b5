"""Child processes of the tests: each announces itself as one line of JSON on stdout, and is ended by its own test."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

DEADLINE_S = 30.0


@dataclass(slots=True)
class Child:
    """A running program; `announced` is its first line."""

    process: asyncio.subprocess.Process
    announced: dict[str, Any]
    log: Path

    @property
    def url(self) -> str:
        return str(self.announced["listening"])

    async def kill(self) -> None:
        """SIGKILL it and wait."""
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()

    async def terminate(self) -> int:
        """SIGTERM it and return its exit code."""
        if self.process.returncode is None:
            self.process.terminate()
        async with asyncio.timeout(DEADLINE_S):
            return await self.process.wait()


async def until(holds: Callable[[], Awaitable[bool]], deadline_s: float = 15.0) -> None:
    """Return once it holds; TimeoutError otherwise. Other processes send no event to wait for."""
    async with asyncio.timeout(deadline_s):
        while not await holds():
            await asyncio.sleep(0.02)


async def start(arguments: Sequence[str], log: Path, **environment: str) -> Child:
    """Start `python …` and wait for its announcement."""
    # Compiled modules are kept: a program starts in a third of the time.
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    with log.open("ab") as sink:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *arguments,
            stdout=asyncio.subprocess.PIPE,
            stderr=sink,
            env={**inherited, **environment},
            cwd=Path(__file__).parents[3],
        )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(DEADLINE_S):
            line = await process.stdout.readline()
    except TimeoutError:
        # Nobody else knows of it yet.
        process.kill()
        await process.wait()
        raise
    if not line:
        await process.wait()
        raise AssertionError(f"{arguments} said nothing: see {log}")
    return Child(process, json.loads(line), log)


@asynccontextmanager
async def running(arguments: Sequence[str], log: Path, **environment: str) -> AsyncIterator[Child]:
    """Run a program for the length of a block."""
    child = await start(arguments, log, **environment)
    try:
        yield child
    finally:
        await child.kill()


SIMULATOR = ("-c", "from simulator.cli import main; main()")
CONTROLLER = ("-m", "controller")
CARRIER = (*SIMULATOR, "carrier", "--port", "0", "--json", "--seed", "7", "--token", "secret")


class Platform:
    """The side door of a running simulated carrier."""

    def __init__(self, url: str, http: httpx.AsyncClient) -> None:
        self.url, self._http = url, http

    async def manners(self, **manners: Any) -> None:
        """Behave like this from now on; what is not named is good."""
        response = await self._http.put(f"{self.url}/sim/manners", json=manners)
        response.raise_for_status()

    async def provision(self, iccid: str, **order: Any) -> None:
        """Add a SIM."""
        body = {"iccid": iccid, "imsi": "23430" + iccid[-10:], **order}
        response = await self._http.post(f"{self.url}/sim/sims", json=body)
        response.raise_for_status()

    async def describe(self) -> dict[str, Any]:
        """Return the network's truth."""
        response = await self._http.get(f"{self.url}/sim/state")
        described: dict[str, Any] = response.json()
        return described

    async def service(self, iccid: str) -> dict[str, Any]:
        """Return the truth about one SIM."""
        services = (await self.describe())["services"]
        found: dict[str, Any] = next(each for each in services if each["id"] == f"sim-{iccid}")
        return found

    async def changes(self, iccid: str) -> int:
        """Count the changes that were ever begun for one SIM."""
        return sum(each["iccid"] == iccid for each in (await self.describe())["changes"])
