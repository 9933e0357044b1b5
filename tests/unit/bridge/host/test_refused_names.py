"""The counter of refused names: what it answers, what it counts, what it keeps."""

import asyncio
import struct

from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.host import dns
from firmware_bridge.host.dns import NXDOMAIN, TXT, A, UdpResolver
from firmware_bridge.host.refused_names import CATEGORIES_MOST, CONNECTIONS_MOST, LoopbackCounter, refuse

LABELS = st.lists(st.from_regex(r"[a-zA-Z0-9]{1,20}", fullmatch=True), min_size=1, max_size=6)


@given(LABELS, st.integers(1, 65535), st.binary(max_size=40))
def test_any_question_is_refused_with_its_own_words(labels: list[str], kind: int, rest: bytes) -> None:
    asked = dns.encode_question(".".join(labels), kind)
    reply = refuse(asked + rest)
    assert reply is not None
    assert dns.decode_answer(reply).rcode == NXDOMAIN
    assert reply[:2] == asked[:2]
    assert reply[12:] == asked[12:]
    assert struct.unpack(">4H", reply[4:12]) == (1, 0, 0, 0)


@given(st.binary(max_size=600))
def test_any_bytes_are_refused_or_dropped(data: bytes) -> None:
    reply = refuse(data)
    assert reply is None or len(reply) <= len(data)


def test_what_is_no_query_of_one_question_gets_no_answer() -> None:
    asked = dns.encode_question("a.example", A)
    reply = refuse(asked)
    assert reply is not None
    # A reply answered would be two counters talking for ever.
    assert refuse(reply) is None
    assert refuse(asked[:-1]) is None
    assert refuse(asked[:4] + b"\0\2" + asked[6:]) is None
    assert refuse(asked[:12] + b"\xc0\x0c" + asked[14:]) is None


async def ask(port: int, name: str, kind: int = A) -> int:
    return (await UdpResolver().ask(("127.0.0.1", port), name, kind, deadline_s=5)).rcode


async def ask_by_tcp(port: int, message: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(message)
        return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


async def test_each_category_is_counted_apart() -> None:
    counter = LoopbackCounter()
    try:
        ports = await counter.listen(["adult", "gambling"])
        assert await ask(ports["adult"], "a.example") == NXDOMAIN
        assert await ask(ports["adult"], "www.a.example", TXT) == NXDOMAIN
        assert counter.counts() == {"adult": 2, "gambling": 0}
        question = dns.encode_question("b.example", A)
        reply = await ask_by_tcp(ports["gambling"], len(question).to_bytes(2, "big") + question)
        assert dns.decode_answer(reply[2:]).rcode == NXDOMAIN
        assert counter.counts() == {"adult": 2, "gambling": 1}
        # Asked for the same again it keeps ports and counts; what is not wanted goes with its count.
        assert await counter.listen(["adult"]) == {"adult": ports["adult"]}
        assert counter.counts() == {"adult": 2}
    finally:
        counter.close()
        counter.close()
    assert counter.counts() == {}


async def test_nonsense_is_not_counted_and_ends_no_service() -> None:
    counter = LoopbackCounter()
    try:
        port = (await counter.listen(["adult"]))["adult"]
        assert await ask_by_tcp(port, b"\xff\xff" + b"x" * 10) == b""
        assert await ask_by_tcp(port, b"\x00\x02no") == b""
        assert counter.counts() == {"adult": 0}
        assert await ask(port, "a.example") == NXDOMAIN
    finally:
        counter.close()


async def test_connections_are_bounded_and_come_back() -> None:
    counter = LoopbackCounter()
    question = dns.encode_question("b.example", A)
    framed = len(question).to_bytes(2, "big") + question
    try:
        port = (await counter.listen(["adult"]))["adult"]
        idle = [await asyncio.open_connection("127.0.0.1", port) for _ in range(CONNECTIONS_MOST)]
        assert await ask_by_tcp(port, framed) == b""
        for _, writer in idle:
            writer.close()
            await writer.wait_closed()
        # Their ends are seen before a question that comes after them.
        assert await ask(port, "a.example") == NXDOMAIN
        assert await ask_by_tcp(port, framed)
    finally:
        counter.close()


async def test_categories_are_bounded() -> None:
    counter = LoopbackCounter()
    try:
        names = [f"c{number}" for number in range(CATEGORIES_MOST + 3)]
        assert list(await counter.listen([*names, names[0]])) == names[:CATEGORIES_MOST]
    finally:
        counter.close()
