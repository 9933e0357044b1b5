"""Registration, signal, operators and what a network refuses."""

import re
from collections.abc import Callable

import pytest

from simulator.modem import default_card
from simulator.radio import Air, OpenNetwork, Verdict, cells_of
from simulator.uicc import Subscription, Uicc
from tests.unit.simulator.modem.talk import Terminal, terminal


def test_registers_at_home_and_tells_where() -> None:
    modem = terminal()
    assert modem.value("AT+CREG?") == "0,1"
    modem.ask("AT+CEREG=2")
    assert re.fullmatch(r'2,1,"2F1B","B57DE[38]",7', modem.value("AT+CEREG?"))
    assert modem.value("AT+COPS?") == '0,0,"EE",7'
    modem.ask("AT+COPS=3,2")
    assert modem.value("AT+COPS?") == '0,2,"23430",7'
    assert modem.value("AT+CGATT?") == "1"


def test_reports_each_port_in_the_form_it_asked_for() -> None:
    first = terminal()
    second = first.other()
    first.ask("AT+CREG=1;+CEREG=2")
    second.ask("AT+CREG=2")
    first.ask("AT+CFUN=4")
    said = first.pass_time(1)
    first.ask("AT+CFUN=1")
    said = first.pass_time(8)
    assert "\r\n+CREG: 1\r\n" in said
    assert re.search(r'\r\n\+CEREG: 1,"2F1B","B57DE\w",7\r\n', said)
    assert re.search(r'\r\n\+CREG: 1,"2F1B","B57DE\w",7\r\n', second.modem.ports["second"].take().decode())


def test_signal_moves_but_stays_plausible() -> None:
    modem = terminal()
    levels = set()
    for _ in range(20):
        level, errors = modem.value("AT+CSQ").split(",")
        assert 5 <= int(level) <= 31
        assert errors == "99"
        levels.add(level)
        modem.pass_time(30, step=10)
    assert len(levels) > 1


def test_the_same_seed_says_the_same() -> None:
    def run() -> list[list[str]]:
        modem = terminal(seed=42)
        return [modem.ask(line) for line in ("AT+CSQ", 'AT+QENG="servingcell"', "AT+CGSN", "AT+COPS=?", "AT+CCLK?")]

    assert run() == run()


def test_weak_signal_loses_service_and_finds_it_again() -> None:
    modem = terminal()
    number = modem.inject("weak_signal", db=60)
    modem.pass_time(5)
    assert modem.value("AT+CREG?") == "0,2"
    assert modem.value("AT+CSQ") == "99,99"
    assert modem.value('AT+QENG="servingcell"') == '"servingcell","SEARCH"'
    modem.faults.clear(number)
    modem.pass_time(40)
    assert modem.value("AT+CREG?") == "0,1"


@pytest.mark.parametrize("cause", [7, 8])
def test_after_a_final_cause_it_stays_quiet_until_its_radio_is_cycled(cause: int) -> None:
    network = OpenNetwork(refusal=cause)
    modem = terminal(network=network)
    modem.ask("AT+CEREG=3")
    assert modem.value("AT+CEREG?") == f"3,3,,,,0,{cause}"
    network.refusal = None
    modem.pass_time(4000, step=10)
    assert modem.value("AT+CEREG?").startswith("3,3")
    assert modem.ask("AT+CGATT=1") == ["+CME ERROR: 107"]
    modem.ask("AT+CFUN=4")
    modem.ask("AT+CFUN=1")
    modem.pass_time(8)
    assert modem.value("AT+CEREG?").startswith("3,1")


def test_congestion_is_tried_again() -> None:
    network = OpenNetwork(refusal=22)
    modem = terminal(network=network)
    assert modem.value("AT+CEREG?") == "0,3"
    network.refusal = None
    modem.pass_time(30)
    assert modem.value("AT+CEREG?") == "0,1"


def test_after_five_attempts_the_next_comes_in_twelve_minutes() -> None:
    network = OpenNetwork(refusal=22)
    modem = terminal(network=network)
    modem.pass_time(70, step=10)
    network.refusal = None
    modem.pass_time(600, step=60)
    assert modem.value("AT+CEREG?") == "0,3"
    modem.pass_time(180, step=60)
    assert modem.value("AT+CEREG?") == "0,1"


def test_what_is_heard_is_told_in_the_steps_of_the_standard() -> None:
    modem = terminal()
    cell = modem.modem.registration.cell
    assert cell is not None
    rsrq, rsrp = map(int, modem.value("AT+CESQ").split(",")[4:])
    heard = modem.modem.air.measure(cell, modem.modem.agenda.now)
    # TS 27.007 clause 8.69: 1 is -19.5 dB to -19 dB, and -140 dBm to -139 dBm.
    assert rsrq / 2 - 20 <= heard.rsrq < rsrq / 2 - 19.5
    assert rsrp - 141 <= heard.rsrp < rsrp - 140


