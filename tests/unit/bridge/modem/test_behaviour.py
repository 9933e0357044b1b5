"""What a driver does with a modem's answers: patience, learning, recovery, reboots, messages, the second port."""

import asyncio

import pytest

from firmware_bridge.errors import (
    CommandError,
    CommandTimeoutError,
    PortLostError,
    ReplyError,
    UnsupportedError,
)
from firmware_bridge.modem.generic import Modem
from firmware_bridge.modem.huawei import HuaweiModem
from firmware_bridge.modem.session import BUSY_TRIES
from firmware_bridge.modem.simcom import SimcomModem
from firmware_bridge.types import (
    Authentication,
    BearerSettings,
    ModemEventKind,
    PdpType,
    RegistrationState,
    SimState,
)
from simulator.virtual.loop import run_virtual
from tests.unit.bridge.modem.scripted import Answer, Scripted, drive, open_driver
from tests.unit.bridge.modem_parse.pdu_encoder import deliver
from tests.unit.bridge.modem_parse.rows_sms import PDU

INTERNET = BearerSettings("internet")
CONTEXT = '+CGDCONT: 1,"IPV4V6","internet"'


def test_a_busy_sim_is_waited_for() -> None:
    async def scenario(modem: Modem, port: Scripted) -> None:
        assert (await modem.sim()).state is SimState.READY
        assert port.sent.count("AT+CPIN?") == 6

    drive({"AT+CPIN?": ["+CME ERROR: 14"] * 3 + ["+CME ERROR: SIM busy", "+CME ERROR: 515", "+CPIN: READY"]}, scenario)


@pytest.mark.parametrize(
    ("eps", "gprs", "cs", "state", "cause"),
    [
        ("+CEREG: 2,4", "+CGREG: 2,4", "+CREG: 2,1", RegistrationState.UNKNOWN, None),
        ("+CEREG: 2,0", "ERROR", "+CREG: 2,1", RegistrationState.IDLE, None),
        ("ERROR", "ERROR", "+CREG: 2,5", RegistrationState.ROAMING, None),
        ("ERROR", "+CGREG: 2,1", "+CREG: 2,3", RegistrationState.HOME, None),
        ("+CEREG: 3,0,,,,0,7", "+CGREG: 2,2", "+CREG: 2,2", RegistrationState.SEARCHING, 7),
        ("+CEREG: 3,3,,,,0,8", "+CGREG: 2,5", "+CREG: 2,2", RegistrationState.ROAMING, None),
    ],
)
def test_registration_is_the_packet_domains(
    eps: str, gprs: str, cs: str, state: RegistrationState, cause: int | None
) -> None:
    async def scenario(modem: Modem, _: Scripted) -> None:
        found = await modem.registration()
        assert (found.state, found.reject_cause) == (state, cause)

    drive({"AT+CEREG?": eps, "AT+CGREG?": gprs, "AT+CREG?": cs}, scenario)


def test_patience_with_a_busy_sim_is_bounded() -> None:
    async def scenario(modem: Modem, port: Scripted) -> None:
        assert (await modem.sim()).state is SimState.BUSY
        assert port.sent.count("AT+CPIN?") == BUSY_TRIES
        assert asyncio.get_running_loop().time() < 30

    drive({"AT+CPIN?": "+CME ERROR: 14"}, scenario)


def test_what_a_modem_cannot_do_is_asked_once_until_it_starts_anew() -> None:
    async def scenario(modem: Modem, port: Scripted) -> None:
        for _ in range(3):
            with pytest.raises(UnsupportedError):
                await modem.temperature()
        assert port.sent.count("AT+QTEMP") == 1
        port.says["AT+QTEMP"] = "+QTEMP: 33,31,29"
        port.say("RDY")
        await asyncio.sleep(1)
        assert (await modem.temperature()).hottest == 33

    drive({}, scenario)


@pytest.mark.parametrize("answer", ["+CME ERROR: 30", "+CME ERROR: 3", "+CME ERROR: 100"])
def test_a_state_of_the_network_is_not_learned_as_inability(answer: str) -> None:
    async def scenario(modem: Modem, port: Scripted) -> None:
        with pytest.raises(UnsupportedError):
            await modem.temperature()
        port.says["AT+QTEMP"] = "+QTEMP: 33,31,29"
        assert (await modem.temperature()).hottest == 33

    drive({"AT+QTEMP": answer}, scenario)


