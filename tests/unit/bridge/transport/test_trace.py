"""A trace is redacted, and what it recorded can be played again."""

import asyncio
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.at.channel import Channel
from firmware_bridge.at.commands import Bare, Command, Messages, Prefixed, Prompted
from firmware_bridge.at.validators import is_imei, is_imsi
from firmware_bridge.errors import PortError, PortLostError, PortNotFoundError
from firmware_bridge.modem.parse.pdu import decode_deliver
from firmware_bridge.transport import TracingTransport, Transport, open_transport
from firmware_bridge.transport.redact import Redactor, redact_body, redact_line
from firmware_bridge.transport.trace import MAX_PARTIAL
from tests.unit.bridge.at.clock import run
from tests.unit.bridge.at.ports import MemoryModem, well_behaved
from tests.unit.bridge.modem_parse.pdu_encoder import deliver

PDU = "07911326040000F0040B911346610089F60000208062917314080CC8F71D14969741F977FD07"
SECRETS = ["490154203237518", "234304100000001", "8944100000000000018", "1234", "447700900123", PDU[16:], "hunter2"]
ANSWERS = {
    "AT+CGSN": "490154203237518",
    "AT+CIMI": "234304100000001",
    "AT+QCCID": "+QCCID: 8944100000000000018F",
    "AT+CNUM": '+CNUM: ,"+447700900123",145',
    "AT+CRSM=176,12258,0,0,10": '+CRSM: 144,0,"98440100000000000081"',
    "AT+CMGR=1": f"+CMGR: 0,,{len(PDU) // 2 - 8}\r\n{PDU}",
}
COMMANDS = [
    Command('AT+CPIN="1234"', secret=True),
    Command('AT+CGAUTH=1,1,"user","hunter2"', secret=True),
    Command("AT+CGSN", Bare(is_imei)),
    Command("AT+CIMI", Bare(is_imsi)),
    Command("AT+QCCID", Prefixed("+QCCID")),
    Command("AT+CNUM", Prefixed("+CNUM")),
    Command("AT+CRSM=176,12258,0,0,10", Prefixed("+CRSM")),
    Command("AT+CMGR=1", Messages("+CMGR")),
    Command("AT+CMGS=30", Prompted(PDU, Prefixed("+CMGS"))),
]


def answer(line: str) -> str | None:
    if line in ANSWERS:
        return f"{line}\r\r\n{ANSWERS[line]}\r\n\r\nOK\r\n"
    if line.startswith(("AT+CPIN", "AT+CGAUTH")):
        return f"{line}\r\r\nOK\r\n"
    return "\r\n> " if line == "AT+CMGS=30" else well_behaved(line)


class SendingModem(MemoryModem):
    """Takes a payload that ends in Ctrl-Z."""

    def write(self, data: bytes) -> None:
        if data.endswith(b"\x1a"):
            self.say("\r\n+CMGS: 7\r\n\r\nOK\r\n")
        else:
            super().write(data)


async def converse(port: Transport) -> list[tuple[str, ...]]:
    channel = Channel(port)
    try:
        return [(await channel.execute(command)).lines for command in COMMANDS]
    finally:
        await channel.close()


def recorded() -> tuple[list[tuple[str, ...]], str]:
    sunk: list[str] = []

    async def record() -> list[tuple[str, ...]]:
        return await converse(TracingTransport(SendingModem(answer), sunk.append))

    return run(record()), "".join(sunk)


def test_a_trace_holds_no_secret_and_stays_parseable() -> None:
    replies, trace = recorded()
    assert replies[2] == ("490154203237518",)
    for secret in SECRETS:
        assert secret not in trace
    texts = [json.loads(line)[2] for line in trace.splitlines()[1:]]
    assert 'AT+CPIN="****"\r' in texts
    assert any(is_imei(text.strip()) for text in texts)


