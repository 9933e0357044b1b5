"""Which state carries data, which cause wants the radio cycled, and whose word counts where domains differ."""

import pytest

from firmware_bridge.modem.generic import Modem
from firmware_bridge.modem.zte import ZteModem
from firmware_bridge.types import AccessTechnology, Operator, Registration, RegistrationState
from tests.unit.bridge.modem.scripted import Answer, Scripted, drive

STATE = RegistrationState
CARRYING = {STATE.HOME, STATE.ROAMING, STATE.HOME_NO_CSFB, STATE.ROAMING_NO_CSFB}


def test_data_is_carried_in_four_states_and_no_other() -> None:
    assert {state for state in STATE if state.attached} == CARRYING


def test_four_causes_want_the_radio_cycled_and_no_other() -> None:
    wanting = {cause for cause in range(256) if Registration(STATE.DENIED, reject_cause=cause).needs_radio_cycle}
    assert wanting == {3, 6, 7, 8}
    assert not Registration(STATE.DENIED).needs_radio_cycle


@pytest.mark.parametrize(
    ("eps", "gprs", "expected"),
    [
        ("+CEREG: 2,1", "+CGREG: 2,3", Registration(STATE.HOME)),
        ("+CEREG: 2,2", "+CGREG: 2,5", Registration(STATE.ROAMING)),
        ("+CEREG: 3,2,,,,0,7", "+CGREG: 2,3", Registration(STATE.DENIED, reject_cause=7)),
        ("+CEREG: 3,0,,,,0,7", "+CGREG: 2,2", Registration(STATE.SEARCHING, reject_cause=7)),
        ("+CEREG: 3,2,,,,0,7", "+CGREG: 3,3,,,,0,11", Registration(STATE.DENIED, reject_cause=11)),
        ("+CEREG: 2,4", "+CGREG: 2,0", Registration(STATE.IDLE)),
        ("+CEREG: 2,2", "+CGREG: 2,8", Registration(STATE.SEARCHING)),
        ("+CEREG: 2,8", "+CGREG: 2,0", Registration(STATE.EMERGENCY_ONLY)),
        ("+CEREG: 2,6", "+CGREG: 2,11", Registration(STATE.RESTRICTED_LOCAL)),
        ("+CEREG: 2,0", "ERROR", Registration(STATE.IDLE)),
        ("ERROR", "+CGREG: 2,2", Registration(STATE.SEARCHING)),
        ("ERROR", "ERROR", Registration(STATE.HOME)),
    ],
)
def test_the_packet_domains_speak_first_and_the_circuits_only_for_a_modem_without(
    eps: str, gprs: str, expected: Registration
) -> None:
    async def scenario(modem: Modem, _port: Scripted) -> None:
        assert await modem.registration() == expected

    says: dict[str, Answer] = {"AT+CEREG?": eps, "AT+CGREG?": gprs, "AT+CREG?": "+CREG: 0,1"}
    drive(says, scenario, driver=Modem)


def test_gsm_which_is_number_nought_is_a_technology_all_the_same() -> None:
    async def scenario(modem: Modem, _port: Scripted) -> None:
        assert await modem.operator() == Operator("234", "30", "EE", AccessTechnology.GSM)

    drive({"AT+COPS=3,2;+COPS?": '+COPS: 0,2,"23430",0', "AT+COPS=3,0;+COPS?": '+COPS: 0,0,"EE"'}, scenario)


@pytest.mark.parametrize(
    ("registration", "cell"),
    [
        ('+CEREG: 2,1,"1F00","79D903",7', 0x79D903),
        ('+CEREG: 2,2,"1F00","79D903",7', None),  # the cell of before
        ('+CEREG: 2,1,"1F00","79D903",2', None),  # another radio's
    ],
)
def test_the_registration_lends_its_cell_to_the_signal_of_the_same_radio(registration: str, cell: int | None) -> None:
    async def scenario(modem: Modem, _port: Scripted) -> None:
        found = await modem.signal()
        assert (found.rsrp_dbm, found.technology, found.cell_id) == (-91, AccessTechnology.E_UTRAN, cell)

    says: dict[str, Answer] = {"AT+CESQ": "+CESQ: 99,99,255,255,20,50", "AT+ZPAS?": '+ZPAS: "LTE","CS_PS"'}
    drive({**says, "AT+CEREG?": registration}, scenario, driver=ZteModem)