def test_a_network_that_throws_the_subscriber_out() -> None:
    modem = terminal()
    modem.ask('AT+CGDCONT=1,"IP","everywhere"')
    modem.ask("AT+CGACT=1,1")
    modem.modem.registration.network_detach(8)
    modem.pass_time(5)
    assert modem.value("AT+CREG?") == "0,3"
    assert modem.value("AT+CGACT?") == "1,0"


class Ledger:
    """A network that knows who is parked."""

    def __init__(self) -> None:
        self.parked: set[str] = set()

    def may_attach(self, *, iccid: str, imsi: str, imei: str) -> Verdict:
        assert len(imsi) == len(imei) == 15
        return Verdict(accepted=iccid not in self.parked, cause=8 if iccid in self.parked else None)


def test_a_parked_sim_is_refused_at_the_next_update() -> None:
    ledger = Ledger()
    modem = terminal(network=ledger)
    assert modem.value("AT+CREG?") == "0,1"
    ledger.parked.add(default_card().subscription.iccid)
    modem.modem.registration.recheck()
    assert modem.value("AT+CREG?") == "0,3"


def test_other_networks_at_home_refuse_and_abroad_it_roams() -> None:
    at_home = terminal(air=Air(cells_of("23410", "23415"), seed=3))
    at_home.pass_time(20)
    assert at_home.value("AT+CREG?") == "0,3"
    abroad = terminal(air=Air(cells_of("20801"), seed=3))
    assert abroad.value("AT+CREG?") == "0,5"
    crown = terminal(air=Air(cells_of("23455"), seed=3))
    assert crown.value("AT+CREG?") == "0,5"


def test_a_three_digit_mnc() -> None:
    card = Uicc(Subscription(iccid="8901260000000000003", imsi="310260000000003", mnc_length=3))
    modem = terminal(card=card, air=Air(cells_of("310260"), seed=3))
    assert modem.value("AT+CREG?") == "0,1"
    modem.ask("AT+COPS=3,2")
    assert modem.value("AT+COPS?") == '0,2,"310260",7'


def test_manual_selection_and_deregistration() -> None:
    modem = terminal()
    assert modem.ask('AT+COPS=1,2,"23410"', within=90)[-1].startswith("+CME ERROR")
    assert modem.ask("AT+COPS=0") == ["OK"]
    assert modem.value("AT+CREG?") == "0,1"
    assert modem.ask("AT+COPS=2") == ["OK"]
    assert modem.value("AT+COPS?") == "2"
    assert modem.value("AT+CREG?") == "0,0"


def test_scan_lists_each_network_once() -> None:
    reply = terminal().value("AT+COPS=?")
    assert reply.count('"23430"') == 1
    assert reply.startswith('(2,"EE","EE","23430",7),(3,')
    assert reply.endswith(",,(0,1,2,3,4),(0,1,2)")


def clock_of(modem: Terminal) -> str:
    return modem.value("AT+CCLK?").strip('"')


def test_the_clock_is_unset_until_the_network_tells_the_time() -> None:
    modem = terminal()
    assert clock_of(modem).startswith("26/01/05,09:00:")
    modem.inject("clock_unset")
    modem.ask("AT+CFUN=1,1")
    modem.pass_time(40)
    modem.raw("AT", within=1)
    assert clock_of(modem).startswith("80/01/06")
    assert modem.value("AT+QLTS") == '""'
    modem.ask('AT+CCLK="26/07/01,10:00:00+04"')
    assert clock_of(modem) == "26/07/01,09:00:00+04"  # an EC25 shows UTC unless +CTZU=3


def test_codes_are_answered_after_ok_in_the_alphabet_asked_for() -> None:
    modem = terminal()
    modem.ask("AT+CUSD=1")
    assert modem.ask('AT+CUSD=1,"*#100#",15') == ["OK"]
    assert '\r\n+CUSD: 0,"Your number is +447700900001",15\r\n' in modem.pass_time(3)
    modem.ask('AT+CSCS="UCS2"')
    assert modem.ask(f'AT+CUSD=1,"{"*99#".encode("utf-16-be").hex()}",15') == ["OK"]
    assert modem.pass_time(3) == "\r\n+CUSD: 4\r\n"
    modem.ask('AT+CSCS="GSM"')
    assert modem.ask('AT+CUSD=1,"hello"') == ["+CME ERROR: 50"]
    assert modem.value("AT+CUSD?") == "1"
    modem.ask('AT+CUSD=0,"*#100#"')
    assert not modem.pass_time(3)
    modem.ask("AT+CFUN=4")
    assert modem.ask('AT+CUSD=1,"*#100#"') == ["+CME ERROR: 30"]


