"""The real nft and dnsmasq in network namespaces: a client in the home, the hub, and the internet beyond.

What passes is counted where it arrives. The agent, the modem and mosquitto are processes of their own.
"""

import asyncio
import os
import re
import shutil
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from device_agent.protocol import Internet
from simulator.stage.home import CLIENT, HUB_LAN, INTERNET, NamespaceHome, can_have_namespaces
from tests.e2e.agent import rig
from tests.e2e.mosquitto import Mosquitto

pytestmark = [pytest.mark.e2e, pytest.mark.root]

MISSING = "needs root and: apt-get install -y nftables dnsmasq-base iproute2 dnsutils"
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

    @property
    def last_ago_s(self) -> float:
        """How long ago the last packet arrived outside."""
        lines = self.arrived.read_text().split()
        return time.monotonic() - float(lines[-1]) if lines else 1e9

    async def until(self, holds: Callable[[], bool], within_s: float) -> None:
        async with asyncio.timeout(within_s):
            while not holds():  # noqa: ASYNC110  # what is watched is a file that another process writes
                await asyncio.sleep(0.02)

    async def flows(self, within_s: float = 20.0) -> None:
        await self.until(lambda: self.last_ago_s < 0.2, within_s)

    async def stops(self, since: float, within_s: float) -> float:
        """Wait for half a second without a packet; returns how long after `since` the last one came."""
        await self.until(lambda: self.last_ago_s > 0.5, within_s + 1.0)
        return time.monotonic() - self.last_ago_s - since

    async def client(self, *argv: str) -> str:
        """Run a command on the home's client."""
        child = await asyncio.create_subprocess_exec(
            "ip",
            "netns",
            "exec",
            self.place._client,
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


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[Home]:
    if not await can_have_namespaces() or shutil.which("dig") is None:
        if os.environ.get("CI") == "true":
            pytest.fail(MISSING)
        pytest.skip(MISSING)
    async with a_home(tmp_path) as made:
        yield made


async def test_names_are_filtered_whichever_resolver_a_client_asks(home: Home) -> None:
    assert await home.dig("allowed.example", HUB_LAN) == "NOERROR"
    assert await home.dig("blocked.example", HUB_LAN) == "NXDOMAIN"
    assert await home.dig("www.blocked.example", HUB_LAN) == "NXDOMAIN"
    # Another resolver, by UDP and by TCP: the hub answers in its place.
    assert await home.dig("blocked.example", INTERNET) == "NXDOMAIN"
    assert await home.dig("blocked.example", "8.8.8.8", "+tcp") == "NXDOMAIN"
    assert await home.dig("allowed.example", "8.8.8.8") == "NOERROR"
    # The names by which browsers ask whether they may bypass it, and of resolvers over HTTPS.
    assert await home.dig("use-application-dns.net", HUB_LAN) == "NXDOMAIN"
    assert await home.dig("dns.google", HUB_LAN) == "NXDOMAIN"


async def test_dns_over_tls_and_known_dns_over_https_are_rejected(home: Home) -> None:
    code = "import socket,sys\ntry: socket.create_connection((sys.argv[1], int(sys.argv[2])), 3)\n"
    code += "except OSError as error: print(error)"
    for address, port in ((INTERNET, "853"), ("9.9.9.9", "853"), ("1.1.1.1", "443"), ("8.8.8.8", "443")):
        said = await home.client(sys.executable, "-c", code, address, port)
        # Rejected, not dropped: the client learns it at once.
        assert "prohibited" in said or "No route" in said or "refused" in said, said
    said = await home.client(sys.executable, "-c", code, INTERNET, "443")
    assert "refused" in said


async def test_a_killed_filter_stops_packets_within_two_seconds(home: Home) -> None:
    pid = int((home.agent.log.parent / "state" / "dnsmasq.pid").read_text())
    began = time.monotonic()
    os.kill(pid, signal.SIGKILL)
    assert await home.stops(began, 3.0) < 2.0
    await home.voice.until(rig.is_closed("filter_absent", "settling"))


async def test_a_frozen_filter_stops_packets_within_two_seconds(home: Home) -> None:
    pid = int((home.agent.log.parent / "state" / "dnsmasq.pid").read_text())
    began = time.monotonic()
    os.kill(pid, signal.SIGSTOP)
    try:
        took = await home.stops(began, 4.0)
    finally:
        os.kill(pid, signal.SIGCONT)
    assert took < 2.6


async def test_a_removed_rule_set_is_put_back_closed_within_two_seconds(home: Home) -> None:
    began = time.monotonic()
    child = await asyncio.create_subprocess_exec(*home.nft("delete", "table", "inet", "minihub"))
    await child.wait()
    assert await home.stops(began, 3.0) < 2.0
    await home.voice.until(rig.is_closed("filter_absent", "settling"))


async def test_the_end_of_the_lease_stops_packets(home: Home) -> None:
    now = home.now_ms + 60_000
    report = await home.voice.until(lambda m: getattr(m, "observed_revision", 0) == 1)
    now = report.sent_at
    began = time.monotonic()
    await home.voice.publish(rig.desired(2, now, internet=Internet(on=True, until=now + 8_000)))
    took = await home.stops(began, 12.0)
    assert took < 8.5
    await home.voice.until(rig.is_closed("lease_ended"))


async def test_off_stops_packets_of_established_connections_too(home: Home) -> None:
    began = time.monotonic()
    await home.voice.publish(rig.desired(2, home.now_ms + 1, internet=Internet(on=False)))
    assert await home.stops(began, 3.0) < 1.0


async def test_a_clean_end_stops_packets_at_once(home: Home) -> None:
    began = time.monotonic()
    assert await home.agent.stop() == 0
    assert await home.stops(began, 3.0) < 2.0


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


async def test_the_query_log_is_off_and_names_leave_no_trace(home: Home) -> None:
    await home.dig("secret-name.example", HUB_LAN)
    state = home.agent.log.parent / "state"
    assert "log-queries" not in (state / "dnsmasq.conf").read_text()
    kept = [p for p in state.rglob("*") if p.is_file() and b"secret-name" in p.read_bytes()]
    assert kept == []
    assert "secret-name" not in home.agent.text()
    assert not any("secret-name" in repr(m) or CLIENT in repr(m) for m in home.voice.messages)
