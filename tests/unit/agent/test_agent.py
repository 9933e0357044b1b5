"""The whole agent in virtual time: what a home would notice."""

import asyncio
import itertools
from collections.abc import Callable, Coroutine, Sequence
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from device_agent.cli.run import different
from device_agent.config.settings import Dns, Identity, Network_
from device_agent.lanes.sampler import is_poor
from device_agent.protocol import (
    Event,
    Internet,
    ParentalControls,
    Presence,
    Reporting,
    Request,
    RequestState,
    Telemetry,
)
from device_agent.store import StoreError
from firmware_bridge.errors import CommandTimeoutError, HostToolError
from firmware_bridge.host.process import Completed
from firmware_bridge.types import Counters, ModemEventKind, RegistrationState, Signal, Sim, SimState
from tests.unit.agent.virtual_hub import HOUR_MS, START_MS, VirtualHub, a_hub, an_open_hub, now_s, play


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


def test_a_document_opens_the_hub_soon_and_it_says_so() -> None:
    async def story(hub: VirtualHub) -> None:
        await hub.until(lambda: hub.agent.board.clock.trusted)
        hub.publish(hub.wish())
        assert await hub.until(lambda: hub.open) < 1.5
        await hub.until(lambda: last_condition(hub, "forwarding_open") == ("true", "open"))
        assert hub.reports()[-1].observed_revision == 1
        assert hub.reports()[-1].filter.state == "in_force"

    in_a_hub(story)


def test_the_filter_is_in_force_before_forwarding_opens() -> None:
    async def story(hub: VirtualHub) -> None:
        hub.publish(hub.wish())
        await hub.until(lambda: hub.open)
        since = {c.type: c.since_ms for c in hub.reports()[-1].conditions} if hub.reports() else {}
        await hub.until(lambda: last_condition(hub, "forwarding_open")[0] == "true")
        since = {c.type: c.since_ms for c in hub.reports()[-1].conditions}
        assert since["filter_in_force"] <= since["forwarding_open"]
        answer = await hub.host.ask(("", 53), "www.blocked.example", 1, deadline_s=1)
        assert answer.rcode == 3

    in_a_hub(story)


def test_a_filter_that_dies_closes_within_two_seconds_and_reopens_after_a_quiet_minute() -> None:
    async def story(hub: VirtualHub) -> None:
        assert hub.host.dnsmasq is not None
        hub.host.dnsmasq.ended.set()
        assert await hub.until(lambda: not hub.open) <= 2.0
        assert await hub.until(lambda: hub.open) >= 59.0
        assert hub.host.dnsmasq.running

    in_an_open_hub(story)


def test_a_filter_that_hangs_closes_within_two_seconds() -> None:
    async def story(hub: VirtualHub) -> None:
        assert hub.host.dnsmasq is not None
        hub.host.dnsmasq.configuration.texts.clear()
        assert await hub.until(lambda: not hub.open) <= 2.0

    in_an_open_hub(story)


def test_a_rule_set_somebody_removed_is_put_back_before_anything_opens() -> None:
    async def story(hub: VirtualHub) -> None:
        hub.host.ruleset.state["tables"] = type(hub.host.ruleset.state["tables"])()
        await hub.until(lambda: not hub.open)
        assert hub.agent.board.gate.firewall is not None
        await hub.until(lambda: getattr(hub.agent.board.gate.firewall, "installed", False), within_s=40.0)
        assert not hub.open
        assert await hub.until(lambda: hub.open) >= 59.0

    in_an_open_hub(story)


def break_tool(hub: VirtualHub, *words: str) -> None:
    """From now on the tool called with these words fails."""
    run = hub.host.run

    async def broken(argv: Sequence[str], *, stdin: bytes = b"", deadline_s: float) -> Completed:
        if tuple(argv[: len(words)]) == words:
            raise HostToolError(words[0], "broken on purpose")
        return await run(argv, stdin=stdin, deadline_s=deadline_s)

    hub.host.run = broken  # type: ignore[method-assign]  # what the host's tools do


