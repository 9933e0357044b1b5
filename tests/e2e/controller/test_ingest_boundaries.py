"""The ingest killed at each of its boundaries, and with a database that takes nothing while a broker is full."""

import asyncio
import signal
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest

from controller.link.gmqtt import GmqttPort
from controller.services import hubs
from controller.services.actor import Actor, Role
from controller.services.database import Database
from device_agent import protocol
from device_agent.protocol import Channel, topic
from tests.e2e.controller.processes import Child, running, until
from tests.e2e.mosquitto import Mosquitto

pytestmark = [pytest.mark.e2e, pytest.mark.chaos]

BOUNDARIES = ("received", "before_commit", "after_commit", "before_ack")
ROUND = 60
KIBIBYTE = 1024


@dataclass
class Bench:
    """A broker, a database with one hub, and nothing else."""

    broker: Mosquitto
    file: Path
    hub_id: str

    def ask(self, query: str) -> list[tuple[int, ...]]:
        with closing(sqlite3.connect(self.file, timeout=10)) as database:
            return database.execute(query).fetchall()


@asynccontextmanager
async def ingest(bench: Bench, boundary: str) -> AsyncIterator[Child]:
    arguments = ["-m", "tests.e2e.controller.ingest_child", str(bench.broker.port), f"sqlite:///{bench.file}", boundary]
    async with running(arguments, bench.file.with_suffix(".log")) as child:
        yield child


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    file = tmp_path / "controller.db"
    database = Database(f"sqlite:///{file}")
    database.create_now()
    actor, now = Actor("test", Role.ADMIN), datetime.now(UTC)
    hub = database.run_now(hubs.enrol, actor=actor, now=now, serial="SN-1", iccid="8944100000000000011")
    await database.close()
    broker = Mosquitto(tmp_path / "broker")
    await broker.start()
    try:
        yield Bench(broker, file, hub.id)
    finally:
        await broker.stop()


async def publish(bench: Bench, first: int, count: int, padding: int = 0) -> None:
    """Publish once: only the broker can bring them again. Every fifth is an event, the others two samples."""
    port = GmqttPort("127.0.0.1", bench.broker.port)
    async with port.open(client_id="hub", will=None, subscriptions=(), session_expiry_s=0) as link:
        sends = []
        for seq in range(first, first + count):
            if seq % 5 == 0 or padding:
                facts = {f"k{n}": "x" * 250 for n in range(padding * KIBIBYTE // 256)}
                event = protocol.Event(boot=1, seq=seq, uptime_ms=seq, kind="test", facts=facts)
                sends.append(link.publish(topic(bench.hub_id, Channel.EVENT), protocol.encode(event)))
            else:
                samples = tuple(protocol.Sample(uptime_ms=seq * 10 + n, rsrp_dbm=-100.0) for n in range(2))
                message = protocol.Telemetry(boot=1, seq=seq, samples=samples)
                sends.append(link.publish(topic(bench.hub_id, Channel.TELEMETRY), protocol.encode(message)))
        await asyncio.gather(*sends)


async def test_a_kill_at_any_boundary_loses_and_doubles_nothing(bench: Bench) -> None:
    port = GmqttPort("127.0.0.1", bench.broker.port)
    # Its session has to be there before the first message.
    async with ingest(bench, "none"):
        pass
    async with port.open(
        client_id="ear", will=None, subscriptions=[topic(bench.hub_id, Channel.ACK)], session_expiry_s=0
    ) as ear:
        for round_, boundary in enumerate(BOUNDARIES):
            async with ingest(bench, boundary) as child:
                await publish(bench, 1 + round_ * ROUND, ROUND)
                async with asyncio.timeout(20):
                    assert await child.process.wait() == -signal.SIGKILL, boundary
        whole = len(BOUNDARIES) * ROUND
        async with ingest(bench, "none"):
            async with asyncio.timeout(20):
                async for delivery in ear.deliveries():
                    delivery.settle()
                    ack = protocol.decode(Channel.ACK, delivery.payload)
                    assert isinstance(ack, protocol.Ack)
                    if ack.boots[-1].seq == whole:
                        break
    assert bench.ask("SELECT contiguous, lost FROM hub_boots") == [(whole, 0)]
    assert bench.ask("SELECT count(*), count(DISTINCT seq) FROM hub_events") == [(whole // 5, whole // 5)]
    sampled = whole - whole // 5
    assert bench.ask("SELECT count(*), count(DISTINCT seq) FROM telemetry") == [(2 * sampled, sampled)]


@contextmanager
def nothing_can_be_committed(bench: Bench) -> Iterator[None]:
    with closing(sqlite3.connect(bench.file, isolation_level=None)) as database:
        database.execute("BEGIN IMMEDIATE")
        yield
        database.execute("ROLLBACK")


async def test_what_is_in_memory_is_bounded_while_nothing_can_be_committed(bench: Bench) -> None:
    count, size_kib = 12_000, 6
    async with ingest(bench, "none") as child:
        process = psutil.Process(child.process.pid)
        with nothing_can_be_committed(bench):
            before = process.memory_info().rss
            await publish(bench, 1, count, padding=size_kib)
            grown_kib = (process.memory_info().rss - before) / KIBIBYTE
        # All of them would be 72 MiB and more; 2,000 unsettled ones (BOUND), twice, are 24.
        assert grown_kib < 40 * KIBIBYTE, grown_kib

        async def taken() -> bool:
            return bench.ask("SELECT max(contiguous) FROM hub_boots") == [(count,)]

        await until(taken, 60)
