"""Figures of the ingest: telemetry from mosquitto to committed rows, in processes of their own.

Messages of 256 to 400 bytes at QoS 1 gather in the sessions of absent consumers; then each consumer drains its own:
the controller on SQLite, on PostgreSQL, two controllers on a shared subscription, and beside them aiomqtt and gmqtt
that merely count. The rate is messages over the time from the first row (or message) seen to the last. mosquitto has
persistence with `autosave_interval`, no limit of queued or in-flight messages (docs/controller.md).
"""

import asyncio
import itertools
import logging
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import aiomqtt
import psutil
from gmqtt import Client, Subscription
from sqlalchemy import Engine, create_engine, text

from controller.app import CHANNELS
from controller.link.gmqtt import GmqttPort
from controller.services import hubs
from controller.services.actor import Actor, Role
from controller.services.database import Database, normalise_url
from device_agent import protocol
from device_agent.protocol import Channel, topic
from tests.e2e.controller.processes import CONTROLLER, Child, start
from tests.e2e.mosquitto import Mosquitto
from tests.unit.controller import postgresql

MESSAGES: Final = 24_000
HUBS: Final = 40
GOAL: Final = 12_000
FILTER: Final = "minihub/v1/+/telemetry"
ADMIN: Final = Actor("bench", Role.ADMIN)
DEADLINE_S: Final = 120.0


def messages_of(first: int, count: int, at_ms: int) -> list[bytes]:
    """Return telemetry messages of two samples, 256 to 400 bytes each."""
    found: list[bytes] = []
    for seq in range(first, first + count):
        samples = tuple(
            protocol.Sample(
                uptime_ms=seq * 1000 + n,
                at=at_ms + seq * 1000 + n,
                rsrp_dbm=-101.0,
                rsrq_db=-11.0,
                sinr_db=9.0,
                operator="EE",
                tx_bytes=seq,
                rx_bytes=seq,
            )
            for n in (0, 500)
        )
        found.append(protocol.encode(protocol.Telemetry(boot=1, seq=seq, samples=samples)))
    assert all(256 <= len(each) <= 400 for each in found), len(found[0])
    return found


