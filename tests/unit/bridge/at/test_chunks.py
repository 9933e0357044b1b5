"""The same octets mean the same in any chunks, whatever they are: events, counters, and the state they leave."""

import itertools

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from firmware_bridge.at.commands import Command, Prefixed, Prompted
from firmware_bridge.at.connection import NEED_DATA, Answered, Connection, PromptSeen
from firmware_bridge.at.lines import MAX_LINE
from firmware_bridge.at.urcs import GENERIC

from .conversation import BORDER, COMMANDS, assert_any_chunks_mean_the_same
from .test_connection import REPLIES

SENDING = next(number for number, command in enumerate(COMMANDS) if isinstance(command.shape, Prompted))
IN_STEP = 1
WORDS = (
    *b'OK ERROR 0 4 > " , ( ) : NA RDY BUSY RING CONNECT AT ATE0 0011 00AABB 123 490154203237518'.split(),
    *(b"\r\n", b"\r", b"\n", b"\r\r\n", b"\r\n\r\nOK\r\n", b"\r\n> ", b"> \0 ", b"\0", b" ", BORDER),
    *(b"\t", b"\x0b", b"\x1a", b"\x1c", b"\x7f", b"\x85", b"\xa0", b" :", b"+CMT :,\t", b"+QSIMSTAT : 1"),
    *(b"+CSQ: 1,2", b"+cmgs: 7", b"+CMGS: 5", b"+CEREG: 1", b"+CEREG: 2,1", b"+CMEE: 1", b"+CFUN: 1", b"^DSFLOWQRY:"),
    *(b"NO CARRIER", b"CONNECT 1", b"+CME ERROR: 10", b"+IP ERROR: x", b"+EXT ERROR: 1", b"COMMAND NOT SUPPORT"),
    *(b"+CMGL: 1,0,,2", b'+CMGL: 1,"R","x",,"d"', b'+CMGL: 1,"R","x",,"d",145,4', b"+CMT: ,2", b'+CMT: "x",,"d"'),
    *(b'+CUSD: 0,"', b'+COPS: 0,0,"x', b"+CTZV: 1", b'+CMTI: "SM",3'),
    *(b"\r\n" + data for _, data, *_ in REPLIES if b"\xff" not in data),
)


@settings(max_examples=250, deadline=None)
@given(
    st.integers(0, len(COMMANDS) - 1),
    st.lists(st.one_of(st.sampled_from(WORDS), st.binary(max_size=6)), max_size=30).map(b"".join),
    st.integers(2, 17),
    st.integers(0, 7),
)
@example(1, b"+CSQ: \xb2,\xb9\r\nOK\r\n", 2, IN_STEP)
def test_any_chunks_mean_the_same(first: int, said: bytes, cut: int, mode: int) -> None:
    assert_any_chunks_mean_the_same(first, said, cut, mode)


@pytest.mark.parametrize(
    "data",
    [
        b"\r\n>\x03\x1f\n+CMGS: 5\r\nOK\r\n",  # a prompt that ends in a line end
        b"0\n>\x1f\n+",  # a prompt behind the final result
        b"+CMT: ,2\r>>>>\n=2\nOK\n",  # a prompt where a PDU is due
        b"> +CMGS: 5 \r\nOK\r\n",
        b'\r\n> +CMGS\xa0: 2,"x\r\nOK\r\n',  # what looks blank only in Unicode, behind the prompt
        b"\r\n> \0 \0+CMT :,\t\r\n00\r\nOK\r\n",  # blanks before the colon and at the end, behind the prompt
        b"\r\nOK\r\n> " + BORDER + b"\r\n+CMGS: 5\r\nOK\r\n",  # before the command
        b'\r\n> \r\n\r\n+CMGS: "\r\n\r\n"\r\nOK\r\n',  # empty lines behind it
    ],
)
def test_prompts_mean_the_same_in_any_chunks(data: bytes) -> None:
    for cut in (2, 3, 5):
        assert_any_chunks_mean_the_same(SENDING, data, cut, IN_STEP)


ASKED = Command("AT+CMGS=1", Prompted("00", Prefixed("+CMGS")))


@pytest.mark.parametrize(
    ("head", "prompted", "lines"),
    [
        (b"> +CMGS: ", True, 1),
        (b"   >   +CMGS: ", True, 1),
        (b" " * (MAX_LINE - 9) + b"> +CMGS: ", True, 1),  # what stands before a prompt has a length of its own
        (b" " * MAX_LINE + b"> +CMGS: ", False, 0),
    ],
)
@pytest.mark.parametrize("spare", [0, -1])
def test_what_is_too_long_is_so_in_any_chunks(head: bytes, prompted: bool, lines: int, spare: int) -> None:
    value = b"5" * (MAX_LINE - len("+CMGS: ") - spare)
    data = head + value + b"\r\n\r\nOK\r\n"
    if spare < 0:
        lines = 0
    heard = []
    for borders in ((), (1, 4, len(head) - 8, len(head), 5000), range(0, len(data), 4000)):
        connection = Connection(GENERIC, in_step=True)
        connection.send(ASKED)
        places = sorted({0, len(data), *borders})
        events: list[object] = []
        for start, stop in itertools.pairwise(places):
            connection.receive_data(data[start:stop])
            while (event := connection.next_event()) is not NEED_DATA:
                events.append(event)
        heard.append((events, connection.counts))
        assert [type(event) for event in events] == [PromptSeen] * prompted + [Answered]
        assert isinstance(events[-1], Answered)
        assert len(events[-1].reply.lines) == lines
    assert heard[1:] == heard[:-1]


@pytest.mark.parametrize("before", [b"", b"\r\nOK\r\n", b"\r\nOK\r\n\r\nOK\r\n", b"+CMT: ,2\r\n", b'+CUSD: 0,"x\r\n'])
def test_a_line_that_never_ends_is_not_kept(before: bytes) -> None:
    connection = Connection(GENERIC, in_step=True)
    connection.send(COMMANDS[0])
    connection.receive_data(before + b"x" * (3 * MAX_LINE))
    assert connection.buffered <= MAX_LINE
