"""The whole agent in virtual time: what its controller would notice."""

import asyncio
from typing import Any

import msgspec
import pytest

from device_agent.cli.run import different
from device_agent.config.settings import Dns, Identity, Modem, Network_
from device_agent.lanes.sampler import is_poor
from device_agent.protocol import (
    Event,
    Internet,
    Reporting,
    Request,
    RequestState,
    Telemetry,
)
from device_agent.store import StoreError
from firmware_bridge.types import AccessTechnology, Counters, ModemEventKind, Operator, Signal
from tests.unit.agent.virtual_hub import (
    HOUR_MS,
    START_MS,
    VirtualHub,
    a_hub,
    in_an_open_hub,
    now_s,
    play,
)


def test_telemetry_comes_as_asked_and_its_bytes_never_go_back() -> None:
    async def story(hub: VirtualHub) -> None:
        asked = hub.modem.calls.count("signal")
        hub.publish(hub.wish(2, reporting=Reporting(sample_interval_s=10, telemetry_interval_s=60)))
        await asyncio.sleep(1.0)
        # At once, and not when the earlier interval is over.
        assert hub.modem.calls.count("signal") == asked + 1
        for moved in (100, 300, 600):
            hub.modem.moved = Counters(moved, moved * 10)
            await asyncio.sleep(65.0)
        await hub.unplug()
        hub.modem.moved = Counters(5, 50)
        hub.plug_in()
        await asyncio.sleep(65.0)
        batches = [m for m in hub.said if isinstance(m, Telemetry)]
        counts = [s.rx_bytes for b in batches for s in b.samples if s.rx_bytes is not None]
        assert counts == sorted(counts)
        assert counts[-1] >= 6000
        first_life = [s for b in batches if b.boot == 1 for s in b.samples]
        assert all(s.at is not None and s.at > START_MS for s in first_life[1:])

    in_an_open_hub(story)


def test_a_document_that_comes_again_is_answered_and_costs_the_flash_nothing() -> None:
    async def story(hub: VirtualHub) -> None:
        document = hub.wish(2, reporting=Reporting(report_interval_s=20))
        hub.publish(document)
        await hub.until(lambda: hub.reports()[-1].observed_revision == 2)
        await asyncio.sleep(1.0)
        assert hub._store is not None
        commits, said = hub._store.commits, len(hub.reports())
        hub.publish(document)
        await asyncio.sleep(1.0)
        assert hub._store.commits == commits
        assert len(hub.reports()) == said + 1
        # Nothing changes, and it is told as often as the document says.
        await asyncio.sleep(61.0)
        assert len(hub.reports()) == said + 4

    in_an_open_hub(story)


def test_a_request_is_carried_out_once_over_restarts_and_its_outcome_told() -> None:
    async def story(hub: VirtualHub) -> None:
        now = START_MS + int(now_s() * 1000)
        requests = (
            Request(id="r1", kind="restart_modem", expires_at=now + 60_000),
            Request(id="r2", kind="diagnose", expires_at=now + 60_000),
            Request(id="r3", kind="dance", expires_at=now + 60_000),
            Request(id="r4", kind="locate", expires_at=now - 1),
            Request(id="r5", kind="rescan_network", expires_at=now + 60_000),
        )
        hub.publish(hub.wish(2, requests=requests))

        def outcomes() -> dict[str, RequestState]:
            return {r.id: r.state for r in hub.reports()[-1].requests}

        await hub.until(lambda: len(outcomes()) == 5 and RequestState.BEGUN not in outcomes().values())
        assert outcomes() == {
            "r1": RequestState.DONE,
            "r2": RequestState.DONE,
            "r3": RequestState.REJECTED,
            "r4": RequestState.EXPIRED,
            "r5": RequestState.REJECTED,
        }
        await hub.pull_the_plug()
        hub.plug_in()
        await asyncio.sleep(30.0)
        assert hub.modem.calls.count("reboot") == 1
        assert outcomes()["r1"] is RequestState.DONE

    in_an_open_hub(story)


