"""A hub's host tools in memory: the same argument vectors and DNS questions, carried out by the stand-ins' pure cores.

This replaces the boundary (`Runner`, `Resolver`) that a process replaces otherwise; nothing above it knows.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from firmware_bridge.errors import HostToolError
from firmware_bridge.host.dns import NXDOMAIN, Answer
from firmware_bridge.host.process import Child, Completed
from simulator.host import nft
from simulator.host.dns import Reply
from simulator.host.dnsmasq_config import Configuration, ConfigurationError, parse_configuration
from simulator.host.ruleset import Ruleset

START_TAKES_S = 0.05
ANSWERS = {"www.allowed.example": "198.51.100.7"}


@dataclass(slots=True)
class MemoryChild:
    """A dnsmasq that runs until it is stopped or killed."""

    pid: int
    configuration: Configuration
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def running(self) -> bool:
        return not self.ended.is_set()

    async def wait(self) -> int:
        await self.ended.wait()
        return 0

    async def stop(self) -> None:
        self.ended.set()

    def complaint(self) -> str:
        return ""


class MemoryCounter:
    """The counter of refused names: as long as the agent lives."""

    def __init__(self) -> None:
        self.refused: dict[str, int] = {}
        self.ports: dict[str, int] = {}
        self._next = 40_000

    async def listen(self, categories: Sequence[str]) -> dict[str, int]:
        for category in self.ports.keys() - set(categories):
            del self.ports[category], self.refused[category]
        for category in categories:
            if category not in self.ports:
                self._next += 1
                self.ports[category], self.refused[category] = self._next, 0
        return dict(self.ports)

    def counts(self) -> dict[str, int]:
        return dict(self.refused)

    def close(self) -> None:
        self.ports.clear()
        self.refused.clear()

    def ask(self, port: int) -> Answer:
        for category, served in self.ports.items():
            if served == port:
                self.refused[category] += 1
                return Answer(NXDOMAIN)
        raise HostToolError("dns", "did not answer")


class MemoryHost:
    """The tools of one hub. `ruleset` is the kernel's and survives the agent; a power cut takes everything."""

    def __init__(self) -> None:
        self.ruleset = Ruleset()
        self.dnsmasq: MemoryChild | None = None
        self.names = MemoryCounter()
        self._pids = 100

    async def run(self, argv: Sequence[str], *, stdin: bytes = b"", deadline_s: float) -> Completed:
        if argv[0] == "nft":
            now = asyncio.get_running_loop().time()
            code, out, err = nft.run(argv[1:], stdin.decode(), self.ruleset, now)
            return Completed(code, out.encode(), err.encode())
        if argv[0] == "dnsmasq" and argv[1] == "--test":
            return self._tested(argv)
        raise HostToolError(argv[0], "not found on PATH")

    async def spawn(self, argv: Sequence[str]) -> Child:
        await asyncio.sleep(START_TAKES_S)
        self._pids += 1
        self.dnsmasq = MemoryChild(self._pids, self._parsed(argv))
        return self.dnsmasq

    async def stop_leftover(self, pid_file: Path, marker: str) -> None:
        if self.dnsmasq is not None:
            self.dnsmasq.ended.set()

    async def ask(self, server: tuple[str, int], name: str, kind: int, *, deadline_s: float) -> Answer:
        if self.dnsmasq is None or not self.dnsmasq.running:
            raise HostToolError("dns", "did not answer")
        configuration = self.dnsmasq.configuration
        reply = configuration.decide(name, kind)
        servers = configuration.servers_of(name)
        if reply is None and servers is not configuration.servers:
            return self.names.ask(servers[0][1])
        reply = reply or self._upstream(name)
        return Answer(reply.rcode, reply.texts, reply.addresses)

    def is_open(self, lan: str) -> bool:
        """Whether the kernel lets the LAN out just now."""
        now = asyncio.get_running_loop().time()
        try:
            return lan in self.ruleset.elements("inet", "minihub", "forwarding_open", now)
        except Exception as error:  # the table is not there yet: nothing was opened
            if "No such file" in str(error):
                return False
            raise

    def cut_power(self) -> None:
        """The kernel's rule set and every process are gone."""
        self.ruleset = Ruleset()
        self.names.close()
        if self.dnsmasq is not None:
            self.dnsmasq.ended.set()
            self.dnsmasq = None

    def _tested(self, argv: Sequence[str]) -> Completed:
        try:
            self._parsed(argv)
        except ConfigurationError as error:
            return Completed(error.code, b"", str(error).encode())
        return Completed(0, b"", b"dnsmasq: syntax check OK.\n")

    def _parsed(self, argv: Sequence[str]) -> Configuration:
        path = Path(next(word for word in argv if word.startswith("--conf-file=")).partition("=")[2])
        return parse_configuration(path.read_text().splitlines(), str(path))

    def _upstream(self, name: str) -> Reply:
        return Reply(addresses=(ANSWERS.get(name, "198.51.100.9"),))
