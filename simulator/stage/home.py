"""Where a hub lives: its host tools, and a home client behind it that asks for names and sends packets.

With root and the real tools: three network namespaces (home, hub, internet) and the real nft, dnsmasq and hostapd_cli
in the hub's. Without: stand-in executables on the agent's PATH. The agent's code is the same.
"""

import asyncio
import contextlib
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from simulator.stage.process import Process
from simulator.stage.record import StepFailedError

_TOOL_DEADLINE_S = 10.0
REAL_TOOLS = ("ip", "nft", "dnsmasq")
HUB_LAN, HUB_WAN = "192.168.8.1", "100.64.0.2"
CLIENT, INTERNET = "192.168.8.20", "100.64.0.1"
# What the resolver outside answers for every name, and the name the demo asks it for.
OUTSIDE_ADDRESS = "198.51.100.7"
ALLOWED_NAME = "www.allowed.example"


@dataclass(frozen=True, slots=True)
class Lookup:
    """How a name was answered: the DNS response code's name and the addresses."""

    rcode: str
    addresses: tuple[str, ...]


class Home(Protocol):
    """The place of one hub."""

    kind: str
    lan: str
    wan: str
    dns_address: str
    dns_port: int
    upstream: list[str]
    broker_address: tuple[str, int]

    async def build(self) -> None:
        """Make it."""

    async def tear_down(self) -> None:
        """Leave nothing behind."""

    def agent_argv(self, argv: Sequence[str]) -> list[str]:
        """The agent's command line in this place."""

    def environment(self) -> Mapping[str, str]:
        """What the agent's environment needs."""

    async def ask(self, name: str) -> Lookup:
        """Ask the hub's DNS for a name, as a device in the home does."""

    async def reaches_internet(self) -> bool | None:
        """Whether a home device's packet comes back from outside; None where there is no real network to try."""


