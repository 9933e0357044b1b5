"""Faults that touch a port, a card, a radio or the whole modem, as a terminal sees them."""

import pytest

from tests.unit.simulator.modem.talk import Terminal, terminal


def test_a_hanging_port_swallows_and_comes_back() -> None:
    first = terminal()
    second = first.other()
    number = first.inject("hang_port")
    assert first.ask("AT", within=5) == []
    assert second.ask("AT") == ["OK"]
    first.faults.clear(number)
    assert first.ask("AT") == ["OK"]


def test_at_another_speed_both_ends_hear_noise_on_that_port_alone() -> None:
    first = terminal()
    second = first.other()
    number = first.inject("baud_mismatch")
    heard = first.type(b"AT+CGMM\r") + first.pass_time(1)
    assert heard
    assert all(character >= "\x80" for character in heard)
    first.modem.urc("+CREG: 5")
    assert "CREG" not in first.pass_time(0.1)
    assert second.ask("AT+CGMM")[-2:] == ["EC25", "OK"]
    first.faults.clear(number)
    assert first.ask("AT+CGMM")[-2:] == ["EC25", "OK"]  # the noise before it is no command


def test_a_hanging_modem_is_silent_everywhere() -> None:
    first = terminal()
    second = first.other()
    number = first.inject("hang_all")
    assert first.ask("AT", within=5) == second.ask("AT", within=5) == []
    first.faults.clear(number)
    assert second.ask("AT") == ["OK"]


def test_a_late_reply_comes_before_the_answer_to_the_next_command() -> None:
    modem = terminal()
    modem.inject("late_reply", seconds=4.0)
    modem.type(b"AT+CGMM\r")
    assert "EC25" not in modem.pass_time(3)
    modem.type(b"AT+CMEE?\r")
    said = modem.pass_time(8)
    assert said.index("EC25") < said.index("+CMEE: 1")


def test_a_lost_ok() -> None:
    modem = terminal()
    number = modem.inject("lost_ok")
    assert modem.ask("AT+CGMM", within=3) == ["EC25"]
    modem.faults.clear(number)
    assert modem.ask("AT+CGMM") == ["EC25", "OK"]


def test_fragments_arrive_one_byte_at_a_time_and_in_order() -> None:
    modem = terminal()
    modem.inject("fragments")
    modem.type(b"AT+CGMM\r")
    pieces = [modem.pass_time(0.001, step=0.001) for _ in range(200)]
    assert max(len(piece) for piece in pieces) <= 2  # a millisecond is one byte; the clock's rounding may join two
    assert "".join(pieces) == "AT+CGMM\r\r\nEC25\r\n\r\nOK\r\n"


def test_merged_replies_come_in_one_piece() -> None:
    modem = terminal()
    modem.inject("merged_replies", seconds=0.5)
    modem.type(b"AT+CGMM\rAT+CMEE?\r")
    pieces = [piece for piece in (modem.pass_time(0.05, step=0.05) for _ in range(20)) if piece]
    assert len(pieces) == 1
    assert pieces[0].count("OK") == 2


def test_garbage_and_nul_before_a_reply() -> None:
    modem = terminal()
    modem.ask("ATE0")
    modem.inject("garbage", bytes=5)
    modem.inject("nul", bytes=3)
    said = modem.type(b"AT\r")
    assert len(said) == 5 + 3 + len("\r\nOK\r\n")
    assert said.endswith("\0\0\0\r\nOK\r\n")
    assert all(ord(character) >= 0x80 for character in said[:5])


def test_an_unsolicited_line_between_information_and_ok() -> None:
    modem = terminal()
    modem.inject("urc_inside_reply", line="+CREG: 5")
    assert modem.ask("AT+CGMM") == ["EC25", "+CREG: 5", "OK"]


