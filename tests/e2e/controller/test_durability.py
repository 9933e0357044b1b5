"""What a crash may cost: time, and nothing else."""

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from controller.link.gmqtt import GmqttPort
from device_agent import protocol
from device_agent.protocol import Channel, topic
from tests.e2e.controller.processes import until
from tests.e2e.controller.stage import HUB_SIM, Hub, Stage, open_stage, plugged_in

pytestmark = [pytest.mark.e2e, pytest.mark.chaos]

STRANGER = "01890000-0000-7000-8000-00000000dead"


def ask(stage: Stage, query: str) -> list[tuple[int | str, ...]]:
    with closing(sqlite3.connect(stage.directory / "controller.db", timeout=5)) as database:
        return database.execute(query).fetchall()


def events(stage: Stage) -> set[int]:
    return {int(seq) for (seq,) in ask(stage, "SELECT seq FROM hub_events")}


@contextmanager
def nothing_can_be_committed(stage: Stage) -> Iterator[None]:
    """Hold the database's write lock, so that what is received stays uncommitted."""
    with closing(sqlite3.connect(stage.directory / "controller.db", isolation_level=None)) as database:
        database.execute("BEGIN IMMEDIATE")
        yield
        database.execute("ROLLBACK")


async def send_events(stage: Stage, hub_id: str, count: int) -> None:
    """Publish events once, as a hub without a spool would: only the broker can bring them again."""
    port = GmqttPort("127.0.0.1", stage.broker.port)
    async with port.open(client_id=hub_id, will=None, subscriptions=(), session_expiry_s=0) as link:
        for seq in range(1, count + 1):
            event = protocol.Event(boot=1, seq=seq, uptime_ms=seq, kind="test")
            await link.publish(topic(hub_id, Channel.EVENT), protocol.encode(event))


async def test_sigkill_between_receipt_and_commit_loses_nothing(tmp_path: Path) -> None:
    async with open_stage(tmp_path) as stage:
        child = await stage.serve()
        _, _, hub_id = await stage.customer()
        with nothing_can_be_committed(stage):
            await send_events(stage, hub_id, 200)
            await asyncio.sleep(0.5)
            await child.kill()
        assert events(stage) == set()
        await stage.serve()

        async def all_there() -> bool:
            return events(stage) == set(range(1, 201))

        await until(all_there)


async def test_a_controller_killed_again_and_again_commits_each_event_once(tmp_path: Path) -> None:
    async with open_stage(tmp_path) as stage:
        await stage.serve()
        _, _, hub_id = await stage.customer()
        async with plugged_in(Hub(hub_id, stage.broker.port)) as hub:
            for round_ in range(4):
                for _ in range(50):
                    hub.remember("test")
                await hub.send_spool()
                await stage.controllers["controller"].kill()
                await asyncio.sleep(0.05 * round_)
                await stage.serve()

            async def told() -> bool:
                await hub.send_spool()
                return not hub.spool

            await until(told, 30)
        assert events(stage) == set(range(1, 201))
        assert ask(stage, "SELECT contiguous, lost FROM hub_boots") == [(200, 0)]


async def test_a_broker_with_an_empty_store_loses_nothing_that_the_spool_holds(tmp_path: Path) -> None:
    async with open_stage(tmp_path) as stage:
        child = await stage.serve()
        _, _, hub_id = await stage.customer()
        async with plugged_in(Hub(hub_id, stage.broker.port)) as hub:

            async def connected() -> bool:
                return hub.link is not None

            await until(connected)
            assert await child.terminate() == 0
            for _ in range(300):
                hub.remember("test")
            hub.remember_samples(20)
            # Every one of these is acknowledged by the broker, and then the broker forgets.
            await hub.send_spool()
            assert len(hub.spool) == 301
            await stage.broker.restart(keep_store=False)
            await stage.serve()

            async def forgotten() -> bool:
                # What was sent before the controller subscribed anew reached nobody, so a hub sends again.
                await hub.send_spool()
                return not hub.spool

            await until(forgotten, 30)
        assert events(stage) == set(range(1, 301))
        assert ask(stage, "SELECT count(*) FROM telemetry") == [(20,)]


async def test_a_gap_that_the_spool_lost_is_recorded_and_not_waited_for(tmp_path: Path) -> None:
    async with open_stage(tmp_path) as stage:
        await stage.serve()
        _, _, hub_id = await stage.customer()
        hub = Hub(hub_id, stage.broker.port)
        for _ in range(10):
            hub.remember("test")
        del hub.spool[1], hub.spool[2], hub.spool[3]
        async with plugged_in(hub):

            async def forgotten() -> bool:
                return hub.acked == 10

            await until(forgotten)
        assert ask(stage, "SELECT contiguous, lost FROM hub_boots") == [(10, 3)]


async def test_a_document_that_the_broker_forgot_comes_with_the_hello(tmp_path: Path) -> None:
    async with open_stage(tmp_path) as stage:
        await stage.serve()
        _, line_id, hub_id = await stage.customer()
        await stage.report_fault(line_id)

        async def active() -> bool:
            return bool((await stage.platform.service(HUB_SIM))["state"] == "active")

        await until(active)
        await stage.broker.restart(keep_store=False)
        async with plugged_in(Hub(hub_id, stage.broker.port)) as hub:

            async def on() -> bool:
                return hub.desired is not None and hub.desired.internet.on

            await until(on)
            assert await on()


async def test_what_cannot_be_taken_in_is_set_aside_and_acknowledged(tmp_path: Path) -> None:
    async with open_stage(tmp_path) as stage:
        child = await stage.serve()
        _, _, hub_id = await stage.customer()
        port = GmqttPort("127.0.0.1", stage.broker.port)
        good = protocol.Event(boot=1, seq=1, uptime_ms=1, kind="test")
        async with port.open(client_id="odd", will=None, subscriptions=(), session_expiry_s=0) as link:
            await link.publish(topic(hub_id, Channel.EVENT), b"\x00\xff not JSON")
            await link.publish(topic(STRANGER, Channel.EVENT), protocol.encode(good))
            await link.publish("minihub/v1/not-a-hub/event", protocol.encode(good))
            await link.publish(topic(hub_id, Channel.EVENT), protocol.encode(good))

        async def taken() -> bool:
            return events(stage) == {1}

        await until(taken)
        assert len(ask(stage, "SELECT reason FROM quarantine")) == 3
        # Acknowledged: nothing of it comes again to the same session.
        assert await child.terminate() == 0
        await stage.serve()
        await asyncio.sleep(0.5)
        assert len(ask(stage, "SELECT reason FROM quarantine")) == 3


async def test_two_controllers_share_the_work_and_one_may_die(tmp_path: Path) -> None:
    async with open_stage(tmp_path) as stage:
        await stage.serve("one")
        second = await stage.serve("two")
        _, line_id, hub_id = await stage.customer()
        async with plugged_in(Hub(hub_id, stage.broker.port)) as hub:
            for _ in range(200):
                hub.remember("test")
            await hub.send_spool()
            await stage.controllers["one"].kill()
            fault_id = await stage.report_fault(line_id)

            async def online() -> bool:
                fault = await stage.admin.get(f"/v1/faults/{fault_id}")
                return any(each["online_at"] for each in fault["promises"])

            # The lane and the claims of the dead one run out first.
            await until(online, 90)

            async def told() -> bool:
                await hub.send_spool()
                return not hub.spool

            await until(told, 30)
        assert events(stage) == set(range(1, 201))
        keys = [each["key"] for each in stage.notices()]
        assert len(keys) == len(set(keys))
        assert await second.terminate() == 0
