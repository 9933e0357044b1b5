"""V.250 command lines."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.modem.syntax import Call, LineSyntaxError, Op, read_line, split_arguments


@pytest.mark.parametrize(
    ("body", "calls"),
    [
        ("", ()),
        ("I", (Call("I", Op.EXECUTE, (None,)),)),
        ("e0v1", (Call("E", Op.EXECUTE, ("0",)), Call("V", Op.EXECUTE, ("1",)))),
        ("E0+cmee=1", (Call("E", Op.EXECUTE, ("0",)), Call("+CMEE", Op.SET, ("1",), "1"))),
        ("+COPS=3,2;+COPS?", (Call("+COPS", Op.SET, ("3", "2"), "3,2"), Call("+COPS", Op.READ))),
        ("+COPS=?", (Call("+COPS", Op.TEST),)),
        (" + ", None),
        ("&F", (Call("&F", Op.EXECUTE, (None,)),)),
        ("S3=13S5?", (Call("S", Op.SET, ("3", "13")), Call("S", Op.READ, ("5", "0")))),
        ("D*99***1#", (Call("D", Op.EXECUTE, ("*99***1#",), "*99***1#"),)),
        ('+X="a;b",,"c"', (Call("+X", Op.SET, ("a;b", None, "c"), '"a;b",,"c"'),)),
        ("^SYSINFOEX", (Call("^SYSINFOEX", Op.EXECUTE),)),
        ("?", None),
        ('+X="open', None),
    ],
)
def test_reads_a_line(body: str, calls: tuple[Call, ...] | None) -> None:
    if calls is None:
        with pytest.raises(LineSyntaxError):
            read_line(body)
    else:
        assert read_line(body) == calls


@given(st.lists(st.text(alphabet=st.characters(exclude_characters='"', max_codepoint=255)), min_size=1, max_size=6))
def test_quoted_arguments_come_back_whole(values: list[str]) -> None:
    assert split_arguments(",".join(f'"{value}"' for value in values)) == tuple(values)


@given(st.text(max_size=60))
def test_any_line_is_read_or_refused(body: str) -> None:
    try:
        calls = read_line(body)
    except LineSyntaxError:
        return
    assert all(call.name for call in calls)