def test_cause_seven_asks_for_a_radio_cycle_which_cures_it() -> None:
    async def scenario(modem: Modem, port: Scripted) -> None:
        denied = await modem.registration()
        assert (denied.state, denied.reject_cause) == (RegistrationState.DENIED, 7)
        assert denied.needs_radio_cycle
        port.says["AT+CEREG?"] = "+CEREG: 3,1"
        await modem.cycle_radio()
        assert (await modem.registration()).state.attached
        assert [command for command in port.sent if "CFUN" in command] == ["AT+CFUN=4", "AT+CFUN=1"]

    drive({"AT+CEREG?": "+CEREG: 3,3,,,,0,7"}, scenario)


def test_a_denial_is_told_even_when_the_older_domain_only_searches() -> None:
    async def scenario(modem: Modem, _port: Scripted) -> None:
        assert (await modem.registration()).reject_cause == 8

    drive({"AT+CEREG?": "+CEREG: 3,3,,,,0,8", "AT+CGREG?": "+CGREG: 2,2"}, scenario)


def test_a_bearer_that_is_up_is_left_alone() -> None:
    async def scenario(modem: Modem, port: Scripted) -> None:
        found = await modem.connect(INTERNET)
        assert (found.up, found.apn, found.addresses) == (True, "internet", ("10.1.2.3",))
        assert not any(command.startswith(("AT+CGDCONT=", "AT+CGACT=", "AT+CGATT=")) for command in port.sent)

    up: dict[str, Answer] = {"AT+CGACT?": "+CGACT: 1,1", "AT+CGDCONT?": CONTEXT, "AT+CGATT?": "+CGATT: 1"}
    drive({**up, "AT+CGPADDR=1": "+CGPADDR: 1,10.1.2.3"}, scenario)


def test_another_apn_is_defined_before_the_call() -> None:
    async def scenario(modem: Modem, port: Scripted) -> None:
        await modem.connect(BearerSettings("everywhere", PdpType.IP))
        calls = [c for c in port.sent if c.startswith(("AT+CGDCONT=", "AT+CGACT="))]
        assert calls == ["AT+CGACT=0,1", 'AT+CGDCONT=1,"IP","everywhere"', "AT+CGACT=1,1"]

    active = ["+CGACT: 1,1", "+CGACT: 1,0", "+CGACT: 1,1"]
    says: dict[str, Answer] = {"AT+CGACT?": active, "AT+CGDCONT?": CONTEXT, "AT+CGATT?": "+CGATT: 1"}
    drive({**says, 'AT+CGDCONT=1,"IP","everywhere"': ""}, scenario)


def test_simcom_wants_the_password_before_the_name() -> None:
    async def scenario(modem: Modem, port: Scripted) -> None:
        settings = BearerSettings("internet", username="u", password="p", authentication=Authentication.CHAP)
        assert (await modem.connect(settings)).up
        assert 'AT+CGAUTH=1,2,"p","u"' in port.sent

    says: dict[str, Answer] = {"AT+CGACT?": "+CGACT: 1,1", "AT+CGDCONT?": CONTEXT, "AT+CGATT?": "+CGATT: 1"}
    drive({**says, 'AT+CGAUTH=1,2,"p","u"': "", "AT+NETOPEN?": "+NETOPEN: 1"}, scenario, driver=SimcomModem)


def test_a_call_that_never_comes_up_is_an_error() -> None:
    async def scenario(modem: Modem, _port: Scripted) -> None:
        with pytest.raises(CommandError, match="without effect"):
            await modem.connect(INTERNET)

    says: dict[str, Answer] = {"AT+CGDCONT?": CONTEXT, "AT+CGATT?": "+CGATT: 1", "AT+CGACT?": "+CGACT: 1,0"}
    drive({**says, "AT^NDISSTATQRY?": "^NDISSTATQRY: 0", 'AT^NDISDUP=1,1,"internet"': ""}, scenario, driver=HuaweiModem)


