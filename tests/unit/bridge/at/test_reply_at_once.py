"""A reply taken at once is the one that any other way through the connection would bring, and leaves it the same."""

from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_bridge.at.commands import Command, Messages, Prefixed, Reply
from firmware_bridge.at.connection import Answered, Connection
from firmware_bridge.at.forms import is_registration_read
from firmware_bridge.at.lines import MAX_LINE

from .test_connection import URCS, feed


class LineByLine(Connection):
    """Takes no line in a quicker way than any other."""

    def _take_usual(self, lines: list[str]) -> None:
        self._take_each(lines)


class Twice:
    """The same bytes for two connections: one takes replies and lines at once where it can, the other never does."""

    def __init__(self) -> None:
        self.quick, self.plain = Connection(URCS, in_step=True), LineByLine(URCS, in_step=True)

    def assert_same_reply(self, command: Command, data: bytes) -> Reply | None:
        """Feed both; they must come to the same. The reply if it was taken at once."""
        self.plain.send(command)
        expected = feed(self.plain, data)
        reply = self.quick.reply_at_once(command, data)
        if reply is None:
            self.quick.send(command)
            found = feed(self.quick, data)
        else:
            found = [Answered(command, reply, True)]
        assert found == expected
        self.assert_same_state()
        return reply

    def assert_same_lines(self, data: bytes) -> None:
        """Bytes while no command is in flight."""
        assert feed(self.quick, data) == feed(self.plain, data)
        self.assert_same_state()

    def assert_same_state(self) -> None:
        """Nothing of what follows may depend on which way was taken."""
        assert self.quick.counts == self.plain.counts
        assert self.quick.idle == self.plain.idle
        assert self.quick.resync.judged == self.plain.resync.judged


ASKED = [
    Command("AT+CSQ", Prefixed("+CSQ")),
    Command("AT+CEREG?", Prefixed("+CEREG", form=is_registration_read)),
    Command("AT+CGATT?", Prefixed("+CGATT")),
    Command("AT^DSFLOWQRY", Prefixed("^DSFLOWQRY", next_line=True)),
    Command("ATE0"),
    Command("AT&F"),
    Command("AT+CMGR=1", Messages("+CMGR")),
]
SAID = st.sampled_from(
    [
        b"\r\n+CSQ: 21,99\r\n\r\nOK\r\n",
        b"\r\n+CSQ: 21,99\r\n\r\n0\r\n",
        b'\r\n+CSQ: "21\r\n\r\nOK\r\n',
        b"\r\n+CSQ: 21\r99\r\n\r\nOK\r\n",
        b"\r\n+CSQ: 2\x001,99\r\n\r\nOK\r\n",
        b"\r\n+CSQ: 21,99\r\n\r\nOK\r\n\r\nRING\r\n",
        b"\r\n+CEREG: 2,1\r\n\r\nOK\r\n",
        b"\r\n+CEREG: 1\r\n\r\nOK\r\n",
        b"\r\n+CGATT: 1\r\n\r\nOK\r\n",
        b"\r\n^DSFLOWQRY:\r\n\r\nOK\r\n",
        b"\r\n^DSFLOWQRY:1,2\r\n\r\nOK\r\n",
        b"\r\n+CMGR: 0,,24\r\n\r\nOK\r\n",
        b"\r\n+IP ERROR: 3\r\n",
        b"\r\nERROR\r\n",
        b"\r\nOK\r\n",
        b"0\r",
        b"AT+CSQ\r\r\n+CSQ: 21,99\r\n\r\nOK\r\n",
        b"\r\n+CMT: ,24\r\n",
        b"\r\n+CMTI: ",
        b'\r\n+CUSD: 0,"two\r\n',
        b"\r\nRING\r",
        b"\r\nRING\r\n\r\n+CSQ: 21,99\r\n\r\n^RSSI:12\r\n\r\nOK\r\n\r\n+CREG: 1\r\n",
        b"\r\n+CGATT: 1\r\n\r\n+CGATT: 0\r\n\r\nOK\r\n\r\n+CMTI: 1,2\r\n\r\nOK\r\n",
    ]
)


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([None, *ASKED]), SAID | st.binary(max_size=12)), max_size=8))
def test_a_reply_taken_at_once_is_the_one_any_other_way_would_bring(script: list[tuple[Command | None, bytes]]) -> None:
    both = Twice()
    for command, data in script:
        if command is not None and both.plain.idle:
            both.assert_same_reply(command, data)
        else:
            both.assert_same_lines(data)


def test_which_replies_are_taken_at_once() -> None:
    both = Twice()
    csq, attached = ASKED[0], ASKED[2]
    assert both.assert_same_reply(csq, b"\r\n+CSQ: 21,99\r\n\r\nOK\r\n") is not None
    assert both.assert_same_reply(attached, b"\r\n+CGATT: 1\r\n\r\nOK\r\n") is not None
    assert "AT+CGATT?" in both.quick.resync.judged
    assert both.assert_same_reply(ASKED[1], b"\r\n+CEREG: 2,1\r\n\r\nOK\r\n") is not None
    both.assert_same_lines(b"\r\nRING\r")
    assert both.assert_same_reply(csq, b"\r\n+CSQ: 21,99\r\n\r\nOK\r\n") is None, "an LF might have been due"
    longest = b"\r\n+CSQ: " + b"1" * MAX_LINE + b"\r\n\r\nOK\r\n"
    assert both.assert_same_reply(csq, longest) is None


def test_the_error_that_a_vendor_sends_behind_its_own_is_not_awaited_for_ever() -> None:
    both = Twice()
    both.assert_same_reply(ASKED[0], b"\r\n+IP ERROR: 3\r\n")
    assert both.assert_same_reply(ASKED[0], b"\r\n+CSQ: 21,99\r\n\r\nOK\r\n") is not None
    both.assert_same_reply(ASKED[0], b"\r\nERROR\r\n")
    assert both.quick.idle
