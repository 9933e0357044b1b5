"""The line splitter, the validators, the deadlines and the event buffer: small laws."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.at.commands import Arrival, ChannelEvent, Command, EventsLost, Unsolicited, Urc, UrcTable
from firmware_bridge.at.deadlines import deadline_for
from firmware_bridge.at.event_buffer import EventBuffer
from firmware_bridge.at.lines import LineSplitter
from firmware_bridge.at.validators import is_imei, is_imeisv, is_imsi, is_pdu, is_text, luhn_holds

LIMIT = 12
PIECES = [b"\r", b"\n", b"\r\n", b"\0", b"a", b"bc", b"x" * 11, b"y" * 30, b">", b" "]
NOISE = st.lists(st.sampled_from(PIECES), max_size=30)


@given(NOISE, st.lists(st.integers(0, 300), max_size=10))
def test_lines_do_not_depend_on_the_chunks(pieces: list[bytes], cuts: list[int]) -> None:
    data = b"".join(pieces)
    whole = LineSplitter(LIMIT)
    expected = whole.feed(data)
    cut = LineSplitter(LIMIT)
    borders = sorted({0, len(data), *(place for place in cuts if place < len(data))})
    lines = [line for start, stop in itertools.pairwise(borders) for line in cut.feed(data[start:stop])]
    assert lines == expected
    assert cut.partial == whole.partial
    assert len(cut.partial) <= LIMIT


def test_a_line_that_is_too_long_is_dropped_whole() -> None:
    splitter = LineSplitter(LIMIT)
    assert splitter.feed(b"z" * 100) == []
    assert splitter.feed(b"z" * 100 + b"\r\nOK\r\n") == ["\x7f", "OK"]
    assert splitter.dropped == 199  # one stands for them


@pytest.mark.parametrize(
    ("text", "deadline"),
    [
        ("AT", 3.0),
        ("AT+CSQ", 3.0),
        ("AT+CPIN?", 50.0),
        ("AT+COPS=?", 315 * 1.1),
        ("AT+COPS=3,2;+COPS?", 180 * 1.1),
        ("AT+CGACT=1,1", 165.0),
        ("ATD*99#", 165.0),
        ("AT+CFUN?", 3.0),
        ("AT+CFUN=1,1", 16.5),
        ("nonsense", 3.0),
        ("at+cops=?", 315 * 1.1),
        ("AT+COPS?", 33.0),
        ("AT+COPS=0", 198.0),
        ("AT+CSQ;+COPS=?;+CSQ", 315 * 1.1),
        ("AT+CGATT=1", 154.0),
        ("AT+CGATT?", 3.0),
        ("AT+CGACT?", 3.0),
        ("AT+CFUN=4", 16.5),
        ('AT+CPIN="1234"', 16.5),
        ('AT+CLCK="SC",2', 16.5),
        ('AT+CPWD="SC","1","2"', 16.5),
        ("AT+CRSM=176,12258,0,0,10", 10.0),
        ('AT+CSIM=10,"0020000100"', 10.0),
        ('AT+QPINC="SC"', 10.0),
        ("AT+CMGL=4", 27.5),
        ("AT+CMGD=1", 27.5),
        ("AT+CMGS=30", 132.0),
        ('AT+CPMS="ME"', 16.5),
        ("AT+CPMS?", 3.0),
        ("AT+QPOWD", 11.0),
        ("AT$QCRMCALL=1,1", 165.0),
        ("AT$QCRMCALL?", 3.0),
        ("AT+NETOPEN", 132.0),
        ("AT+NETOPEN?", 3.0),
        ("AT+NETCLOSE", 132.0),
        ('AT^NDISDUP=1,1,"internet"', 165.0),
        ("AT^NDISSTATQRY?", 3.0),
        ("AT+QPOWD=1", 11.0),
        ('AT+CUSD=1,"*100#"', 132.0),
        ("AT+CCFC=0,2", 132.0),
        ("AT+CMSS=3", 132.0),
        ('AT+CGDATA="PPP",1', 165.0),
        ("AT+QIACT=1", 165.0),
        ("AT+QIDEACT=1", 44.0),
        ('AT+QNWLOCK="common/4g",0', 33.0),
        ("AT+ZGACT=1,1", 165.0),
        ("AT+CSQ; +COPS?", 33.0),
        ("ATA", 99.0),
        ("ATH", 99.0),
    ],
)
def test_deadlines_keep_reads_and_the_network_apart(text: str, deadline: float) -> None:
    assert deadline_for(text) == pytest.approx(deadline)


def test_imei_has_a_check_digit_and_imeisv_has_none() -> None:
    assert is_imei("490154203237518")
    assert not is_imei("490154203237519")
    assert not is_imei("000000000000000")
    assert not is_imei("49015420323751²")
    assert is_imeisv("4901542032375100")
    assert is_imsi("23430410000001")
    assert not is_imsi("2343041000000")


@given(st.text(st.sampled_from("0123456789"), min_size=1, max_size=20))
def test_one_changed_digit_breaks_the_luhn_sum(digits: str) -> None:
    changed = digits[:-1] + str((int(digits[-1]) + 1) % 10)
    assert not (luhn_holds(digits) and luhn_holds(changed))


def test_other_bare_lines() -> None:
    assert is_text("EC25EFAR06A03M4G")
    assert not is_text("+CREG: 1")
    assert not is_text("AT+CGMM")
    assert is_pdu("0000", 1)
    assert not is_pdu("0000", 2)


def test_commands_are_shown_without_their_secrets() -> None:
    assert Command("AT+CPIN=1234", secret=True).shown == "AT+CPIN=…"
    with pytest.raises(ValueError, match="printable"):
        Command("AT\r")


def taken(buffer: EventBuffer) -> list[ChannelEvent]:
    events = []
    while (event := buffer.take()) is not None:
        events.append(event)
    return events


URCS = UrcTable([Urc("^RSSI", Arrival.LATEST), "+CMTI"])


def test_floods_keep_their_newest_and_the_rest_its_order() -> None:
    buffer = EventBuffer(URCS, 8)
    for number in range(1000):
        buffer.put(Unsolicited("^RSSI", (str(number),), f"^RSSI:{number}"))
        if number in {10, 20}:
            buffer.put(Unsolicited("+CMTI", ("ME", str(number)), "+CMTI"))
    assert [event.parameters[-1] for event in taken(buffer) if isinstance(event, Unsolicited)] == ["10", "20", "999"]
    assert buffer.coalesced == 999 - 0
    assert buffer.lost == 0


@given(st.lists(st.one_of(st.just("^RSSI"), st.just("+CMTI"), st.none()), max_size=200))
def test_nothing_is_lost_silently(steps: list[str | None]) -> None:
    buffer = EventBuffer(URCS, 5)
    put = got = told = 0
    for name in steps:
        if name is None:
            event = buffer.take()
            told += event.number if isinstance(event, EventsLost) else 0
            got += isinstance(event, Unsolicited)
        else:
            buffer.put(Unsolicited(name, (), name))
            put += 1
        assert len(buffer) <= 6
    for event in taken(buffer):
        told += event.number if isinstance(event, EventsLost) else 0
        got += isinstance(event, Unsolicited)
    assert put == got + told + buffer.coalesced
