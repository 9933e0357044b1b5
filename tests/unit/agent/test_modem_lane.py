"""The modem lane in virtual time: what is tried again, when, and what a new modem begins with."""

import asyncio
from itertools import pairwise

import msgspec

from device_agent.config import Modem
from device_agent.protocol import Internet
from device_agent.store import StoreError
from firmware_bridge.errors import CommandError, ModemSilentError
from firmware_bridge.types import Bearer, BearerSettings, ModemEventKind, Operator, RegistrationState, Sim, SimState
from tests.unit.agent.virtual_hub import VirtualHub, in_a_hub, in_an_open_hub, now_s


def test_a_port_that_is_not_there_is_looked_for_often_and_one_that_is_silent_seldom() -> None:
    async def story(hub: VirtualHub) -> None:
        async def looked_for(seconds: float) -> int:
            before = hub.modem.calls.count("open")
            await asyncio.sleep(seconds)
            return hub.modem.calls.count("open") - before

        await hub.until(lambda: hub.agent.board.modem.present)
        hub.modem.unplug()
        # Every two seconds at the most, every thirty.
        assert await looked_for(30.0) >= 15
        hub.modem.fails["open"] = ModemSilentError("memory", 3)
        assert 5 <= await looked_for(150.0) <= 12
        hub.modem.fails.clear()
        hub.modem.plugged = True
        await hub.until(lambda: hub.agent.board.modem.present)
        # Known to live here: looked for at once when it goes.
        hub.modem.fails["open"] = ModemSilentError("memory", 3)
        hub.modem.unplug()
        assert await looked_for(1.5) >= 2

    in_a_hub(story)


def test_a_modem_found_again_is_let_go_first_and_waits_for_nothing_that_the_last_one_failed_at() -> None:
    async def story(hub: VirtualHub) -> None:
        hub.modem.fails["connect"] = CommandError("connect", text="no carrier")
        hub.publish(hub.wish())
        tried: list[float] = []
        while now_s() < 420.0:
            before = hub.modem.calls.count("connect internet")
            await asyncio.sleep(1.0)
            tried += [now_s()] * (hub.modem.calls.count("connect internet") - before)
        waits = [later - sooner for sooner, later in pairwise(tried)]
        assert waits[0] <= 5.0
        assert 60.0 <= max(waits) <= 121.0
        hub.modem.unplug()
        await hub.until(lambda: not hub.agent.board.modem.present)
        assert hub.modem.calls[-1] == "close"
        hub.modem.fails.clear()
        hub.modem.calls.clear()
        hub.modem.plugged = True
        await hub.until(lambda: hub.modem.link.up, within_s=5.0)
        # What came while nobody looked lies in the SIM.
        assert hub.modem.calls.count("receive_sms") == 1

    in_a_hub(story)


def test_a_bearer_is_believed_only_as_far_as_it_was_asked_for() -> None:
    async def story(hub: VirtualHub) -> None:
        hub.modem.calls.clear()
        hub.publish(hub.wish(2, internet=Internet(on=False)))
        await asyncio.sleep(5.0)
        # It stays up when the document says off: forwarding is what stops.
        assert "disconnect" not in hub.modem.calls
        # A modem that restarted may have brought up one of its own.
        hub.modem.link = Bearer(up=True, apn="its.own")
        hub.modem.say(ModemEventKind.REBOOTED)
        await hub.until(lambda: hub.modem.link.apn == "internet", within_s=3.0)
        assert hub.modem.calls.count("disconnect") == 1

        async def refuse(settings: BearerSettings) -> Bearer:
            return Bearer(up=False)

        hub.modem.connect = refuse  # type: ignore[method-assign]  # what the network grants
        hub.modem.link = Bearer(up=False)
        hub.modem.say(ModemEventKind.SIGNAL)
        await hub.until(lambda: "did not come up" in hub.agent.board.modem.problem, within_s=3.0)

    in_an_open_hub(story)


def test_a_reading_that_never_ends_is_done_without() -> None:
    async def story(hub: VirtualHub) -> None:
        await hub.until(lambda: hub.agent.board.modem.operator is not None)

        async def hang() -> Operator:
            await asyncio.sleep(1e6)
            return hub.modem.network

        hub.modem.operator = hang  # type: ignore[method-assign]  # a command that gets no answer
        hub.modem.card = Sim(SimState.ABSENT)
        hub.modem.say(ModemEventKind.SIM)
        await hub.until(lambda: hub.agent.board.modem.sim == Sim(SimState.ABSENT), within_s=70.0, look_s=1.0)

    in_a_hub(story)


def test_a_step_that_never_ends_is_given_up() -> None:
    async def story(hub: VirtualHub) -> None:
        await hub.until(lambda: hub.agent.board.modem.present)
        hub.modem.connect_takes_s = 1e6
        hub.publish(hub.wish())
        await hub.until(lambda: hub.agent.board.modem.problem == "Connect: no end within 240 s", look_s=0.5)

    in_a_hub(story)


def test_a_pin_that_cannot_be_noted_is_not_sent_and_ends_nothing() -> None:
    async def story(hub: VirtualHub) -> None:
        hub.modem.fails["unlock"] = StoreError("agent.db", "disk full")  # type: ignore[assignment]  # as its memory does
        hub.modem.card = Sim(SimState.PIN, pin_tries=3)
        hub.modem.say(ModemEventKind.SIM)
        hub.agent.reload(msgspec.structs.replace(hub.config, modem=Modem(ports=("m",), pin="1234")))
        await hub.until(lambda: "Unlock: agent.db: disk full" in hub.agent.board.modem.problem)
        hub.modem.fails.clear()
        await hub.until(lambda: hub.agent.board.modem.sim == Sim(SimState.READY, "8944300000000000001"))

    in_a_hub(story)


def test_a_radio_is_cycled_at_once_when_refused_and_after_patience_when_it_finds_nothing() -> None:
    async def story(hub: VirtualHub) -> None:
        def cycles() -> int:
            return hub.modem.calls.count("cycle_radio")

        await hub.until(lambda: hub.agent.board.modem.operator is not None)
        hub.modem.register(RegistrationState.SEARCHING)
        await asyncio.sleep(0.5)
        # Not attached, there is no operator to be told.
        assert (hub.agent.board.modem.operator, hub.agent.board.modem.problem) == (None, "")
        await asyncio.sleep(80.0)
        assert cycles() == 0
        await asyncio.sleep(15.0)
        assert cycles() == 1
        hub.modem.register(RegistrationState.HOME)
        await asyncio.sleep(1.0)
        hub.modem.fails["cycle_radio"] = CommandError("AT+CFUN", text="ERROR")
        hub.modem.register(RegistrationState.DENIED, cause=7)
        # Once, whether it works or not; then in minutes.
        await asyncio.sleep(100.0)
        assert cycles() == 2

    in_a_hub(story)
