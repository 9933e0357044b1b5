"""Small rules under which a driver stays right: patience, fail-over, bounds, order, and no mixing of radios."""

import asyncio

import pytest

from firmware_bridge.errors import (
    CommandError,
    CommandTimeoutError,
    ModemSilentError,
    PortLostError,
    UnsupportedError,
)
from firmware_bridge.modem.generic import Modem
from firmware_bridge.modem.huawei import HuaweiModem
from firmware_bridge.modem.quectel import QuectelModem
from firmware_bridge.modem.session import busy_wait_s
from firmware_bridge.modem.simcom import SimcomModem
from firmware_bridge.types import AccessTechnology, Authentication, BearerSettings, ModemEventKind, SimState, Sms
from simulator.virtual.loop import run_virtual
from tests.unit.bridge.modem.scripted import Answer, Scripted, drive, open_driver

TEMPERATURE: dict[str, Answer] = {"AT+QTEMP": "+QTEMP: 33,31,29"}


@pytest.mark.parametrize("busy", ["+CMS ERROR: 314", "+CMS ERROR: SIM busy", "+CME ERROR: 14", "+CME ERROR: 515"])
def test_every_word_for_busy_is_waited_for(busy: str) -> None:
    async def scenario(modem: Modem, port: Scripted) -> None:
        assert await modem.receive_sms() == ()
        assert port.sent.count("AT+CMGL=4") == 4

    drive({"AT+CMGL=4": [busy] * 3 + [""], "AT+CPMS?": '+CPMS: "ME",0,255,"ME",0,255,"ME",0,255'}, scenario)


def test_the_wait_for_a_busy_modem_doubles_up_to_two_seconds() -> None:
    assert [busy_wait_s(tries, 0.0) for tries in range(1, 7)] == [0.25, 0.5, 1.0, 2.0, 2.0, 2.0]
    assert [busy_wait_s(tries, 1.0) for tries in (1, 2, 11)] == [0.3125, 0.625, 2.5]


def test_a_first_port_that_fell_silent_gives_way_to_the_second() -> None:
    async def main() -> None:
        first, second = Scripted(TEMPERATURE), Scripted(TEMPERATURE)
        modem = open_driver(first, second)
        assert (await modem.temperature()).hottest == 33
        first.mute = True
        with pytest.raises(CommandTimeoutError):
            await modem.temperature()
        assert (await modem.temperature()).hottest == 33  # the first was found silent, the second answers
        asked = len(first.sent)
        assert (await modem.temperature()).hottest == 33
        assert len(first.sent) == asked
        await modem.close()

    run_virtual(main())


SCAN: dict[str, Answer] = {"AT+COPS=?": '+COPS: (2,"EE","EE","23430",7)'}


@pytest.mark.parametrize("silent", [0, 1])
def test_a_scan_is_made_on_the_port_that_answers(silent: int) -> None:
    async def main() -> None:
        ports = Scripted({**SCAN, **TEMPERATURE}), Scripted({**SCAN, **TEMPERATURE})
        ports[silent].mute = True
        modem = open_driver(*ports)
        for question in (modem.temperature, modem.scan):
            try:
                await question()
            except CommandTimeoutError:  # so its silence is learned
                continue
        assert [seen.operator.name for seen in await modem.scan()] == ["EE"]
        assert (await modem.temperature()).hottest == 33
        await modem.close()

    run_virtual(main())


def test_a_scan_where_no_port_answers_is_an_error() -> None:
    async def main() -> None:
        modem = open_driver(Scripted({}, mute=True), Scripted({}, mute=True))
        with pytest.raises(CommandTimeoutError):
            await modem.scan()
        with pytest.raises(CommandTimeoutError):
            await modem.temperature()
        with pytest.raises(ModemSilentError):
            await modem.scan()
        await modem.close()

    run_virtual(main())


def test_a_second_port_without_a_word_does_not_keep_the_modem_from_its_init() -> None:
    async def main() -> None:
        first, second = Scripted(TEMPERATURE), Scripted({}, mute=True)
        modem = open_driver(first, second)
        await modem.initialise()
        assert "AT+CGEREP=2,1" in first.sent
        assert (await modem.temperature()).hottest == 33
        await modem.close()
        modem = open_driver(Scripted({}, mute=True), Scripted(TEMPERATURE))
        with pytest.raises(CommandTimeoutError):
            await modem.initialise()
        await modem.close()

    run_virtual(main())


