"""A stage in one process on virtual time: real controller and agents; broker, carrier, modem, host tools in memory.

It meets `simulator.stage.parts.Set`, so the demo's own story plays on it. Everything that could differ between two runs
is injected: the clock is the loop's, ids and chance come from one seed.
"""

import asyncio
import random as random_module
import tempfile
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path, PurePath
from typing import Any

import httpx
import msgspec

from controller.app import Controller, Options
from controller.carrier.tmf640 import Tmf640Carrier
from controller.link import port as controller_port
from controller.notify.adapters import OutboxNotifier, Routes
from controller.notify.courier import FileCourier
from controller.notify.port import Medium
from controller.services import keys
from controller.services.actor import Actor, Role
from controller.services.database import Database
from controller.services.policy import Policy
from device_agent import config as agent_config
from device_agent import link as agent_link
from device_agent.clock import Clock
from device_agent.daemon import Agent
from device_agent.store import Store
from firmware_bridge import detect
from firmware_bridge.errors import PortBusyError, PortLostError, PortNotFoundError
from firmware_bridge.host import open_host
from firmware_bridge.modem.generic import Modem
from simulator.carrier.api import Carrier
from simulator.carrier.inprocess import InProcessTransport
from simulator.carrier.platform import AttachVerdict, Platform
from simulator.carrier.services import SimOrder
from simulator.clock import EPOCH, LoopClock
from simulator.faults import Fault, FaultBoard, make_fault
from simulator.modem import SimulatedModem, load
from simulator.radio import Service, Verdict
from simulator.stage.home import Lookup
from simulator.stage.parts import Break, HubModel
from simulator.stage.watch import Admin, Watched
from simulator.uicc import Subscription, Uicc
from simulator.virtual.mqtt import LinkErrors, MemoryBroker, MemoryLinkPort
from simulator.virtual.serial import ModemOnLoop, PortErrors
from tests.world.host import MemoryHost

CARRIER_URL = "http://carrier.test"
CONTROLLER_URL = "http://controller.test"
TOKEN = "world"
PORT = PurePath("/dev/ttyUSB2")
_RCODES = {0: "NOERROR", 3: "NXDOMAIN", 5: "REFUSED"}

TraceLine = tuple[float, str, str]


class TracedBroker(MemoryBroker):
    """A broker that writes down everything published through it."""

    def __init__(self, trace: list[TraceLine]) -> None:
        super().__init__()
        self._trace = trace

    def publish(self, topic: str, payload: bytes, *, retain: bool = False, expiry_s: int | None = None) -> None:
        self._trace.append((asyncio.get_running_loop().time(), topic, payload.decode()))
        super().publish(topic, payload, retain=retain, expiry_s=expiry_s)


@dataclass
class Running:
    """A coroutine played as a server that can be stopped and started; it has no process that could end by itself."""

    run: Callable[[], Coroutine[Any, Any, None]]
    task: asyncio.Task[None] | None = None

    def raise_if_ended(self) -> None:
        if self.task is not None and self.task.done() and not self.task.cancelled():
            self.task.result()

    async def start(self) -> None:
        self.task = asyncio.create_task(self.run(), name="server")

    async def kill(self) -> None:
        if self.task is not None:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)
            self.task = None

    stop = kill


@dataclass
class BrokerServer:
    """The broker as something that stops and starts; its store is lost."""

    broker: MemoryBroker

    def raise_if_ended(self) -> None:
        return None

    async def start(self) -> None:
        self.broker.available = True

    async def stop(self) -> None:
        self.broker.available = False
        self.broker.restart(keep_store=False)

    kill = stop


class CarrierNetwork:
    """The carrier's word on an attach, asked in the same process."""

    def __init__(self, platform: Platform, now: Callable[[], float]) -> None:
        self._platform = platform
        self._now = now

    def may_attach(self, *, iccid: str, imsi: str, imei: str) -> Verdict:
        verdict: AttachVerdict = self._platform.attach(iccid, imei, self._now())
        service = Service(verdict.bearer or Service.INTERNET)
        return Verdict(accepted=verdict.accepted, cause=verdict.cause, service=service)


@dataclass
class MemoryPlace:
    """The home of a hub in memory."""

    host: MemoryHost
    kind: str = "in-memory host tools"

    async def ask(self, name: str) -> Lookup:
        answer = await self.host.ask(("127.0.0.1", 53), name, 1, deadline_s=1)
        return Lookup(_RCODES.get(answer.rcode, str(answer.rcode)), answer.addresses)

    async def reaches_internet(self) -> bool | None:
        return self.host.is_open("lan0")


