"""A home in network namespaces with the real nft and dnsmasq: a client, the hub with its agent, the internet beyond.

What passes is counted where it arrives. The agent, the modem and mosquitto are processes of their own.
"""

import asyncio
import os
import re
import shutil
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from device_agent.protocol import Desired
from simulator.stage.home import INTERNET, NamespaceHome, can_have_namespaces
from tests.e2e.agent import rig
from tests.e2e.mosquitto import Mosquitto

MISSING = "needs root and: apt-get install -y nftables dnsmasq-base iproute2 dnsutils curl"
PORT = 4444
SEND = f"""
import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
while True:
    try: s.sendto(b"x", ("{INTERNET}", {PORT}))
    except OSError: pass
    time.sleep(0.02)
"""
COUNT = f"""
import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("{INTERNET}", {PORT}))
while True:
    s.recv(16); print(time.monotonic(), flush=True)
"""


@dataclass
class Home:
    """A home whose client sends fifty packets a second to the internet, and what of it arrives there."""

    place: NamespaceHome
    agent: rig.Process
    voice: rig.Controller
    arrived: Path
    now_ms: int
    revision: int = 1

    @property
    def last_ago_s(self) -> float:
        """How long ago the last packet arrived outside."""
        lines = self.arrived.read_text().split()
        return time.monotonic() - float(lines[-1]) if lines else 1e9

    async def publish(self, **changes: Any) -> Desired:
        """A document with the next revision."""
        self.revision += 1
        document = rig.desired(self.revision, self.now_ms + self.revision, **changes)
        await self.voice.publish(document)
        return document

    async def open(self) -> None:
        """Open again after whatever an earlier test did; a flap is forgotten with the agent that met it."""
        if self.agent.child is None or self.agent.child.returncode is not None or self.last_ago_s > 0.3:
            await self.agent.stop()
            await self.agent.start()
        self.voice.forget()
        await self.publish()
        await self.voice.until(rig.is_fulfilled(self.revision))
        await self.flows()

    def filter_pid(self) -> int:
        return int((self.agent.log.parent / "state" / "dnsmasq.pid").read_text())

    async def until(self, holds: Callable[[], bool], within_s: float) -> None:
        async with asyncio.timeout(within_s):
            while not holds():
                await asyncio.sleep(0.02)

    async def flows(self, within_s: float = 20.0) -> None:
        await self.until(lambda: self.last_ago_s < 0.2, within_s)

    async def stops(self, since: float, within_s: float) -> float:
        """Wait for half a second without a packet; returns how long after `since` the last one came."""
        await self.until(lambda: self.last_ago_s > 0.5, within_s + 1.0)
        return time.monotonic() - self.last_ago_s - since

    async def client(self, *argv: str) -> str:
        """Run a command on the home's client; returns all it says."""
        return await self.inside(self.place._client, *argv)

    async def inside(self, namespace: str, *argv: str) -> str:
        child = await asyncio.create_subprocess_exec(
            "ip",
            "netns",
            "exec",
            namespace,
            *argv,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        out, _ = await child.communicate()
        return out.decode(errors="replace")

    async def dig(self, name: str, server: str, *words: str) -> str:
        """The status of an answer, or what else dig says."""
        out = await self.client("dig", f"@{server}", name, "+time=2", "+tries=1", *words)
        found = re.search(r"status: (\w+)", out)
        return found.group(1) if found else out

    def nft(self, *argv: str) -> list[str]:
        return ["ip", "netns", "exec", self.place._hub, "nft", *argv]


@asynccontextmanager
async def a_home(directory: Path, **changes: Any) -> AsyncIterator[Home]:
    """Everything started, the hub open."""
    async with AsyncExitStack() as stack:
        broker = Mosquitto(directory)
        await broker.start()
        stack.push_async_callback(broker.stop)
        place = NamespaceHome(directory, f"mh{os.getpid() % 100000}", [("127.0.0.1", broker.port)])
        stack.push_async_callback(place.tear_down)
        await place.build()
        config = rig.write_config(directory, broker.port, dns={"upstream": list(place.upstream)})
        agent = rig.agent(directory, config, {}, "ip", "netns", "exec", place._hub)
        voice = await stack.enter_async_context(rig.controller(broker.port))
        count = rig.Process(
            ["ip", "netns", "exec", place._outside, sys.executable, "-c", COUNT], directory / "arrived", {}
        )
        send = rig.Process(["ip", "netns", "exec", place._client, sys.executable, "-c", SEND], directory / "sent", {})
        await stack.enter_async_context(rig.running(rig.modem(directory), count, agent))
        first = await voice.until(lambda m: getattr(m, "sent_at", None) is not None)
        await stack.enter_async_context(rig.running(send))
        await asyncio.sleep(0.5)
        home = Home(place, agent, voice, directory / "arrived", first.sent_at)
        assert home.last_ago_s > 1e6, "packets passed before any document came"
        await voice.publish(rig.desired(1, home.now_ms, **changes))
        await home.flows()
        yield home


async def require_namespaces() -> None:
    """Skip where there can be none, fail where CI promised them."""
    if not await can_have_namespaces() or not all(map(shutil.which, ("dig", "curl"))):
        if os.environ.get("CI") == "true":
            pytest.fail(MISSING)
        pytest.skip(MISSING)
