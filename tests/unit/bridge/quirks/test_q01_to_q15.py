"""Q1 to Q15: the line discipline, late and lost replies, registration lines, scans, identifiers."""

import asyncio
from collections.abc import Mapping

import pytest

from firmware_bridge.detect import open_modem
from firmware_bridge.errors import CommandTimeoutError
from firmware_bridge.modem.generic import Modem
from firmware_bridge.modem.huawei import HuaweiModem
from firmware_bridge.modem.simcom import SimcomModem
from firmware_bridge.modem.zte import ZteModem
from firmware_bridge.types import (
    AccessTechnology,
    ModemEventKind,
    Operator,
    OperatorAvailability,
    Registration,
    RegistrationState,
)
from simulator.virtual.loop import run_virtual
from tests.unit.bridge.modem.scripted import Answer, Scripted, open_driver
from tests.unit.bridge.quirks.shown import LEVEL_DBM, Busy, lost_its_place, shows

IMSI = "234100000000001"
IMEI = "490154203237518"


async def _kinds(modem: Modem, count: int) -> list[ModemEventKind]:
    events = modem.events()
    async with asyncio.timeout(5):
        return [(await anext(events)).kind for _ in range(count)]


def test_q1_an_unsolicited_line_between_echo_and_reply_or_before_the_ok_is_no_answer() -> None:
    async def scenario(modem: Modem, _port: Scripted) -> None:
        assert (await modem.sim()).imsi == IMSI
        assert set(await _kinds(modem, 2)) == {ModemEventKind.REGISTRATION, ModemEventKind.SMS}

    noisy = f'AT+CIMI\r\r\n+CREG: 5\r\n\r\n{IMSI}\r\n\r\n+CMTI: "ME",5\r\n\r\nOK\r\n'.encode()
    shows({"AT+CIMI": noisy}, scenario)


def test_q1_nor_is_it_part_of_an_answer_with_a_prefix_or_of_free_text() -> None:
    async def scenario(modem: Modem, port: Scripted) -> None:
        found = await modem.identity()
        assert (found.manufacturer, found.model) == ("Quectel", "EC25")
        assert (await modem.temperature()).sensors == {"pmic": 33, "xo": 31, "pa": 29}
        assert set(await _kinds(modem, 2)) == {ModemEventKind.REGISTRATION, ModemEventKind.SMS}
        assert not lost_its_place(port)

    news = '\r\n+CREG: 5\r\n\r\nRING\r\n\r\n+CMTI: "ME",5\r\n'
    free = f"ATI\r{news}\r\nQuectel\r\nEC25\r\n{news}\r\nRevision: EC25EFAR06A03M4G\r\n\r\nOK\r\n"
    prefixed = f"AT+QTEMP\r{news}\r\n+QTEMP: 33,31,29\r\n{news}\r\nOK\r\n"
    shows({"ATI": free.encode(), "AT+QTEMP": prefixed.encode()}, scenario)


def test_q2_the_late_reply_of_a_timed_out_command_never_answers_the_next_one() -> None:
    async def scenario(modem: Modem, port: Scripted) -> None:
        def late() -> None:
            asyncio.get_running_loop().call_later(3.001, port.say, b"\r\n+QTEMP: 99,99,99\r\n\r\nOK\r\n")

        port.says["AT+QTEMP"] = late
        with pytest.raises(CommandTimeoutError):
            await modem.temperature()
        port.says["AT+QTEMP"] = "+QTEMP: 33,31,29"
        assert (await modem.temperature()).hottest == 33

    shows({}, scenario)


@pytest.mark.parametrize("late_s", [0.001, 1.5, 4])
def test_q2_nor_do_several_late_replies_that_come_in_their_order(late_s: float) -> None:
    """One, two or three commands late: the probes, too, are answered when the modem comes round."""

    async def main() -> None:
        port = Busy({"AT+QTEMP": ["+QTEMP: 99,99,99", "+QTEMP: 33,31,29"]})
        modem = open_driver(port)
        port.until = 3 + late_s
        with pytest.raises(CommandTimeoutError):
            await modem.temperature()
        assert (await modem.temperature()).hottest == 33
        assert (await modem.signal()).rssi_dbm == LEVEL_DBM
        await modem.close()

    run_virtual(main())


def test_q3_the_first_commands_after_boot_may_be_swallowed_and_the_first_answer_begin_with_nul() -> None:
    async def main() -> None:
        garbled = b"\xff\xfe\x80A\r\n"
        port = Scripted({"AT": [None, garbled, b"\0\0\r\nO\0K\r\n"], "ATI": "Quectel\nEC25"})
        modem = await open_modem(["usb2"], open_transport=lambda _: port)
        assert modem.family == "quectel"
        assert port.sent.count("AT") == 3
        assert (await modem.signal()).rssi_dbm == LEVEL_DBM
        await modem.close()

    run_virtual(main())


