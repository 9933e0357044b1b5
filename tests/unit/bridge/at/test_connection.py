"""Bytes to events: every line is judged by the declared shape, the table and the validators; never by chunks."""

import pytest

from firmware_bridge.at.assembly import MAX_REPLY_LINES, MAX_SPAN, MAX_SPAN_LINES
from firmware_bridge.at.commands import (
    DIAL,
    LINES,
    Bare,
    Command,
    FinalKind,
    Messages,
    NoInfo,
    Prefixed,
    Prompted,
    Rebooted,
    Reply,
    Unsolicited,
    Urc,
)
from firmware_bridge.at.connection import NEED_DATA, Answered, Connection, PromptSeen
from firmware_bridge.at.forms import has_parameters, is_registration_read
from firmware_bridge.at.urcs import GENERIC
from firmware_bridge.at.validators import is_imei, is_imsi, is_text

URCS = GENERIC.extended(
    "^RSSI", "+QSIMSTAT", Urc("+NETOPEN", form=has_parameters(1)), Urc("^SYSSTART", reboot=True), "^NDISSTAT"
)
CSQ = Command("AT+CSQ", Prefixed("+CSQ"))
CEREG = Command("AT+CEREG?", Prefixed("+CEREG", form=is_registration_read))
IMEI = Command("AT+CGSN", Bare(is_imei, ("+CGSN",)))
PDU = "07911326040000F0040B911346610089F60000208062917314080CC8F71D14969741F977FD07"


def run(command: Command, data: bytes, *, chunk: int = 0) -> list[object]:
    connection = Connection(URCS, in_step=True)
    connection.send(command)
    return feed(connection, data, chunk=chunk)


def feed(connection: Connection, data: bytes, *, chunk: int = 0) -> list[object]:
    events: list[object] = []
    for start in range(0, len(data), chunk or len(data) or 1):
        connection.receive_data(data[start : start + (chunk or len(data))])
        while (event := connection.next_event()) is not NEED_DATA:
            events.append(event)
    return events


def reply_of(events: list[object]) -> Reply:
    (answered,) = [event for event in events if isinstance(event, Answered)]
    return answered.reply