def test_a_trace_is_played_again(tmp_path: Path) -> None:
    replies, trace = recorded()
    file = tmp_path / "field.trace"
    file.write_text(trace)

    async def replay() -> list[tuple[str, ...]]:
        return await converse(open_transport(f"replay:{file}"))

    played = run(replay())
    assert [len(lines) for lines in played] == [len(lines) for lines in replies]
    assert played[3] == ("234300000000000",)
    assert played[7][0] == replies[7][0]


def test_a_replay_tells_where_the_conversation_parts(tmp_path: Path) -> None:
    file = tmp_path / "field.trace"
    file.write_text(recorded()[1])

    async def replay() -> None:
        channel = Channel(open_transport(f"replay:{file}"), in_step=True)
        with pytest.raises(PortLostError, match=r"not with 'AT\+CSQ"):
            await channel.execute(Command("AT+CSQ", Prefixed("+CSQ")))
        await channel.close()

    run(replay())


def test_a_replay_that_is_over_is_a_lost_port(tmp_path: Path) -> None:
    file = tmp_path / "field.trace"
    file.write_text(recorded()[1])

    async def replay() -> None:
        port = open_transport(f"replay:{file}")
        channel = Channel(port)
        for command in COMMANDS:
            await channel.execute(command)
        async with asyncio.timeout(1):
            with pytest.raises(PortLostError, match="over"):
                async for _ in channel.events():
                    pass
        await channel.close()

    run(replay())


def test_what_is_no_trace(tmp_path: Path) -> None:
    with pytest.raises(PortNotFoundError):
        open_transport(f"replay:{tmp_path}/none")
    for content in ("", "[]", "{}", '{"format": "minihub-at-trace", "version": 9}\n', "\xff"):
        (tmp_path / "bad").write_text(content, encoding="latin-1")
        with pytest.raises(PortError):
            open_transport(f"replay:{tmp_path}/bad")


KEPT = [
    '+CREG: 2,1,"0502","00001234",7',
    "+CSQ: 21,99",
    '+COPS: 0,2,"23430",7',
    "+QGDCNT: 237505722123,614994307123",
    "^DSFLOWQRY:00000E8E,0000000000333112,000000000A93E9AD,007B3514,000000007C0E5F69,00000007AD1AE9C6",
    '+CCLK: "26/11/21,22:40:00+04"',
    '+CGPADDR: 1,"10.1.2.3"',
    '+CGCONTRDP: 1,5,"internet","38.1.11.0.0.0.0.0.0.0.0.0.0.0.0.1"',
    '+QENG: "servingcell","NOCONN","LTE","FDD",234,30,B57DE33,63,1850,3,5,5,B504,-85,-10,-54,17,38',
    'AT+CGDCONT=1,"IPV4V6","internet"',
    'AT+CLCK="SC",2',
    "Revision: EC25EFAR06A03M4G",
]


@pytest.mark.parametrize("line", KEPT)
def test_what_identifies_nobody_is_kept(line: str) -> None:
    assert Redactor().line(line) == line


