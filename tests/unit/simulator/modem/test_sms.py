"""Short messages: stores, announcements, both modes, sending, and the PDUs against known octets."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.modem.alphabet import from_septets, pack, to_septets, unpack
from simulator.modem.messages import SentMessage
from simulator.modem.tpdu import (
    Submit,
    TpduError,
    decode_address,
    deliver_parts,
    encode_address,
    encode_stamp,
    read_delivered,
    read_submit,
    submit,
)
from tests.unit.simulator.modem.talk import Terminal, terminal

SENDER = "+447700900123"
NOON = datetime(2026, 7, 1, 11, 0, tzinfo=UTC)


def test_the_septets_of_the_standard_example() -> None:
    septets = to_septets("hellohello")
    assert septets is not None
    assert pack(septets).hex().upper() == "E8329BFD4697D9EC37"


def test_a_submit_as_any_manual_prints_it() -> None:
    sent = read_submit(bytes.fromhex("11000B916407281553F80000AA0AE8329BFD4697D9EC37"))
    assert (sent.destination, sent.text) == ("+46708251358", "hellohello")


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=300))
def test_any_text_comes_back_out_of_its_parts(text: str) -> None:
    parts = [read_delivered(part) for part in deliver_parts(SENDER, text, NOON, 4, 77)]
    assert "".join(part.text for part in parts) == text
    assert {part.sender for part in parts} == {SENDER}
    assert {part.stamp for part in parts} == {"26/07/01,12:00:00+04"}


@given(st.binary(max_size=60))
def test_octets_are_a_submit_or_refused(octets: bytes) -> None:
    try:
        told = read_submit(octets)
    except TpduError:
        return
    assert isinstance(told, Submit)


@given(st.from_regex(r"\+?[0-9]{1,15}", fullmatch=True))
def test_addresses(number: str) -> None:
    packed = encode_address(number)
    assert decode_address(packed) == (number, len(packed))


@pytest.mark.parametrize("name", ["BT", "EE", "MiniHub", "Bank 4 You!"])
def test_names_for_addresses(name: str) -> None:
    packed = encode_address(name)
    assert decode_address(packed)[0] == name


def test_a_western_zone() -> None:
    assert encode_stamp(NOON, -20).hex() == "6270106000000a"


@given(st.lists(st.integers(0, 127), max_size=40), st.integers(0, 6))
def test_packing(septets: list[int], fill: int) -> None:
    assert unpack(pack(septets, fill_bits=fill), len(septets), fill_bits=fill) == septets
    assert isinstance(from_septets(septets), str)


def test_an_arrival_is_stored_announced_read_and_deleted() -> None:
    modem = terminal()
    modem.ask("AT+CMGF=1")
    modem.ask("AT+CNMI=2,1,0,0,0")
    modem.modem.deliver_sms(SENDER, "Line\r\nOK\r\nfine")
    assert modem.pass_time(3) == '\r\n+CMTI: "ME",0\r\n'
    assert modem.value("AT+CPMS?") == '"ME",1,255,"ME",1,255,"ME",1,255'
    reply = modem.raw("AT+CMGR=0")
    assert '+CMGR: "REC UNREAD","+447700900123",,"26/01/05,09:00:08+00"\r\nLine\r\nOK\r\nfine\r\n' in reply
    modem.pass_time(1)
    assert modem.ask('AT+CMGL="REC READ"')[0].startswith('+CMGL: 0,"REC READ"')
    assert modem.ask("AT+CMGD=0") == ["OK"]
    assert modem.ask("AT+CMGR=0") == ["+CMS ERROR: 321"]


def test_pdu_mode_lists_octets() -> None:
    modem = terminal()
    modem.modem.deliver_sms(SENDER, "x" * 200)
    modem.pass_time(5)
    lines = modem.ask("AT+CMGL=4")
    assert [line.split(",")[0] for line in lines[:-1:2]] == ["+CMGL: 0", "+CMGL: 1"]
    length = int(lines[0].split(",")[-1])
    octets = bytes.fromhex(lines[1])
    assert len(octets) - octets[0] - 1 == length
    assert read_delivered(octets[octets[0] + 1 :]).sender == SENDER


def test_direct_delivery_in_two_lines() -> None:
    modem = terminal()
    modem.ask("AT+CNMI=2,2,0,0,0")
    modem.modem.deliver_sms(SENDER, "now")
    said = modem.pass_time(3).split("\r\n")
    assert said[1].startswith("+CMT: ,")
    assert read_delivered(bytes.fromhex(said[2])[8:]).text == "now"


def test_out_of_reach_messages_wait() -> None:
    modem = terminal()
    modem.ask("AT+CNMI=2,1,0,0,0")
    modem.ask("AT+CFUN=4")
    modem.modem.deliver_sms(SENDER, "later")
    assert "+CMTI" not in modem.pass_time(30)
    modem.ask("AT+CFUN=1")
    assert "+CMTI" in modem.pass_time(10)


def test_sending_in_both_modes_with_prompt_escape_and_errors() -> None:
    modem = terminal()
    sent: list[SentMessage] = []
    modem.modem.messages.on_sent.append(sent.append)
    modem.ask("AT+CMGF=1")
    assert modem.raw(f'AT+CMGS="{SENDER}"').endswith("\r\n> ")
    modem.type(b"Hello\x1a")
    assert "+CMGS: 1" in modem.pass_time(5)
    modem.ask("AT+CMGF=0")
    tpdu = submit(SENDER, "£ and {")
    modem.raw(f"AT+CMGS={len(tpdu)}")
    modem.type(b"00" + tpdu.hex().upper().encode() + b"\x1a")
    assert "+CMGS: 2" in modem.pass_time(5)
    modem.raw("AT+CMGS=20")
    assert modem.type(b"00\x1b").endswith("\r\nOK\r\n")
    modem.raw("AT+CMGS=20")
    assert "+CMS ERROR: 304" in modem.type(b"0011zz\x1a") + modem.pass_time(5)
    assert [message.text for message in sent] == ["Hello", "£ and {"]
    modem.ask("AT+CFUN=4")
    modem.raw(f"AT+CMGS={len(tpdu)}")
    modem.type(b"00" + tpdu.hex().encode() + b"\x1a")
    assert "+CMS ERROR: 331" in modem.pass_time(5)


def test_ucs2_hides_texts_in_hexadecimal() -> None:
    modem = terminal()
    modem.ask('AT+CMGF=1;+CSCS="UCS2"')
    modem.modem.deliver_sms(SENDER, "Ωmega")
    modem.pass_time(3)
    lines = modem.ask("AT+CMGR=0")
    assert bytes.fromhex(lines[1]).decode("utf-16-be") == "Ωmega"
    assert modem.value("AT+COPS?") == f'0,0,"{"EE".encode("utf-16-be").hex().upper()}",7'


def test_a_message_to_oneself_and_its_report() -> None:
    modem = terminal()
    modem.ask("AT+CMGF=1;+CNMI=2,1,0,1,0;+CSMP=49,167,0,0")
    modem.raw('AT+CMGS="+447700900001"')
    modem.type(b"echo\x1a")
    said = modem.pass_time(12)
    assert "+CMTI" in said
    assert "+CDS: " in said


def test_a_full_store_makes_the_network_wait() -> None:
    modem = terminal()
    modem.ask('AT+CPMS="SM","SM","SM";+CNMI=2,1,0,0,0')
    for number in range(51):
        modem.modem.deliver_sms(SENDER, str(number))
    modem.pass_time(80, step=1)
    assert modem.value("AT+CPMS?").startswith('"SM",50,50')
    modem.ask("AT+CMGD=0")
    assert '+CMTI: "SM",0' in modem.pass_time(5)


def test_wrong_parameters_are_told_in_the_terms_of_short_messages() -> None:
    modem = terminal()
    modem.ask("AT+CMEE=2")
    assert modem.ask("AT+CMGF=2") == ["+CMS ERROR: invalid PDU mode parameter"]
    assert modem.ask("AT+CMGS=999") == ["+CMS ERROR: invalid PDU mode parameter"]
    modem.ask("AT+CMEE=1;+CMGF=1")
    assert modem.ask("AT+CMGD=,4") == ["+CMS ERROR: 305"]
    assert modem.raw('AT+CMGS="nobody"').endswith("> ")
    assert "+CMS ERROR: 305" in modem.type(b"x\x1a") + modem.pass_time(5)


def stocked() -> Terminal:
    """A modem that holds one message of each status: unread, read, unsent, sent."""
    modem = terminal()
    modem.ask("AT+CMGF=1")
    modem.modem.deliver_sms(SENDER, "read")
    modem.pass_time(3)
    modem.ask("AT+CMGR=0")
    for text in ("sent", "unsent"):
        modem.raw(f'AT+CMGW="{SENDER}"')
        modem.type(text.encode() + b"\x1a")
        modem.pass_time(2)
    modem.ask("AT+CMSS=1")
    modem.modem.deliver_sms(SENDER, "unread")
    modem.pass_time(3)
    return modem


def statuses(modem: Terminal) -> list[int]:
    return [message.status for _, message in sorted(modem.modem.stored.messages["ME"].items())]


def test_listing_reads_what_it_lists() -> None:
    modem = stocked()
    assert statuses(modem) == [1, 3, 2, 0]
    assert modem.ask('AT+CMGL="STO UNSENT"')[0].startswith('+CMGL: 2,"STO UNSENT"')
    assert statuses(modem) == [1, 3, 2, 0]
    assert modem.ask("AT+CMGL")[0].startswith('+CMGL: 3,"REC UNREAD"')
    assert modem.ask("AT+CMGL") == ["OK"]
    assert statuses(modem) == [1, 3, 2, 1]


@pytest.mark.parametrize(("flag", "left"), [(0, [1, 2, 0]), (1, [3, 2, 0]), (2, [2, 0]), (3, [0]), (4, [])])
def test_what_a_deletion_leaves(flag: int, left: list[int]) -> None:
    modem = stocked()
    assert modem.ask(f"AT+CMGD=1,{flag}") == ["OK"]
    assert statuses(modem) == left
