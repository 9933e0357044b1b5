"""What the controller's link takes out of the broker's stream, and what it holds of it."""

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.link.held import Held
from controller.link.port import LinkLostError
from controller.link.publishes import MalformedError, PublishSplitter


def number(value: int) -> bytes:
    """Write a Variable Byte Integer as MQTT 5 section 1.5.5 says it in words."""
    digits = []
    while True:
        value, digit = divmod(value, 128)
        digits.append(digit + 128 if value else digit)
        if not value:
            return bytes(digits)


def packet(first: int, body: bytes) -> bytes:
    return bytes([first]) + number(len(body)) + body


def publish(mid: int, topic: bytes, payload: bytes, properties: bytes = b"", first: int = 0x32) -> bytes:
    name = len(topic).to_bytes(2, "big") + topic
    return packet(first, name + mid.to_bytes(2, "big") + number(len(properties)) + properties + payload)


PUBLISHES = st.tuples(
    st.integers(1, 65535),
    st.binary(min_size=1, max_size=300),
    st.one_of(st.binary(max_size=300), st.integers(100, 20_000).map(bytes)),
    st.one_of(st.just(b""), st.integers(1, 300).map(bytes)),
    st.sampled_from([0x32, 0x33, 0x3A, 0x3B]),
)
# CONNACK, PUBLISH of QoS 0 and 2, PUBACK, SUBACK, PINGRESP, DISCONNECT.
OTHERS = st.tuples(st.sampled_from([0x20, 0x30, 0x34, 0x40, 0x90, 0xD0, 0xE0]), st.binary(max_size=200))


@settings(max_examples=25)
@given(st.lists(st.one_of(PUBLISHES, OTHERS), max_size=8), st.data())
def test_a_stream_cut_anywhere_gives_the_same_publishes_and_leaves_the_rest(
    parts: list[tuple[Any, ...]], data: st.DataObject
) -> None:
    written = [publish(*part) if len(part) > 2 else packet(*part) for part in parts]
    stream = b"".join(written)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    splitter, publishes, others = PublishSplitter(), [], b""
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        some, rest = splitter.receive_data(stream[start:end])
        publishes += some
        others += rest
    assert publishes == [part[:3] for part in parts if len(part) > 2]
    assert others == b"".join(each for each, part in zip(written, parts, strict=True) if len(part) == 2)


@pytest.mark.parametrize(
    "stream",
    [
        pytest.param(b"\x32\x80\x80\x80\x80\x01", id="a length of five bytes"),
        pytest.param(b"\x20\xff\xff\xff\x7f", id="a packet larger than was offered"),
        pytest.param(publish(1, b"", b"x"), id="no name"),
        pytest.param(packet(0x32, b"\x00\x09t\x00\x01\x00" + b"{}") + bytes(20), id="a name beyond its packet"),
        pytest.param(packet(0x32, b"\x00\x01t\x00\x01\x7f{}") + bytes(200), id="properties beyond their packet"),
    ],
)
def test_what_is_no_mqtt_is_refused(stream: bytes) -> None:
    with pytest.raises(MalformedError):
        PublishSplitter().receive_data(stream)


def test_a_packet_as_large_as_was_offered_is_taken() -> None:
    whole = publish(1, b"t", bytes(1024 * 1024 - 6))
    splitter = PublishSplitter()
    assert splitter.receive_data(whole[:-1]) == ([], b"")
    assert splitter.receive_data(whole[-1:]) == ([(1, b"t", bytes(1024 * 1024 - 6))], b"")


async def turn() -> None:
    """Let the loop turn once."""
    await asyncio.sleep(0)


async def test_what_is_settled_in_one_turn_is_one_write() -> None:
    written: list[bytes] = []
    held = Held(100, 1000, written.append)
    held.take([(0x0102, b"t/a", b"1"), (0xFFFF, b"t/b", b"2"), (3, b"t", b"3")])
    first, second = await held.next(), await held.next()
    assert (first.topic, first.payload, second.topic) == ("t/a", b"1", "t/b")
    second.settle()
    first.settle()
    first.settle()
    assert not written
    await turn()
    assert written == [bytes.fromhex("4002ffff40020102")]


async def test_it_is_full_by_number_or_by_bytes_until_enough_is_settled() -> None:
    for payloads in ([b"", b""], [bytes(60), bytes(40)]):
        held = Held(2 if not payloads[0] else 9, 100, lambda _: None)
        full = [held.is_full]
        for payload in payloads:
            held.take([(1, b"t", payload)])
            full.append(held.is_full)
        delivery = await held.next()
        full.append(held.is_full)
        delivery.settle()
        delivery.settle()
        # What was read and is not settled is still held.
        assert [*full, held.is_full] == [False, False, True, True, False]


async def test_after_the_connection_nothing_is_acknowledged_and_nothing_is_given() -> None:
    written: list[bytes] = []
    held = Held(10, 1000, written.append)
    held.take([(1, b"t", b"1"), (2, b"t", b"2"), (3, b"t", b"3")])
    first, second = await held.next(), await held.next()
    first.settle()
    held.lose()
    second.settle()
    held.take([(4, b"t", b"4")])
    await turn()
    assert not written
    with pytest.raises(LinkLostError):
        await held.next()


async def test_whoever_waits_for_a_message_hears_of_the_loss() -> None:
    held = Held(10, 1000, lambda _: None)
    waiting = asyncio.ensure_future(held.next())
    await turn()
    held.lose()
    with pytest.raises(LinkLostError):
        await waiting


async def test_a_name_that_is_no_utf_8_is_given_as_it_can_be_read() -> None:
    held = Held(10, 1000, lambda _: None)
    held.take([(1, b"t/\xff", b"")])
    assert (await held.next()).topic == "t/�"
