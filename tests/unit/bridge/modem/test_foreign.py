"""Makers of no family of ours: odd words, few answers, none. Others, as real processes, are in tests/e2e/bridge."""

import pytest

from firmware_bridge.detect import open_modem
from firmware_bridge.errors import BridgeError, UnsupportedError
from firmware_bridge.modem.generic import Modem
from firmware_bridge.types import (
    AccessTechnology,
    Bearer,
    BearerSettings,
    Identity,
    Operator,
    Registration,
    RegistrationState,
    Signal,
    Sim,
    SimState,
)
from simulator.virtual.loop import run_virtual
from tests.unit.bridge.modem.scripted import BASE, Answer, Scripted, drive

IMEI = "490154203237518"
NOTHING: dict[str, Answer] = dict.fromkeys(BASE, "ERROR")


def found(says: dict[str, Answer]) -> tuple[Identity, Sim, Registration, Signal]:
    """What the driver that detection chooses tells."""

    async def main() -> tuple[Identity, Sim, Registration, Signal]:
        modem = await open_modem(["usb0"], open_transport=lambda _: Scripted(says))
        try:
            await modem.initialise()
            assert modem.family == "generic"
            return await modem.identity(), await modem.sim(), await modem.registration(), await modem.signal()
        finally:
            await modem.close()

    return run_virtual(main())


@pytest.mark.parametrize(
    "says",
    [
        {},
        {"AT+CSQ?": "+CSQ: 12, 0"},
        {"AT+CSQ": "+CSQ:12,0", "AT": "ERROR"},
        {"AT": "", "AT+CFUN?": "+CFUN: 1", "AT+CSQ": "+CSQ: 12,0"},
        dict.fromkeys(("AT+CSQ", "AT+CMEE?", "AT+CFUN?"), "+WIND: 4\n+CSQ: 12,99"),
    ],
)
def test_one_that_refuses_nearly_everything_is_found_and_tells_what_it_knows(says: dict[str, Answer]) -> None:
    """Even the proof of place has to do with one word: then as many of it as lines were sent."""
    identity, sim, registration, signal = found({**NOTHING, **says})
    assert (identity, sim, registration) == (Identity(), Sim(), Registration())
    assert signal == (Signal(-89) if any("CSQ" in command for command in says) else Signal())


def test_one_that_refuses_everything_raises_errors_of_the_tree_and_nothing_else() -> None:
    async def scenario(modem: Modem, _port: Scripted) -> None:
        for unknown in (modem.counters, modem.temperature, modem.power_off):
            with pytest.raises(UnsupportedError):
                await unknown()
        for question in (modem.operator, modem.bearer, modem.scan, modem.receive_sms, modem.disconnect):
            with pytest.raises(BridgeError):
                await question()
        with pytest.raises(BridgeError):
            await modem.connect(BearerSettings("internet"))
        assert await modem.network_time() is None

    drive(NOTHING, scenario, driver=Modem)


@pytest.mark.parametrize(
    ("asked", "answer", "iccid"),
    [
        ("AT+CCID", "ICCID: 89014103211118510720", "89014103211118510720"),
        ("AT+CCID", "CCID: 89014103211118510720", "89014103211118510720"),
        ("AT+CCID", '+CCID: "894410003001234567FF"', "894410003001234567"),
        ("AT+CCID", "8944100030012345678F\nsomething more", "8944100030012345678"),
        ("AT+ICCID", "+ICCID: 8944100030012345678F", "8944100030012345678"),
        ("AT+ICCID", "ICCID:8944100030012345678", "8944100030012345678"),
        ("AT+CCID", "+CCID: 0", None),
        ("AT+CCID", "", None),
    ],
)
def test_a_card_s_number_under_any_name(asked: str, answer: str, iccid: str | None) -> None:
    _, sim, _, _ = found({asked: answer})
    assert sim == Sim(SimState.READY, iccid=iccid)


