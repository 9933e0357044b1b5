"""What sets the four makes apart, and that each knows what drivers of its family send."""

from pathlib import Path

import pytest

from controller.domain.brand import TEST_TABLE
from simulator.modem import PersonalityError, load, names
from simulator.uicc import luhn_digit
from tests.unit.simulator.modem.talk import terminal

# What ModemManager sends to any modem; then what a family's own drivers do.
EVERYBODY = """AT;ATE0;ATV1;AT+CMEE=1;ATX4;AT&C1;AT+GCAP;AT+WS46=?;AT+CSCS=?;AT+CGMI;AT+CGMM;AT+CGMR;AT+CGSN;ATI
AT+CGDCONT=?;AT+CFUN?;AT+CPIN?;AT+CSIM=10,"0020000100";AT+CRSM=176,12258,0,0,10;AT+CRSM=176,28589,0,0,4
AT+CRSM=176,28486,0,0,17;AT+CIMI;AT+CPLS=0;AT+CPOL?;AT+CNUM;AT+CLCK=?;AT+CLCK="SC",2;AT+CEMODE?;AT+CUSD=?;AT+CNMI=?
AT+CPMS=?;AT+CPMS?;AT+CTZU=?;AT+CTZU=3;AT+CCLK?;AT+CESQ=?;AT+CESQ;ATH;AT+CLCC=?;AT+IFC=?;AT+CIND=?;AT+CGEREP=?
AT+CGEREP=2;AT+CREG=2;AT+CGREG=2;AT+CEREG=2;AT+CUSD=1;AT+CREG?;AT+CGREG?;AT+CEREG?;AT+CMGF=?;AT+CMGF=0
AT+CPMS="SM","ME","ME";AT+CNMI=2,1,2,1,0;AT+CLIP=1;AT+CRC=1;AT+CCWA=1;AT+COPS=3,2;AT+COPS?;AT+CSQ;AT+CGDCONT?
AT+CGACT?;AT+CGDCONT=2,"IP","internet";AT+CGATT?;AT+CGACT=1,2;AT+CGPADDR=2;AT+CGCONTRDP=2;AT+CSCA?;AT+CBC;AT+CGACT=0,2"""
FAMILY = {
    "quectel-ec25": 'AT+QCCID;AT+QCSQ;AT+QENG="servingcell";AT+QENG="neighbourcell";AT+QNWINFO;AT+QGDCNT?;AT+QTEMP'
    ';AT+QLTS;AT+QPINC?;AT+QGMR;AT+QFASTBOOT=?;AT+QIACT?;AT+QCFG="usbnet";AT+QSIMSTAT?;AT+QINISTAT;AT+QSPN;AT+EGMR=0,7'
    ";AT$QCRMCALL?;AT+QAUGDCNT?",
    "simcom-sim7600": "AT+CPSI?;AT+CNSMOD?;AT+CNSMOD=?;AT+CICCID;AT+SIMEI?;AT+NETOPEN?;AT+CPMUTEMP;AT+AUTOCSQ=?"
    ";AT+CNAOP?;AT+CPCMREG=?;AT+SPIC;AT+CNMP?;AT+CUSBPIDSWITCH?",
    "huawei-me909": "AT^HCSQ?;AT^SYSINFOEX;AT^SYSINFO;AT^SYSCFGEX=?;AT^NDISSTATQRY?;AT^DSFLOWQRY;AT^CPIN?;AT^ICCID?"
    ";AT^CURC=0;AT^RFSWITCH?;AT^CHIPTEMP?;AT^NWTIME?;AT^TIME;AT^PORTSEL=0;AT^NTCT?;AT^CVOICE?;AT^DDTMFCFG=0,1",
    "zte-mf833": "AT+ZPAS?;AT+ZSNT?;AT+ZPINPUK=?;AT+ZICCID?;AT+ZGETICCID;AT+ZRSSI",
}


@pytest.mark.parametrize("personality", names())
def test_knows_what_drivers_of_its_family_send(personality: str) -> None:
    modem = terminal(personality)
    commands = [line for row in EVERYBODY.split("\n") for line in row.split(";")] + FAMILY[personality].split(";")
    failed = {command: reply for command in commands if "OK" not in (reply := modem.ask(command))}
    assert not failed


