"""Q16 to Q30: bare lines, empty lists, vendor errors, cells and levels, counters, floods."""

import asyncio

import pytest

from firmware_bridge.detect import open_modem
from firmware_bridge.errors import UnsupportedError
from firmware_bridge.modem.generic import Modem
from firmware_bridge.modem.huawei import HuaweiModem
from firmware_bridge.modem.zte import ZteModem
from firmware_bridge.types import (
    AccessTechnology,
    Bearer,
    BearerSettings,
    ModemEventKind,
    RegistrationState,
    Signal,
    Sim,
    SimState,
)
from simulator.virtual.loop import run_virtual
from tests.unit.bridge.modem.scripted import Scripted, open_driver
from tests.unit.bridge.quirks.shown import LEVEL_DBM, lost_its_place, shows

IMEI = "490154203237518"
CELL = 'AT+QENG="servingcell"'
LTE = AccessTechnology.E_UTRAN
INTERNET = BearerSettings("internet")


def test_q16_an_unsolicited_line_is_not_taken_for_a_bare_answer() -> None:
    async def scenario(modem: Modem, _port: Scripted) -> None:
        assert (await modem.identity()).imei == IMEI

    shows({"AT+CGSN": f"\r\nRDY\r\n\r\n+CFUN: 1\r\n\r\n123456789012345\r\n\r\n{IMEI}\r\n\r\nOK\r\n".encode()}, scenario)


def test_q16_nor_for_an_imsi_or_a_name() -> None:
    async def scenario(modem: Modem, _port: Scripted) -> None:
        found = await modem.identity()
        assert (found.manufacturer, found.model, found.firmware) == ("Quectel", "EC25", "EC25EFAR06A03M4G")
        assert (await modem.sim()).imsi == "234100000000001"
        assert (await modem.sim()).iccid == "89014103211118510720"

    news = "\r\nAPP RDY\r\n\r\n+CFUN: 1\r\n\r\nPB DONE\r\n\r\n^BOOT:27710117,0,0,0,75\r\n"
    says = {
        "ATI": f"{news}\r\nQuectel\r\nEC25\r\n{news}\r\nOK\r\n".encode(),
        "AT+CGMR": f"{news}\r\nEC25EFAR06A03M4G\r\n{news}\r\nOK\r\n".encode(),
        "AT+CIMI": f"{news}\r\n1234567890123456\r\n\r\n234100000000001\r\n{news}\r\nOK\r\n".encode(),
        "AT+QCCID": f"{news}\r\n1\r\n\r\n89014103211118510720\r\n{news}\r\nOK\r\n".encode(),
    }
    shows(says, scenario)


def test_q17_an_empty_list_is_a_bare_ok() -> None:
    async def scenario(modem: Modem, port: Scripted) -> None:
        assert (await modem.sim()).msisdn is None
        assert await modem.network_time() is None
        assert await modem.receive_sms() == ()
        assert not (await modem.bearer()).up
        assert not lost_its_place(port)

    shows({"AT+CNUM": "", "AT+CCLK?": "", "AT+CMGL=4": "", "AT+CGACT?": "", "AT+CIMI": "234100000000001"}, scenario)


def test_q17_so_it_is_with_contexts_addresses_and_calls() -> None:
    async def scenario(modem: Modem, port: Scripted) -> None:
        assert await modem.connect(INTERNET) == Bearer(up=False)
        port.says["AT$QCRMCALL?"] = "$QCRMCALL: 1,V4"
        assert await modem.bearer() == Bearer(up=True, cid=1)
        assert 'AT+CGDCONT=1,"IPV4V6","internet"' in port.sent
        assert not lost_its_place(port)

    empty = dict.fromkeys(("AT+CGDCONT?", "AT+CGPADDR=1", "AT+CGCONTRDP=1", "AT$QCRMCALL?", "AT$QCRMCALL=1,1"), "")
    active = {"AT+CGACT?": ["", "", "+CGACT: 1,1"], "AT+CGATT?": "+CGATT: 1"}
    shows({**empty, **active, 'AT+CGDCONT=1,"IPV4V6","internet"': ""}, scenario)


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        ("+CME ERROR: 10", SimState.ABSENT),
        ("+CME ERROR: SIM not inserted", SimState.ABSENT),
        ("+CME ERROR: SIM failure", SimState.FAILED),
        ("+CME ERROR: words of no table", SimState.UNKNOWN),
        ("+CME ERROR: PH-NET PIN required", SimState.UNKNOWN),
        ("+CME ERROR: 40", SimState.LOCKED),
        ("ERROR", SimState.UNKNOWN),
    ],
)
def test_q18_errors_come_in_any_form_whatever_cmee_says(answer: str, state: SimState) -> None:
    async def scenario(modem: Modem, port: Scripted) -> None:
        assert (await modem.sim()).state is state
        port.says["AT+CPIN?"] = "+CPIN: READY"

    shows({"AT+CPIN?": answer}, scenario)