@dataclass
class WorldHub:
    """One hub: a simulated modem and a real agent on the same loop."""

    world: "World"
    hub: str
    model: HubModel
    directory: Path
    seed: int
    host: MemoryHost = field(default_factory=MemoryHost)
    port: PurePath = PORT
    agent: Agent | None = None
    modem: ModemOnLoop | None = None
    store: Store | None = None
    _task: asyncio.Task[None] | None = None

    @property
    def home(self) -> MemoryPlace:
        return MemoryPlace(self.host)

    @property
    def processes(self) -> Sequence[Watched]:
        return ()

    async def plug_in(self) -> None:
        loop = asyncio.get_running_loop()
        self.directory.mkdir(exist_ok=True)
        if self.world.broken is not Break.MODEM:
            self.modem = self._make_modem()
        self.store = Store(self.directory / "agent.db")
        config = self._config()
        born = loop.time()
        kept = self.store.kept("floor_ms")
        self.agent = Agent(
            config,
            link_port=self.world.hub_links,
            open_modem=self._open_modem,
            host=open_host(self.directory, runner=self.host, resolver=self.host, names=self.host.names),
            clock=Clock(lambda: loop.time() - born, int(kept) if kept else 0),
            store=self.store,
            random=random_module.Random(self.seed),
            evidence={
                "serial": self.model.serial,
                "hub_model": self.model.name,
                "hub_firmware": self.model.firmware,
                "branding": self.model.branding,
            },
            fetch=self.world.fetch,
        )
        self._task = asyncio.create_task(self.agent.run(), name=f"agent {self.model.serial}")

    async def unplug(self) -> None:
        """Pull the plug: nothing gets to say goodbye."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        if self.modem is not None:
            self.modem.stop()
            self.modem = None
        if self.store is not None:
            self.store.close()
            self.store = None
        self.agent = None
        self.host.cut_power()

    async def status(self) -> dict[str, Any] | None:
        return None if self.agent is None else self.agent.status()

    def _config(self) -> agent_config.Config:
        return agent_config.Config(
            hub=self.hub,
            state=str(self.directory),
            modem=agent_config.Modem(ports=(str(self.port),), management_apn="management"),
            lan=agent_config.Lan(interface="lan0"),
            dns=agent_config.Dns(listen=("127.0.0.1",), upstream=("192.0.2.1",)),
        )

    def _make_modem(self) -> ModemOnLoop:
        loop = asyncio.get_running_loop()
        clock = LoopClock(loop.time, start=self.world.now())
        faults = FaultBoard()
        if self.world.broken is Break.CLOCK:
            faults.inject(make_fault(Fault.CLOCK_UNSET, at_s=0.0))
        device = SimulatedModem(
            load(self.model.personality),
            clock=clock,
            random=random_module.Random(self.seed),
            card=Uicc(Subscription(iccid=self.model.iccid, imsi=self.model.imsi, msisdn="+447700900199")),
            network=CarrierNetwork(self.world.platform, lambda: self.world.now().timestamp()),
            imei=self.model.imei,
            faults=faults,
        )
        errors = PortErrors(not_found=PortNotFoundError, busy=PortBusyError, lost=PortLostError)
        on_loop = ModemOnLoop(device, clock, (str(self.port),), errors)
        device.power_on()
        return on_loop

    async def _open_modem(self, ports: Sequence[str]) -> Modem:
        if self.modem is None:
            raise PortNotFoundError(ports[0], "no such port")
        jitter = random_module.Random(f"modem {self.seed}").random
        return await detect.open_modem(ports, open_transport=self.modem.open, jitter=jitter)


@dataclass
class World:
    """The whole stage. Made by `open_world`."""

    seed: int
    directory: Path
    broken: Break | None
    platform: Platform
    admin: Admin
    carrier: Running
    broker: BrokerServer
    controller: Running
    hub_links: agent_link.LinkPort
    fetch: Callable[[str, int], Coroutine[Any, Any, bytes]]
    trace: list[TraceLine]
    hubs: list[WorldHub] = field(default_factory=list)

    def now(self) -> datetime:
        """The world's time of day."""
        return world_now()

    async def provision(self, orders: list[dict[str, Any]]) -> None:
        for order in orders:
            self.platform.provision(msgspec.convert(order, SimOrder), self.now().timestamp())

    async def place_hub(self, hub: str, model: HubModel) -> WorldHub:
        number = len(self.hubs)
        unit = WorldHub(self, hub, model, self.directory / f"hub{number}", self.seed * 1000 + number)
        self.hubs.append(unit)
        return unit


def world_now() -> datetime:
    """Virtual time of day."""
    return EPOCH + timedelta(seconds=asyncio.get_running_loop().time())


def seeded_ids(seed: int, now: Callable[[], datetime]) -> Callable[[], str]:
    """UUIDv7s from virtual time and one seed, ever growing."""
    random = random_module.Random(f"ids {seed}")
    made = 0

    def new_id() -> str:
        nonlocal made
        made += 1
        milliseconds = int(now().timestamp() * 1000)
        value = (milliseconds << 80) | (0x7 << 76) | ((made & 0xFFF) << 64) | (0b10 << 62) | random.getrandbits(62)
        return str(uuid.UUID(int=value))

    return new_id


