"""osmo-hlr's two interfaces: whatever way the bytes are cut, the same answers come out."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.carrier.osmo_wire import (
    LARGEST_ANSWER,
    ControlReply,
    ControlStream,
    TerminalStream,
    WireError,
    answer_to,
    control_request,
    read_info,
)

GREETING = b"Welcome to the OsmoHLR VTY interface\r\n\r\n\xff\xfb\x01\xff\xfb\x03\xff\xfe\x22\xff\xfd\x1fOsmoHLR> "
SESSION = (
    GREETING
    + b"enable\r\nOsmoHLR# subscriber imsi 1 update network-access-mode cs\r\nOsmoHLR# "
    + b"subscriber imsi 2 update network-access-mode cs\r\n% No subscriber for imsi = '2'\r\nOsmoHLR# "
)
SAID = [
    "",
    "enable\r\n",
    "subscriber imsi 1 update network-access-mode cs\r\n",
    "subscriber imsi 2 update network-access-mode cs\r\n% No subscriber for imsi = '2'\r\n",
]


def frame(text: str, protocol: int = 0xEE) -> bytes:
    return (len(text) + 1).to_bytes(2, "big") + bytes([protocol, 0]) + text.encode()


CONTROL = (
    frame("GET_REPLY 7 subscriber.by-imsi-1.info \nid\t1\nimsi\t1\nnam_ps\t0")
    + frame("TRAP 0 something happened")
    + frame("ping", protocol=0xFE)
    + frame("SET_REPLY 8 subscriber.create 12")
    + frame("ERROR 9 No such subscriber.")
)
REPLIES = [
    ControlReply(7, "\nid\t1\nimsi\t1\nnam_ps\t0", error=False),
    ControlReply(8, "12", error=False),
    ControlReply(9, "No such subscriber.", error=True),
]


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({cut % (len(data) + 1) for cut in cuts} | {0, len(data)})
    return [data[a:b] for a, b in itertools.pairwise(places)]


@given(st.lists(st.integers(0, 10_000), max_size=20))
def test_the_terminals_answers_do_not_depend_on_how_the_bytes_are_cut(cuts: list[int]) -> None:
    # Between the greeting and the rest a caller has sent its first line.
    stream = TerminalStream()
    found = [answer for piece in pieces(GREETING, cuts) for answer in stream.feed(piece)]
    found += [answer for piece in pieces(SESSION[len(GREETING) :], cuts) for answer in stream.feed(piece)]
    assert found == SAID


@given(st.lists(st.integers(0, 10_000), max_size=20))
def test_the_control_replies_do_not_depend_on_how_the_bytes_are_cut(cuts: list[int]) -> None:
    stream = ControlStream()
    assert [reply for piece in pieces(CONTROL, cuts) for reply in stream.feed(piece)] == REPLIES


@given(st.binary(max_size=300))
def test_no_bytes_do_anything_but_answer_or_be_refused(data: bytes) -> None:
    for stream in (ControlStream(), TerminalStream()):
        try:
            told = stream.feed(data)
        except WireError:
            continue
        assert isinstance(told, list)


def test_a_request_is_framed_as_the_register_reads_it() -> None:
    told = control_request(6, "SET", "subscriber.by-imsi-234300000000001.ps-enabled", "0")
    assert told[:4] == b"\x00\x36\xee\x00"
    assert told[4:] == b"SET 6 subscriber.by-imsi-234300000000001.ps-enabled 0"


@pytest.mark.parametrize("text", ["what", "GET_REPLY x y z", "GET_REPLY", "HELLO 1 2"])
def test_what_is_no_reply_is_refused(text: str) -> None:
    with pytest.raises(WireError):
        ControlStream().feed(frame(text))


def test_an_answer_belongs_to_its_line() -> None:
    assert answer_to("enable", "enable\r\n") == ""
    assert answer_to("show", "show\r\n  ID: 1\r\n") == "ID: 1"
    with pytest.raises(WireError):
        answer_to("show", "enable\r\n")


def test_an_endless_answer_and_a_password_are_refused() -> None:
    stream = TerminalStream()
    stream.feed(GREETING)
    with pytest.raises(WireError):
        stream.feed(b"x" * (LARGEST_ANSWER + 1))
    with pytest.raises(WireError, match="password"):
        TerminalStream().feed(b"User Access Verification\r\n\r\nPassword: ")


def test_an_info_is_read_by_its_names() -> None:
    assert read_info("\nid\t1\nimsi\t23430\nnam_cs\t1\nlmsi\t\nodd") == {
        "id": "1",
        "imsi": "23430",
        "nam_cs": "1",
        "lmsi": "",
    }