def test_a_rule_set_that_cannot_be_read_is_closed_all_the_same() -> None:
    async def story(hub: VirtualHub) -> None:
        mend = hub.host.run
        break_tool(hub, "nft", "-j", "list")
        assert hub.host.dnsmasq is not None
        hub.host.dnsmasq.ended.set()
        assert await hub.until(lambda: not hub.open) <= 2.0
        await hub.until(lambda: last_condition(hub, "forwarding_open") == ("unknown", "filter_absent"))
        hub.host.run = mend  # type: ignore[method-assign]  # mended
        assert await hub.until(lambda: hub.open) >= 59.0

    in_an_open_hub(story)


def test_a_rule_set_that_cannot_be_closed_is_left_to_the_kernel_and_not_called_closed() -> None:
    async def story(hub: VirtualHub) -> None:
        break_tool(hub, "nft")
        hub.publish(hub.wish(2, internet=Internet(on=False)))
        await hub.until(lambda: last_condition(hub, "forwarding_open")[0] == "unknown")
        assert hub.open
        assert await hub.until(lambda: not hub.open) <= 90.0

    in_an_open_hub(story)


def test_a_document_without_controls_closes() -> None:
    async def story(hub: VirtualHub) -> None:
        hub.publish(hub.wish(2, parental_controls=None))
        assert await hub.until(lambda: not hub.open) < 0.5
        await asyncio.sleep(120.0)
        assert not hub.open
        assert hub.reason == "filter_absent"
        hub.publish(hub.wish(3))
        await hub.until(lambda: hub.open, within_s=65.0)

    in_an_open_hub(story)


def test_the_lease_ends_offline_too() -> None:
    async def story(hub: VirtualHub) -> None:
        hub.publish(hub.wish(2, internet=Internet(on=True, until=START_MS + int(now_s() * 1000) + 400_000)))
        await asyncio.sleep(1.0)
        hub.broker.available = False
        hub.broker.restart(keep_store=True)
        took = await hub.until(lambda: not hub.open, within_s=500.0, look_s=0.5)
        assert 398.0 < took <= 400.0
        await hub.until(lambda: hub.reason == "lease_ended", within_s=2.0)

    in_an_open_hub(story)


def test_an_agent_that_dies_leaves_the_kernel_to_close_within_ninety_seconds() -> None:
    async def story(hub: VirtualHub) -> None:
        await hub.kill()
        assert hub.open
        assert await hub.until(lambda: not hub.open) <= 90.0

    in_an_open_hub(story)


def test_it_stays_open_as_long_as_it_is_refreshed() -> None:
    async def story(hub: VirtualHub) -> None:
        for _ in range(600):
            await asyncio.sleep(1.0)
            assert hub.open

    in_an_open_hub(story)


@pytest.mark.parametrize(("mcc", "mnc"), [("272", "01"), ("234", "50"), ("208", "10")])
def test_it_closes_at_once_outside_the_uk(mcc: str, mnc: str) -> None:
    async def story(hub: VirtualHub) -> None:
        hub.modem.move_to(mcc, mnc)
        assert await hub.until(lambda: not hub.open) < 1.0
        assert hub.reason == "network_not_uk"

    in_an_open_hub(story)


def test_another_sim_closes_it() -> None:
    async def story(hub: VirtualHub) -> None:
        hub.modem.card = Sim(SimState.READY, "8944300000000000009")
        hub.modem.say(ModemEventKind.SIM)
        assert await hub.until(lambda: not hub.open) < 1.0
        assert hub.reason == "sim_foreign"

    in_an_open_hub(story)


def test_a_lost_network_closes_it_and_the_radio_is_cycled_after_a_refusal() -> None:
    async def story(hub: VirtualHub) -> None:
        hub.modem.register(RegistrationState.DENIED, cause=8)
        assert await hub.until(lambda: not hub.open) < 1.0
        assert await hub.until(lambda: "cycle_radio" in hub.modem.calls) < 5.0
        cycled_at = []
        for _ in range(3):
            before = hub.modem.calls.count("cycle_radio")
            await hub.until(lambda: hub.modem.calls.count("cycle_radio") > before, within_s=2400.0, look_s=1.0)  # noqa: B023
            cycled_at.append(now_s())
        gaps = [b - a for a, b in itertools.pairwise(cycled_at)]
        assert all(240 <= gap <= 2000 for gap in gaps)

    in_an_open_hub(story)