@pytest.mark.parametrize(
    ("personality", "line"),
    [("quectel-ec25", "+QIND:"), ("huawei-me909", "^RSSI:"), ("zte-mf833", "+ZUSIMR:2"), ("simcom-sim7600", "+CSQ:")],
)
def test_a_flood_fits_the_personality_and_ends(personality: str, line: str) -> None:
    modem = terminal(personality)
    number = modem.inject("urc_flood", per_second=20)
    assert 18 <= modem.pass_time(1).count(line) <= 23
    assert "OK" in modem.raw("AT")
    modem.faults.clear(number)
    modem.pass_time(1)
    assert modem.pass_time(1).count(line) <= 1


def test_a_reboot_loses_what_is_not_stored() -> None:
    modem = terminal()
    modem.ask("ATE0")
    modem.inject("reboot")
    assert "RDY" in modem.pass_time(40)
    modem.raw("AT", within=1)
    assert modem.raw("AT").startswith("AT\r")


def test_a_sim_taken_out_and_put_back() -> None:
    modem = terminal()
    number = modem.inject("sim_removed")
    assert "+CPIN: NOT READY" in modem.pass_time(1)
    assert modem.ask("AT+CPIN?") == ["+CME ERROR: 10"]
    modem.faults.clear(number)
    modem.pass_time(8)
    assert modem.value("AT+CREG?") == "0,1"


def test_a_pin_wanted() -> None:
    modem = terminal()
    number = modem.inject("pin_wanted", pin="4444")
    modem.pass_time(1)
    assert modem.value("AT+CPIN?") == "SIM PIN"
    assert modem.value("AT+CREG?") == "0,0"
    assert modem.ask("AT+CPIN=4444") == ["OK"]
    modem.pass_time(8)
    assert modem.value("AT+CREG?") == "0,1"
    modem.faults.clear(number)
    modem.pass_time(8)
    assert modem.value("AT+CPIN?") == "READY"
    # Nothing is asked for, so nothing may be given (TS 27.007 clause 8.3).
    assert modem.ask("AT+CPIN=4444") == ["+CME ERROR: 3"]


def test_a_denial_throws_out_and_refuses_until_cleared() -> None:
    modem = terminal()
    number = modem.inject("denied", cause=8)
    modem.pass_time(20)
    modem.ask("AT+CEREG=3")
    assert modem.value("AT+CEREG?") == "3,3,,,,0,8"
    modem.faults.clear(number)
    modem.pass_time(60)
    assert modem.value("AT+CEREG?").startswith("3,3")
    cycle_radio(modem)
    assert modem.value("AT+CEREG?").startswith("3,1")


def cycle_radio(modem: Terminal) -> None:
    modem.ask("AT+CFUN=4")
    modem.ask("AT+CFUN=1")
    modem.pass_time(8)


def test_roaming_and_back() -> None:
    modem = terminal()
    modem.ask("AT+CREG=1")
    number = modem.inject("roaming", plmn="20801")
    assert "+CREG: 5" in modem.pass_time(8)
    assert modem.value("AT+COPS?") == '0,0,"Orange F",7'
    modem.faults.clear(number)
    assert "+CREG: 1" in modem.pass_time(8)


def test_usb_leaves_and_returns_with_other_numbers() -> None:
    modem = terminal()
    seen: list[tuple[bool, int]] = []
    modem.modem.usb_listeners.append(lambda attached, shift: seen.append((attached, shift)))
    number = modem.inject("usb_disconnect")
    modem.faults.clear(number)
    modem.inject("usb_renumber", seconds=2.0)
    modem.pass_time(3)
    assert seen == [(False, 0), (True, 0), (False, 0), (True, 1)]
    assert modem.ask("AT") == ["OK"]


def test_a_power_cut_ends_in_a_fresh_start() -> None:
    modem = terminal()
    modem.inject("power_cut", seconds=5.0)
    assert modem.ask("AT", within=3) == []
    assert "RDY" in modem.pass_time(40)