def test_q4_echo_is_on_again_after_a_reboot_and_the_init_is_replayed() -> None:
    async def scenario(modem: Modem, port: Scripted) -> None:
        await modem.initialise()
        port.echo = True
        port.say("RDY")
        assert (await _kinds(modem, 1)) == [ModemEventKind.REBOOTED]
        port.sent.clear()
        assert (await modem.temperature()).hottest == 33
        assert port.sent[0] == "ATE0"
        assert not port.echo

    shows({"AT+QTEMP": "+QTEMP: 33,31,29"}, scenario)


def test_q4_an_echo_that_is_back_shows_a_reboot_whose_first_word_was_lost() -> None:
    async def scenario(modem: Modem, port: Scripted) -> None:
        await modem.initialise()
        await modem.temperature()
        port.echo = True
        assert (await modem.temperature()).hottest == 33
        assert (await _kinds(modem, 1)) == [ModemEventKind.REBOOTED]
        port.sent.clear()
        assert (await modem.temperature()).hottest == 33
        assert port.sent[0] == "ATE0"
        assert not port.echo

    shows({"AT+QTEMP": "+QTEMP: 33,31,29"}, scenario)


def test_q5_an_echo_ends_in_a_lone_carriage_return() -> None:
    async def scenario(modem: Modem, port: Scripted) -> None:
        assert (await modem.temperature()).hottest == 33
        assert not lost_its_place(port)
        found = await modem.identity()  # an echo is no name, not even where the answer is empty
        assert (found.manufacturer, found.model, found.firmware) == ("Quectel", "EC25", None)
        assert port.echo

    says = {"AT+QTEMP": "+QTEMP: 33,31,29", "ATI": "Quectel\nEC25", "AT+CGMI": "Quectel", "AT+CGMR": "+CGMR:"}
    shows(says, scenario, echo=True)


def test_q6_lines_may_end_in_two_carriage_returns_and_a_line_feed() -> None:
    async def scenario(modem: Modem, port: Scripted) -> None:
        port.say(b"\r\r\n+CRING: VOICE\r\r\n")
        assert (await modem.temperature()).hottest == 34

    shows({"AT+CPMUTEMP": b"\r\r\n+CPMUTEMP: 34\r\r\n\r\r\nOK\r\r\n"}, scenario, driver=SimcomModem)


def test_q7_the_leading_line_break_may_be_missing() -> None:
    async def scenario(modem: Modem, port: Scripted) -> None:
        assert (await modem.temperature()).hottest == 33
        port.say(b"NO CARRIER\r\n")
        assert (await _kinds(modem, 1)) == [ModemEventKind.BEARER_LOST]

    shows({"AT+QTEMP": b"+QTEMP: 33,31,29\r\nOK\r\n"}, scenario)


def test_q8_the_unsolicited_form_of_creg_is_not_taken_for_the_read_form() -> None:
    async def scenario(modem: Modem, _port: Scripted) -> None:
        assert (await modem.registration()).state is RegistrationState.HOME
        event = await anext(modem.events())
        assert event.kind is ModemEventKind.REGISTRATION
        assert event.value == Registration(RegistrationState.DENIED)

    shows({"AT+CEREG?": b"\r\n+CEREG: 3\r\n\r\n+CEREG: 1,1\r\n\r\nOK\r\n"}, scenario)


@pytest.mark.parametrize("name", ["+CREG", "+CGREG", "+CEREG"])
@pytest.mark.parametrize(
    ("unasked", "read"),
    [
        ("3", "1,5"),
        ('3,"1F00","79D903",7', '2,5,"1F00","79D903",7'),
        ("3,1F00,79D903,7", "2,5,1F00,79D903,7"),
        ('3,"1F00","79D903",7,0,11', '3,5,"1F00","79D903",7'),
    ],
)
def test_q8_so_it_is_for_every_domain(name: str, unasked: str, read: str) -> None:
    async def scenario(modem: Modem, port: Scripted) -> None:
        assert (await modem.registration()).state is RegistrationState.ROAMING
        assert (await anext(modem.events())).kind is ModemEventKind.REGISTRATION
        assert not lost_its_place(port)

    answer = f"\r\n{name}: {unasked}\r\n\r\n{name}: {read}\r\n\r\n{name}: {unasked}\r\n\r\nOK\r\n"
    shows({f"AT{name}?": answer.encode()}, scenario)