@pytest.mark.parametrize("busy", ["+CME ERROR: 14", "+CME ERROR: SIM busy", "+CME ERROR: sim BUSY"])
def test_q18_an_error_in_words_is_waited_for_as_one_in_numbers(busy: str) -> None:
    async def scenario(modem: Modem, _port: Scripted) -> None:
        assert (await modem.sim()).state is SimState.READY

    shows({"AT+CPIN?": [busy, busy, "+CPIN: READY"]}, scenario)


@pytest.mark.parametrize(
    "final", ["COMMAND NOT SUPPORT", "+EXT ERROR: 4", "NA", "MODEM ERROR: 5", "+IP ERROR: no such thing", "ERROR"]
)
def test_q19_vendor_errors_end_a_command(final: str) -> None:
    async def scenario(modem: Modem, _port: Scripted) -> None:
        with pytest.raises(UnsupportedError):
            await modem.temperature()

    shows({"AT+QTEMP": f"\r\n{final}\r\n".encode()}, scenario)


@pytest.mark.parametrize("final", ["+EXT ERROR: 10", "MODEM ERROR: 10", "+EXT ERROR: 14"])
def test_q19_a_number_of_a_maker_s_own_is_none_of_the_standard_s(final: str) -> None:
    async def scenario(modem: Modem, port: Scripted) -> None:
        assert (await modem.sim()).state is SimState.UNKNOWN  # not absent
        assert port.sent.count("AT+CPIN?") == 1  # nor busy
        port.says["AT+CPIN?"] = "+CPIN: READY"

    shows({"AT+CPIN?": f"\r\n{final}\r\n".encode()}, scenario)


def test_q19_the_error_that_some_send_behind_their_own_belongs_to_it() -> None:
    async def scenario(modem: Modem, port: Scripted) -> None:
        with pytest.raises(UnsupportedError):
            await modem.temperature()
        assert (await modem.sim()).state is SimState.READY
        assert not lost_its_place(port)

    shows({"AT+QTEMP": b"\r\n+IP ERROR: no such thing\r\n\r\nERROR\r\n"}, scenario)


def test_q20_a_modem_that_says_error_to_at_itself_is_there() -> None:
    async def main() -> None:
        port = Scripted({"AT": "ERROR", "ATI": "Acme\nMF100", "AT+CMEE=1": "ERROR", "AT+CMEE?": "ERROR"})
        modem = await open_modem(["usb0"], open_transport=lambda _: port)
        await modem.initialise()
        assert (await modem.signal()).rssi_dbm == LEVEL_DBM
        await modem.close()

    run_virtual(main())


def test_q20_a_third_generation_modem_refuses_cmee_and_cereg_and_still_registers() -> None:
    async def scenario(modem: Modem, port: Scripted) -> None:
        await modem.initialise()
        assert (await modem.registration()).state is RegistrationState.ROAMING
        await modem.registration()
        assert port.sent.count("AT+CEREG?") == 1  # learned from its ERROR

    refused = dict.fromkeys(("AT+CMEE=1", "AT+CEREG=3", "AT+CEREG?"), "ERROR")
    shows({**refused, "AT+CGREG?": "+CGREG: 2,5"}, scenario)


def test_q21_some_answer_csq_and_others_csq_with_a_question_mark() -> None:
    async def scenario(modem: Modem, _port: Scripted) -> None:
        assert (await modem.signal()).rssi_dbm == LEVEL_DBM

    shows({"AT+CSQ": "ERROR", "AT+CSQ?": "+CSQ: 21,99"}, scenario, driver=Modem)
    shows({"AT+CSQ": "+CSQ: 21,99", "AT+CSQ?": "ERROR"}, scenario, driver=Modem)


def test_q22_without_a_sim_nothing_is_asked_that_fails_without_one() -> None:
    async def scenario(modem: Modem, port: Scripted) -> None:
        await modem.initialise()
        assert (await modem.identity()).imei == IMEI
        assert (await modem.sim()) in {Sim(SimState.ABSENT), Sim(SimState.FAILED)}
        assert not any(word in command for command in port.sent for word in ("GCAP", "CIMI", "CCID", "CRSM", "CNUM"))

    for absent in ("+CME ERROR: 10", "+CME ERROR: 13"):
        shows({"AT+GCAP": "ERROR", "AT+CPIN?": absent, "AT+CGSN": IMEI}, scenario, driver=HuaweiModem)


