"""A whole controller over real interfaces: mosquitto, the simulated carrier, `hub-controller serve`, and a small hub.

The hub here is a test client of the wire contract alone (device_agent.protocol over its link): it says hello, obeys the
document, and keeps its history until the controller's own acknowledgement.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from controller.services import keys
from controller.services.actor import Actor, Role
from controller.services.database import Database
from device_agent import protocol
from device_agent.link import AiomqttPort, Link, LinkError, Will
from device_agent.protocol import Channel, topic
from tests.e2e.controller.processes import CARRIER, CONTROLLER, Child, Platform, start
from tests.e2e.mosquitto import Mosquitto

HUB_SIM = "8944100000000000011"
PLAN_SIMS = ("8944100000000000102", "8944100000000000110")


@dataclass
class Hub:
    """One hub. `spool` holds {(boot, seq): payload}; `deaf` keeps it from obeying documents."""

    hub_id: str
    port: int
    boot: int = 1
    session: int = 0
    reports: int = 0
    observed: int = 0
    desired: protocol.Desired | None = None
    spool: dict[int, tuple[Channel, bytes]] = field(default_factory=dict)
    seq: int = 0
    acked: int = 0
    link: Link | None = None
    documents: int = 0

    def remember(self, kind: str) -> None:
        """Put an event into the spool; it is sent when there is a link."""
        self.seq += 1
        event = protocol.Event(boot=self.boot, seq=self.seq, uptime_ms=self.seq, kind=kind)
        self.spool[self.seq] = (Channel.EVENT, protocol.encode(event))

    def remember_samples(self, count: int) -> None:
        """Put a batch of samples into the spool."""
        self.seq += 1
        samples = tuple(protocol.Sample(uptime_ms=n, rsrp_dbm=-100.0, tx_bytes=n, rx_bytes=2 * n) for n in range(count))
        self.spool[self.seq] = (
            Channel.TELEMETRY,
            protocol.encode(protocol.Telemetry(boot=self.boot, seq=self.seq, samples=samples)),
        )

    async def send_spool(self) -> None:
        """Send all that is not acknowledged; what is lost on the way stays."""
        for seq in sorted(self.spool):
            if self.link is None or seq not in self.spool:
                return
            channel, payload = self.spool[seq]
            await self.link.publish(topic(self.hub_id, channel), payload)

    async def report(self) -> None:
        """Send itself whole."""
        self.reports += 1
        on = self.desired is not None and self.desired.internet.on
        status = protocol.ConditionStatus.TRUE if on else protocol.ConditionStatus.FALSE
        held = (
            (protocol.SpoolReport(boot=self.boot, oldest=min(self.spool), newest=max(self.spool)),)
            if self.spool
            else ()
        )
        reported = protocol.Reported(
            boot=self.boot,
            seq=self.reports,
            session=self.session,
            uptime_ms=self.reports,
            observed_revision=self.observed,
            features=tuple(sorted(protocol.FEATURES)),
            conditions=(protocol.Condition(type="forwarding_open", status=status),),
            spool=held,
        )
        assert self.link is not None
        await self.link.publish(topic(self.hub_id, Channel.REPORTED), protocol.encode(reported))

    async def live(self) -> None:
        """Connect, obey, reconnect, until cancelled."""
        while True:
            with suppress(LinkError):
                await self._connection()
            self.link = None
            await asyncio.sleep(0.1)

    async def _connection(self) -> None:
        self.session += 1
        presence = protocol.Presence(state=protocol.PresenceState.LOST, boot=self.boot, session=self.session)
        async with AiomqttPort("127.0.0.1", self.port).open(
            client_id=self.hub_id,
            will=Will(topic(self.hub_id, Channel.PRESENCE), protocol.encode(presence)),
            subscriptions=[topic(self.hub_id, Channel.DESIRED), topic(self.hub_id, Channel.ACK)],
            session_expiry_s=60,
        ) as self.link:
            await self.report()
            await self.send_spool()
            async for delivery in self.link.deliveries():
                await self._obey(delivery.topic, delivery.payload)

    async def _obey(self, name: str, payload: bytes) -> None:
        message = protocol.decode(protocol.parse_topic(name)[1], payload)
        if isinstance(message, protocol.Ack):
            for ack in message.boots:
                if ack.boot == self.boot:
                    self.acked = max(self.acked, ack.seq)
            self.spool = {seq: each for seq, each in self.spool.items() if seq > self.acked}
        elif isinstance(message, protocol.Desired) and message.revision >= self.observed:
            # One that is known already asks for a report all the same.
            self.documents += message.revision > self.observed
            self.desired, self.observed = message, message.revision
            await self.report()


class Admin:
    """The admin API as an operator uses it."""

    def __init__(self, url: str, key: str, http: httpx.AsyncClient) -> None:
        self.url, self._headers, self._http = url, {"Authorization": f"Bearer {key}"}, http

    async def post(self, path: str, **body: Any) -> dict[str, Any]:
        response = await self._http.post(self.url + path, json=body, headers=self._headers)
        assert response.is_success, response.text
        answer: dict[str, Any] = response.json()
        return answer

    async def get(self, path: str) -> dict[str, Any]:
        response = await self._http.get(self.url + path, headers=self._headers)
        assert response.is_success, response.text
        answer: dict[str, Any] = response.json()
        return answer


@dataclass
class Stage:
    """What a test plays on."""

    directory: Path
    broker: Mosquitto
    platform: Platform
    key: str
    http: httpx.AsyncClient
    controllers: dict[str, Child] = field(default_factory=dict)
    program: tuple[str, ...] = CONTROLLER
    environment: dict[str, str] = field(default_factory=dict)
    admin: Admin = field(init=False)

    @property
    def database_url(self) -> str:
        return f"sqlite:///{self.directory / 'controller.db'}"

    async def serve(self, name: str = "controller", *more: str) -> Child:
        """Start a controller."""
        fixed = ["serve", "--port", "0", "--json", "--name", name, "--database-url", self.database_url]
        where = ["--broker-url", self.broker.url, "--carrier-url", self.platform.url, "--outbox", str(self.directory)]
        manner = ["--quiet-window", "immediate", "--carrier-rate", "0", "--carrier-concurrency", "4"]
        log = self.directory / f"{name}.log"
        environment = {"MINIHUB_CARRIER_TOKEN": "secret", **self.environment}
        child = await start([*self.program, *fixed, *where, *manner, *more], log, **environment)
        self.controllers[name] = child
        self.admin = Admin(child.url, self.key, self.http)
        return child

    def notices(self) -> list[dict[str, Any]]:
        path = self.directory / "notices.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    async def customer(self) -> tuple[str, str, str]:
        """Make an account with Plus, a plan with two SIMs, and a hub in the drawer; returns account, line, hub ids."""
        account = await self.admin.post(
            "/v1/accounts", holder_name="Ann Holder", email="ann@example.org", mobile="+447700900123"
        )
        service = await self.admin.post(
            f"/v1/accounts/{account['id']}/services",
            product="Superfast Fibre Plus",
            starts_on="2026-01-05",
            line={"postcode": "AB12 3CD", "jurisdiction": "england_and_wales"},
        )
        sims = [{"iccid": iccid, "imsi": f"23430{iccid[-10:]}"} for iccid in PLAN_SIMS]
        await self.admin.post(
            f"/v1/accounts/{account['id']}/plans",
            name="Family",
            allowance_mb=10000,
            purchased_at="2026-01-06T12:00:00+00:00",
            sims=sims,
        )
        hub = await self.admin.post("/v1/hubs", serial="SN-1", sim={"iccid": HUB_SIM, "imsi": f"23430{HUB_SIM[-10:]}"})
        at = (datetime.now(UTC) - timedelta(days=200)).isoformat()
        await self.admin.post(
            f"/v1/hubs/{hub['id']}/assignments", line_id=service["line_id"], dispatched_at=at, delivered_at=at
        )
        return account["id"], service["line_id"], hub["id"]

    async def report_fault(self, line_id: str) -> str:
        """Five drops in a day, a report, and finished diagnostics."""
        now = datetime.now(UTC)
        events = [
            {
                "line_id": line_id,
                "kind": kind,
                "at": (now - timedelta(hours=hours, minutes=minute)).isoformat(),
                "source": "dslam",
            }
            for hours in range(1, 6)
            for kind, minute in (("sync_lost", 10), ("sync_gained", 5))
        ]
        await self.admin.post("/v1/line-events", events=events)
        fault = await self.admin.post(
            "/v1/faults", line_id=line_id, channel="phone", reporter="account_holder", symptom="dropping"
        )
        await self.admin.post(f"/v1/faults/{fault['id']}/diagnostics", observations=[], finished=True)
        return str(fault["id"])


@asynccontextmanager
async def open_stage(directory: Path) -> AsyncIterator[Stage]:
    """Start mosquitto and the carrier, make the database and a key; controllers are started by the test."""
    async with AsyncExitStack() as stack:
        broker = Mosquitto(directory / "broker")
        await broker.start()
        stack.push_async_callback(broker.stop)
        carrier = await start(CARRIER, directory / "carrier.log")
        stack.push_async_callback(carrier.kill)
        http = await stack.enter_async_context(httpx.AsyncClient(timeout=20))
        platform = Platform(carrier.url, http)
        await platform.manners(calls_per_second=1000.0, calls_at_a_time=20, effect_delay_s=[0.0, 0.0])
        await platform.provision(HUB_SIM, state="inactive")
        for iccid in PLAN_SIMS:
            await platform.provision(iccid, category="mobileData", allowanceMb="10000")
        stage = Stage(directory, broker, platform, await _make_key(directory), http)
        try:
            yield stage
        finally:
            for child in stage.controllers.values():
                await child.kill()


@asynccontextmanager
async def plugged_in(hub: Hub) -> AsyncIterator[Hub]:
    """Let a hub live for the length of a block."""
    task = asyncio.create_task(hub.live())
    try:
        yield hub
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _make_key(directory: Path) -> str:
    database = Database(f"sqlite:///{directory / 'controller.db'}")
    await database.create()
    actor, now = Actor("test", Role.ADMIN), datetime.now(UTC)
    _, plain = await database.run(keys.create, actor=actor, now=now, name="test", role=Role.OPERATOR)
    await database.close()
    return str(plain)