def test_a_report_goes_out_when_it_says_something_new_and_not_else() -> None:
    async def story(hub: VirtualHub) -> None:
        await asyncio.sleep(5.0)
        said = len(hub.reports())
        # The open element is given anew, samples are taken, a batch goes out: nothing of that is a change of state.
        await asyncio.sleep(65.0)
        assert len(hub.reports()) == said
        hub.modem.network = Operator("234", "15", "other", AccessTechnology.E_UTRAN)
        hub.modem.say(ModemEventKind.REGISTRATION, hub.modem.at)
        await asyncio.sleep(1.0)
        assert hub.reports()[-1].network.mnc == "15"

        async def reboot() -> None:
            await asyncio.sleep(3.0)

        hub.modem.reboot = reboot  # type: ignore[method-assign]  # what takes a modem a while
        now = START_MS + int(now_s() * 1000)
        hub.publish(hub.wish(2, requests=(Request(id="r", kind="restart_modem", expires_at=now + 60_000),)))
        told = []
        for wait_s in (1.0, 3.0):
            await asyncio.sleep(wait_s)
            told += [each.state for each in hub.reports()[-1].requests]
        assert told == [RequestState.BEGUN, RequestState.DONE]

    in_an_open_hub(story)


def test_a_restart_request_ends_the_agent_and_is_done_in_its_next_life() -> None:
    async def story(hub: VirtualHub) -> None:
        now = START_MS + int(now_s() * 1000)
        hub.publish(hub.wish(2, requests=(Request(id="again", kind="restart_agent", expires_at=now + 60_000),)))
        await hub.until(lambda: hub.agent.restart_wanted)
        assert hub._task is not None
        await hub._task
        hub._close()
        hub.plug_in()
        await hub.until(lambda: bool(hub.reports()[-1].requests))
        await asyncio.sleep(5.0)
        assert hub.reports()[-1].requests[0].state is RequestState.DONE
        assert not hub.agent.restart_wanted

    in_an_open_hub(story)


def test_history_waits_for_the_controllers_word() -> None:
    async def story(hub: VirtualHub) -> None:
        hub.acknowledges = False
        hub.publish(hub.wish())
        await hub.until(lambda: any(isinstance(m, Event) for m in hub.said))
        await hub.pull_the_plug()
        hub.said.clear()
        hub.plug_in()
        await hub.until(lambda: [m.boot for m in hub.said if isinstance(m, Event)] == [1, 2])
        assert [m.boot for m in hub.said if isinstance(m, Event)] == [1, 2]

    async def told() -> None:
        async with a_hub() as hub:
            hub.acknowledges = False
            await story(hub)

    play(told())


def test_a_disk_that_takes_no_more_leaves_the_home_online_and_the_agent_alive() -> None:
    async def story(hub: VirtualHub) -> None:
        assert hub._store is not None
        hub.acknowledges = False
        often = Reporting(sample_interval_s=1, telemetry_interval_s=5)
        hub.publish(hub.wish(2, reporting=often))
        await asyncio.sleep(70.0)
        first = hub._store.history((0, 0))[0]
        # From here on every write fails, as on a disk that is full or that the kernel has made read-only.
        hub._store._db.execute("PRAGMA query_only = ON")
        with pytest.raises(StoreError):
            hub._store.keep("ballast", b"")
        expires = START_MS + int(now_s() * 1000) + HOUR_MS
        asked = Request(id="once", kind="restart_modem", expires_at=expires)
        hub.publish(hub.wish(3, requests=(asked,), reporting=often))
        for _ in range(4):
            await asyncio.sleep(31.0)
            hub.acknowledge(hub._store.boot, 2)
            assert hub.open
        assert hub.reports()[-1].observed_revision == 3
        # What could not be remembered was not done; what could not be forgotten is still held.
        assert hub.modem.calls.count("reboot") == 0
        assert hub._store.history((0, 0))[0] == first
        # Nor does it fail at the end of this life, when what waits in memory can't be written.
        await asyncio.sleep(6.0)
        await hub.unplug()

    in_an_open_hub(story)


def test_telemetry_each_second_costs_the_flash_a_write_each_half_minute_and_no_count_goes_back() -> None:
    async def story(hub: VirtualHub) -> None:
        hub.publish(hub.wish(2, reporting=Reporting(sample_interval_s=1, telemetry_interval_s=1)))
        await asyncio.sleep(2.0)
        assert hub._store is not None
        commits = hub._store.commits
        for second in range(65):
            hub.modem.moved = Counters(second * 10, second * 100)
            await asyncio.sleep(1.0)
        assert hub._store.commits - commits <= 3
        await hub.kill()
        told = max(s.rx_bytes or 0 for b in hub.said if isinstance(b, Telemetry) for s in b.samples)
        assert told >= 3000
        hub.plug_in()
        # What was told was kept first: the next life does not begin below it.
        assert hub.agent.board.total_bytes[1] >= told

    in_an_open_hub(story)


