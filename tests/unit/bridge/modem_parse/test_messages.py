"""SMS-DELIVER: every alphabet, headers, joining, and no bytes at all raise anything but ReplyError."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.errors import ReplyError
from firmware_bridge.modem.parse.gsm7 import decode_septets
from firmware_bridge.modem.parse.pdu import Alphabet, Concatenation, alphabet, decode_deliver
from firmware_bridge.modem.parse.sms import Stored, join_parts
from tests.unit.bridge.modem_parse.pdu_encoder import GSM7_TEXT, deliver

PLAIN = st.text(alphabet=GSM7_TEXT, max_size=70)
WIDE = st.text(st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"]), max_size=60)


@given(PLAIN)
def test_the_default_alphabet_and_its_extension_survive(text: str) -> None:
    assert decode_deliver(deliver(text)).body == text


@pytest.mark.parametrize(
    ("septets", "text"),
    [
        ([0x1B, 0x65, 0x1B, 0x40], "€|"),
        ([0x1B, 0x41, 0x42], "AB"),  # no such extension: the basic character
        ([0x1B, 0x1B, 0x42], " B"),
        ([0x41, 0x1B], "A"),
        ([0x00, 0x09, 0x11, 0x24, 0x5B, 0x60, 0x7F], "@Ç_¤Ä¿à"),
    ],
)
def test_an_escape_to_nothing_shows_what_it_can(septets: list[int], text: str) -> None:
    assert decode_septets(septets) == text


@given(WIDE)
def test_ucs2_survives(text: str) -> None:
    assert decode_deliver(deliver(text, coding=8)).body == text


@given(st.text(st.characters(max_codepoint=255), max_size=130))
def test_octets_survive_one_character_each(text: str) -> None:
    assert decode_deliver(deliver(text, coding=4)).body == text


@given(PLAIN, st.binary(min_size=1, max_size=9).map(lambda body: bytes([0x70, len(body)]) + body))
def test_a_header_of_any_length_does_not_shift_the_text(text: str, header: bytes) -> None:
    assert decode_deliver(deliver(text, header=header)).body == text


def test_compressed_text_is_not_read_as_text() -> None:
    assert alphabet(0x00) is Alphabet.GSM7
    assert alphabet(0x20) is Alphabet.DATA
    assert alphabet(0x28) is Alphabet.DATA


@given(st.integers(0, 255), st.integers(1, 255), st.data())
def test_references_of_eight_bits(reference: int, total: int, data: st.DataObject) -> None:
    number = data.draw(st.integers(1, total))
    found = decode_deliver(deliver("x", header=bytes([0, 3, reference, total, number])))
    assert found.part == Concatenation(reference, total, number, wide=False)


@given(st.integers(0, 65535))
def test_references_of_sixteen_bits(reference: int) -> None:
    found = decode_deliver(deliver("x", coding=8, header=bytes([8, 4]) + reference.to_bytes(2, "big") + b"\x02\x01"))
    assert found.part == Concatenation(reference, 2, 1, wide=True)


@pytest.mark.parametrize("header", ["0003010200", "0003010203", "000301", "0004010201FF", "FF00", "08030102"])
def test_a_malformed_concatenation_is_ignored(header: str) -> None:
    assert decode_deliver(deliver("x", coding=8, header=bytes.fromhex(header))).part is None


@given(st.binary(max_size=300))
def test_any_bytes_give_a_message_or_a_reply_error(content: bytes) -> None:
    try:
        decode_deliver(content.hex())
    except ReplyError as error:
        assert content.hex() not in str(error) or not content


@given(st.text(max_size=50))
def test_any_text_gives_a_message_or_a_reply_error(text: str) -> None:
    with pytest.raises(ReplyError):
        decode_deliver("G" + text)


@given(PLAIN, st.integers(1, 60))
def test_a_cut_message_is_refused_and_never_shortened(text: str, missing: int) -> None:
    pdu = deliver(text + "end")
    with pytest.raises(ReplyError):
        decode_deliver(pdu[: -2 * missing])


def test_the_time_of_the_service_centre_has_its_zone() -> None:
    pdu = deliver("x")
    assert decode_deliver(pdu).at == datetime(2026, 11, 21, 22, 40, tzinfo=UTC)
    west = decode_deliver(pdu.replace("62111222040000", "6211122204000A")).at
    assert west is not None
    assert west.utcoffset() == timedelta(hours=-5)
    assert decode_deliver(pdu.replace("62111222040000", "62F11222040000")).at is None
    assert decode_deliver(pdu.replace("62111222040000", "62312222040000")).at is None


@pytest.mark.parametrize("sender", ["+447700900123", "07700900123", "60777"])
def test_senders_keep_their_form(sender: str) -> None:
    assert decode_deliver(deliver("x", sender=sender)).sender == sender


def test_what_fills_the_last_octet_of_a_sender_is_no_digit() -> None:
    pdu = deliver("x", sender="60777")
    assert decode_deliver(pdu.replace("0677F7", "067707")).sender == "60777"


def test_a_sender_may_be_a_name() -> None:
    # Type of number 5, "MiniHub" in seven septets: 13 semi-octets (TS 23.040 9.1.2.5).
    name = "0004" + "0DD0" + "CDB43B8DAC8B01" + "0000" + "62111222040000" + "0178"
    assert decode_deliver(name).sender == "MiniHub"


@pytest.mark.parametrize(
    ("scheme", "expected"),
    [
        (0x00, Alphabet.GSM7),
        (0x04, Alphabet.DATA),
        (0x08, Alphabet.UCS2),
        (0x0C, Alphabet.GSM7),
        (0x11, Alphabet.GSM7),
        (0x18, Alphabet.UCS2),
        (0x48, Alphabet.UCS2),
        (0x80, Alphabet.GSM7),
        (0xC8, Alphabet.GSM7),
        (0xD0, Alphabet.GSM7),
        (0xE8, Alphabet.UCS2),
        (0xF0, Alphabet.GSM7),
        (0xF5, Alphabet.DATA),
    ],
)
def test_the_alphabet_follows_the_coding_scheme(scheme: int, expected: Alphabet) -> None:
    assert alphabet(scheme) is expected


def _part(
    index: int, number: int, total: int, text: str, *, reference: int = 7, wide: bool = False, sender: str = "60777"
) -> Stored:
    element = b"\x08\x04\x00" if wide else b"\x00\x03"
    header = element + bytes([reference, total, number])
    return Stored(index, decode_deliver(deliver(text, header=header, sender=sender)))


@given(st.permutations([1, 2, 3, 4]))
def test_parts_are_joined_in_order_whatever_the_order_of_arrival(order: list[int]) -> None:
    stored = [_part(10 + place, number, 4, f"<{number}>") for place, number in enumerate(order)]
    whole, orphans = join_parts(stored, "ME")
    assert [sms.body for sms in whole] == ["<1><2><3><4>"]
    assert sorted(whole[0].indexes) == [10, 11, 12, 13]
    assert orphans == ()


def test_parts_of_different_references_widths_and_senders_never_mix() -> None:
    stored = [
        _part(1, 1, 2, "a"),
        _part(2, 2, 2, "b", reference=8),
        _part(3, 2, 2, "c", wide=True),
        _part(4, 2, 3, "d"),
        _part(5, 2, 2, "e", sender="60778"),
    ]
    assert join_parts(stored) == ((), (1, 2, 3, 4, 5))


def test_messages_come_by_their_lowest_place() -> None:
    alone = [Stored(place, decode_deliver(deliver(str(place)))) for place in (9, 4)]
    whole, _ = join_parts([_part(8, 1, 2, "a"), *alone, _part(2, 2, 2, "b")])
    assert [sms.body for sms in whole] == ["ab", "4", "9"]
    assert [sms.indexes for sms in whole] == [(8, 2), (4,), (9,)]


def test_a_part_received_twice_counts_once() -> None:
    whole, orphans = join_parts([_part(1, 1, 2, "a"), _part(2, 1, 2, "a"), _part(3, 2, 2, "b")])
    assert [sms.body for sms in whole] == ["ab"]
    assert orphans == (2,)


def test_bodies_are_in_no_repr() -> None:
    deliver_ = decode_deliver(deliver("the secret doorbell"))
    whole, _ = join_parts([Stored(1, deliver_)])
    assert "doorbell" not in repr(deliver_) + repr(whole) + repr(Stored(1, deliver_))
