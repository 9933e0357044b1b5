"""The whole agent in virtual time: what a home would notice."""

import asyncio
import itertools
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from device_agent.protocol import (
    Internet,
    ParentalControls,
    Presence,
    Request,
)
from firmware_bridge.errors import CommandTimeoutError, HostToolError
from firmware_bridge.host.dnsmasq import CANARY
from firmware_bridge.host.process import Completed
from firmware_bridge.types import ModemEventKind, RegistrationState, Sim, SimState
from tests.unit.agent.virtual_hub import (
    HOUR_MS,
    START_MS,
    VirtualHub,
    a_hub,
    in_a_hub,
    in_an_open_hub,
    last_condition,
    now_s,
    play,
)


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


def test_a_filter_that_tells_the_right_rules_and_refuses_nothing_closes_within_two_seconds() -> None:
    async def story(hub: VirtualHub) -> None:
        assert hub.host.dnsmasq is not None
        del hub.host.dnsmasq.configuration.names[CANARY]
        assert await hub.until(lambda: not hub.open) <= 2.0
        assert hub.reason == "filter_absent"

    in_an_open_hub(story)


def test_off_needs_the_hubs_own_dns_and_no_refusal() -> None:
    async def story(hub: VirtualHub) -> None:
        hub.publish(hub.wish(2, parental_controls=ParentalControls(level="off", enabled=False, deny=("x.example",))))
        await hub.until(lambda: hub.reports()[-1].filter.level == "off" and hub.open)
        assert (await hub.host.ask(("", 53), "blocked.example", 1, deadline_s=1)).rcode == 0
        assert hub.host.dnsmasq is not None
        hub.host.dnsmasq.ended.set()
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


def test_a_rule_set_that_can_no_longer_be_read_is_closed_at_the_next_look() -> None:
    async def story(hub: VirtualHub) -> None:
        break_tool(hub, "nft", "-j", "list")
        # The rule set is looked at every 30 s; the open element would last for 60 s more.
        assert await hub.until(lambda: not hub.open) <= 31.0

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


def test_an_agent_that_dies_leaves_the_kernel_to_close_at_the_end_of_a_lease_that_became_shorter() -> None:
    async def story(hub: VirtualHub) -> None:
        hub.publish(hub.wish(2, internet=Internet(on=True, until=START_MS + int(now_s() * 1000) + 20_000)))
        await asyncio.sleep(1.0)
        assert hub.open
        await hub.kill()
        assert await hub.until(lambda: not hub.open, within_s=100.0) <= 19.1

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


def test_a_modem_plugged_in_late_is_found_at_once() -> None:
    async def story(hub: VirtualHub) -> None:
        hub.modem.unplug()
        await asyncio.sleep(3600.0)
        hub.modem.plugged = True
        assert await hub.until(lambda: last_condition(hub, "modem_present")[0] == "true") <= 3.0

    in_an_open_hub(story)


# No time, or one of which nobody knows how far it is from UTC.
@pytest.mark.parametrize("lacks", ["tells_time", "zone_known"])
def test_without_network_time_it_stays_closed(lacks: str) -> None:
    async def story(hub: VirtualHub) -> None:
        hub.publish(hub.wish(requests=(Request(id="r1", kind="restart_modem", expires_at=START_MS + HOUR_MS),)))
        await asyncio.sleep(60.0)
        assert not hub.open
        assert hub.reason == "clock_unknown"
        # A request waits for the time too; one is withdrawn meanwhile, and another done the moment the time is known.
        hub.publish(hub.wish(2, requests=(Request(id="r2", kind="diagnose", expires_at=START_MS + HOUR_MS),)))
        await asyncio.sleep(1.0)
        setattr(hub.modem, lacks, True)
        await hub.until(lambda: hub.agent.board.clock.trusted)
        await asyncio.sleep(0.1)
        assert [(each.id, each.state) for each in hub.reports()[-1].requests] == [("r2", "done")]
        await hub.until(lambda: hub.open)
        assert "reboot" not in hub.modem.calls

    async def told() -> None:
        async with a_hub() as hub:
            setattr(hub.modem, lacks, False)
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


def test_a_document_is_not_fulfilled_before_the_gate_has_looked() -> None:
    async def story(hub: VirtualHub) -> None:
        hub.agent.accept(hub.wish(2, parental_controls=ParentalControls(level="light", deny=("new.example",))))
        # At this very instant the kernel forwards and the old filter answers.
        told = {str(c["type"]): str(c["status"]) for c in hub.agent.status()["conditions"]}
        assert told["forwarding_open"] == "true"
        assert told["filter_in_force"] == "false"
        assert told["converged"] == "false"
        hub.agent.accept(hub.wish(3, parental_controls=ParentalControls(level="light", deny=("new.example",))))
        await hub.until(lambda: in_force(hub, 3))

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


def test_controls_that_cannot_be_written_close_the_hub_and_it_does_not_call_itself_open() -> None:
    async def story(hub: VirtualHub) -> None:
        in_the_way = Path(hub.config.state) / "dnsmasq.part"
        in_the_way.mkdir()
        hub.publish(hub.wish(2, parental_controls=ParentalControls(level="light", deny=("other.example",))))
        await hub.until(lambda: hub.reports()[-1].observed_revision == 2)
        await hub.until(lambda: not hub.open, 1.0)
        await asyncio.sleep(1.0)
        assert last_condition(hub, "forwarding_open")[0] != "true"
        assert last_condition(hub, "filter_in_force")[0] == "false"
        assert "cannot be written" in hub.agent.board.gate.problem
        in_the_way.rmdir()
        await hub.until(lambda: hub.open, 200.0)
        assert last_condition(hub, "filter_in_force") == ("true", "in_force")

    in_an_open_hub(story)


def test_a_document_that_comes_while_another_is_prepared_is_the_only_one_followed() -> None:
    async def story(hub: VirtualHub) -> None:
        listen = hub.host.names.listen

        async def slow(categories: Sequence[str]) -> dict[str, int]:
            await asyncio.sleep(0.5)
            return await listen(categories)

        hub.host.names.listen = slow  # type: ignore[method-assign]  # sockets take their time
        hub.publish(hub.wish(2, parental_controls=ParentalControls(level="light", deny=("second.example",))))
        await asyncio.sleep(0.2)
        hub.publish(hub.wish(3, parental_controls=ParentalControls(level="light", deny=("third.example",))))
        started = set()
        while "third.example" not in started or not hub.open:
            assert hub.host.dnsmasq is not None
            started |= set(hub.host.dnsmasq.configuration.names)
            await asyncio.sleep(0.01)
        assert "second.example" not in started

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


def test_a_clean_end_waits_for_no_broker_that_is_slow() -> None:
    async def story(hub: VirtualHub) -> None:
        hub.broker.latency_s = 600.0
        began = now_s()
        await hub.unplug()
        assert not hub.open
        assert now_s() - began < 3.0

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