@pytest.mark.parametrize("line", ["+CGEV: NW PDN DEACT 1", "+CGEV: ME DETACH", '+QIURC: "pdpdeact",1', "NO CARRIER"])
def test_a_lost_bearer_is_told(line: str) -> None:
    async def scenario(modem: Modem, port: Scripted) -> None:
        port.say("+CGEV: ME PDN ACT 1")
        port.say(line)
        assert (await anext(modem.events())).kind is ModemEventKind.BEARER_LOST

    drive({}, scenario)


def test_unread_events_of_a_kind_give_way_to_the_newest() -> None:
    async def scenario(modem: Modem, port: Scripted) -> None:
        for number in range(1000):
            port.say(f'+CMTI: "ME",{number}')
            await asyncio.sleep(0)
        await asyncio.sleep(0.1)
        assert (await anext(modem.events())).value == 999

    drive({}, scenario)


def test_a_garbled_answer_is_an_error_and_no_value() -> None:
    async def scenario(modem: Modem, _port: Scripted) -> None:
        with pytest.raises(ReplyError):
            await modem.counters()

    drive({"AT+QGDCNT?": "+QGDCNT: 12x4"}, scenario)


def test_errors_hide_identifiers() -> None:
    async def scenario(modem: Modem, _port: Scripted) -> None:
        with pytest.raises(ReplyError) as failure:
            await modem.operator()
        assert "234100000000001" not in str(failure.value)

    drive({"AT+COPS=3,2;+COPS?": "+COPS: x,234100000000001"}, scenario)


def test_a_scan_goes_over_the_second_port_while_the_first_answers() -> None:
    async def main() -> None:
        first, second = Scripted({"AT+QTEMP": "+QTEMP: 33,31,29"}), Scripted({"AT+COPS=?": None})
        modem = open_driver(first, second)
        scanning = asyncio.create_task(modem.scan())
        await asyncio.sleep(1)
        assert (await modem.temperature()).hottest == 33
        second.say(b'\r\n+COPS: (2,"EE","EE","23430",7)\r\n\r\nOK\r\n')
        assert len(await scanning) == 1
        assert "AT+COPS=?" not in first.sent
        await modem.close()

    run_virtual(main())


def test_the_loss_of_one_of_two_ports_is_not_the_modem_s() -> None:
    async def main() -> None:
        first, second = Scripted({}), Scripted({"AT+QTEMP": "+QTEMP: 33,31,29"})
        modem = open_driver(first, second)
        await modem.initialise()
        first.hang_up()
        await asyncio.sleep(0.1)
        assert (await modem.temperature()).hottest == 33
        second.hang_up()
        assert [event.kind async for event in modem.events()] == [ModemEventKind.PORT_LOST]
        with pytest.raises(PortLostError):
            await modem.temperature()
        await modem.close()
        await modem.close()

    run_virtual(main())


def test_power_off_ends_well_when_the_port_vanishes_and_badly_when_nothing_happens() -> None:
    async def vanishes(modem: Modem, port: Scripted) -> None:
        asyncio.get_running_loop().call_later(5, port.hang_up)
        await modem.power_off()

    async def stays(modem: Modem, _port: Scripted) -> None:
        with pytest.raises(CommandError, match="not down"):
            await modem.power_off()

    drive({"AT+QPOWD": ""}, vanishes)
    drive({"AT+QPOWD": ""}, stays)


def test_a_silent_modem_is_a_timeout_and_then_silence() -> None:
    async def scenario(modem: Modem, port: Scripted) -> None:
        port.says = dict.fromkeys(port.says)
        with pytest.raises(CommandTimeoutError):
            await modem.operator()

    drive({}, scenario)


def test_messages_are_joined_listed_and_deleted() -> None:
    async def scenario(modem: Modem, port: Scripted) -> None:
        found = await modem.receive_sms()
        assert [(sms.sender, sms.body, sms.indexes, sms.storage) for sms in found] == [
            ("+447700900123", "wake", (3,), "ME")
        ]
        await modem.delete_sms(found[0])
        assert port.sent[-1] == "AT+CMGD=3"
        await modem.delete_sms(found[0])

    listing = f"+CMGL: 3,0,,{len(PDU) // 2 - 8}\n{PDU}"
    says: dict[str, Answer] = {"AT+CMGL=4": listing, "AT+CPMS?": '+CPMS: "ME",1,255,"ME",1,255,"ME",1,255'}
    drive({**says, "AT+CMGD=3": ["", "+CMS ERROR: 321"]}, scenario)