HIDDEN = [
    ("490154203237518", "490154200000000"),
    ('AT+CLCK="SC",1,"1234"', 'AT+CLCK="SC",1,"****"'),
    ("at+cpin=1234", "at+cpin=****"),
    ('AT+CPWD="SC","1234","5678"', 'AT+CPWD="SC","****","****"'),
    ("ATD+447700900123;", "ATD0000000000000;"),
    ("atdt07700900123;", "atdt00000000000;"),
    ("AT DP07700;", "AT DP00000;"),
    ('+CUSD: 0,"Your number is 07700900123",15', '+CUSD: 0,"**************************",15'),
    ('+CSCA: "+447785016005",145', '+CSCA: "+000000000000",145'),
    ("+ICCID: 898604B2012290748345", "+ICCID: 89860400000000000000"),
    ('+CCID: "8901 4103 2111 1851 0720"', '+CCID: "8901 4100 0000 0000 0000"'),
    ("+CCID: 8944 1000 3001 2345 678F", "+CCID: 8944 1000 0000 0000 000F"),
    ("+CCID: 894410003001234567FF", "+CCID: 8944100000000000000F"),
    ("490154203237518,01", "490154200000000,01"),
    ("IMEI: 490154203237518", "IMEI: 490154200000000"),
    ('+CGSN: "4901542032375101"', '+CGSN: "4901542000000001"'),
    ("234304100000001", "234300000000000"),
    ("+CIMI: 23430410000001", "+CIMI: 23430000000000"),
    ('+CNUM: "Mine","07700900123",129', '+CNUM: "Mine","00000000000",129'),
    ('+CLIP: "+447700900123",145', '+CLIP: "+000000000000",145'),
    ('AT+CLCK="SC",2,1234', 'AT+CLCK="SC",2,****'),
    ('AT+CGAUTH=1,2,"me","hunter2"', 'AT+CGAUTH=1,2,"**","*******"'),
    ('AT+QICSGP=1,1,"internet","me","hunter2",1', 'AT+QICSGP=1,1,"********","**","*******",1'),
    ('AT^NDISDUP=1,1,"internet","me","hunter2",2', 'AT^NDISDUP=1,1,"********","**","*******",2'),
    ('AT^AUTHDATA=1,2,"hunter2","me"', 'AT^AUTHDATA=1,2,"*******","**"'),
    ("AT^CPIN=1234", "AT^CPIN=****"),
    ("AT+CPIN2=12345678", "AT+CPIN2=********"),
    ('+CRSM: 144,0,"98101430121181157002"', '+CRSM: 144,0,"98101400000000000000"'),
    ('+CRSM: 144,0,"4D696E65FFFF07914477009010F2"', '+CRSM: 144,0,"0000000000000000000000000000"'),
    ("+CRSM: 144,0,4D696E65FFFF07914477009010F2", "+CRSM: 144,0,0000000000000000000000000000"),
    ('+CSIM: 26,"082934400100000010FFFF9000"', '+CSIM: 26,"00000000000000000000000000"'),
]


@pytest.mark.parametrize(("line", "shown"), HIDDEN)
def test_what_identifies_somebody_is_hidden(line: str, shown: str) -> None:
    assert Redactor().line(line) == shown
    assert len(shown) == len(line)


def test_a_text_message_is_hidden_whatever_its_lines() -> None:
    redactor = Redactor()
    lines = ['+CMGR: "REC READ","+447700900123",,"26/11/21,22:40:00+04"', "Meet me at nine", "secret", "", "OK"]
    assert [redactor.line(line) for line in lines] == [
        '+CMGR: "REC READ","+000000000000",,"26/11/21,22:40:00+04"',
        "***************",
        "******",
        "",
        "OK",
    ]


@pytest.mark.parametrize("end", ["OK", "ERROR", "+CMS ERROR: 321", "+CME ERROR: 14"])
def test_behind_a_message_s_end_lines_are_shown_again(end: str) -> None:
    redactor = Redactor()
    lines = ["+CMGL: 1,1,,24", "AT+CSQ", end, "EC25EFAR06A03M4G"]
    assert [redactor.line(line) for line in lines] == lines


def test_a_received_message_keeps_its_place_and_time_and_loses_sender_and_text() -> None:
    for coding, text in ((0, "Meet me at nine"), (8, "Ĝis")):
        pdu = deliver(text, coding=coding, header=bytes([0, 3, 7, 2, 1]))
        found, shown = decode_deliver(pdu), decode_deliver(redact_body(pdu))
        assert found.body == text
        assert (shown.at, shown.part, len(shown.body)) == (found.at, found.part, len(text))
        assert set(shown.body) <= {"@", "\0"}
        assert set(shown.sender) <= set("+0@")
        assert len(shown.sender) == len(found.sender)


def test_what_a_header_holds_beside_the_numbering_of_parts_is_hidden() -> None:
    pdu = deliver("x", coding=4, header=bytes([0x24, 3, 0x41, 0x42, 0x43, 0x08, 4, 1, 2, 2, 1]))
    shown = redact_body(pdu)
    assert "414243" in pdu
    assert "414243" not in shown
    assert decode_deliver(shown).part == decode_deliver(pdu).part