def test_an_hour_at_defaults_costs_less_than_a_megabyte_a_day_and_few_writes() -> None:
    async def story(hub: VirtualHub) -> None:
        hub.publish(hub.wish(2, internet=Internet(on=True, until=START_MS + 30 * 3_600_000)))
        await asyncio.sleep(1.0)
        sent: list[int] = []
        publish = hub.broker.publish

        def counted(topic: str, payload: bytes, **words: Any) -> None:
            # Fixed header and packet id of MQTT, record and TCP/IP headers, and the acknowledgements of each.
            sent.append(len(topic) + len(payload) + 8 + 29 + 40 + 2 * (4 + 29 + 40))
            publish(topic, payload, **words)

        hub.broker.publish = counted  # type: ignore[method-assign]  # the broker's own doubles nothing of ours
        assert hub._store is not None
        commits, asked = hub._store.commits, hub.modem.calls.count("network_time")
        await asyncio.sleep(3660.0)
        # A running clock is compared with the network's once an hour.
        assert hub.modem.calls.count("network_time") == asked + 1
        assert hub.open
        daily = sum(sent) * 24
        assert 20_000 < daily < 1_000_000, daily
        # Byte counts with each batch, the time once an hour; history that is acknowledged is never written.
        assert hub._store.commits - commits <= 15
        # The least that time can be, kept for a life that finds no network.
        assert int(hub._store.kept("floor_ms") or b"0") > START_MS + HOUR_MS - 1000

    in_an_open_hub(story)


def test_a_poor_link_is_spared() -> None:
    async def story(hub: VirtualHub) -> None:
        hub.publish(hub.wish(2, reporting=Reporting(sample_interval_s=10, telemetry_interval_s=60)))

        async def told_in_ten_minutes() -> list[Telemetry]:
            await asyncio.sleep(120.0)
            hub.said.clear()
            await asyncio.sleep(600.0)
            return [m for m in hub.said if isinstance(m, Telemetry)]

        good = await told_in_ten_minutes()
        assert len(good) == 10
        hub.modem.level = Signal(rsrp_dbm=-121.0)
        poor = await told_in_ten_minutes()
        assert len(poor) in {2, 3}
        assert all(5 <= len(batch.samples) <= 7 for batch in poor[1:])
        hub.modem.level = Signal(rsrp_dbm=-100.0)
        assert len(await told_in_ten_minutes()) == 10

    in_an_open_hub(story)


@pytest.mark.parametrize(
    ("signal", "was", "poor"),
    [
        (Signal(rsrp_dbm=-115.1), False, True),
        (Signal(rsrp_dbm=-115.0), False, False),
        (Signal(rsrp_dbm=-110.1), True, True),
        (Signal(rsrp_dbm=-110.0), True, False),
        (Signal(rssi_dbm=-106.0), False, True),
        (Signal(rssi_dbm=-99.0), True, False),
        (Signal(), True, True),
        (None, True, True),
        (None, False, False),
    ],
)
def test_poor_is_near_the_end_of_reach_with_hysteresis(signal: Signal | None, was: bool, poor: bool) -> None:
    assert is_poor(signal, was_poor=was) is poor


def test_new_settings_are_followed_without_a_new_life() -> None:
    async def story(hub: VirtualHub) -> None:
        fresh = msgspec.structs.replace(hub.config, network=Network_(countries=("272",)))
        assert hub.agent.reload(fresh) == fresh
        assert await hub.until(lambda: not hub.open) < 1.0
        assert hub.reason == "network_not_uk"
        hub.agent.reload(hub.config)
        await hub.until(lambda: hub.open, within_s=65.0)
        other = msgspec.structs.replace(hub.config, dns=Dns(cache_size=7))
        hub.agent.reload(other)
        await hub.until(lambda: hub.host.dnsmasq is not None and "cache-size=7" in rendered(hub))
        await hub.until(lambda: hub.open)
        hub.publish(hub.wish(2, bearer=None))
        await hub.until(lambda: "connect management" in hub.modem.calls)
        other = msgspec.structs.replace(other, modem=Modem(ports=("m",), management_apn="depot"))
        hub.agent.reload(other)
        await hub.until(lambda: "connect depot" in hub.modem.calls)
        # The serial is evidence that was read at the start.
        waits = msgspec.structs.replace(other, identity=Identity(serial="x"))
        assert different(hub.agent.reload(waits), waits) == ["identity.serial"]

    in_an_open_hub(story)


def rendered(hub: VirtualHub) -> str:
    return (hub._directory / "dnsmasq.conf").read_text()