@pytest.mark.parametrize(
    ("line", "state", "tac", "cell"),
    [
        ("+CEREG: 2,1, 1F00, 20 ,79D903 ,7", RegistrationState.HOME, 0x1F00, 0x79D903),
        ('+CEREG:002,001,"18d8","ffff"', RegistrationState.HOME, 0x18D8, 0xFFFF),
        ("+CEREG: 2,2,,", RegistrationState.SEARCHING, None, None),
        ("+CEREG: 2,5,1F00,1234567,7", RegistrationState.ROAMING, 0x1F00, 0x1234567),
        ('+CEREG: 2,0011,"FFFE","FFFFFFF",7', RegistrationState.RESTRICTED_LOCAL, None, None),
        ('+CEREG: 2,1,"1F00","00","79D903",7', RegistrationState.HOME, 0x1F00, 0x79D903),
        ("+CEREG: 2,", RegistrationState.UNKNOWN, None, None),
        ("+CEREG: 2,,", RegistrationState.UNKNOWN, None, None),
    ],
)
def test_q9_areas_and_cells_come_bare_padded_spaced_with_rac_or_not_at_all(
    line: str, state: RegistrationState, tac: int | None, cell: int | None
) -> None:
    async def scenario(modem: Modem, _port: Scripted) -> None:
        found = await modem.registration()
        assert (found.state, found.tac, found.cell_id) == (state, tac, cell)

    shows({"AT+CEREG?": line}, scenario)


def test_q9_the_rac_behind_the_technology_is_no_cause() -> None:
    async def scenario(modem: Modem, _port: Scripted) -> None:
        found = await modem.registration()
        assert (found.state, found.tac, found.cell_id) == (RegistrationState.DENIED, 0x1F00, 0x79D903)
        assert (found.technology, found.reject_cause) == (AccessTechnology.HSPA, 11)

    shows({"AT+CGREG?": '+CGREG: 3,3,"1F00","79D903",6,"00",0,11'}, scenario)


def test_q10_two_unsolicited_lines_in_one_chunk_are_two() -> None:
    async def scenario(modem: Modem, port: Scripted) -> None:
        port.say(b'\r\n+CREG: 5\r\n\r\n+CGREG: 0\r\n\r\n+CMTI: "SM",3\r\n')
        assert await _kinds(modem, 2) == [ModemEventKind.REGISTRATION, ModemEventKind.SMS]
        port.say(b"\r\n+CEREG: 5\r\n\r\n+CEREG: 3\r\n")  # both are heard: the newer one is told
        assert (await anext(modem.events())).value == Registration(RegistrationState.DENIED)

    shows({}, scenario)


def test_q11_hex_of_digits_alone_stays_hex_and_the_cell_of_cpsi_is_decimal() -> None:
    async def scenario(modem: Modem, port: Scripted) -> None:
        found = await modem.registration()
        assert (found.tac, found.cell_id) == (0x0502, 0x1234)
        signal = await modem.signal()
        assert (signal.tac, signal.cell_id, signal.rsrp_dbm) == (0x5A1E, 187214780, -85.0)
        port.says["AT+CPSI?"] = "+CPSI: NO SERVICE,Online"

    shows(
        {
            "AT+CEREG?": '+CEREG: 2,1,"0502","00001234",7',
            "AT+CPSI?": "+CPSI: LTE,Online,505-01,0x5A1E,187214780,257,EUTRAN-BAND3,1850,5,5,-94,-850,-545,15",
        },
        scenario,
        driver=SimcomModem,
    )


def test_q11_the_cell_of_qeng_is_hex_even_of_digits_alone() -> None:
    async def scenario(modem: Modem, port: Scripted) -> None:
        signal = await modem.signal()
        assert (signal.tac, signal.cell_id, signal.pci, signal.earfcn) == (0x1504, 0x1234567, 63, 1850)
        port.says['AT+QENG="servingcell"'] = '+QENG: "servingcell","SEARCH"'

    cell = '+QENG: "servingcell","NOCONN","LTE","FDD",234,10,1234567,63,1850,3,5,5,1504,-85,-10,-54,17,38'
    shows({'AT+QENG="servingcell"': cell}, scenario)