@pytest.mark.parametrize(
    ("says", "identity"),
    [
        ({"AT+CGSN": f"{IMEI},01"}, Identity(imei=IMEI)),
        ({"AT+CGSN": f"IMEI: {IMEI}\nextra line"}, Identity(imei=IMEI)),
        ({"AT+CGSN": "A0000012345678"}, Identity()),  # a MEID
        ({"ATI": "332"}, Identity()),
        ({"ATI": "MPCI-L200-02S-00"}, Identity()),
        ({"AT+CGMI": "Acme\nAcme Street 1\nAcmeville"}, Identity()),
        ({"AT+CGMI": "Acme\nAcme Street 1", "ATI": "Manufacturer: Acme\nModel: M1"}, Identity("Acme", "M1")),
        ({"AT+CGMM": '+CGMM: "NL668","NL668-EU-00"', "AT+CGMI": '+CGMI: "Fibocom"'}, Identity("Fibocom", "NL668")),
    ],
)
def test_a_maker_that_says_too_much_or_too_little_is_not_guessed_at(
    says: dict[str, Answer], identity: Identity
) -> None:
    assert found(says)[0] == identity


@pytest.mark.parametrize(
    ("says", "registration"),
    [
        ({"AT+CREG?": "+CREG: 0, 5"}, Registration(RegistrationState.ROAMING)),
        ({"AT+CREG?": "+CREG: 0,1", "AT+CGREG?": "+CGREG: 0,2"}, Registration(RegistrationState.SEARCHING)),
        (
            {"AT+CREG?": "+CREG:2,1,1F00,79D903,6"},
            Registration(RegistrationState.HOME, AccessTechnology.HSPA, 0x1F00, 0x79D903),
        ),
        ({"AT+CREG?": "+CREG: 1"}, Registration()),
        ({"AT+CREG?": "+CREG: 0,99"}, Registration()),
    ],
)
def test_one_without_cereg_registers_by_what_it_has(says: dict[str, Answer], registration: Registration) -> None:
    assert found(says)[2] == registration


def test_cell_and_technology_of_one_whose_signal_tells_neither_are_those_of_its_registration() -> None:
    says: dict[str, Answer] = {
        "AT+CESQ": "+CESQ: 99,99,255,255,18,55",
        "AT+CEREG?": '+CEREG: 2,1,"1F00","0079D903",7',
    }
    assert found(says)[3] == Signal(-71, -86, -11, None, AccessTechnology.E_UTRAN, cell_id=0x79D903, tac=0x1F00)


def test_its_bearer_is_read_past_the_contexts_it_keeps_for_itself() -> None:
    async def scenario(modem: Modem, _port: Scripted) -> None:
        assert await modem.bearer() == Bearer(
            up=True, cid=1, apn="internet", addresses=("10.1.2.3",), dns=("8.8.8.8", "8.8.4.4")
        )
        assert await modem.operator() == Operator("234", "10", "O2 - UK")

    says: dict[str, Answer] = {
        "AT+CGACT?": "+CGACT: 1, 1\n+CGACT: 11,1\n+CGACT: 4, 0",
        "AT+CGDCONT?": '+CGDCONT: 1,"IP","internet.mnc010.mcc234.gprs",,0,0\n+CGDCONT: 11,"IPV6","ims"',
        "AT+CGPADDR=1": "+CGPADDR: 1, 10.1.2.3",
        "AT+CGCONTRDP=1": (
            '+CGCONTRDP: 1,5,internet.mnc010.mcc234.gprs,10.1.2.3 255.255.255.0,10.1.2.1,"8.8.8.8",8.8.4.4\n'
            '+CGCONTRDP: 11,6,ims,"32.1.13.184.0.0.0.0.0.0.0.0.0.0.0.1",,"32.1.13.184.0.0.0.0.0.0.0.0.0.0.0.2"'
        ),
        "AT+COPS=3,2;+COPS?": "+COPS: 0, 2, 23410",
        "AT+COPS=3,0;+COPS?": '+COPS: 0, 0, "O2 - UK"',
    }
    drive(says, scenario, driver=Modem)