async def run_tool(*argv: str, check: bool = True) -> str:
    """Run a tool to its end and return its standard output. Raises StepFailedError with its complaint."""
    child = await asyncio.create_subprocess_exec(
        *argv, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(_TOOL_DEADLINE_S):
            out, err = await child.communicate()
    except TimeoutError:
        raise StepFailedError(f"{argv[0]} did not end within {_TOOL_DEADLINE_S:g} s") from None
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    if check and child.returncode:
        raise StepFailedError(f"{' '.join(argv)}: {err.decode(errors='replace').strip()}")
    return out.decode(errors="replace")


async def look_up(prefix: Sequence[str], server: str, port: int, name: str) -> Lookup:
    """Ask a DNS server from a process started behind `prefix` (`ip netns exec …`, or nothing)."""
    text = await run_tool(*prefix, sys.executable, "-m", "simulator.host.ask", server, str(port), name)
    rcode, *addresses = text.split()
    return Lookup(rcode, tuple(addresses))


class StandInHome:
    """Stand-in executables and unprivileged ports: needs no rights."""

    kind = "stand-ins"
    lan = "lan0"
    wan = "wwan0"
    dns_address = "127.0.0.1"

    def __init__(self, directory: Path, broker_address: tuple[str, int], dns_port: int) -> None:
        self.broker_address = broker_address
        self.dns_port = dns_port
        self.upstream: list[str] = []
        self._directory = directory

    async def build(self) -> None:
        """Write the stand-ins into a directory of this home's own."""
        from simulator.host import install_standins

        tools, state = self._directory / "tools", self._directory / "state"
        state.mkdir(parents=True, exist_ok=True)
        install_standins(tools, state, answers={ALLOWED_NAME: OUTSIDE_ADDRESS})

    async def tear_down(self) -> None:
        """Nothing but files, which go with the stage's folder."""

    def agent_argv(self, argv: Sequence[str]) -> list[str]:
        """The command line as it is."""
        return list(argv)

    def environment(self) -> Mapping[str, str]:
        """The stand-ins come first on PATH."""
        return {"PATH": f"{self._directory / 'tools'}{os.pathsep}{os.environ['PATH']}"}

    async def ask(self, name: str) -> Lookup:
        """Ask the stand-in dnsmasq."""
        return await look_up((), self.dns_address, self.dns_port, name)

    async def reaches_internet(self) -> bool | None:
        """There is no network to send a packet through."""
        return None


class NamespaceHome:
    """Three network namespaces with the real tools. Needs root; see `can_have_namespaces`."""

    kind = "network namespaces"
    lan = "lan0"
    wan = "wwan0"
    dns_address = HUB_LAN
    dns_port = 53

    def __init__(self, directory: Path, name: str, reachable: Sequence[tuple[str, int]]) -> None:
        # Inside, each of `reachable` is the same port on the namespace's own loopback; the first is the broker.
        self.broker_address = ("127.0.0.1", reachable[0][1])
        self.upstream = [INTERNET]
        self._directory = directory
        self._reachable = reachable
        self._hub, self._client, self._outside = (f"{name}-{part}" for part in ("hub", "home", "net"))
        self._processes: list[Process] = []

    async def build(self) -> None:
        """Make the namespaces, the wires between them, the ways outside and a resolver outside."""
        for namespace in (self._hub, self._client, self._outside):
            await run_tool("ip", "netns", "add", namespace)
            await self._ip(namespace, "link set lo up")
        await self._wire(self.lan, f"{HUB_LAN}/24", self._client, f"{CLIENT}/24")
        await self._wire(self.wan, f"{HUB_WAN}/30", self._outside, f"{INTERNET}/30")
        await self._ip(self._client, f"route add default via {HUB_LAN}")
        await self._ip(self._hub, f"route add default via {INTERNET}")
        await self._ip(self._outside, f"route add 192.168.8.0/24 via {HUB_WAN}")
        await run_tool("ip", "netns", "exec", self._hub, "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")
        await self._start_resolver()
        await self._start_relays()

    async def tear_down(self) -> None:
        """Stop what runs in them and delete the namespaces, whatever state building left."""
        for process in reversed(self._processes):
            await process.stop()
        for namespace in (self._hub, self._client, self._outside):
            with contextlib.suppress(StepFailedError):
                await run_tool("ip", "netns", "delete", namespace, check=False)

    def agent_argv(self, argv: Sequence[str]) -> list[str]:
        """The command line inside the hub's namespace."""
        return ["ip", "netns", "exec", self._hub, *argv]

    def environment(self) -> Mapping[str, str]:
        """The real tools are on PATH already."""
        return {}

    async def ask(self, name: str) -> Lookup:
        """Ask from the home client's namespace."""
        return await look_up(("ip", "netns", "exec", self._client), self.dns_address, self.dns_port, name)

    async def reaches_internet(self) -> bool | None:
        """Send one echo request from the home client to the address outside."""
        if shutil.which("ping") is None:
            return None
        out = await run_tool(
            "ip", "netns", "exec", self._client, "ping", "-c", "1", "-W", "1", "-n", INTERNET, check=False
        )
        return " 0% packet loss" in out

    async def _ip(self, namespace: str, words: str) -> None:
        await run_tool("ip", "-n", namespace, *words.split())

    async def _wire(self, name: str, hub_address: str, far: str, far_address: str) -> None:
        await run_tool("ip", "link", "add", name, "netns", self._hub, "type", "veth", "peer", "eth0", "netns", far)
        await self._ip(self._hub, f"address add {hub_address} dev {name}")
        await self._ip(far, f"address add {far_address} dev eth0")
        await self._ip(self._hub, f"link set {name} up")
        await self._ip(far, "link set eth0 up")

    async def _start_resolver(self) -> None:
        argv = ["dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--pid-file="]
        argv += [f"--listen-address={INTERNET}", "--bind-interfaces", f"--address=/#/{OUTSIDE_ADDRESS}"]
        await self._start("resolver", ["ip", "netns", "exec", self._outside, *argv])

    async def _start_relays(self) -> None:
        relay = [sys.executable, "-m", "simulator.stage.relay"]
        for host, port in self._reachable:
            path = self._directory / f"{port}.sock"
            await self._start(f"relay-outside-{port}", [*relay, f"unix:{path}", f"tcp:{host}:{port}"])
            inside = [*relay, f"tcp:127.0.0.1:{port}", f"unix:{path}"]
            await self._start(f"relay-inside-{port}", ["ip", "netns", "exec", self._hub, *inside])

    async def _start(self, name: str, argv: list[str]) -> None:
        process = Process(name, argv, log=self._directory / f"{name}.log")
        await process.start()
        self._processes.append(process)


async def can_have_namespaces() -> bool:
    """Whether this user may make network namespaces and has the real tools."""
    if os.geteuid() != 0 or any(shutil.which(tool) is None for tool in REAL_TOOLS):
        return False
    name = f"minihub-probe-{os.getpid()}"
    try:
        await run_tool("ip", "netns", "add", name)
        await run_tool("ip", "netns", "exec", name, "nft", "list", "ruleset")
    except StepFailedError:
        return False
    finally:
        await run_tool("ip", "netns", "delete", name, check=False)
    return True