def test_silence_to_the_only_question_is_no_inability() -> None:
    async def scenario(modem: Modem, port: Scripted) -> None:
        with pytest.raises(CommandTimeoutError):
            await modem.temperature()
        port.says["AT+QTEMP"] = "ERROR"
        with pytest.raises(UnsupportedError):
            await modem.temperature()

    drive({"AT+QTEMP": None}, scenario)


def test_a_call_without_effect_is_waited_for_half_a_minute_and_no_longer() -> None:
    async def scenario(modem: Modem, _: Scripted) -> None:
        start = asyncio.get_running_loop().time()
        with pytest.raises(CommandError, match="without effect"):
            await modem.connect(BearerSettings("internet"))
        assert 30 <= asyncio.get_running_loop().time() - start < 33

    says: dict[str, Answer] = {"AT+CGDCONT?": '+CGDCONT: 1,"IPV4V6","internet"', "AT+CGATT?": "+CGATT: 1"}
    drive({**says, "AT^NDISSTATQRY?": "^NDISSTATQRY: 0", 'AT^NDISDUP=1,1,"internet"': ""}, scenario, driver=HuaweiModem)


def test_addresses_of_another_context_are_not_the_bearers() -> None:
    async def scenario(modem: Modem, _: Scripted) -> None:
        found = await modem.bearer()
        assert (found.apn, found.addresses, found.dns) == ("internet", ("10.1.2.3",), ("10.9.9.9",))

    ours = '+CGCONTRDP: 1,5,"internet","10.1.2.3","255.0.0.0","10.1.2.1","10.9.9.9"'
    others = '+CGCONTRDP: 2,6,"ims","10.7.7.7","255.0.0.0","10.7.7.1","10.8.8.8"\n+CGPADDR: 2,"10.7.7.7"'
    says: dict[str, Answer] = {"AT+CGACT?": "+CGACT: 1,1\n+CGACT: 2,1", "AT+CGPADDR=1": '+CGPADDR: 2,"10.7.7.7"'}
    drive({**says, "AT+CGCONTRDP=1": f"{others}\n{ours}"}, scenario)


def test_nothing_more_is_asked_of_a_sim_that_is_not_there_yet() -> None:
    async def scenario(modem: Modem, port: Scripted) -> None:
        assert (await modem.sim()).state is SimState.BUSY
        assert port.sent[-1] == "AT+CPIN?"

    drive({"AT+CPIN?": "+CPIN: NOT READY"}, scenario)


@pytest.mark.parametrize(
    ("driver", "command"),
    [
        (Modem, 'AT+CGAUTH=1,2,"hub","hunter2"'),
        (QuectelModem, 'AT+CGAUTH=1,2,"hub","hunter2"'),
        (SimcomModem, 'AT+CGAUTH=1,2,"hunter2","hub"'),  # the password comes first
        (HuaweiModem, 'AT^NDISDUP=1,1,"internet","hub","hunter2",2'),
    ],
)
def test_a_password_that_was_refused_is_sent_as_it_should_and_shown_to_nobody(
    driver: type[Modem], command: str
) -> None:
    async def scenario(modem: Modem, port: Scripted) -> None:
        settings = BearerSettings("internet", username="hub", password="hunter2", authentication=Authentication.CHAP)
        with pytest.raises(CommandError) as failure:
            await modem.connect(settings)
        assert command in port.sent
        assert failure.value.command == command.partition("=")[0] + "=…"
        assert "hunter2" not in str(failure.value) + repr(failure.value)

    context = '+CGDCONT: 1,"IPV4V6","internet"'
    says: dict[str, Answer] = {"AT+CGDCONT?": context, "AT+CGATT?": "+CGATT: 1", "AT^NDISSTATQRY?": "^NDISSTATQRY: 0"}
    if driver is HuaweiModem:
        says['AT+CGAUTH=1,2,"hub","hunter2"'] = ""
    drive({**says, command: "+CME ERROR: 50"}, scenario, driver=driver)


def test_what_a_sim_refused_once_is_asked_again() -> None:
    async def scenario(modem: Modem, _: Scripted) -> None:
        assert (await modem.sim()).imsi is None
        assert (await modem.sim()).imsi == "234304100000001"

    drive({"AT+CIMI": ["ERROR", "234304100000001"]}, scenario)


def test_a_message_that_cannot_be_deleted_is_told() -> None:
    async def scenario(modem: Modem, _: Scripted) -> None:
        with pytest.raises(CommandError) as failure:
            await modem.delete_sms(Sms("+447700900123", None, "", (3,), "ME"))
        assert failure.value.code == 500

    drive({"AT+CMGD=3": "+CMS ERROR: 500"}, scenario)


