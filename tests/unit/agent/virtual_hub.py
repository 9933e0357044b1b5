"""A whole agent on a virtual loop: real daemon, lanes, session and store; broker, modem and host tools in memory."""

import asyncio
import random
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from device_agent import link
from device_agent.clock import Clock
from device_agent.config import Config, Modem
from device_agent.daemon import Agent
from device_agent.lanes.certificate import Renew
from device_agent.protocol import (
    Ack,
    Bearer,
    BootAck,
    Channel,
    Desired,
    Internet,
    ParentalControls,
    Reported,
    decode,
    digest_identifier,
    encode,
    parse_topic,
    topic,
)
from device_agent.store import Store
from firmware_bridge.host import open_host
from firmware_bridge.host.process import Completed
from firmware_bridge.host.watch import RuleSetWatch
from simulator.virtual.loop import run_virtual
from simulator.virtual.mqtt import LinkErrors, MemoryBroker, MemoryLinkPort
from tests.unit.agent.memory_modem import ICCID, START, MemoryModem
from tests.world.host import MemoryHost

HUB = "01990000-0000-7000-8000-0000000000aa"
ERRORS = LinkErrors(link.LinkRefusedError, link.LinkUnreachableError, link.LinkLostError)
START_MS = int(START.timestamp() * 1000)
HOUR_MS = 3_600_000


def now_s() -> float:
    return asyncio.get_running_loop().time()


class MemoryWatch(RuleSetWatch):
    """Tells of every change of the rule set, as the kernel does: before the tool that made it has ended."""

    def __init__(self) -> None:
        super().__init__()
        self._told = asyncio.Event()

    def tell(self) -> None:
        self._told.set()

    async def changed(self) -> None:
        await self._told.wait()
        self._told.clear()


class WatchedHost(MemoryHost):
    """Host tools whose kernel tells of changes; `ran` counts by tool and verb. Each takes a moment."""

    def __init__(self) -> None:
        super().__init__()
        self.watch = MemoryWatch()
        self.ran: Counter[str] = Counter()

    async def run(self, argv: Sequence[str], *, stdin: bytes = b"", deadline_s: float) -> Completed:
        self.ran[" ".join(argv[:3])] += 1
        done = await super().run(argv, stdin=stdin, deadline_s=deadline_s)
        if argv[:3] == ["nft", "-j", "-f"]:
            self.watch.tell()
        await asyncio.sleep(0.005)
        return done


