"""Figures of the ingest: telemetry from mosquitto to committed rows, in processes of their own.

mosquitto runs with the files that `broker-config` writes: mutual TLS on both listeners, access lists, its limits of
queued and in-flight messages, its autosave. Hubs publish messages of 256 to 400 bytes at QoS 1 with certificates of
their own while the consumer is held back (a controller that has started and settled is stopped by SIGSTOP, a counting
client is away and has a session); then it goes on alone, and the rate is messages over the time from the first row (or
message) seen to the last. So neither the publishers nor a controller's start-up are in the figure. Consumers: the
controller on SQLite, on PostgreSQL, two controllers on a shared subscription, and aiomqtt and gmqtt that merely count.
"""

import asyncio
import itertools
import logging
import signal
import socket
import ssl
import struct
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import aiomqtt
import psutil
from gmqtt import Client, Subscription
from sqlalchemy import Engine, create_engine, text

from controller.services import hubs
from controller.services.actor import Actor, Role
from controller.services.database import Database, normalise_url
from device_agent import protocol
from device_agent.protocol import Channel, topic
from tests.e2e.broker.stage import Authorities, Broker
from tests.e2e.controller.processes import CONTROLLER, Child, start
from tests.unit.controller import postgresql

MESSAGES: Final = 30_000
HUBS: Final = 40
GOAL: Final = 12_000
FILTER: Final = "minihub/v1/+/telemetry"
ADMIN: Final = Actor("bench", Role.ADMIN)
NAMES: Final = ("count-g", "count-a", "sqlite", "postgresql", "one", "other")
ROUND: Final = 25
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