def test_a_late_answer_of_the_modem_is_no_change_of_state() -> None:
    async def story(hub: VirtualHub) -> None:
        hub.modem.fails["registration"] = CommandTimeoutError("AT+CEREG?", 5)
        hub.modem.say(ModemEventKind.SIGNAL)
        await asyncio.sleep(1.0)
        hub.modem.fails.clear()
        await asyncio.sleep(60.0)
        assert hub.open

    in_an_open_hub(story)


def test_a_modem_that_keeps_silent_about_the_network_closes_it() -> None:
    async def story(hub: VirtualHub) -> None:
        hub.modem.fails["registration"] = CommandTimeoutError("AT+CEREG?", 5)
        assert await hub.until(lambda: not hub.open) <= 65.0

    in_an_open_hub(story)


def test_an_unplugged_modem_closes_and_is_found_again() -> None:
    async def story(hub: VirtualHub) -> None:
        hub.modem.unplug()
        assert await hub.until(lambda: not hub.open) < 1.0
        await asyncio.sleep(100.0)
        hub.modem.plugged = True
        assert await hub.until(lambda: hub.open, within_s=200.0) >= 60.0

    in_an_open_hub(story)


def test_without_network_time_it_stays_closed() -> None:
    async def story(hub: VirtualHub) -> None:
        hub.modem.tells_time = False
        hub.publish(hub.wish())
        await asyncio.sleep(120.0)
        assert not hub.open
        assert hub.reason == "clock_unknown"

    async def told() -> None:
        async with a_hub() as hub:
            hub.modem.tells_time = False
            await story(hub)

    play(told())


def test_network_time_below_the_floor_is_refused_over_a_restart() -> None:
    async def story(hub: VirtualHub) -> None:
        await hub.unplug()
        hub.modem.skew = -timedelta(days=1)
        hub.plug_in()
        await asyncio.sleep(120.0)
        assert not hub.open
        assert hub.reason == "clock_unknown"

    in_an_open_hub(story)


def test_off_closes_at_once_and_on_reopens_without_waiting() -> None:
    async def story(hub: VirtualHub) -> None:
        hub.publish(hub.wish(2, internet=Internet(on=False)))
        assert await hub.until(lambda: not hub.open) < 0.5
        hub.publish(hub.wish(3))
        assert await hub.until(lambda: hub.open) < 0.5

    in_an_open_hub(story)


def test_a_change_of_the_controls_is_in_force_within_a_second() -> None:
    async def story(hub: VirtualHub) -> None:
        hub.publish(hub.wish(2, parental_controls=ParentalControls(level="strict", deny=("more.example",))))
        await asyncio.sleep(0.2)
        await hub.until(lambda: hub.open, within_s=1.0)
        assert (await hub.host.ask(("", 53), "more.example", 1, deadline_s=1)).rcode == 3

    in_an_open_hub(story)


def in_force(hub: VirtualHub, revision: int) -> bool:
    return any(r.filter.state == "in_force" for r in hub.reports() if r.observed_revision == revision)


def test_no_report_shows_a_new_document_with_the_old_filter_as_fulfilled() -> None:
    async def story(hub: VirtualHub) -> None:
        for revision in range(2, 8):
            hub.said.clear()
            controls = ParentalControls(level="light", deny=(f"n{revision}.example",))
            hub.publish(hub.wish(revision, parental_controls=controls))
            await hub.until(lambda: in_force(hub, revision))  # noqa: B023  # awaited here
            told = [r for r in hub.reports() if r.observed_revision == revision]
            digests = {r.filter.digest for r in told if r.filter.state == "in_force"}
            assert len(digests) == 1
            for report in told:
                status = {str(c.type): str(c.status) for c in report.conditions}
                assert status["filter_in_force"] == "true" or status["converged"] == "false", report
            await hub.until(lambda: hub.open)

    in_an_open_hub(story)


