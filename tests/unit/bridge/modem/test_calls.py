"""Small rules of families and calls: a restart's word, whose number counts, what waits and what is given back."""

import asyncio

import pytest

from firmware_bridge.errors import CommandError
from firmware_bridge.modem.bearer import settle
from firmware_bridge.modem.generic import Modem
from firmware_bridge.modem.huawei import HuaweiModem
from firmware_bridge.modem.quectel import QuectelModem
from firmware_bridge.modem.simcom import SimcomModem
from firmware_bridge.modem.zte import ZteModem
from firmware_bridge.types import AccessTechnology, BearerSettings, ModemEventKind, Sms
from simulator.virtual.loop import run_virtual
from tests.unit.bridge.modem.scripted import Answer, Scripted, drive, open_driver


@pytest.mark.parametrize(
    ("driver", "restart"),
    [
        (Modem, "AT+CFUN=1,1"),
        (QuectelModem, "AT+CFUN=1,1"),
        (SimcomModem, "AT+CRESET"),
        (HuaweiModem, "AT^RESET"),
        (ZteModem, "AT+CFUN=1,1"),
    ],
)
def test_each_family_has_its_word_for_a_restart(driver: type[Modem], restart: str) -> None:
    async def scenario(modem: Modem, port: Scripted) -> None:
        await modem.reboot()
        assert port.sent == [restart]

    for answer in ("", b"\r\nRDY\r\n"):  # it may start before it says OK
        drive({restart: answer}, scenario, driver=driver)


def test_a_place_is_empty_by_the_standard_s_number_and_by_no_maker_s() -> None:
    async def scenario(modem: Modem, port: Scripted) -> None:
        await modem.delete_sms(Sms("+44", None, "x", (5,)))
        port.says["AT+CMGD=5"] = "+EXT ERROR: 321"
        with pytest.raises(CommandError):
            await modem.delete_sms(Sms("+44", None, "x", (5,)))

    drive({"AT+CMGD=5": "+CMS ERROR: 321"}, scenario)


def test_what_waited_for_an_event_waits_no_longer_when_its_call_has_ended() -> None:
    async def scenario(modem: Modem, port: Scripted) -> None:
        for _ in range(3):
            with pytest.raises(CommandError):
                await modem.power_off()
        assert modem._session._waiters == []

    drive({"AT+QPOWD": "ERROR"}, scenario)


def test_a_lost_second_port_ends_no_events_and_is_given_back_too() -> None:
    async def main() -> None:
        first, second = Scripted({}), Scripted({})
        modem = open_driver(first, second)
        second.hang_up()
        await asyncio.sleep(0.1)
        first.say('+CMTI: "ME",5')
        async with asyncio.timeout(1):
            assert (await anext(modem.events())).kind is ModemEventKind.SMS
        await modem.close()
        assert (first.closed, second.closed) == (1, 1)

    run_virtual(main())


def test_a_call_that_comes_up_is_noticed_within_a_second() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()

        async def is_up() -> bool:
            return loop.time() >= began + 2.5

        began = loop.time()
        await settle(is_up, "AT^NDISDUP")
        assert loop.time() - began == pytest.approx(3.0)

    run_virtual(main())


def test_what_is_not_told_or_is_so_but_for_its_case_is_left_as_it_is() -> None:
    async def scenario(modem: Modem, port: Scripted) -> None:
        assert (await modem.connect(BearerSettings("internet"))).up
        assert "AT+CGATT=1" not in port.sent
        assert not any(command.startswith("AT+CGDCONT=") for command in port.sent)

    says: dict[str, Answer] = {"AT+CGDCONT?": '+CGDCONT: 1,"IPV4V6","Internet"', "AT+CGACT?": "+CGACT: 1,1"}
    drive(says, scenario, driver=Modem)


def test_questions_go_before_a_scan_that_waits_for_the_same_port() -> None:
    async def scenario(modem: Modem, port: Scripted) -> None:
        await asyncio.gather(modem.temperature(), modem.scan(), modem.temperature())
        assert port.sent == ["AT+QTEMP", "AT+QTEMP", "AT+COPS=?"]

    drive({"AT+COPS=?": '+COPS: (2,"EE","EE","23430",7)', "AT+QTEMP": "+QTEMP: 33,31,29"}, scenario)


def test_a_zte_may_tell_its_service_by_another_name() -> None:
    async def scenario(modem: Modem, _port: Scripted) -> None:
        assert (await modem.signal()).technology is AccessTechnology.E_UTRAN

    drive({"AT+ZPAS?": '+BEARTYPE: "LTE","CS_PS"'}, scenario, driver=ZteModem)