class Hubs:
    """Every hub's messages as the packets they are on the wire, and a connection for each to write them to."""

    def __init__(self, broker: Broker, hub_ids: Sequence[str]) -> None:
        self._broker = broker
        self._contexts = {hub_id: broker.tls(hub_id) for hub_id in hub_ids}
        payloads = messages_of(1, MESSAGES // len(hub_ids), int((time.time() - 3600) * 1000))
        self._packets = {
            hub_id: [
                packet(0x32, _text(topic(hub_id, Channel.TELEMETRY)) + struct.pack(">HB", mid, 0) + payload)
                for mid, payload in enumerate(payloads, 1)
            ]
            for hub_id in hub_ids
        }

    def publish(self) -> None:
        """Publish everything, a few messages of each hub in turn, and return when the broker has acknowledged it."""
        with ExitStack() as stack:
            sockets = {
                hub_id: stack.enter_context(self._connect(hub_id, context))
                for hub_id, context in self._contexts.items()
            }
            for first in range(0, MESSAGES // len(sockets), ROUND):
                for hub_id, connection in sockets.items():
                    some = self._packets[hub_id][first : first + ROUND]
                    connection.sendall(b"".join(some))
                    _read(connection, 4 * len(some))  # PUBACK, no reason: there are subscribers

    @contextmanager
    def _connect(self, hub_id: str, context: ssl.SSLContext) -> Iterator[ssl.SSLSocket]:
        address = ("127.0.0.1", self._broker.hubs_port)
        with (
            socket.create_connection(address, DEADLINE_S) as plain,
            context.wrap_socket(plain, server_hostname="127.0.0.1") as connection,
        ):
            connection.sendall(packet(0x10, b"\x00\x04MQTT\x05\x02\x00\x3c\x00" + _text(hub_id)))
            _read(connection, _read(connection, 2)[1])
            yield connection


def packet(kind: int, body: bytes) -> bytes:
    """Return an MQTT packet of less than 16 KiB."""
    size = len(body)
    return bytes([kind, size] if size < 128 else [kind, size & 0x7F | 0x80, size >> 7]) + body


def _text(value: str) -> bytes:
    return struct.pack(">H", len(value)) + value.encode()


def _read(connection: ssl.SSLSocket, size: int) -> bytes:
    got = b""
    while len(got) < size:
        if not (some := connection.recv(size - len(got))):
            raise ConnectionError("the broker closed a hub's connection")
        got += some
    return got


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


async def serve(url: str, broker: Broker, directory: Path, name: str, *more: str) -> Child:
    """Start a controller process."""
    certificates = broker.directory / name
    options = {
        "--port": "0",
        "--name": name,
        "--database-url": url,
        "--callback-url": "none",
        "--broker-url": f"mqtts://127.0.0.1:{broker.controllers_port}",
        "--broker-ca": str(broker.directory / "services-ca.pem"),
        "--broker-certificate": f"{certificates}.pem",
        "--broker-key": f"{certificates}.key",
    }
    words = [word for pair in options.items() for word in pair]
    return await start([*CONTROLLER, "serve", "--json", *words, *more], directory / f"{name}.log")


async def drain_with_controllers(
    url: str, broker: Broker, publish: Callable[[], None], names: Sequence[str]
) -> tuple[float, float]:
    """Let controllers take in what was published; returns messages per second and CPU milliseconds per 1,000."""
    more = ["--share-group", "bench"] if len(names) > 1 else []
    children = [await serve(url, broker, broker.directory, name, *more) for name in names]
    try:
        processes = [psutil.Process(child.process.pid) for child in children]
        await _settle(processes)
        for child in children:
            child.process.send_signal(signal.SIGSTOP)
        await asyncio.to_thread(publish)
        for child in children:
            child.process.send_signal(signal.SIGCONT)
        return await _timed(url, processes)
    finally:
        for child in children:
            await child.kill()


async def _settle(processes: Sequence[psutil.Process]) -> None:
    """Wait until what a controller does at its start is done."""
    async with asyncio.timeout(DEADLINE_S):
        before, now = -1.0, 0.0
        while now - before > 0.02:
            await asyncio.sleep(0.5)
            before, now = now, _cpu(processes)


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


async def count_with_gmqtt(broker: Broker, publish: Callable[[], None]) -> float:
    """Count with gmqtt as it is; returns messages per second once begun."""
    await _gmqtt(broker, lambda: None)
    await asyncio.to_thread(publish)
    begun, seen, done = 0.0, 0, asyncio.Event()

    def count() -> None:
        nonlocal begun, seen
        begun = begun or time.perf_counter()
        seen += 1
        if seen == MESSAGES:
            done.set()

    async with asyncio.timeout(DEADLINE_S):
        await _gmqtt(broker, count, done)
    return MESSAGES / (time.perf_counter() - begun)


async def _gmqtt(broker: Broker, count: Callable[[], None], done: asyncio.Event | None = None) -> None:
    async def on_message(_client: Any, _topic: str, _payload: bytes, _qos: int, _properties: Any) -> int:
        count()
        return 0

    client = Client("count-g", clean_session=False, session_expiry_interval=600, optimistic_acknowledgement=False)
    client.on_message = on_message
    subscribed = asyncio.Event()
    client.on_subscribe = lambda *_: subscribed.set()
    await client.connect("127.0.0.1", broker.controllers_port, ssl=broker.tls("count-g"))
    client.subscribe([Subscription(FILTER, qos=1)])
    await (done or subscribed).wait()
    await client.disconnect()


async def count_with_aiomqtt(broker: Broker, publish: Callable[[], None]) -> float:
    """Count with aiomqtt; returns messages per second once begun."""
    async with _aiomqtt(broker) as client:
        await client.subscribe(FILTER, qos=1)
    await asyncio.to_thread(publish)
    begun, seen = 0.0, 0
    async with _aiomqtt(broker) as client:
        async for _ in client.messages:
            begun = begun or time.perf_counter()
            seen += 1
            if seen == MESSAGES:
                break
    return MESSAGES / (time.perf_counter() - begun)


def _aiomqtt(broker: Broker) -> aiomqtt.Client:
    from paho.mqtt.packettypes import PacketTypes
    from paho.mqtt.properties import Properties

    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho leaves it untyped
    properties.SessionExpiryInterval = 600
    return aiomqtt.Client(
        "127.0.0.1",
        broker.controllers_port,
        identifier="count-a",
        protocol=aiomqtt.ProtocolVersion.V5,
        clean_start=False,
        properties=properties,
        tls_context=broker.tls("count-a"),
    )


async def _measure() -> dict[str, float]:
    with (
        tempfile.TemporaryDirectory(prefix="bench-ingest-") as made,
        postgresql.running_server(postgresql.QUIET) as server,
    ):
        directory = Path(made)
        urls = {"sqlite": f"sqlite:///{directory / 'controller.db'}"}
        for name in ("postgresql", "two"):
            _execute(server.format(name="postgres"), f"CREATE DATABASE {name}")
            urls[name] = server.format(name=name)
        enrolled = [await asyncio.to_thread(enrol, url) for url in urls.values()]
        hub_ids = enrolled[0]
        authorities = Authorities.make()
        certificates = {hub_id: await authorities.hub(hub_id) for hub_id in hub_ids}
        revoked = await authorities.revocation_list(1)
        found: dict[str, float] = {}

        @contextmanager
        def broker_of(name: str) -> Iterator[tuple[Broker, Callable[[], None]]]:
            """One with an empty store for each consumer, so that no other's session costs it anything."""
            (directory / name).mkdir()
            broker = Broker(directory / name, authorities, NAMES)
            broker.put_list(revoked)
            for hub_id, pair in certificates.items():
                broker.save(hub_id, pair)
            broker.start()
            try:
                yield broker, Hubs(broker, hub_ids).publish
            finally:
                broker.stop()

        with broker_of("gmqtt") as (broker, publish):
            found["gmqtt"] = await count_with_gmqtt(broker, publish)
        with broker_of("aiomqtt") as (broker, publish):
            found["aiomqtt"] = await count_with_aiomqtt(broker, publish)
        for name, names in {"sqlite": ["sqlite"], "postgresql": ["postgresql"], "two": ["one", "other"]}.items():
            with broker_of(name) as (broker, publish):
                rate, cpu_ms = await drain_with_controllers(urls[name], broker, publish, names)
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