REAL = '+QENG: "servingcell","NOCONN","LTE","FDD",460,01,B57DE33,63,1850,3,5,5,B504,-85,-10,-54,17,38'
EN_DC = (
    '+QENG: "servingcell","NOCONN"\n+QENG: "LTE","FDD",460,01,B57DE33,63,1850,3,5,5,B504,-85,-10,-54,17,10,200,-\n'
    '+QENG: "NR5G-NSA",460,01,63,-83,25,-11,627264,78'
)


@pytest.mark.parametrize(
    ("answer", "rsrp", "technology"),
    [
        (REAL, -85, LTE),
        (REAL + ",10,200,-", -85, LTE),
        (REAL.replace("NOCONN", "CONECT"), -85, LTE),
        (REAL.replace("NOCONN", "LIMSRV"), -85, LTE),
        (REAL.replace("1850,3,5,5", "1850,3,20,20"), -85, LTE),  # bandwidths in MHz (Unisoc)
        (REAL.replace("-85,-10,-54,17", "-,-,-,-"), None, LTE),
        ('+QENG: "servingcell","SEARCH"', None, None),
        (EN_DC, -85, AccessTechnology.E_UTRA_NR),
    ],
)
def test_q23_the_serving_cell_has_two_fields_or_many_and_dashes(
    answer: str, rsrp: float | None, technology: AccessTechnology | None
) -> None:
    async def scenario(modem: Modem, port: Scripted) -> None:
        signal = await modem.signal()
        assert (signal.rsrp_dbm, signal.technology) == (rsrp, technology)
        if technology is not None:
            assert (signal.tac, signal.cell_id, signal.band) == (0xB504, 0xB57DE33, 3)
        assert "AT+QNWINFO" not in port.sent  # it was an answer
        port.says[CELL] = '+QENG: "servingcell","SEARCH"'

    shows({CELL: answer}, scenario)


def test_q24_traces_are_believed_over_the_manual() -> None:
    async def scenario(modem: Modem, port: Scripted) -> None:
        signal = await modem.signal()
        assert (signal.pci, signal.earfcn) == (63, 1850)
        for up in ("$QCRMCALL: 1,V4", "$QCRMCALL: 1, V4", "$QCRMCALL: 1,4"):
            port.says["AT$QCRMCALL?"] = up
            assert (await modem.bearer()).up
        port.says[CELL] = '+QENG: "servingcell","SEARCH"'

    shows({CELL: REAL, "AT+CGACT?": "+CGACT: 1,1", "AT+CGDCONT?": ""}, scenario)


def test_q24_the_word_for_a_new_sim_is_that_of_the_traces() -> None:
    async def scenario(modem: Modem, port: Scripted) -> None:
        port.say("+QUSIM: 1")
        assert (await anext(modem.events())).kind is ModemEventKind.SIM

    shows({}, scenario)


def test_q24_the_operator_of_qnwinfo_may_be_bare() -> None:
    async def scenario(modem: Modem, port: Scripted) -> None:
        signal = await modem.signal()
        assert (signal.technology, signal.band, signal.earfcn) == (LTE, 3, 1650)
        port.says["AT+QNWINFO"] = "+QNWINFO: No Service"

    shows({CELL: "ERROR", "AT+QNWINFO": '+QNWINFO: "FDD LTE",46001,"LTE BAND 3",1650'}, scenario)


def test_q25_qcsq_is_rssi_rsrp_sinr_rsrq_with_the_sinr_scaled() -> None:
    async def scenario(modem: Modem, port: Scripted) -> None:
        assert await modem.signal() == Signal(-60, -90, -12, 10, LTE)
        port.says["AT+QCSQ"] = '+QCSQ: "NOSERVICE"'

    shows({"AT+QCSQ": '+QCSQ: "LTE",-60,-90,150,-12'}, scenario)


@pytest.mark.parametrize(
    ("answer", "hottest"),
    [
        ("+QTEMP: 33,31,29", 33),
        ('+QTEMP:"pmic","34"\n+QTEMP:"pa","-273"', 34),
        ('+QTEMP: "cpu0","41000"', 41),
        ('+QTEMP:"pmic","34"\n+QTEMP:"pa","255"\n+QTEMP:"xo","-"', 34),
        ("+QTEMP: 33,255,-", 33),
        ("+QTEMP: -7,-9,-11", -7),
        ("+QTEMP: 255,255,255", None),
    ],
)
def test_q26_temperatures_have_three_layouts_and_placeholders(answer: str, hottest: float | None) -> None:
    async def scenario(modem: Modem, _port: Scripted) -> None:
        assert (await modem.temperature()).hottest == hottest

    shows({"AT+QTEMP": answer}, scenario)