def test_four_makes_ship_with_all_they_need() -> None:
    assert names() == ("huawei-me909", "quectel-ec25", "simcom-sim7600", "zte-mf833")
    ids = {(load(name).usb["vendor_id"], load(name).usb["product_id"]) for name in names()}
    assert ids == {("12d1", "1573"), ("2c7c", "0125"), ("1e0e", "9001"), ("19d2", "1405")}
    for name in names():
        roles = [interface.role for interface in load(name).interfaces]
        assert {"at", "modem"} <= set(roles)


def test_an_unknown_make_is_named_with_those_there_are() -> None:
    with pytest.raises(PersonalityError, match="nokia") as caught:
        load("nokia")
    assert "quectel-ec25" in caught.value.remedy


@pytest.mark.parametrize("personality", names())
def test_identifiers_are_well_formed(personality: str) -> None:
    modem = terminal(personality)
    imei = modem.ask("AT+CGSN")[0]
    assert imei == modem.modem.imei
    assert luhn_digit(imei[:14]) == imei[14]
    assert imei.startswith("0010")  # the test range of the TAC space: no real unit answers to it
    assert imei[:8] not in TEST_TABLE.tacs  # nor is it taken for a unit of known brand
    assert modem.value("AT+CGSN=2") == f'"{imei[:14]}01"'


@pytest.mark.parametrize(
    ("personality", "refusal"),
    [("quectel-ec25", "ERROR"), ("huawei-me909", "COMMAND NOT SUPPORT"), ("simcom-sim7600", "ERROR")],
)
def test_unknown_commands_are_refused_in_the_makes_words(personality: str, refusal: str) -> None:
    assert terminal(personality).ask("AT+NOSUCH")[-1] == refusal


def test_prefixes_that_differ_from_their_commands() -> None:
    assert terminal("simcom-sim7600").ask("AT+CICCID")[0] == "+ICCID: 8944300000000000008"
    assert terminal("zte-mf833").ask("AT+ZICCID?")[0] == "^ICCID: 8944300000000000008"
    assert terminal("quectel-ec25").ask("AT+QCCID")[0] == "+QCCID: 8944300000000000008F"


def test_boot_lines_repeat_until_somebody_asks() -> None:
    huawei = terminal("huawei-me909", up=False)
    assert huawei.pass_time(40).count("^BOOT") > 5
    huawei.ask("AT^BOOT=27710117,0")
    huawei.pass_time(1)
    assert "^BOOT" not in huawei.pass_time(10)
    zte = terminal("zte-mf833", up=False)
    assert zte.pass_time(40).count("+ZUSIMR:2") > 5
    zte.ask("AT+CPMS?")
    zte.pass_time(1)
    assert "+ZUSIMR" not in zte.pass_time(10)


def test_a_boot_without_a_card_says_so() -> None:
    said = terminal("simcom-sim7600", no_card=True, up=False).pass_time(40)
    assert "+CPIN: NOT INSERTED" in said
    assert "PB DONE" not in said


def test_answers_keep_the_personalitys_times() -> None:
    modem = terminal()
    start = modem.clock.now()
    modem.ask("AT+COPS=?")
    low, high = modem.modem.personality.latency_s["scan"]
    assert low <= modem.clock.now() - start <= high + 0.1


def test_powering_down_says_so_and_then_nothing() -> None:
    modem = terminal()
    assert modem.ask("AT+QPOWD=1") == ["OK"]
    assert "POWERED DOWN" in modem.pass_time(8)
    assert modem.ask("AT", within=3) == []
    modem.modem.power_on()
    assert "RDY" in modem.pass_time(20)


@pytest.mark.parametrize("path", sorted((Path(__file__).parents[4] / "simulator/modem/personalities").glob("*.toml")))
def test_personality_files_name_no_unknown_latency(path: Path) -> None:
    if path.stem.startswith("_"):
        return
    assert set(load(path.stem).latency_s) == {"plain", "sim", "network", "bearer", "scan", "cfun", "sms"}