# Every row: a command, the bytes, the lines of its reply, its final.
REPLIES: list[tuple[Command, bytes, tuple[str, ...], FinalKind, int | None]] = [
    (CSQ, b"\r\n+CSQ: 21,99\r\n\r\nOK\r\n", ("+CSQ: 21,99",), FinalKind.OK, None),
    (CSQ, b"AT+CSQ\r\r\n+CSQ: 21,99\r\n\r\nOK\r\n", ("+CSQ: 21,99",), FinalKind.OK, None),
    (CSQ, b"AT+CSQ\r+CSQ: 21,99\r\nOK\r\n", ("+CSQ: 21,99",), FinalKind.OK, None),
    (CSQ, b"at+csq\r\r\n+CSQ: 21,99\r\r\n\r\r\nOK\r\r\n", ("+CSQ: 21,99",), FinalKind.OK, None),
    (CSQ, b"\0\0\0\r\n+CSQ: 21,99\r\n\0\r\nOK\r\n", ("+CSQ: 21,99",), FinalKind.OK, None),
    (CSQ, b"+CSQ: 21,99\nOK\n", ("+CSQ: 21,99",), FinalKind.OK, None),
    (CSQ, b"\r\n+CSQ:21,99 \r\n\r\n OK \r\n", ("+CSQ:21,99 ",), FinalKind.OK, None),
    (CSQ, b"\r\n+csq: 21,99\r\n\r\nOK\r\n", ("+CSQ: 21,99",), FinalKind.OK, None),
    (CSQ, b"+CSQ: 21,99\r\n0\r", ("+CSQ: 21,99",), FinalKind.OK, None),
    (CSQ, b"4\r", (), FinalKind.ERROR, None),
    (CSQ, b"\r\nERROR\r\n", (), FinalKind.ERROR, None),
    (CSQ, b"\r\n+CME ERROR: 14\r\n", (), FinalKind.CME, 14),
    (CSQ, b"\r\n+CME ERROR: SIM not inserted\r\n", (), FinalKind.CME, 10),
    (CSQ, b"\r\n+CME ERROR: the moon is full\r\n", (), FinalKind.CME, None),
    (CSQ, b"\r\n+CMS ERROR: 310\r\n", (), FinalKind.CMS, 310),
    (CSQ, b"\r\n+CMS ERROR: Memory full\r\n", (), FinalKind.CMS, 322),
    (CSQ, b"\r\nCOMMAND NOT SUPPORT\r\n", (), FinalKind.NOT_SUPPORTED, None),
    (CSQ, b"\r\nNA\r\n", (), FinalKind.NOT_SUPPORTED, None),
    (CSQ, b"\r\n+EXT ERROR: 7\r\n", (), FinalKind.VENDOR, 7),
    (CSQ, b"\r\nMODEM ERROR: 3\r\n", (), FinalKind.VENDOR, 3),
    (CSQ, b"\r\nOKAY then\r\n+CSQ: 1,99\r\nOK\r\n", ("+CSQ: 1,99",), FinalKind.OK, None),
    (CSQ, b"\r\nNO CARRIER\r\n+CSQ: 1,99\r\nOK\r\n", ("+CSQ: 1,99",), FinalKind.OK, None),
    (IMEI, b"\r\n490154203237518\r\n\r\nOK\r\n", ("490154203237518",), FinalKind.OK, None),
    (IMEI, b'\r\n+CGSN: "490154203237518"\r\n\r\nOK\r\n', ('+CGSN: "490154203237518"',), FinalKind.OK, None),
    (IMEI, b"\r\nRDY\r\n\r\n490154203237518\r\n\r\nOK\r\n", ("490154203237518",), FinalKind.OK, None),
    (IMEI, b"\r\n490154203237519\r\n490154203237518\r\nOK\r\n", ("490154203237518",), FinalKind.OK, None),
    (
        Command("AT+CIMI", Bare(is_imsi)),
        b"\r\n+CREG: 5\r\n\r\n234304100000001\r\n\r\nOK\r\n",
        ("234304100000001",),
        FinalKind.OK,
        None,
    ),
    (
        Command("AT+CGMR", Bare(is_text, ("+CGMR",))),
        b"AT+CGMR\r\r\n+CGMR: LE20B03SIM7600M22\r\n\r\nOK\r\n",
        ("+CGMR: LE20B03SIM7600M22",),
        FinalKind.OK,
        None,
    ),
    (
        Command("ATI", LINES),
        b"ATI\r\r\nQuectel\r\nEC25\r\nRevision: EC25EFAR06A03M4G\r\n+CREG: 1\r\n\r\nOK\r\n",
        ("Quectel", "EC25", "Revision: EC25EFAR06A03M4G"),
        FinalKind.OK,
        None,
    ),
    (
        Command("AT+CUSD?", Prefixed("+CNUM")),
        b'\r\n+CNUM: "a\r\nOK\r\n\r\nb","+447700900123",145\r\n\r\nOK\r\n',
        ('+CNUM: "a\nOK\n\nb","+447700900123",145',),
        FinalKind.OK,
        None,
    ),
    (
        Command("AT^DSFLOWQRY", Prefixed("^DSFLOWQRY", next_line=True)),
        b"\r\n^DSFLOWQRY:\r\n00000E8E,0000000000333ACC\r\n\r\nOK\r\n",
        ("^DSFLOWQRY:00000E8E,0000000000333ACC",),
        FinalKind.OK,
        None,
    ),
    (
        Command("AT^NDISSTATQRY?", Prefixed("^NDISSTATQRY")),
        b"\r\n^NDISSTATQry:1\r\n\r\nOK\r\n",
        ("^NDISSTATQRY:1",),
        FinalKind.OK,
        None,
    ),
    (Command("ATD*99***1#", DIAL), b"\r\nCONNECT 150000000\r\n", (), FinalKind.CONNECT, None),
    (Command("ATD*99***1#", DIAL), b"\r\nNO CARRIER\r\n", (), FinalKind.NO_CARRIER, None),
    (Command("AT+CGACT=1,1"), b"\r\nNO CARRIER\r\n", (), FinalKind.NO_CARRIER, None),
    (
        Command("AT+NETOPEN?", Prefixed("+NETOPEN", form=has_parameters(2))),
        b"\r\n+NETOPEN: 0\r\n\r\n+NETOPEN: 1,0\r\n\r\nOK\r\n",
        ("+NETOPEN: 1,0",),
        FinalKind.OK,
        None,
    ),
    (
        Command("AT+CMGL=4", Messages("+CMGL")),
        b"\r\n+CMGL: 1,0,,%d\r\n%s\r\n+CMGL: 2,1,,9\r\nOOPS\r\n\r\nOK\r\n" % (len(PDU) // 2 - 8, PDU.encode()),
        (f"+CMGL: 1,0,,{len(PDU) // 2 - 8}", PDU, "+CMGL: 2,1,,9", ""),
        FinalKind.OK,
        None,
    ),
    (
        Command("AT+CMGR=1", Messages("+CMGR", pdu=False)),
        (
            b'\r\n+CMGR: "REC UNREAD","+4477",,"26/11/21,22:40:00+04"\r\nfirst\r\nOK\r\nERROR\r\n+CMTI: "ME",1\r\n'
            b"last\r\n\r\nOK\r\n"
        ),
        (
            '+CMGR: "REC UNREAD","+4477",,"26/11/21,22:40:00+04"',
            'first\nOK\nERROR\n+CMTI: "ME",1\nlast',
        ),
        FinalKind.OK,
        None,
    ),
    (
        Command("AT+CMGR=1", Messages("+CMGR", pdu=False)),
        b'\r\n+CMGR: "REC READ","+4477",,"26/11/21,22:40:00+04",145,4,0,0,"",,8\r\nab\r\n\r\nOK\r\n\r\nOK\r\n',
        ('+CMGR: "REC READ","+4477",,"26/11/21,22:40:00+04",145,4,0,0,"",,8', "ab\n\nOK"),
        FinalKind.OK,
        None,
    ),
]


@pytest.mark.parametrize(("command", "data", "lines", "kind", "code"), REPLIES, ids=lambda value: repr(value)[:40])
@pytest.mark.parametrize("chunk", [0, 1, 3])
def test_replies(
    command: Command, data: bytes, lines: tuple[str, ...], kind: FinalKind, code: int | None, chunk: int
) -> None:
    reply = reply_of(run(command, data, chunk=chunk))
    assert reply.lines == lines
    assert reply.final.kind is kind
    assert reply.final.code == code


REGISTRATION = [
    # the line, whether it answers the read command
    ("+CEREG: 0,1", True),
    ("+CEREG: 1,3", True),
    ("+CEREG: 3", False),
    ('+CEREG: 2,1,"1A2B","01234567",7', True),
    ('+CEREG: 1,"1A2B","01234567",7', False),
    ('+CEREG: 2,"FFFE","FFFFFFF"', False),
    ("+CEREG: 2,,", False),
    ("+CEREG: 2,2,,", True),
    ("+CEREG: 3,3,,,,0,15", True),
    ("+CEREG: 3,,,,0,15", False),
    ('+CEREG: 3,3,"1A2B","01234567",7,0,15', True),
    ('+CEREG: 4,1,"1A2B","01234567",7,,,"00100001","01011111"', True),
    ('+CEREG: 1,"1A2B","01234567",7,,,"00100001","01011111"', False),
    ('+CEREG: 5,5,"1A2B","01234567",7,,,"00100001","01011111"', True),
    ('+CEREG: 5,"1A2B","01234567",7,0,15,"00100001","01011111"', False),
    ("+CEREG: 2,1, 1F00, 20 ,79D903 ,7", True),
    ("+CEREG: 1, 1F00, 20 ,79D903 ,7", False),
    ("+CEREG: 1,1F00,79D903,7", False),
    ("+CEREG: 1,0005,00001234,7", False),
    ('+CEREG:002,001,"18d8","ffff"', True),
    ('+CEREG: 2,0011,"18d8","ffff"', True),
    ('+CEREG: 2,11,"18d8","ffff"', True),
    ("+CEREG: 0", False),
]


@pytest.mark.parametrize(("line", "is_read"), REGISTRATION)
def test_registration_read_and_unsolicited_forms(line: str, is_read: bool) -> None:
    events = run(CEREG, f"\r\n{line}\r\n\r\n+CEREG: 2,5\r\n\r\nOK\r\n".encode())
    assert reply_of(events).lines == ((line, "+CEREG: 2,5") if is_read else ("+CEREG: 2,5",))
    assert [event.line for event in events if isinstance(event, Unsolicited)] == ([] if is_read else [line])
    idle = Connection(URCS, in_step=True)
    heard = feed(idle, f"\r\n{line}\r\n".encode())
    assert [event.line for event in heard if isinstance(event, Unsolicited)] == ([] if is_read else [line])


def test_q1_unsolicited_lines_inside_a_reply_keep_their_order() -> None:
    events = run(CSQ, b'AT+CSQ\r\r\n+CREG: 5\r\n\r\n+CSQ: 9,99\r\n\r\n+CMTI: "ME",7\r\n\r\nOK\r\n\r\nRING\r\n')
    assert [event.name if isinstance(event, Unsolicited) else "reply" for event in events] == [
        "+CREG",
        "+CMTI",
        "reply",
        "RING",
    ]
    assert events[1] == Unsolicited("+CMTI", ("ME", "7"), '+CMTI: "ME",7')


def test_q40_no_carrier_while_idle_is_an_event_and_loses_no_place() -> None:
    connection = Connection(URCS, in_step=True)
    assert feed(connection, b"\r\nNO CARRIER\r\n") == [Unsolicited("NO CARRIER", (), "NO CARRIER")]
    assert not connection.quarantined


def test_blank_before_the_colon() -> None:
    connection = Connection(URCS, in_step=True)
    (event,) = feed(connection, b"\r\n+QSIMSTAT : 1,0\r\n")
    assert isinstance(event, Unsolicited)
    assert event.parameters == ("1", "0")


def test_prompt_then_payload_then_result_with_echo() -> None:
    command = Command("AT+CMGS=24", Prompted("0011AB", Prefixed("+CMGS")))
    connection = Connection(URCS, in_step=True)
    connection.send(command)
    assert feed(connection, b"AT+CMGS=24\r\r\n") == []
    assert feed(connection, b">") == [PromptSeen(b"0011AB\x1a")]
    events = feed(connection, b" 0011AB\x1a\r\n+CMGS: 5\r\n\r\nOK\r\n")
    assert reply_of(events).parameters == ("5",)
    assert connection.counts.noise_lines == 0


def test_a_refused_prompt_is_an_error() -> None:
    events = run(Command("AT+CMGS=24", Prompted("00")), b"\r\n+CMS ERROR: 304\r\n")
    assert reply_of(events).final.code == 304


def test_two_line_unsolicited_messages_carry_their_pdu() -> None:
    connection = Connection(URCS, in_step=True)
    length = len(PDU) // 2 - 8
    (event,) = feed(connection, f"\r\n+CMT: ,{length}\r\n{PDU}\r\n".encode(), chunk=5)
    assert event == Unsolicited("+CMT", (None, str(length)), f"+CMT: ,{length}", PDU)
    connection.send(CSQ)
    events = feed(connection, f"\r\n+CMT: ,{length}\r\n\r\n+CSQ: 3,99\r\n\r\nOK\r\n".encode())
    assert reply_of(events).lines == ("+CSQ: 3,99",)
    assert [event.body for event in events if isinstance(event, Unsolicited)] == [None]


def test_a_pdu_that_comes_after_the_next_command_was_sent() -> None:
    connection = Connection(URCS, in_step=True)
    length = len(PDU) // 2 - 8
    assert feed(connection, f"\r\n+CMT: ,{length}\r\n".encode()) == []
    connection.send(CSQ)
    events = feed(connection, f"{PDU}\r\n\r\n+CSQ: 3,99\r\n\r\nOK\r\n".encode())
    assert [event.body for event in events if isinstance(event, Unsolicited)] == [PDU]
    assert reply_of(events).lines == ("+CSQ: 3,99",)


def test_ussd_text_over_several_lines() -> None:
    connection = Connection(URCS, in_step=True)
    (event,) = feed(connection, b'\r\n+CUSD: 0,"Your balance\r\nOK\r\nis 3",15\r\n', chunk=4)
    assert isinstance(event, Unsolicited)
    assert event.parameters == ("0", "Your balance\nOK\nis 3", "15")
    assert not connection.quarantined


def test_vendor_error_followed_by_error_is_one_result() -> None:
    connection = Connection(URCS, in_step=True)
    connection.send(Command("AT+NETOPEN"))
    events = feed(connection, b"\r\n+IP ERROR: Network is already opened\r\n\r\nERROR\r\n")
    assert reply_of(events).final.text == "+IP ERROR: Network is already opened"
    assert not connection.quarantined
    connection.send(Command("AT+NETOPEN"))
    feed(connection, b"\r\n+IP ERROR: Network is already opened\r\n")
    connection.send(CSQ)
    events = feed(connection, b"\r\nERROR\r\n\r\n+CSQ: 3,99\r\n\r\nOK\r\n")
    assert reply_of(events).lines == ("+CSQ: 3,99",)


def test_an_error_behind_a_line_of_its_own_is_the_commands() -> None:
    connection = Connection(URCS, in_step=True)
    connection.send(Command("AT+NETOPEN"))
    feed(connection, b"\r\n+IP ERROR: Network is already opened\r\n")
    connection.send(CSQ)
    reply = reply_of(feed(connection, b"\r\n+CSQ: 3,99\r\n\r\nERROR\r\n"))
    assert reply.final.kind is FinalKind.ERROR


def test_a_late_answer_with_the_name_of_an_unsolicited_code_is_no_event() -> None:
    connection = Connection(URCS, in_step=True)
    connection.send(Command("AT^NDISSTATQRY?", Prefixed("^NDISSTATQRY", "^NDISSTAT")))
    connection.abandon()
    events = feed(connection, b'\r\n^NDISSTAT: 1,,,"IPV4"\r\n\r\n+QSIMSTAT: 1,1\r\n\r\nOK\r\n')
    assert [event.name for event in events if isinstance(event, Unsolicited)] == ["+QSIMSTAT"]
    assert connection.counts.late_lines == 1


def test_ok_without_the_declared_line_loses_the_place() -> None:
    connection = Connection(URCS, in_step=True)
    connection.send(CSQ)
    (answered,) = feed(connection, b"\r\n+COPS: 0\r\n\r\nOK\r\n")
    assert isinstance(answered, Answered)
    assert not answered.fits
    assert connection.quarantined
    lists = run(Command("AT+CNUM", Prefixed("+CNUM", required=False)), b"\r\nOK\r\n")
    assert reply_of(lists).lines == ()


def test_a_stray_final_result_loses_the_place() -> None:
    connection = Connection(URCS, in_step=True)
    feed(connection, b"\r\nOK\r\n")
    assert connection.quarantined
    assert connection.counts.stray_finals == 1
    with pytest.raises(RuntimeError):
        connection.send(CSQ)


@pytest.mark.parametrize("evidence", ["RDY", "^SYSSTART"])
def test_reboot_is_told_in_order(evidence: str) -> None:
    connection = Connection(URCS, in_step=True)
    events = feed(connection, f"\0\0\r\n{evidence}\r\n\r\n+CPIN: READY\r\n".encode())
    assert [type(event) for event in events] == [Rebooted, Unsolicited]


def test_echo_back_on_shows_a_reboot_once() -> None:
    connection = Connection(URCS, in_step=True)
    connection.send(Command("ATE0"))
    feed(connection, b"ATE0\r\r\nOK\r\n")
    connection.send(CSQ)
    assert not [event for event in feed(connection, b"\r\n+CSQ: 1,99\r\n\r\nOK\r\n") if isinstance(event, Rebooted)]
    for times in (1, 0):
        connection.send(CSQ)
        events = feed(connection, b"AT+CSQ\r\r\n+CSQ: 1,99\r\n\r\nOK\r\n")
        assert events.count(Rebooted("echo")) == times
        assert reply_of(events).lines == ("+CSQ: 1,99",)


def test_numeric_results_are_refused_once_words_were_heard() -> None:
    connection = Connection(URCS, in_step=True)
    connection.send(NoInfoCommand)
    feed(connection, b"\r\nOK\r\n")
    connection.send(CSQ)
    events = feed(connection, b"0\r\n4\r\n+CSQ: 2,99\r\nOK\r\n")
    assert reply_of(events).lines == ("+CSQ: 2,99",)


NoInfoCommand = Command("AT", NoInfo())


def test_data_mode_until_no_carrier() -> None:
    connection = Connection(URCS, in_step=True)
    connection.send(Command("ATD*99#", DIAL))
    feed(connection, b"\r\nCONNECT\r\n")
    assert connection.online
    assert feed(connection, b"~\x7f\xff}#\xc0!OK\r\nERROR\r\n") == []
    assert feed(connection, b"\r\nNO CARRIER\r\n") == [Unsolicited("NO CARRIER", (), "NO CARRIER")]
    assert not connection.online


def test_a_reply_has_a_bound() -> None:
    connection = Connection(URCS, in_step=True)
    connection.send(CSQ)
    events = feed(connection, b"\r\n+CSQ: 1,99\r\n" * (MAX_REPLY_LINES + 10) + b"\r\nOK\r\n")
    assert len(reply_of(events).lines) == MAX_REPLY_LINES
    assert reply_of(events).truncated


def test_open_quotes_swallow_so_many_characters_and_no_more() -> None:
    filling = b"\r\n" + b"x" * (MAX_SPAN // 4)
    for lines in (3, 4):
        events = run(CSQ, b'\r\n+CSQ: "' + filling * lines + b"\r\n+CSQ: 1,99\r\n\r\nOK\r\n")
        assert [event.reply.lines for event in events if isinstance(event, Answered)] == [("+CSQ: 1,99",)] * (lines - 3)


def test_open_quotes_and_empty_lines_have_a_bound() -> None:
    connection = Connection(URCS, in_step=True)
    connection.send(CSQ)
    feed(connection, b'\r\n+CSQ: "' + b"\r\n" * 100_000)
    assert connection._span is not None
    assert len(connection._span) <= MAX_SPAN_LINES
    events = feed(connection, b"x\r\n+CSQ: 1,99\r\nOK\r\n")
    assert reply_of(events).lines == ("+CSQ: 1,99",)
    connection.send(Command("AT+CMGR=1", Messages("+CMGR", pdu=False)))
    feed(connection, b"\r\n+CMGR: 1,2,3,4\r\na\r\n" + b"\r\n" * 100_000)
    assert connection._text_body is not None
    assert len(connection._text_body._lines) <= 4096


def test_a_message_that_is_told_between_a_header_and_its_pdu_costs_the_body_and_no_order() -> None:
    data = b'\r\n+CMGL: 1,1,,2\r\n+CUSD: 0,"a\r\nb",15\r\n+CMGL: 2,1,,2\r\n00AABB\r\n\r\nOK\r\n'
    events = run(Command("AT+CMGL=4", Messages("+CMGL")), data)
    assert reply_of(events).pairs == (("+CMGL: 1,1,,2", ""), ("+CMGL: 2,1,,2", "00AABB"))
    assert [event.parameters for event in events if isinstance(event, Unsolicited)] == [("0", "a\nb", "15")]


def quarantined(*commands: Command) -> Connection:
    """A connection that gave up on its last command."""
    connection = Connection(URCS, in_step=True)
    for command in commands:
        connection.send(command)
    connection.abandon()
    return connection


def count_finals(connection: Connection, behind: bytes) -> None:
    """Prove the place as a modem can that says OK to everything; `behind` comes with the last OK of a window."""
    owed = b"\r\nOK\r\n"
    while connection.quarantined:
        assert connection.next_probe() is not None
        feed(connection, b"\r\nOK\r\n" + owed + behind)
        owed = b""
        connection.probe_unanswered()


def test_a_line_behind_a_header_is_its_body_although_the_place_is_proved_between() -> None:
    """Counting proves a place when a window has passed, so in the middle of anything."""
    connection = quarantined(CSQ)
    count_finals(connection, b"\r\n+CMT: ,2\r\n")
    events = feed(connection, b"00AABB\r\n")
    assert [event.body for event in events if isinstance(event, Unsolicited)] == ["00AABB"]
    connection.send(CSQ)
    assert reply_of(feed(connection, b"\r\n+CSQ: 3,99\r\n\r\nOK\r\n")).lines == ("+CSQ: 3,99",)


def test_a_call_that_ends_while_answers_are_owed_leaves_the_port_quarantined() -> None:
    connection = quarantined(Command("ATD*99#", DIAL))
    feed(connection, b"\r\nCONNECT\r\n")
    assert connection.online
    feed(connection, b"\r\nNO CARRIER\r\n\r\nOK\r\n")
    assert (connection.online, connection.quarantined, connection.counts.stray_finals) == (False, True, 0)
    assert connection.counts.late_replies == 2


def test_a_reset_of_the_settings_may_bring_numbers_back() -> None:
    connection = Connection(URCS, in_step=True)
    connection.send(Command("ATZ"))
    feed(connection, b"\r\nOK\r\n")
    connection.send(CSQ)
    assert reply_of(feed(connection, b"+CSQ: 2,99\r\n0\r")).lines == ("+CSQ: 2,99",)


def test_a_vendor_error_is_followed_by_one_error_and_no_more() -> None:
    connection = Connection(URCS, in_step=True)
    connection.send(Command("AT+NETOPEN"))
    feed(connection, b"\r\n+IP ERROR: Network is already opened\r\n\r\nERROR\r\n")
    assert not connection.quarantined
    feed(connection, b"\r\nERROR\r\n")
    assert connection.quarantined
