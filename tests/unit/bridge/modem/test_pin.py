"""The rule about PINs: a wrong one is never sent twice, the last try is never used up unasked."""

import asyncio

import pytest

from firmware_bridge.errors import CommandError, CommandTimeoutError, Remedy, SimError
from firmware_bridge.modem.generic import Modem
from firmware_bridge.types import SimState
from tests.unit.bridge.modem.scripted import Answer, Scripted, drive

ENTER = 'AT+CPIN="1234"'
LOCKED: dict[str, Answer] = {
    "AT+CPIN?": "+CPIN: SIM PIN",
    'AT+QPINC="SC"': '+QPINC: "SC",3,10',
    "AT+QCCID": "+QCCID: 8944100030012345678F",
}


def test_a_pin_is_entered_once_and_ready_waited_for() -> None:
    async def scenario(modem: Modem, port: Scripted) -> None:
        asking = modem.unlock("1234")
        await asking
        assert port.sent.count(ENTER) == 1
        assert (await modem.sim()).state is SimState.READY

    states = ["+CPIN: SIM PIN"] * 4 + ["+CME ERROR: 14", "+CPIN: READY"]
    drive({**LOCKED, "AT+CPIN?": states, ENTER: ""}, scenario)


def test_a_ready_sim_gets_no_pin() -> None:
    async def scenario(modem: Modem, port: Scripted) -> None:
        await modem.unlock("1234")
        assert ENTER not in port.sent

    drive({**LOCKED, "AT+CPIN?": "+CPIN: READY"}, scenario)


def test_a_wrong_pin_is_never_sent_again_even_by_force() -> None:
    async def scenario(modem: Modem, port: Scripted) -> None:
        with pytest.raises(SimError, match="wrong"):
            await modem.unlock("1234")
        for force in (False, True):
            with pytest.raises(SimError, match="tried"):
                await modem.unlock("1234", force=force)
        assert port.sent.count(ENTER) == 1

    drive({**LOCKED, ENTER: "+CME ERROR: 16"}, scenario)


def test_another_pin_or_another_sim_may_be_tried() -> None:
    async def scenario(modem: Modem, port: Scripted) -> None:
        with pytest.raises(SimError, match="wrong"):
            await modem.unlock("1234")
        with pytest.raises(SimError, match="wrong"):
            await modem.unlock("4321")
        port.says["AT+QCCID"] = "+QCCID: 89860025128306012474"
        with pytest.raises(SimError, match="wrong"):
            await modem.unlock("1234")
        assert port.sent.count(ENTER) == 2

    drive({**LOCKED, ENTER: "+CME ERROR: incorrect password", 'AT+CPIN="4321"': "+CME ERROR: 16"}, scenario)


def test_the_last_try_is_used_by_force_only() -> None:
    async def scenario(modem: Modem, port: Scripted) -> None:
        with pytest.raises(SimError) as refusal:
            await modem.unlock("1234")
        assert (refusal.value.tries_left, refusal.value.remedy) == (1, Remedy.REPLACE_SIM)
        assert ENTER not in port.sent
        with pytest.raises(SimError, match="wrong"):
            await modem.unlock("1234", force=True)

    drive({**LOCKED, 'AT+QPINC="SC"': '+QPINC: "SC",1,10', ENTER: "+CME ERROR: 16"}, scenario)


@pytest.mark.parametrize("answer", ["+CPIN: SIM PUK", "+CPIN: PH-NET PIN", "+CME ERROR: 10", "+CME ERROR: 13"])
def test_no_pin_is_sent_where_none_can_help(answer: str) -> None:
    async def scenario(modem: Modem, port: Scripted) -> None:
        with pytest.raises(SimError):
            await modem.unlock("1234")
        assert ENTER not in port.sent

    drive({**LOCKED, "AT+CPIN?": answer}, scenario)


def test_an_unanswered_pin_counts_as_tried() -> None:
    async def scenario(modem: Modem, port: Scripted) -> None:
        with pytest.raises(CommandTimeoutError) as failure:
            await modem.unlock("1234")
        assert "1234" not in str(failure.value)
        with pytest.raises(SimError, match="tried"):
            await modem.unlock("1234")
        assert port.sent.count(ENTER) == 1

    drive({**LOCKED, ENTER: None}, scenario)


def test_a_cancelled_pin_counts_as_tried() -> None:
    async def scenario(modem: Modem, port: Scripted) -> None:
        unlocking = asyncio.create_task(modem.unlock("1234"))
        await asyncio.sleep(1)
        unlocking.cancel()
        await asyncio.gather(unlocking, return_exceptions=True)
        with pytest.raises(SimError, match="tried"):
            await modem.unlock("1234")
        assert port.sent.count(ENTER) == 1

    drive({**LOCKED, ENTER: None}, scenario)


def test_a_busy_sim_has_not_looked_at_the_pin() -> None:
    async def scenario(modem: Modem, port: Scripted) -> None:
        with pytest.raises(CommandError):
            await modem.unlock("1234")
        port.says["AT+CPIN?"] = ["+CPIN: SIM PIN", "+CPIN: SIM PIN", "+CPIN: READY"]
        await modem.unlock("1234")
        assert port.sent.count(ENTER) == 2

    drive({**LOCKED, ENTER: ["+CME ERROR: 14", ""]}, scenario)


@pytest.mark.parametrize("pin", ["", "123", "123456789", "12a4", "\u0661\u0662\u0663\u0664"])
def test_what_is_no_pin_is_refused_before_anything_is_asked(pin: str) -> None:
    async def scenario(modem: Modem, port: Scripted) -> None:
        with pytest.raises(SimError):
            await modem.unlock(pin)
        assert not port.sent

    drive(LOCKED, scenario)