def test_levels_of_one_radio_are_not_told_of_another() -> None:
    async def scenario(modem: Modem, _: Scripted) -> None:
        found = await modem.signal()
        assert (found.technology, found.rsrp_dbm, found.cell_id) == (AccessTechnology.GSM, None, 0x2B07)

    cell = '+QENG: "servingcell","NOCONN","GSM",460,01,5504,2B07,26,122,-,-80,255,255,0,38,38,1'
    drive({'AT+QENG="servingcell"': cell, "AT+QCSQ": '+QCSQ: "LTE",-54,-85,185,-10'}, scenario)


def test_events_are_read_in_the_order_in_which_their_kinds_came() -> None:
    async def scenario(modem: Modem, port: Scripted) -> None:
        for line in ("+CPIN: NOT READY", '+CMTI: "ME",1', "+CREG: 2", "+CPIN: READY"):
            port.say(line)
        await asyncio.sleep(0.1)
        events = modem.events()
        read = [await anext(events) for _ in range(3)]
        assert [event.kind for event in read] == [ModemEventKind.SIM, ModemEventKind.SMS, ModemEventKind.REGISTRATION]
        assert getattr(read[0].value, "state", None) is SimState.READY

    drive({}, scenario)


def test_packet_service_is_asked_for_before_a_call_unless_it_is_there() -> None:
    async def scenario(modem: Modem, port: Scripted) -> None:
        await modem.connect(BearerSettings("internet"))
        assert ("AT+CGATT=1" in port.sent) is (port.says["AT+CGATT?"] == "+CGATT: 0")
        if "AT+CGATT=1" in port.sent:
            assert port.sent.index("AT+CGATT=1") < port.sent.index("AT+CGACT=1,1")

    for attached in ("+CGATT: 0", "+CGATT: 1"):
        says: dict[str, Answer] = {"AT+CGATT?": attached, "AT+CGDCONT?": '+CGDCONT: 1,"IPV4V6","internet"'}
        drive({**says, "AT+CGACT?": ""}, scenario, driver=Modem)


def test_a_command_whose_port_was_lost_is_not_repeated_by_itself() -> None:
    async def main() -> None:
        first, second = Scripted({"AT+CFUN=4": None}), Scripted(TEMPERATURE)
        modem = open_driver(first, second)
        call = asyncio.create_task(modem.set_radio(False))
        await asyncio.sleep(0.1)
        first.hang_up()
        with pytest.raises(PortLostError):
            await call
        assert "AT+CFUN=4" not in second.sent
        assert (await modem.temperature()).hottest == 33
        await modem.close()

    run_virtual(main())


def test_a_modem_that_does_not_go_down_is_told_after_its_time() -> None:
    async def scenario(modem: Modem, port: Scripted) -> None:
        with pytest.raises(CommandError, match="not down after 65 s"):
            await modem.power_off()
        assert 65 <= asyncio.get_running_loop().time() < 66
        port.says["AT+CSQ"] = "+CSQ: 21,99"
        assert (await modem.signal()).rssi_dbm == -71

    drive({"AT+QPOWD": ""}, scenario)


def test_an_init_makes_every_refusal_worth_asking_again() -> None:
    async def scenario(modem: Modem, port: Scripted) -> None:
        for _ in range(2):
            with pytest.raises(UnsupportedError):
                await modem.temperature()
        assert port.sent.count("AT+QTEMP") == 1
        await modem.initialise()
        port.says.update(TEMPERATURE)
        assert (await modem.temperature()).hottest == 33

    drive({}, scenario)


def test_a_radio_that_a_broken_cycle_left_off_is_on_before_a_call() -> None:
    async def scenario(modem: Modem, port: Scripted) -> None:
        with pytest.raises(CommandTimeoutError):
            await modem.cycle_radio()
        port.says["AT+CFUN=1"] = ""
        port.sent.clear()
        await modem.connect(BearerSettings("internet"))
        assert port.sent.index("AT+CFUN=1") < port.sent.index("AT+CGDCONT?")

    says: dict[str, Answer] = {"AT+CFUN=1": None, "AT+CGDCONT?": '+CGDCONT: 1,"IPV4V6","internet"'}
    drive({**says, "AT+CGATT?": "+CGATT: 1", "AT+CGACT?": ""}, scenario, driver=Modem)