@pytest.mark.parametrize("line", ["0001" + PDU[4:], "0002" + PDU[4:], PDU[:34], PDU[:-1], "99" + PDU[2:]])
def test_what_is_no_received_message_loses_everything(line: str) -> None:
    assert redact_body(line) == (line[:2] + "0" * (len(line) - 2))


def test_a_message_without_its_header_line_loses_everything() -> None:
    assert redact_line(PDU) == PDU[:2] + "0" * (len(PDU) - 2)


@given(st.binary(min_size=9, max_size=60))
def test_any_octets_redacted_twice_are_the_same(content: bytes) -> None:
    once = redact_body(content.hex().upper())
    assert redact_body(once) == once
    assert len(once) == 2 * len(content)


@given(st.text(st.sampled_from('0123456789+:,"ABCFATDMGSR= \x1a*'), max_size=60))
def test_redacting_twice_changes_nothing_and_keeps_the_length(line: str) -> None:
    once = redact_line(line)
    assert redact_line(once) == once
    assert len(once) == len(line)


@given(st.integers(0, 10**14 - 1))
def test_every_imei_stays_an_imei(number: int) -> None:
    from firmware_bridge.at.validators import luhn_holds

    fourteen = f"{number:014d}"
    imei = next(fourteen + str(digit) for digit in range(10) if luhn_holds(fourteen + str(digit)))
    shown = redact_line(imei)
    assert luhn_holds(shown)
    assert shown[8:14] == "000000"


def test_the_tee_passes_everything_and_half_lines_wait() -> None:
    sunk: list[str] = []

    async def record() -> None:
        modem = MemoryModem(lambda line: None)
        tee = TracingTransport(modem, sunk.append)
        modem.say("\r\n490154")
        assert await tee.read() == b"\r\n490154"
        tee.write(b"AT\r")
        modem.say("203237518\r\n")
        assert await tee.read() == b"203237518\r\n"
        modem.say("234304100")
        await tee.read()
        tee.close()
        tee.close()
        await asyncio.sleep(0)

    run(record())
    texts = [json.loads(line)[2] for line in sunk[1:]]
    assert texts == ["\r\n", "AT\r", "490154200000000\r\n", "*********"]


def test_a_line_without_end_is_kept_up_to_a_bound_and_hidden() -> None:
    sunk: list[str] = []

    async def record() -> None:
        modem = MemoryModem(lambda line: None)
        tee = TracingTransport(modem, sunk.append)
        for _ in range(5):
            modem.say("q" * (MAX_PARTIAL // 2))
            await tee.read()
        assert len(sunk) == 2
        tee.close()

    run(record())
    texts = [json.loads(line)[2] for line in sunk[1:]]
    assert [len(text) for text in texts] == [MAX_PARTIAL // 2 * 3, MAX_PARTIAL]
    assert set("".join(texts)) == {"*"}


def test_a_message_that_is_sent_is_recorded_when_it_ends_without_a_line_end() -> None:
    sunk: list[str] = []

    async def record() -> None:
        tee = TracingTransport(MemoryModem(lambda line: None), sunk.append)
        tee.write(b"0001000B911346610089F60000\x1a")
        assert [json.loads(line)[2] for line in sunk[1:]] == ["*" * 26 + "\x1a"]
        tee.close()

    run(record())
    assert len(sunk) == 2


def test_who_listens_at_the_tee_of_a_port_that_only_reads_hears_all_and_its_end() -> None:
    heard: list[bytes] = []
    losses: list[PortLostError] = []

    async def record() -> None:
        modem = MemoryModem(lambda line: None)
        tee = TracingTransport(modem, lambda _: None)
        tee.listen(heard.append, losses.append)
        modem.say("RDY\r\n")
        await asyncio.sleep(0.1)
        modem.hang_up()
        await asyncio.sleep(0.1)

    run(record())
    assert (heard, [loss.reason for loss in losses]) == ([b"RDY\r\n"], ["hung up"])


def test_the_service_centre_of_a_message_is_hidden() -> None:
    assert "1326040000" in PDU
    assert "1326040000" not in redact_body(PDU)