def test_q12_a_scan_is_read_through_its_junk() -> None:
    async def scenario(modem: Modem, _port: Scripted) -> None:
        found = await modem.scan()
        assert [(seen.operator.mcc, seen.operator.mnc, seen.operator.name) for seen in found] == [
            ("234", "30", "EE"),
            ("234", "10", "Tele (2), x"),
            ("310", "410", "Test1"),
            ("234", "20", None),
            ("234", "15", "voda"),
        ]
        assert found[0].availability is OperatorAvailability.CURRENT

    junk = (
        b'\r\n+COPS: (2,"EE","EE","23430",7)),(1,"Tele (2), x","","23410"),,\r\n'
        b'(3,"00540065007300740031","@","310410",7)\r\n'
        b'+COPS: (1,,,"23420",2)\r\n\r\n'
        b'(1,"","voda","00320033003400310035"),,(0,1,2,3,4),(0,1,2)\r\n\r\nOK\r\n'
    )
    shows({"AT+COPS=?": junk}, scenario)


@pytest.mark.parametrize("name", ["+COPS: 0", "+COPS: 0,0,", '+COPS: 0,0,"Unknown"', '+COPS: 0,0,""'])
def test_q13_no_operator_is_no_operator(name: str) -> None:
    async def scenario(modem: Modem, _port: Scripted) -> None:
        assert await modem.operator() == Operator()

    shows({"AT+COPS?": name}, scenario)


@pytest.mark.parametrize(
    ("answer", "iccid"),
    [
        ("+QCCID: 8944100030012345678F", "8944100030012345678"),
        ("+QCCID: 89860025128306012474", "89860025128306012474"),
        ("+QCCID: 898604B2012290748345", "898604B2012290748345"),
        ('+QCCID: "98101430121181157002"', "89014103211118510720"),
        ("89014103211118510720", "89014103211118510720"),
    ],
)
def test_q14_an_iccid_is_brought_to_one_form(answer: str, iccid: str) -> None:
    async def scenario(modem: Modem, _port: Scripted) -> None:
        assert (await modem.sim()).iccid == iccid

    shows({"AT+QCCID": answer}, scenario)


def test_q14_the_prefix_may_differ_from_the_command() -> None:
    async def scenario(modem: Modem, _port: Scripted) -> None:
        assert (await modem.sim()).iccid == "89014103211118510720"

    shows({"AT+CICCID": "+ICCID: 89014103211118510720"}, scenario, driver=SimcomModem)


@pytest.mark.parametrize(
    ("driver", "says"),
    [
        (HuaweiModem, {"AT^ICCID?": '^ICCID: "98101430121181157002"'}),
        (ZteModem, {"AT+ZICCID?": "^ICCID: 89014103211118510720"}),
        (ZteModem, {"AT+ZGETICCID": "+ZGETICCID: 89014103211118510720"}),
        (Modem, {"AT+CCID": '+CCID: "89014103211118510720"'}),
        (Modem, {"AT+CCID": "+ICCID: 89014103211118510720"}),
        (Modem, {"AT+CRSM=176,12258,0,0,10": '+CRSM: 144,0,"98101430121181157002"'}),
        (SimcomModem, {"AT+CRSM=176,12258,0,0,10": "+CRSM: 144,0,98101430121181157002"}),
    ],
)
def test_q14_every_family_has_its_own_words_and_the_file_behind_them(
    driver: type[Modem], says: Mapping[str, Answer]
) -> None:
    async def scenario(modem: Modem, _port: Scripted) -> None:
        assert (await modem.sim()).iccid == "89014103211118510720"

    shows(says, scenario, driver=driver)


def test_q15_an_imei_comes_bare_or_quoted_and_a_command_that_never_ends_is_left() -> None:
    async def scenario(modem: Modem, _port: Scripted) -> None:
        assert (await modem.identity()).imei == IMEI

    shows({"AT+CGSN": f"\r\n{IMEI}\r\n".encode(), "AT+CGSN=1": f'+CGSN: "{IMEI}"'}, scenario)
    shows({"AT+CGSN": IMEI}, scenario)
    shows({"AT+EGMR=0,7": f'+EGMR: "{IMEI}"'}, scenario)
    shows({"AT+SIMEI?": f"+SIMEI: {IMEI}"}, scenario, driver=SimcomModem)


def test_q8_every_mode_tells_the_two_forms_apart() -> None:
    """n = 0 … 5 with the technology: the read form wins, whatever came unasked before it."""
    for mode in range(6):

        async def scenario(modem: Modem, _port: Scripted) -> None:
            found = await modem.registration()
            assert (found.state, found.technology) == (RegistrationState.HOME, AccessTechnology.E_UTRAN)

        answer = f'\r\n+CEREG: 2,"1F00","79D903",7\r\n\r\n+CEREG: {mode},1,"1F00","79D903",7\r\n\r\nOK\r\n'
        shows({"AT+CEREG?": answer.encode()}, scenario)
