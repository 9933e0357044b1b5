"""A real mosquitto on loopback, owned by the test that starts it."""

import asyncio
import contextlib
import os
import random
import shutil
import socket
from pathlib import Path

import pytest

# Linux gives connections 32768 and more: one of those that was free may be taken before a server has started.
SERVERS_PORTS = range(20_000, 32_000)
MISSING = "mosquitto is not installed: apt-get install -y mosquitto"


def require_mosquitto() -> str:
    """Return the executable; skip where it is absent, fail where CI promised it."""
    found = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if found is None:
        if os.environ.get("CI") == "true":
            pytest.fail(MISSING)
        pytest.skip(MISSING)
    return found


def free_port() -> int:
    """Return a loopback port that was free a moment ago, below those that outgoing connections are given."""
    for port in random.SystemRandom().sample(SERVERS_PORTS, 100):  # two workers never choose alike
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError(f"none of 100 ports of {SERVERS_PORTS} is free")


class Mosquitto:
    """One broker process; `restart(keep_store=False)` is a broker whose disk was wiped."""

    def __init__(self, directory: Path) -> None:
        self._executable = require_mosquitto()
        self._directory = directory
        self.port = free_port()
        self._process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    async def start(self) -> None:
        store = self._directory / "store"
        store.mkdir(parents=True, exist_ok=True)
        configuration = self._directory / "mosquitto.conf"
        configuration.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous true\npersistence true\n"
            f"persistence_location {store}/\nautosave_interval 1\nset_tcp_nodelay true\nmax_queued_messages 0\n"
            "max_inflight_messages 0\n"
            # Started as root it would drop to a user who can't read a private temporary directory.
            f"log_type error\nuser {_user()}\n"
        )
        self._process = await asyncio.create_subprocess_exec(
            self._executable,
            "-c",
            str(configuration),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        await wait_for_port(self.port)

    async def stop(self, *, kill: bool = False) -> None:
        if self._process is not None and self._process.returncode is None:
            (self._process.kill if kill else self._process.terminate)()
            await self._process.wait()
        self._process = None

    async def restart(self, *, keep_store: bool) -> None:
        await self.stop(kill=not keep_store)
        if not keep_store:
            shutil.rmtree(self._directory / "store")
        await self.start()


async def wait_for_port(port: int, deadline_s: float = 10.0) -> None:
    """Return once somebody listens on the loopback port."""
    async with asyncio.timeout(deadline_s):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.02)
                continue
            writer.close()
            await writer.wait_closed()
            return


def _user() -> str:
    return "root" if os.geteuid() == 0 else "mosquitto"