def test_manual_selection_that_fails_may_fall_back_and_may_be_tried_again() -> None:
    modem = terminal()
    assert modem.ask('AT+COPS=4,2,"23410"', within=90) == ["OK"]
    assert modem.value("AT+COPS?") == '0,2,"23430",7'
    asked: list[str] = []
    registration = modem.modem.registration
    registration.on_change = lambda: asked.append(registration.stat.name)
    for _ in range(2):  # a network that refused once is asked again when it is wanted by name
        assert modem.ask('AT+COPS=1,2,"23410"', within=90)[-1] == "+CME ERROR: 30"
    assert asked.count("DENIED") == 2


class SlowNetwork:
    """A carrier in another process: it answers when the test says so."""

    def __init__(self) -> None:
        self.asked: list[Callable[[Verdict], None]] = []

    def ask_attach(self, answer: Callable[[Verdict], None], *, iccid: str, imsi: str, imei: str) -> None:
        assert iccid
        assert imsi
        assert imei
        self.asked.append(answer)


def test_an_answer_to_an_attempt_that_was_given_up_counts_for_nothing() -> None:
    network = SlowNetwork()
    modem = terminal(network=network)
    modem.ask("AT+CFUN=4")
    modem.ask("AT+CFUN=1")
    modem.pass_time(5)
    first, second = network.asked
    first(Verdict(accepted=False, cause=8))
    assert modem.value("AT+CREG?") == "0,2"
    second(Verdict(accepted=True))
    assert modem.value("AT+CREG?") == "0,1"
    first(Verdict(accepted=False, cause=8))
    assert modem.value("AT+CREG?") == "0,1"


def test_a_network_that_never_answers_is_asked_again() -> None:
    network = SlowNetwork()
    modem = terminal(network=network)
    modem.pass_time(30)
    assert len(network.asked) == 2  # T3410, then T3411
    network.asked[1](Verdict(accepted=True))
    assert modem.value("AT+CREG?") == "0,1"


def test_the_signal_index_is_the_measured_level() -> None:
    modem = terminal()
    for _ in range(30):
        modem.pass_time(20, step=5)
        device = modem.modem
        assert device.registration.cell is not None
        modem.type(b"AT+CSQ\r")
        index = int(modem.pass_time(0.02, step=0.001).partition("+CSQ: ")[2].split(",")[0])
        level = device.air.measure(device.registration.cell, device.agenda.now).rssi
        assert -0.3 <= level + 113 - 2 * index < 2.3  # it is steps of 2 dB from -113 dBm


def test_networks_that_share_their_radio_are_home() -> None:
    for imsi in ("234330000000001", "234760000000001"):
        card = Uicc(Subscription(iccid="8944300000000000008", imsi=imsi))
        assert terminal(card=card, air=Air(cells_of("23430"), seed=3)).value("AT+CREG?") == "0,1"


def test_a_network_that_refused_is_asked_again_when_it_is_wanted_by_name() -> None:
    network = OpenNetwork(refusal=13)
    modem = terminal(network=network, air=Air(cells_of("23430"), seed=3))
    assert modem.value("AT+CREG?") == "0,3"
    network.refusal = None
    modem.pass_time(600, step=10)
    assert modem.value("AT+CREG?") == "0,3"
    assert modem.ask('AT+COPS=1,2,"23430"') == ["OK"]
    assert modem.value("AT+CREG?") == "0,1"


def test_huaweis_cells_are_written_in_hexadecimal() -> None:
    modem = terminal("huawei-me909")
    modem.ask("AT^CURC=0")
    cell = modem.modem.registration.cell
    assert cell is not None
    start = f"^MONSC: LTE,{cell.plmn[:3]},{cell.plmn[3:]},{cell.earfcn},{cell.cell_id:X},{cell.pci:X},{cell.tac:X},-"
    (line, final) = modem.ask("AT^MONSC")
    assert line.startswith(start)
    assert (line.count(","), final) == (9, "OK")
    assert all(line.startswith(("^MONNC: LTE,", "^MONNC: NONE")) for line in modem.ask("AT^MONNC")[:-1])
    modem.ask("AT+CFUN=4")
    assert modem.ask("AT^MONSC") == ["^MONSC: NONE", "OK"]


def test_simcoms_network_mode_is_kept_and_its_receiver_has_no_position() -> None:
    modem = terminal("simcom-sim7600")
    assert modem.ask("AT+CNMP=38") == ["OK"]
    assert modem.value("AT+CNMP?") == "38"
    assert modem.ask("AT+CNMP=3")[-1].startswith("+CME ERROR")
    assert modem.value("AT+CGPS?") == "0,1"
    assert modem.ask("AT+CGPS=1") == ["OK"]
    assert modem.value("AT+CGPS?") == "1,1"
    assert modem.ask("AT+CGPS=0") == ["OK"]
    assert modem.pass_time(1.5) == "\r\n+CGPS: 0\r\n"
    assert modem.ask("AT+CGPSINFO") == ["+CGPSINFO: ,,,,,,,,", "OK"]
    assert modem.ask("AT+SIMCOMATI")[3:] == [f"IMEI: {modem.modem.imei}", "OK"]
