"""Our own modem driver on the bench: the same tests on the simulated modem and on a real one (--target serial:PORT)."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from firmware_bridge.detect import open_modem
from firmware_bridge.errors import BridgeError
from firmware_bridge.modem.generic import Modem
from firmware_bridge.types import SimState
from simulator.pytest_plugin import Bench, Faults

# The network is found sooner when the modem lives faster; a command takes as long as its personality says, divided.
pytestmark = [pytest.mark.e2e, pytest.mark.hil(speed=4)]
DEADLINE_S = 40.0


@pytest.fixture
async def modem(hil: Bench) -> AsyncIterator[Modem]:
    opened = await open_modem(hil.ports)
    try:
        await opened.initialise()
        yield opened
    finally:
        await opened.close()


async def until(ask: Any) -> Any:
    """What `ask` tells once it tells something true; a modem needs its time for a network."""
    async with asyncio.timeout(DEADLINE_S):
        while not (told := await ask()):
            await asyncio.sleep(0.2)
        return told


async def registered(modem: Modem) -> bool:
    return (await modem.registration()).state.attached


async def test_a_modem_says_who_it_is(modem: Modem) -> None:
    identity = await modem.identity()
    assert identity.imei is not None
    assert len(identity.imei) == 15
    assert identity.manufacturer
    assert identity.model


async def test_the_card_is_read(modem: Modem) -> None:
    card = await modem.sim()
    assert card.state in {SimState.READY, SimState.PIN}
    if card.state is SimState.READY:
        assert card.iccid is not None
        assert 18 <= len(card.iccid) <= 20
        assert card.imsi is not None
        assert 14 <= len(card.imsi) <= 15


@pytest.mark.hil(personality="simcom-sim7600", ports=2)
async def test_it_finds_its_network_and_the_signal_is_plausible(modem: Modem) -> None:
    await until(lambda: registered(modem))
    signal = await modem.signal()
    assert signal.rsrp_dbm is None or -140 <= signal.rsrp_dbm <= -40
    assert (await modem.operator()).mcc


async def test_it_survives_a_reply_that_loses_its_end(modem: Modem, hil_faults: Faults) -> None:
    await until(lambda: registered(modem))
    hil_faults.inject("lost_ok", times=1)
    with pytest.raises(BridgeError):
        await modem.identity()
    assert (await modem.identity()).imei is not None


async def test_single_bytes_and_noise_are_no_obstacle(modem: Modem, hil_faults: Faults) -> None:
    hil_faults.inject("fragments")
    hil_faults.inject("urc_inside_reply", times=3)
    before = await modem.identity()
    hil_faults.clear()
    assert await modem.identity() == before


async def test_weak_signal_is_seen_and_recovers(modem: Modem, hil_faults: Faults) -> None:
    await until(lambda: registered(modem))
    before = (await modem.signal()).rsrp_dbm
    number = hil_faults.inject("weak_signal", db=15)
    assert before is not None
    await until(lambda: _weaker_than(modem, before - 3))
    assert hil_faults.clear(number) == 1


async def _weaker_than(modem: Modem, dbm: float) -> bool:
    seen = (await modem.signal()).rsrp_dbm
    return seen is not None and seen < dbm


async def test_a_message_arrives(hil: Bench, modem: Modem) -> None:
    await until(lambda: registered(modem))
    hil.deliver_sms("look", sender="+447700900123")
    (message,) = await until(modem.receive_sms)
    assert message.body == "look"
    await modem.delete_sms(message)


async def test_a_card_that_is_taken_out_is_missed(hil: Bench, modem: Modem) -> None:
    hil.remove_sim()
    await until(lambda: _is(modem, SimState.ABSENT))
    hil.insert_sim()
    await until(lambda: _is(modem, SimState.READY))
    assert (await modem.sim()).state is SimState.READY


async def _is(modem: Modem, state: SimState) -> bool:
    return (await modem.sim()).state is state


@pytest.mark.hil(scenario="sticky-refusal")
def test_the_bench_plays_a_shipped_scenario_too(hil: Bench) -> None:
    if not hil.simulated:
        pytest.skip("a scenario needs the simulator: the target is real hardware")
    assert hil.state()["scenario"] == "Refused, and sulking"
    assert hil.press_power_button() is False