async def publish(port: int, hub_ids: Sequence[str]) -> None:
    """Publish every hub's messages; the time is nobody's measure."""
    at_ms = int((time.time() - 3600) * 1000)
    link_port = GmqttPort("127.0.0.1", port)
    async with link_port.open(client_id="publisher", will=None, subscriptions=(), session_expiry_s=0) as link:
        payloads = messages_of(1, MESSAGES // len(hub_ids), at_ms)
        for start_at in range(0, len(payloads), 25):
            chunk = payloads[start_at : start_at + 25]
            await asyncio.gather(*(link.publish(topic(h, Channel.TELEMETRY), each) for each in chunk for h in hub_ids))


def enrol(url: str) -> list[str]:
    """Make a database and its hubs, the same ones in each; returns their ids."""
    numbers = itertools.count()
    database = Database(url, ids=lambda: f"01990000-0000-7000-8000-{next(numbers):012d}")
    database.create_now()
    now = datetime.now(UTC)
    made = [
        database.run_now(hubs.enrol, actor=ADMIN, now=now, serial=f"SN-{n}", iccid=f"894410000020{n:07d}").id
        for n in range(HUBS)
    ]
    database.engine.dispose()
    return made


async def serve(url: str, broker: Mosquitto, directory: Path, name: str, *more: str) -> Child:
    """Start a controller process."""
    where = ["--database-url", url, "--broker-url", broker.url, "--callback-url", "none"]
    arguments = [*CONTROLLER, "serve", "--port", "0", "--json", "--name", name, *where, *more]
    return await start(arguments, directory / f"{name}.log")


async def subscribe(port: int, client_id: str, subscriptions: Sequence[str], session_expiry_s: int = 600) -> None:
    """Leave a session behind in which messages gather."""
    link_port = GmqttPort("127.0.0.1", port)
    async with link_port.open(
        client_id=client_id, will=None, subscriptions=subscriptions, session_expiry_s=session_expiry_s
    ):
        pass


async def drain_with_controllers(
    url: str, broker: Mosquitto, directory: Path, names: Sequence[str]
) -> tuple[float, float]:
    """Let controllers take in what waits for them; returns messages per second and CPU milliseconds per 1,000."""
    more = ["--share-group", "bench"] if len(names) > 1 else []
    children = [await serve(url, broker, directory, name, *more) for name in names]
    try:
        return await _timed(url, [psutil.Process(child.process.pid) for child in children])
    finally:
        for child in children:
            await child.kill()


async def _timed(url: str, processes: Sequence[psutil.Process]) -> tuple[float, float]:
    """Return the rate, and the CPU, from the first sight of something to the whole."""
    engine = create_engine(normalise_url(url))
    begun, first, spent = 0.0, 0, 0.0
    try:
        async with asyncio.timeout(DEADLINE_S):
            while (now := await asyncio.to_thread(_committed, engine)) < MESSAGES:
                if not first and now:
                    begun, first, spent = time.perf_counter(), now, _cpu(processes)
                await asyncio.sleep(0.02)
        taken = MESSAGES - first
        return taken / (time.perf_counter() - begun), (_cpu(processes) - spent) * 1_000_000 / taken
    finally:
        engine.dispose()


def _cpu(processes: Sequence[psutil.Process]) -> float:
    return sum(sum(process.cpu_times()[:2]) for process in processes)


def _committed(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.execute(text("SELECT coalesce(sum(contiguous), 0) FROM hub_boots")).scalar_one())


async def count_with_gmqtt(port: int) -> float:
    """Count with gmqtt as it is; returns messages per second once begun."""
    begun, seen, done = 0.0, 0, asyncio.Event()

    async def on_message(_client: Any, _topic: str, _payload: bytes, _qos: int, _properties: Any) -> int:
        nonlocal begun, seen
        begun = begun or time.perf_counter()
        seen += 1
        if seen == MESSAGES:
            done.set()
        return 0

    client = Client("count-g", clean_session=False, session_expiry_interval=600, optimistic_acknowledgement=False)
    client.on_message = on_message
    await client.connect("127.0.0.1", port)
    client.subscribe([Subscription(FILTER, qos=1)])
    async with asyncio.timeout(DEADLINE_S):
        await done.wait()
    rate = MESSAGES / (time.perf_counter() - begun)
    await client.disconnect()
    return rate


async def count_with_aiomqtt(port: int) -> float:
    """Count with aiomqtt; returns messages per second once begun."""
    begun, seen = 0.0, 0
    async with _aiomqtt(port) as client:
        async for _ in client.messages:
            begun = begun or time.perf_counter()
            seen += 1
            if seen == MESSAGES:
                break
    return MESSAGES / (time.perf_counter() - begun)


def _aiomqtt(port: int) -> aiomqtt.Client:
    from paho.mqtt.packettypes import PacketTypes
    from paho.mqtt.properties import Properties

    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho leaves it untyped
    properties.SessionExpiryInterval = 600
    five = aiomqtt.ProtocolVersion.V5
    return aiomqtt.Client(
        "127.0.0.1", port, identifier="count-a", protocol=five, clean_start=False, properties=properties
    )


async def _measure() -> dict[str, float]:
    with (
        tempfile.TemporaryDirectory(prefix="bench-ingest-") as made,
        postgresql.running_server(postgresql.QUIET) as server,
    ):
        directory = Path(made)
        broker = Mosquitto(directory / "broker")
        await broker.start()
        try:
            return await _measure_with(broker, directory, server)
        finally:
            await broker.stop()


async def _measure_with(broker: Mosquitto, directory: Path, server: str) -> dict[str, float]:
    urls = {"sqlite": f"sqlite:///{directory / 'controller.db'}"}
    for name in ("postgresql", "two"):
        _execute(server.format(name="postgres"), f"CREATE DATABASE {name}")
        urls[name] = server.format(name=name)
    hub_ids: list[str] = []
    for url in urls.values():
        hub_ids = await asyncio.to_thread(enrol, url)
    plain = [f"minihub/v1/+/{channel}" for channel in CHANNELS]
    shared = [f"$share/bench/{each}" for each in plain]
    for client_id, wanted in {"count-g": [FILTER], "count-a": [FILTER], "sqlite": plain, "postgresql": plain}.items():
        await subscribe(broker.port, client_id, wanted)
    for client_id in ("one-shared", "other-shared"):
        await subscribe(broker.port, client_id, shared)
    await publish(broker.port, hub_ids)
    found = {"gmqtt": await count_with_gmqtt(broker.port), "aiomqtt": await count_with_aiomqtt(broker.port)}
    for name, clients in {"sqlite": ["sqlite"], "postgresql": ["postgresql"], "two": ["one", "other"]}.items():
        rate, cpu_ms = await drain_with_controllers(urls[name], broker, directory, clients)
        found |= {name: rate, f"{name}_cpu": cpu_ms}
    return found


def _execute(url: str, statement: str) -> None:
    engine = create_engine(normalise_url(url), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(statement))
    engine.dispose()


def figure(
    name: str, value: float, goal: float | None, baseline: float | None, unit: str = "messages/s"
) -> dict[str, Any]:
    """Make one figure."""
    return {
        "name": f"controller.{name}",
        "value": value,
        "unit": unit,
        "baseline": baseline,
        "ratio": None if baseline is None else value / baseline,
        "goal": "" if goal is None else f">= {goal:g}",
        "met": goal is None or value >= goal,
    }


def figures() -> list[dict[str, Any]]:
    """Measure everything; about a minute."""
    logging.getLogger("gmqtt").setLevel(logging.CRITICAL)
    rates = asyncio.run(_measure())
    return [
        figure("telemetry_rate", rates["sqlite"], GOAL, rates["gmqtt"]),
        figure("telemetry_rate_to_aiomqtt", rates["sqlite"], None, rates["aiomqtt"]),
        figure("telemetry_rate_postgresql", rates["postgresql"], GOAL, rates["gmqtt"]),
        figure("telemetry_rate_postgresql_to_aiomqtt", rates["postgresql"], None, rates["aiomqtt"]),
        figure("telemetry_cpu", rates["sqlite_cpu"], None, None, "ms/1,000 messages"),
        figure("telemetry_cpu_postgresql", rates["postgresql_cpu"], None, None, "ms/1,000 messages"),
        figure("telemetry_rate_two_processes_shared", rates["two"], None, rates["postgresql"]),
    ]