def test_controls_that_change_and_change_back_at_once_leave_it_open() -> None:
    async def story(hub: VirtualHub) -> None:
        other = ParentalControls(level="strict", deny=("more.example",))
        hub.agent.accept(hub.wish(2, parental_controls=other))
        hub.agent.accept(hub.wish(3))
        await asyncio.sleep(1.0)
        assert hub.open
        assert hub.reason == "open"

    in_an_open_hub(story)


def test_a_lower_revision_is_refused() -> None:
    async def story(hub: VirtualHub) -> None:
        hub.publish(hub.wish(5))
        await hub.until(lambda: hub.agent.board.goal.revision == 5)
        hub.publish(hub.wish(4, internet=Internet(on=False)))
        await asyncio.sleep(2.0)
        assert hub.agent.board.goal.revision == 5
        assert hub.open

    in_an_open_hub(story)


def test_a_feature_it_lacks_keeps_it_closed_and_it_says_so() -> None:
    async def story(hub: VirtualHub) -> None:
        hub.publish(hub.wish(2, requires=("lease", "time-travel")))
        await hub.until(lambda: not hub.open)
        await hub.until(lambda: last_condition(hub, "forwarding_open") == ("false", "unsupported"))
        assert hub.reports()[-1].observed_revision == 2

    in_an_open_hub(story)


def test_a_document_survives_a_power_cut_and_the_hub_opens_without_the_broker() -> None:
    async def story(hub: VirtualHub) -> None:
        hub.broker.available = False
        await hub.pull_the_plug()
        assert not hub.open
        hub.plug_in()
        assert await hub.until(lambda: hub.open) < 10.0

    in_an_open_hub(story)


def test_a_clean_end_closes_and_says_goodbye() -> None:
    async def story(hub: VirtualHub) -> None:
        await hub.unplug()
        assert not hub.open
        assert hub.host.dnsmasq is not None
        assert not hub.host.dnsmasq.running
        await asyncio.sleep(0.1)
        assert isinstance(hub.said[-1], Presence)

    in_an_open_hub(story)


def test_telemetry_comes_as_asked_and_its_bytes_never_go_back() -> None:
    async def story(hub: VirtualHub) -> None:
        hub.publish(hub.wish(2, reporting=Reporting(sample_interval_s=10, telemetry_interval_s=60)))
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

    async def told() -> None:
        async with a_hub() as hub:
            hub.acknowledges = False
            await story(hub)

    play(told())


def test_a_full_disk_leaves_the_home_online_and_the_agent_alive() -> None:
    async def story(hub: VirtualHub) -> None:
        assert hub._store is not None
        db = hub._store._db
        pages = db.execute("PRAGMA page_count").fetchone()[0]
        db.execute(f"PRAGMA max_page_count = {pages}")
        # What is left of the last page is used up; from here on SQLite says "database or disk is full".
        hub.acknowledges = False
        with pytest.raises(StoreError, match="full"):
            hub._store.keep("ballast", bytes(100_000))
        now = START_MS + int(now_s() * 1000)
        asked = tuple(Request(id=f"r{n}" + "x" * 60, kind="restart_modem", expires_at=now + HOUR_MS) for n in range(32))
        hub.publish(hub.wish(2, requests=asked, reporting=Reporting(sample_interval_s=1, telemetry_interval_s=5)))
        for _ in range(10):
            await asyncio.sleep(60.0)
            assert hub.open
        assert hub.reports()[-1].observed_revision == 2
        hub.acknowledge(hub._store.boot, 3)
        await asyncio.sleep(10.0)
        assert hub.open
        # What could not be remembered was not done more than once.
        assert hub.modem.calls.count("reboot") <= len(asked)

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
        commits = hub._store.commits
        await asyncio.sleep(3660.0)
        assert hub.open
        daily = sum(sent) * 24
        assert 20_000 < daily < 1_000_000, daily
        # Byte counts with each batch, the time once an hour; history that is acknowledged is never written.
        assert hub._store.commits - commits <= 15

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
        # The serial is evidence that was read at the start.
        waits = msgspec.structs.replace(other, identity=Identity(serial="x"))
        assert different(hub.agent.reload(waits), waits) == ["identity.serial"]

    in_an_open_hub(story)


def rendered(hub: VirtualHub) -> str:
    return (hub._directory / "dnsmasq.conf").read_text()
