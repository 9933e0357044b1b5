"""Parameters: split once at the colon, quotes and parentheses respected, text survives."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_bridge.at import tokens
from firmware_bridge.at.tokens import (
    MAX_DEPTH,
    Parameter,
    Parameters,
    after_colon,
    join_parameters,
    parameters,
    quote,
    split_parameters,
)

ROWS: list[tuple[str, Parameters]] = [
    ("+CSQ: 21,99", ("21", "99")),
    ("+CSQ:21,99", ("21", "99")),
    ('+CREG: 2,1,"0502","00001234",7', ("2", "1", "0502", "00001234", "7")),
    ("+CREG: 2,,", ("2", None, None)),
    ("+CEREG: 2,1, 1F00, 20 ,79D903 ,7", ("2", "1", "1F00", "20", "79D903", "7")),
    ('+CCLK: "26/11/21,22:40:00+04"', ("26/11/21,22:40:00+04",)),
    ('+CGPADDR: 1,"2001:db8::1"', ("1", "2001:db8::1")),
    ('+CMTI: "SM", 26', ("SM", "26")),
    ("+CMTI: SM,12", ("SM", "12")),
    ('+QLTS: ""', ("",)),
    ("+CNUM: ", ()),
    ("+CNUM:", ()),
    ('^NDISSTAT: 1,,,"IPV4"', ("1", None, None, "IPV4")),
    ("+QNWINFO: No Service", ("No Service",)),
    (
        '+COPS: (2,"EE","EE","23430",7),(1,"3 (UK), really","3","23420"),,(0,1,2),(0-2)',
        (("2", "EE", "EE", "23430", "7"), ("1", "3 (UK), really", "3", "23420"), None, ("0", "1", "2"), ("0-2",)),
    ),
    ("+CPMS: (),(),()", ((), (), ())),
    ("+CGDCONT: ( 1 ),,,(0-2)", (("1",), None, None, ("0-2",))),
    ('+CUSD: 0,"a\\22b",15', ("0", 'a"b', "15")),
    ('+X: "a"b,c', ('"a"b', "c")),
    ('+X: "open,1', ('"open,1',)),
    ("+X: a)b,1", ("a)b", "1")),
]


@pytest.mark.parametrize(("line", "expected"), ROWS)
def test_real_shaped_lines(line: str, expected: Parameters) -> None:
    assert parameters(line) == expected


def test_the_line_is_split_once_at_the_colon() -> None:
    assert after_colon('+CCLK: "26/11/21,22:40:00+04"') == '"26/11/21,22:40:00+04"'
    assert after_colon("no colon here ") == "no colon here"


QUOTABLE = st.text(st.one_of(st.characters(min_codepoint=32, max_codepoint=255), st.sampled_from("\r\n")), max_size=40)


@given(st.lists(st.one_of(QUOTABLE, st.none(), st.integers(0, 10**9)), min_size=1, max_size=8))
def test_quoted_text_survives_a_round_trip(values: list[str | int | None]) -> None:
    line = "+X: " + join_parameters(*values)
    expected = tuple(str(value) if isinstance(value, int) else value for value in values)
    assert parameters(line) == (() if expected == (None,) else expected)


# An octet is drawn far more cheaply than a character; every octet is one (Latin-1), or one of those that matter.
ODD = '",() \\1aF-\t'


@settings(max_examples=500)
@given(st.binary(max_size=40), st.booleans())
def test_the_fast_reading_equals_the_careful_one(octets: bytes, odd: bool) -> None:
    text = "".join(ODD[octet % len(ODD)] for octet in octets) if odd else octets.decode("latin-1")
    assert split_parameters(text) == tokens._split_carefully(text, 0)


@pytest.mark.parametrize("bad", ["a\x1ab", "\x1b", "\0", "snow ☃"])
def test_what_would_end_a_command_is_refused(bad: str) -> None:
    with pytest.raises(ValueError, match="cannot stand"):
        quote(bad)


def test_parentheses_nested_without_end_are_text() -> None:
    value: Parameter
    (value,) = parameters("+X: " + "(" * 4000 + "1" + ")" * 4000)
    depth = 0
    while isinstance(value, tuple):
        (value,) = value
        depth += 1
    assert depth == MAX_DEPTH
