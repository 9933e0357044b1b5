"""The line discipline of a port, as a terminal sees it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.simulator.modem.talk import terminal


def test_echo_ends_with_cr_and_the_reply_is_framed() -> None:
    assert terminal().raw("AT+CGMM") == "AT+CGMM\r\r\nEC25\r\n\r\nOK\r\n"


def test_lower_case_line_feeds_and_spaces_do_not_matter() -> None:
    modem = terminal()
    assert modem.ask("at+cgmm")[-2:] == ["EC25", "OK"]
    assert modem.type(b"\nAT +CMEE =  2\r\n") == "AT +CMEE =  2\r"
    assert modem.pass_time(0.2) == "\r\nOK\r\n"
    assert modem.value("AT+CMEE?") == "2"


def test_a_chain_stops_at_the_first_error() -> None:
    modem = terminal()
    assert modem.ask("AT+CGMM;+NOSUCH;+CMEE=2") == ["EC25", "ERROR"]
    assert modem.value("AT+CMEE?") == "1"


def test_echo_numbers_and_silence() -> None:
    modem = terminal()
    modem.ask("ATE0")
    assert modem.raw("AT+CMEE?") == "\r\n+CMEE: 1\r\n\r\nOK\r\n"
    modem.type(b"ATV0\r")
    assert modem.pass_time(0.2) == "0\r"
    modem.type(b"AT+CMEE?\r")
    assert modem.pass_time(0.2) == "+CMEE: 1\r\n0\r"
    modem.type(b"ATQ1\r")
    modem.pass_time(0.2)
    modem.type(b"AT+NOSUCH\r")
    assert not modem.pass_time(0.2)


@pytest.mark.parametrize(
    "line",
    [
        "ATE2",
        "ATV2",
        "ATQ3",
        "ATX9",
        "AT&C3",
        "AT&D7",
        "ATH2",
        "ATZ5",
        "AT&F5",
        "AT&W5",
        "ATS99?",
        "ATS0=300",
        "ATS3=200",
    ],
)
def test_basic_commands_know_no_error_but_one(line: str) -> None:
    modem = terminal()
    modem.ask("AT+CMEE=2")
    assert modem.ask(line) == ["ERROR"]


def test_a_chain_of_basic_commands_needs_no_separator_and_keeps_what_came_before_an_error() -> None:
    modem = terminal()
    assert modem.ask("ATE0V1Q0X4&C1&D2S0=0S7=55+CMEE=2;+CREG=1") == ["OK"]
    assert modem.value("ATS7?") == "055"
    assert modem.ask("ATS7=60V2E1")[-1] == "ERROR"
    assert modem.value("ATS7?") == "060"
    assert modem.raw("AT") == "\r\nOK\r\n"  # E1 stood behind the error


@pytest.mark.parametrize("line", ["AT+CMEE?" + "x" * 1100, "AT" + "x" * 6000])
def test_a_line_too_long_is_one_error_and_the_port_goes_on(line: str) -> None:
    modem = terminal()
    modem.ask("ATE0")
    assert modem.ask(line) == ["ERROR"]
    assert modem.ask("AT+CGMM") == ["EC25", "OK"]


def test_what_stands_before_at_is_nothing_and_a_line_without_it_is_no_command() -> None:
    modem = terminal()
    modem.ask("ATE0")
    assert modem.ask("\0\0xxAT+CGMM") == ["EC25", "OK"]
    for stray in (b"garbage\r", b"\x1a", b"\x1b\r", b"\r", b"A /\r"):
        assert modem.type(stray) + modem.pass_time(1) == ""
    assert modem.ask("AT+CGMM") == ["EC25", "OK"]


def test_every_command_is_listed() -> None:
    listed = terminal().ask("AT+CLAC")
    assert {"AT+CSQ", "AT&F", "ATD", "AT+QENG", "AT+CUSD"} <= set(listed)
    assert listed[-1] == "OK"


@pytest.mark.parametrize("settings", ["ATE0", "ATV0", "ATS3=90", "ATS5=67"])
def test_a_line_written_at_a_stroke_is_answered_as_one_that_is_typed(settings: str) -> None:
    at_a_stroke, typed = terminal(), terminal()
    for line in (
        b"ATCGMM",
        b"at+cmee?;+CGMI",
        b"AT+NOSUCH",
        b"AT?=",
        b"AT+CG\x08GMM",
        b"AT+CGMX\x7fM",
        b"AT\0+CGMM",
        b"ATZZ",
    ):
        answers = []
        for modem in (at_a_stroke, typed):
            modem.ask(settings)
            pieces = [line + b"\r"] if modem is at_a_stroke else [bytes([octet]) for octet in line + b"\r"]
            said = "".join(map(modem.type, pieces)) + modem.pass_time(0.3, step=0.3)
            answers.append(said + modem.type(b"A/") + modem.pass_time(0.3, step=0.3))
        assert answers[0] == answers[1], line


def test_a_line_written_at_a_stroke_is_lost_to_a_booting_modem_like_any_other() -> None:
    modem = terminal(up=False)
    modem.pass_time(modem.modem.personality.ports_after_s[1] + 0.1)
    assert "EC25" not in modem.type(b"AT+CGMM\r") + modem.pass_time(0.3)
    assert "EC25" in modem.type(b"AT+CGMM\r") + modem.pass_time(0.3)


def test_the_editing_character_is_what_s5_says() -> None:
    modem = terminal()
    modem.ask("ATS5=35")
    assert modem.ask("AT+CGMX#M")[-2:] == ["EC25", "OK"]


def test_a_slash_repeats_the_last_line_without_cr() -> None:
    modem = terminal()
    modem.ask("AT+CMEE?")
    modem.type(b"A/")
    assert modem.pass_time(0.2) == "\r\n+CMEE: 1\r\n\r\nOK\r\n"


def test_backspace_edits() -> None:
    assert terminal().ask("AT+CGMX\x08M")[-2:] == ["EC25", "OK"]


def test_errors_as_word_number_and_text() -> None:
    modem = terminal(no_card=True)
    assert modem.ask("AT+CPIN?") == ["+CME ERROR: 10"]
    modem.ask("AT+CMEE=0")
    assert modem.ask("AT+CPIN?") == ["ERROR"]
    modem.ask("AT+CMEE=2")
    assert modem.ask("AT+CPIN?") == ["+CME ERROR: SIM not inserted"]


def test_profiles() -> None:
    modem = terminal()
    modem.ask("ATE0+CMEE=2")
    modem.ask("AT&W")
    modem.ask("AT&F")
    assert modem.value("AT+CMEE?") == "1"
    modem.ask("ATZ")
    assert modem.value("AT+CMEE?") == "2"
    modem.ask("ATE1V1&F")
    modem.ask("AT+CFUN=1,1")
    modem.pass_time(40)
    modem.raw("AT", within=1)
    assert modem.value("AT+CMEE?") == "2"  # what &W stored is what a start finds


def test_a_restart_forgets_what_was_not_stored() -> None:
    modem = terminal()
    modem.ask('ATE0+CMEE=2;+CREG=2;+CGDCONT=1,"IP","everywhere"')
    modem.ask("AT+CFUN=1,1")
    boot = modem.pass_time(40)
    assert boot.index("RDY") < boot.index("+CFUN: 1") < boot.index("+CPIN: READY") < boot.index("PB DONE")
    assert modem.raw("AT", within=2) == "AT\r"  # the first command after a start is lost
    assert modem.raw("AT+CMEE?").startswith("AT+CMEE?\r")  # echo is back
    assert modem.value("AT+CMEE?") == "1"
    assert modem.value("AT+CREG?") == "0,1"
    assert modem.value("AT+CGDCONT?").startswith('1,"IP","everywhere"')  # contexts are in flash


def test_the_escape_sequence_needs_its_silences() -> None:
    modem = terminal()
    modem.ask('AT+CGDCONT=1,"IP","everywhere"')
    assert modem.ask("ATD*99***1#")[-1].startswith("CONNECT")
    modem.type(b"data+++data")
    assert not modem.pass_time(3)
    modem.type(b"data")
    modem.type(b"+++")  # no silence before it
    assert not modem.pass_time(3)
    modem.type(b"++++")
    assert not modem.pass_time(3)
    modem.type(b"+++")
    modem.pass_time(0.5)
    modem.type(b"data")  # none behind it
    assert not modem.pass_time(3)
    modem.type(b"+++")
    assert not modem.pass_time(0.5)
    assert modem.pass_time(1) == "\r\nOK\r\n"
    assert modem.ask("ATO")[-1].startswith("CONNECT")
    modem.pass_time(2)
    modem.type(b"+++")
    modem.pass_time(2)
    assert modem.ask("ATH") == ["OK"]
    assert modem.ask("ATO") == ["NO CARRIER"]
    assert modem.value("AT+CGACT?") == "1,0"


def test_ports_share_the_modem_but_not_their_line_settings() -> None:
    first = terminal()
    second = first.other()
    first.ask("ATE0+CREG=2;+CMEE=2")
    assert second.raw("AT+CMEE?").startswith("AT+CMEE?\r\r\n+CMEE: 1")
    first.ask('AT+CGDCONT=3,"IP","shared";+COPS=3,2')
    assert second.value("AT+CGDCONT?").startswith('3,"IP","shared"')
    assert second.value("AT+COPS?") == '0,2,"23430",7'
    first.ask("AT+CFUN=4")
    assert second.value("AT+CFUN?") == "4"


def test_typing_ahead_is_answered_in_order() -> None:
    modem = terminal()
    modem.type(b"AT+CGMM\rAT+CMEE?\rAT+CGMI\r")
    text = modem.pass_time(1)
    assert text.index("EC25") < text.index("+CMEE: 1") < text.index("Quectel")


def test_an_empty_line_behind_ctrl_z_leaves_no_trace() -> None:
    modem = terminal("simcom-sim7600")
    modem.ask("AT+CMGF=1")
    assert modem.raw('AT+CMGS="+447700900555"').endswith("> ")
    assert modem.type(b"hello\r") == "hello\r\n> "
    modem.type(b"\x1a\r")
    assert modem.pass_time(5).endswith("\r\nOK\r\n")
    assert modem.type(b"\r") == "\r"  # on an idle port it is echoed as anything is


def test_a_scan_is_aborted_by_any_character() -> None:
    modem = terminal()
    modem.type(b"AT+COPS=?\r")
    modem.pass_time(2)
    assert "OK" in modem.type(b"x")
    assert modem.ask("AT+CGMM")[-2:] == ["EC25", "OK"]


@settings(max_examples=60)
@given(st.lists(st.binary(max_size=40), max_size=8))
def test_any_bytes_leave_a_port_that_answers(chunks: list[bytes]) -> None:
    modem = terminal(up=True)
    for chunk in chunks:
        modem.type(chunk)
        modem.pass_time(0.5)
    modem.type(b"\x1b\r")
    modem.pass_time(60, step=1)
    modem.modem.ports["first"].reset()
    assert modem.ask("AT")[-1] == "OK"


def test_unsolicited_lines_wait_while_a_port_takes_text_or_carries_data() -> None:
    modem = terminal()
    modem.ask('AT+CMGF=1;+CGDCONT=1,"IP","everywhere"')
    modem.raw('AT+CMGS="+447700900001"')
    modem.modem.urc("+CREG: 5")
    assert not modem.pass_time(1)
    assert modem.type(b"\x1b") == "\r\nOK\r\n\r\n+CREG: 5\r\n"
    modem.raw("ATD*99#")
    for number in range(300):
        modem.modem.urc(f"+CREG: {number}")
    modem.pass_time(2)
    modem.type(b"+++")
    said = modem.pass_time(2)
    assert said.startswith("\r\nOK\r\n\r\n+CREG: 0\r\n")
    assert said.count("+CREG") == 200  # the newest are dropped


def test_what_nobody_reads_is_bounded_and_the_oldest_is_kept() -> None:
    modem = terminal()
    modem.modem.urc("first")
    for _ in range(10_000):
        modem.modem.urc("+CREG: 5")
    kept = modem.modem.ports["first"].take()
    assert kept.startswith(b"\r\nfirst\r\n")
    assert len(kept) == 65536
    assert modem.ask("AT+CGMM")[-1] == "OK"