class VirtualHub:
    """One hub. `plug_in` starts its agent, `pull_the_plug` is a power cut, `kill` the agent's sudden death."""

    def __init__(self, directory: Path, **config: Any) -> None:
        self.broker = MemoryBroker()
        self.modem = MemoryModem()
        self.host = WatchedHost()
        self.said: list[Any] = []
        self.acknowledges = True
        self.renew: Renew | None = None
        self.config = Config(
            hub=HUB, state=str(directory), modem=Modem(ports=("m",), management_apn="management"), **config
        )
        self._directory = directory
        self._task: asyncio.Task[None] | None = None
        self._store: Store | None = None
        self.agent: Agent

    def plug_in(self) -> None:
        self._store = Store(self._directory / "agent.db")
        host = open_host(self._directory, runner=self.host, resolver=self.host, names=self.host.names)
        self.agent = Agent(
            self.config,
            link_port=MemoryLinkPort(self.broker, ERRORS),
            open_modem=self.modem.open,
            host=replace(host, watch=self.host.watch),
            clock=Clock(now_s, int(self._store.kept("floor_ms") or b"0")),
            store=self._store,
            random=random.Random(1),
            fetch=self.fetch,
            renew=self.renew,
        )
        self._task = asyncio.create_task(self.agent.run())

    async def fetch(self, url: str, size: int) -> bytes:
        raise NotImplementedError(url)

    async def unplug(self) -> None:
        """The clean end."""
        self.agent.stop()
        assert self._task is not None
        await self._task
        self._close()

    async def kill(self) -> None:
        """The agent alone dies; the kernel and dnsmasq stay."""
        assert self._task is not None
        host_kept = self.host.ruleset, self.host.dnsmasq
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self.host.names.close()
        self.host.ruleset, self.host.dnsmasq = host_kept
        self._close()

    async def pull_the_plug(self) -> None:
        await self.kill()
        self.host.cut_power()

    def _close(self) -> None:
        if self._store is not None:
            self._store.close()
            self._store = None

    async def listen(self) -> None:
        """The controller's ear; a broker that went away is found again."""
        while True:
            try:
                await self._listen()
            except link.LinkError:
                await asyncio.sleep(0.1)

    async def _listen(self) -> None:
        """Keep what the hub says and acknowledge its history."""
        port = MemoryLinkPort(self.broker, ERRORS)
        topics = [topic(HUB, c) for c in Channel if c not in {Channel.DESIRED, Channel.ACK}]
        async with port.open(client_id="c", will=None, subscriptions=topics, session_expiry_s=0) as ear:
            async for delivery in ear.deliveries():
                _, channel = parse_topic(delivery.topic)
                message = decode(channel, delivery.payload)
                self.said.append(message)
                delivery.settle()
                if self.acknowledges and channel in {Channel.EVENT, Channel.TELEMETRY}:
                    self.acknowledge(message.boot, message.seq)  # type: ignore[union-attr]  # both carry them

    def acknowledge(self, boot: int, seq: int) -> None:
        self.broker.publish(topic(HUB, Channel.ACK), encode(Ack(boots=(BootAck(boot=boot, seq=seq),))))

    def wish(self, revision: int = 1, **changes: Any) -> Desired:
        """A document that opens the hub for an hour from now."""
        now = START_MS + int(now_s() * 1000)
        values: dict[str, Any] = {
            "revision": revision,
            "issued_at": now,
            "internet": Internet(on=True, until=now + HOUR_MS),
            "sims": (digest_identifier(HUB, ICCID),),
            "bearer": Bearer(apn="internet"),
            "parental_controls": ParentalControls(level="light", deny=("blocked.example",)),
        }
        return Desired(**{**values, **changes})

    def publish(self, desired: Desired) -> None:
        self.broker.publish(topic(HUB, Channel.DESIRED), encode(desired), retain=True)

    @property
    def open(self) -> bool:
        """Whether the kernel forwards."""
        return self.host.is_open(self.config.lan.interface)

    @property
    def reason(self) -> str:
        return str(self.agent.board.reason)

    async def until(self, holds: Callable[[], Any], within_s: float = 600.0, look_s: float = 0.05) -> float:
        """Wait in virtual time; returns how long it took."""
        began = now_s()
        while not holds():
            assert now_s() - began < within_s, f"not within {within_s} s; {self.reason}, {self.agent.board}"
            await asyncio.sleep(look_s)
        return now_s() - began

    def reports(self) -> list[Reported]:
        return [m for m in self.said if isinstance(m, Reported)]


@asynccontextmanager
async def a_hub(**config: Any) -> AsyncIterator[VirtualHub]:
    """A hub with its agent running and a controller listening."""
    with tempfile.TemporaryDirectory() as directory:
        hub = VirtualHub(Path(directory), **config)
        ear = asyncio.create_task(hub.listen())
        hub.plug_in()
        try:
            yield hub
        finally:
            if hub._store is not None:
                await hub.kill()
            ear.cancel()
            await asyncio.gather(ear, return_exceptions=True)


@asynccontextmanager
async def an_open_hub(**config: Any) -> AsyncIterator[VirtualHub]:
    """A hub that forwards."""
    async with a_hub(**config) as hub:
        hub.publish(hub.wish())
        await hub.until(lambda: hub.open)
        yield hub


def play(story: Coroutine[Any, Any, Any]) -> Any:
    """Run a story in virtual time."""
    return run_virtual(story)


def in_an_open_hub(story: Callable[[VirtualHub], Coroutine[Any, Any, None]]) -> None:
    async def told() -> None:
        async with an_open_hub() as hub:
            await story(hub)

    play(told())


def in_a_hub(story: Callable[[VirtualHub], Coroutine[Any, Any, None]]) -> None:
    async def told() -> None:
        async with a_hub() as hub:
            await story(hub)

    play(told())


def last_condition(hub: VirtualHub, type_: str) -> tuple[str, str]:
    found = next(c for c in hub.reports()[-1].conditions if c.type == type_)
    return str(found.status), found.reason