@asynccontextmanager
async def open_world(seed: int, *, broken: Break | None = None) -> AsyncIterator[World]:
    """Assemble the world on the running loop; at the end everything is stopped and its files are gone."""
    trace: list[TraceLine] = []
    async with AsyncExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="minihub-world-")))
        database, key = await _database(stack, directory, seed)
        broker = TracedBroker(trace)
        # The carrier and the controller call each other: one of the two clients is told its destination later.
        outbound = await stack.enter_async_context(_mounted_client())
        carrier = _carrier(seed, outbound.client)
        controller = await _controller(stack, directory, seed, database=database, broker=broker, carrier=carrier)
        outbound.mount(InProcessTransport(controller.api))
        admin = Admin(CONTROLLER_URL, key, transport=InProcessTransport(controller.api))
        stack.push_async_callback(admin.close)
        world = World(
            seed=seed,
            directory=directory,
            broken=broken,
            platform=carrier.platform,
            admin=admin,
            carrier=Running(carrier.run),
            broker=BrokerServer(broker),
            controller=Running(controller.run),
            hub_links=MemoryLinkPort(broker, _HUB_ERRORS),
            fetch=lambda url, size: _fetch(outbound.client, url, size),
            trace=trace,
        )
        for server in (world.carrier, world.controller):
            await server.start()
            stack.push_async_callback(server.kill)
        stack.push_async_callback(_unplug_all, world)
        yield world


_HUB_ERRORS = LinkErrors(
    refused=agent_link.LinkRefusedError,
    unreachable=agent_link.LinkUnreachableError,
    lost=agent_link.LinkLostError,
)
_CONTROLLER_ERRORS = LinkErrors(
    refused=controller_port.LinkRefusedError,
    unreachable=controller_port.LinkUnreachableError,
    lost=controller_port.LinkLostError,
)


async def _database(stack: AsyncExitStack, directory: Path, seed: int) -> tuple[Database, str]:
    database = Database(
        f"sqlite:///{directory / 'controller.db'}",
        ids=seeded_ids(seed, world_now),
        random=random_module.Random(f"database {seed}"),
        policy=Policy().with_immediate_switch_off(),
    )
    stack.push_async_callback(database.close)
    await database.create()
    actor = Actor.system("world")
    _, key = await database.run(keys.create, actor=actor, now=world_now(), name="world", role=Role.OPERATOR)
    return database, key


def _carrier(seed: int, client: httpx.AsyncClient) -> Carrier:
    platform = Platform(
        random=random_module.Random(f"carrier {seed}"),
        base=f"{CARRIER_URL}/tmf-api/ServiceActivationAndConfiguration/v4",
        started_s=world_now().timestamp(),
    )
    return Carrier(platform, tokens={TOKEN: "world"}, now=lambda: world_now().timestamp(), client=client)


async def _controller(
    stack: AsyncExitStack,
    directory: Path,
    seed: int,
    *,
    database: Database,
    broker: MemoryBroker,
    carrier: Carrier,
) -> Controller:
    client = httpx.AsyncClient(
        transport=InProcessTransport(carrier.app),
        base_url=CARRIER_URL,
        headers={"Authorization": f"Bearer {TOKEN}"},
        timeout=None,
    )
    options = Options(
        callback_url=f"{CONTROLLER_URL}/hooks/carrier", webhook_secret="world", lists_base_url=CONTROLLER_URL
    )
    return Controller(
        options,
        database=database,
        link_port=MemoryLinkPort(broker, _CONTROLLER_ERRORS),
        carrier=Tmf640Carrier(await stack.enter_async_context(client)),
        notifier=Routes(dict.fromkeys(Medium, OutboxNotifier(directory / "notices.jsonl"))),
        courier=FileCourier(directory / "orders.jsonl"),
        now=world_now,
        random=random_module.Random(f"controller {seed}"),
    )


@dataclass
class _MountedClient:
    """A client whose one destination is told later: the carrier and the controller call each other."""

    client: httpx.AsyncClient
    mount: Callable[[httpx.AsyncBaseTransport], None]


@asynccontextmanager
async def _mounted_client() -> AsyncIterator[_MountedClient]:
    class Later(httpx.AsyncBaseTransport):
        inner: httpx.AsyncBaseTransport | None = None

        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            assert self.inner is not None
            return await self.inner.handle_async_request(request)

    later = Later()

    def mount(transport: httpx.AsyncBaseTransport) -> None:
        later.inner = transport

    async with httpx.AsyncClient(transport=later, timeout=None) as client:
        yield _MountedClient(client, mount)


async def _fetch(client: httpx.AsyncClient, url: str, size: int) -> bytes:
    response = await client.get(url)
    response.raise_for_status()
    assert len(response.content) <= size
    return response.content


async def _unplug_all(world: World) -> None:
    for unit in world.hubs:
        await unit.unplug()