def test_parts_whose_rest_never_comes_cannot_fill_the_storage() -> None:
    async def scenario(modem: Modem, port: Scripted) -> None:
        assert await modem.receive_sms() == ()
        assert [command for command in port.sent if "CMGD" in command] == ["AT+CMGD=0", "AT+CMGD=1"]

    listing = "\n".join(f"+CMGL: {index},0,,21\n0002{index:02X}" + "00" * 19 for index in range(12))
    drive({"AT+CMGL=4": listing, "AT+CMGD=0": "", "AT+CMGD=1": ""}, scenario)


def test_an_init_step_that_the_sim_delayed_is_taken_when_the_sim_is_ready() -> None:
    async def scenario(modem: Modem, port: Scripted) -> None:
        await modem.initialise()
        assert (await modem.sim()).state is SimState.READY
        assert port.sent.count("AT+CNMI=2,1,0,0,0") == 2
        await modem.sim()
        assert port.sent.count("AT+CNMI=2,1,0,0,0") == 2

    busy = ["+CMS ERROR: 314", ""]
    drive({"AT+CNMI=2,1,0,0,0": busy, "AT+CNMI=2,1": "+CMS ERROR: 314"}, scenario)


def test_a_message_past_the_storage_is_told_once() -> None:
    async def scenario(modem: Modem, port: Scripted) -> None:
        port.say(f"\r\n+CMT: ,{len(PDU) // 2 - 8}\r\n{PDU}\r\n".encode())
        assert (await anext(modem.events())).kind is ModemEventKind.SMS
        found = await modem.receive_sms()
        assert [(sms.body, sms.indexes) for sms in found] == [("wake", ())]
        await modem.delete_sms(found[0])
        assert await modem.receive_sms() == ()

    drive({"AT+CMGL=4": ""}, scenario)


def test_the_newest_sixteen_messages_past_the_storage_are_told_in_their_order() -> None:
    async def scenario(modem: Modem, port: Scripted) -> None:
        for number in range(18):
            pdu = deliver(f"{number}")
            port.say(f"\r\n+CMT: ,{len(pdu) // 2 - 1}\r\n{pdu}\r\n".encode())
        await asyncio.sleep(0.1)
        assert [sms.body for sms in await modem.receive_sms()] == [f"{number}" for number in range(2, 18)]

    drive({"AT+CMGL=4": ""}, scenario)


def test_a_part_past_the_storage_waits_for_the_rest_in_it() -> None:
    async def scenario(modem: Modem, port: Scripted) -> None:
        first, second = (deliver(text, header=bytes([0, 3, 7, 2, number])) for number, text in ((1, "a"), (2, "b")))
        port.say(f"\r\n+CMT: ,{len(first) // 2 - 1}\r\n{first}\r\n".encode())
        await asyncio.sleep(0.1)
        assert await modem.receive_sms() == ()
        port.says["AT+CMGL=4"] = f"+CMGL: 4,0,,{len(second) // 2 - 1}\n{second}"
        assert [(sms.body, sms.indexes) for sms in await modem.receive_sms()] == [("ab", (4,))]

    drive({"AT+CMGL=4": ""}, scenario)


@pytest.mark.parametrize("line", ["+CPIN: READY", "+QSIMSTAT: 1,1", "^SIMST: 1"])
def test_a_change_of_sim_makes_refusals_worth_asking_again(line: str) -> None:
    async def scenario(modem: Modem, port: Scripted) -> None:
        assert (await modem.registration()).state is RegistrationState.UNKNOWN
        port.says["AT+CEREG?"] = "+CEREG: 3,1"
        port.say(line)
        await asyncio.sleep(0.1)
        assert (await modem.registration()).state is RegistrationState.HOME

    drive({"AT+CEREG?": "ERROR"}, scenario)