def test_q27_counters_keep_their_direction_and_grow_across_resets() -> None:
    async def scenario(modem: Modem, port: Scripted) -> None:
        await modem.initialise()
        read = []
        for raw in ("1500,12000", "100,300", "100,900"):
            port.says["AT+QGDCNT?"] = f"+QGDCNT: {raw}"
            counters = await modem.counters()
            read.append((counters.tx_bytes, counters.rx_bytes))
        assert read == [(500, 2000), (600, 2300), (600, 2900)]

    shows({"AT+QGDCNT?": "+QGDCNT: 1000,10000"}, scenario)


def test_q27_the_value_may_stand_on_the_next_line() -> None:
    async def scenario(modem: Modem, port: Scripted) -> None:
        await modem.counters()
        port.says["AT^DSFLOWQRY"] = flow(0x20, 0x60)
        counters = await modem.counters()
        assert (counters.tx_bytes, counters.rx_bytes) == (0x10, 0x40)

    def flow(sent: int, received: int) -> bytes:
        return (
            f"\r\n^DSFLOWQRY:\r\n00000E8E,0000000000333ACC,000000000A93E9AD,007B3514,{sent:016X},{received:016X}\r\n\r\nOK\r\n"
        ).encode()

    shows({"AT^DSFLOWQRY": flow(0x10, 0x20)}, scenario, driver=HuaweiModem)


def test_q28_hcsq_comes_without_blank_with_fewer_fields_and_255() -> None:
    async def scenario(modem: Modem, port: Scripted) -> None:
        port.say(b'\r\n^HCSQ:"LTE",48,255,86\r\r\n')
        event = await anext(modem.events())
        assert (event.kind, event.value) == (ModemEventKind.SIGNAL, Signal(-73, None, None, -3, LTE))
        port.say('^HCSQ:"LTE",48,35,86,14')
        assert (await anext(modem.events())).value == Signal(-73, -106, -13, -3, LTE)
        assert (await modem.signal()) == Signal(-73, None, None, -3, LTE)
        port.says["AT^HCSQ?"] = '^HCSQ: "NOSERVICE"'

    shows({"AT^HCSQ?": '^HCSQ:"LTE",48,255,86'}, scenario, driver=HuaweiModem)


def test_q29_floods_are_silenced_first_and_disturb_no_command() -> None:
    async def scenario(modem: Modem, port: Scripted) -> None:
        await modem.initialise()
        assert port.sent[:2] == ["ATE0", "AT^CURC=0"]
        for _ in range(300):
            port.say("^BOOT:27710117,0,0,0,75")
            port.say("^RSSI:20")
            port.say("^DSFLOWRPT:0000000A,0,0,0,0,0,0")
        assert (await modem.temperature()).hottest == 36

    shows({"AT^CHIPTEMP?": "^CHIPTEMP: 36,34", "AT^CURC=0": ""}, scenario, driver=HuaweiModem)


def test_q29_a_flood_in_one_piece_takes_the_place_of_nothing_else() -> None:
    async def scenario(modem: Modem, port: Scripted) -> None:
        flood = b"\r\n^BOOT:27710117,0,0,0,75\r\n\r\n^RSSI:20\r\n\r\n^DSFLOWRPT:0000000A,0,0,0,0,0,0\r\n"
        port.say(b"\r\n+CREG: 5\r\n" + flood * 300)
        events = modem.events()
        kinds = [(await anext(events)).kind for _ in range(2)]
        assert kinds == [ModemEventKind.REGISTRATION, ModemEventKind.SIGNAL]
        port.say('+CMTI: "SM",3')
        assert (await anext(events)).value == 3  # the doorbell itself, no "look, something was lost"

    shows({}, scenario, driver=HuaweiModem)


def test_q29_every_port_is_silenced() -> None:
    async def main() -> None:
        ports = Scripted({"AT^CURC=0": ""}), Scripted({"AT^CURC=0": ""})
        modem = open_driver(*ports, driver=HuaweiModem)
        await modem.initialise()
        assert [port.sent[:2] for port in ports] == [["ATE0", "AT^CURC=0"]] * 2
        await modem.close()

    run_virtual(main())


def test_q30_the_zusimr_flood_ends_with_the_question_about_the_storage() -> None:
    async def scenario(modem: Modem, port: Scripted) -> None:
        flood = asyncio.create_task(_flood(port))
        await modem.initialise()
        async with asyncio.timeout(10):
            await flood
        assert (await modem.sim()).imsi == "234100000000001"

    async def _flood(port: Scripted) -> None:
        while "AT+CPMS?" not in port.sent:
            port.say("+ZUSIMR:2")
            await asyncio.sleep(0.01)

    answers = {"AT+CPMS?": '+CPMS: "ME",0,100,"ME",0,100,"ME",0,100', "AT+CIMI": "234100000000001"}
    shows(answers, scenario, driver=ZteModem)


def test_q23_settings_for_the_bearer_stay_out_of_the_repr() -> None:
    assert "hunter2" not in repr(BearerSettings("internet", username="u", password="hunter2"))
