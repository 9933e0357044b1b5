"""Q16 to Q30: bare lines, empty lists, vendor errors, cells and levels, counters, floods."""

import asyncio

import pytest

from firmware_bridge.errors import UnsupportedError
from firmware_bridge.modem.generic import Modem
from firmware_bridge.modem.huawei import HuaweiModem
from firmware_bridge.modem.zte import ZteModem
from firmware_bridge.types import AccessTechnology, BearerSettings, ModemEventKind, RegistrationState, Signal, SimState
from tests.unit.bridge.modem.scripted import Scripted
from tests.unit.bridge.quirks.shown import LEVEL_DBM, shows

IMEI = "490154203237518"
CELL = 'AT+QENG="servingcell"'
LTE = AccessTechnology.E_UTRAN


def test_q16_an_unsolicited_line_is_not_taken_for_a_bare_answer() -> None:
    async def scenario(modem: Modem, _port: Scripted) -> None:
        assert (await modem.identity()).imei == IMEI

    shows({"AT+CGSN": f"\r\nRDY\r\n\r\n+CFUN: 1\r\n\r\n123456789012345\r\n\r\n{IMEI}\r\n\r\nOK\r\n".encode()}, scenario)


def test_q17_an_empty_list_is_a_bare_ok() -> None:
    async def scenario(modem: Modem, _port: Scripted) -> None:
        assert (await modem.sim()).msisdn is None
        assert await modem.network_time() is None
        assert await modem.receive_sms() == ()
        assert not (await modem.bearer()).up

    shows({"AT+CNUM": "", "AT+CCLK?": "", "AT+CMGL=4": "", "AT+CGACT?": "", "AT+CIMI": "234100000000001"}, scenario)


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        ("+CME ERROR: 10", SimState.ABSENT),
        ("+CME ERROR: SIM not inserted", SimState.ABSENT),
        ("+CME ERROR: SIM failure", SimState.FAILED),
        ("+CME ERROR: words of no table", SimState.UNKNOWN),
        ("ERROR", SimState.UNKNOWN),
    ],
)
def test_q18_errors_come_in_any_form_whatever_cmee_says(answer: str, state: SimState) -> None:
    async def scenario(modem: Modem, port: Scripted) -> None:
        assert (await modem.sim()).state is state
        port.says["AT+CPIN?"] = "+CPIN: READY"

    shows({"AT+CPIN?": answer}, scenario)


@pytest.mark.parametrize(
    "final", ["COMMAND NOT SUPPORT", "+EXT ERROR: 4", "NA", "MODEM ERROR: 5", "+IP ERROR: no such thing", "ERROR"]
)
def test_q19_vendor_errors_end_a_command(final: str) -> None:
    async def scenario(modem: Modem, _port: Scripted) -> None:
        with pytest.raises(UnsupportedError):
            await modem.temperature()

    shows({"AT+QTEMP": f"\r\n{final}\r\n".encode()}, scenario)


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


def test_q22_without_a_sim_nothing_is_asked_that_fails_without_one() -> None:
    async def scenario(modem: Modem, port: Scripted) -> None:
        await modem.initialise()
        assert (await modem.identity()).imei == IMEI
        assert (await modem.sim()).state is SimState.ABSENT
        assert not any("GCAP" in command for command in port.sent)

    shows({"AT+GCAP": "ERROR", "AT+CPIN?": "+CME ERROR: 10", "AT+CGSN": IMEI}, scenario)


REAL = '+QENG: "servingcell","NOCONN","LTE","FDD",460,01,B57DE33,63,1850,3,5,5,B504,-85,-10,-54,17,38'


@pytest.mark.parametrize(
    ("answer", "rsrp"),
    [
        (REAL, -85),
        (REAL + ",10,200,-", -85),
        (REAL.replace("NOCONN", "CONECT"), -85),
        (REAL.replace("-85,-10,-54,17", "-,-,-,-"), None),
        ('+QENG: "servingcell","SEARCH"', None),
    ],
)
def test_q23_the_serving_cell_has_two_fields_or_many_and_dashes(answer: str, rsrp: float | None) -> None:
    async def scenario(modem: Modem, port: Scripted) -> None:
        assert (await modem.signal()).rsrp_dbm == rsrp
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
        port.say(b'\r\n^HCSQ:"LTE",48,255,86\r+\n')
        port.say('^HCSQ:"LTE",48,35,86,14')
        event = await anext(modem.events())
        assert event.kind is ModemEventKind.SIGNAL
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
