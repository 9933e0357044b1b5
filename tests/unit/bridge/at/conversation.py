"""Whole conversations in any chunks: what the property test and the fuzz target compare."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import cycle

from firmware_bridge.at.commands import (
    DIAL,
    LINES,
    Bare,
    Command,
    Messages,
    Prefixed,
    Prompted,
)
from firmware_bridge.at.connection import NEED_DATA, Answered, Connection
from firmware_bridge.at.forms import is_registration_read
from firmware_bridge.at.lines import MAX_LINE
from firmware_bridge.at.urcs import GENERIC
from firmware_bridge.at.validators import is_imei, is_text

COMMANDS = (
    Command("AT"),
    Command("AT+CSQ", Prefixed("+CSQ")),
    Command("AT+CEREG?", Prefixed("+CEREG", form=is_registration_read)),
    Command("AT+CGSN", Bare(is_imei, ("+CGSN",))),
    Command("AT+CGMM", Bare(is_text)),
    Command("ATI", LINES),
    Command("AT+CMGL=4", Messages("+CMGL")),
    Command('AT+CMGL="ALL"', Messages("+CMGL", pdu=False)),
    Command("AT+CMGS=2", Prompted("0011", Prefixed("+CMGS"))),
    Command("ATD*99#", DIAL),
    Command("AT^DSFLOWQRY", Prefixed("^DSFLOWQRY", next_line=True)),
    Command("ATV0"),
    Command("ATE0"),
)
BORDER = b"\xff"  # stands for what the owner does meanwhile: the next command, a probe, giving up
MAX_EVENTS_PER_BYTE = 2


@dataclass
class Conversation:
    """What came of it: the events, the counters and the state at the end."""

    connection: Connection
    commands: Iterator[Command]
    impatient: bool
    events: list[object] = field(default_factory=list)

    def hear(self, said: bytes, cut: int) -> None:
        """Bytes in chunks of `cut` (0: at once, and on the spot where that is possible)."""
        command = self._act()
        if cut == 0 and command is not None:
            reply = self.connection.reply_at_once(command, said)
            if reply is not None:
                self.events.append(Answered(command, reply, fits=True))
                return
        if command is not None:
            self.connection.send(command)
        size = cut or len(said) or 1
        for start in range(0, len(said), size):
            self.connection.receive_data(said[start : start + size])
            while (event := self.connection.next_event()) is not NEED_DATA:
                self.events.append(event)
                if isinstance(event, Answered):
                    assert event.reply.rows is not None

    def _act(self) -> Command | None:
        """What the owner does at a border: it depends on the state alone. The command that is due."""
        connection = self.connection
        if connection.idle:
            return next(self.commands)
        if connection.online:
            connection.leave_data_mode()
        elif connection.quarantined:
            self._probe()
        elif self.impatient:
            connection.abandon()
        return None

    def _probe(self) -> None:
        self.connection.probe_unanswered()
        if self.connection.quarantined and self.connection.next_probe() is None:
            self.connection.start_proof()

    @property
    def outcome(self) -> tuple[object, ...]:
        """What must be the same in any chunks."""
        connection = self.connection
        state = connection.idle, connection.online, connection.quarantined, connection.buffered
        return (*self.events, connection.counts, state)


def converse(first: int, said: bytes, cut: int, mode: int) -> tuple[object, ...]:
    """Commands one after the other, the `first` of COMMANDS before all, and everything that the bytes mean to them."""
    connection = Connection(GENERIC, in_step=mode % 4 != 0)
    commands = COMMANDS[first % len(COMMANDS) :] + COMMANDS[: first % len(COMMANDS)]
    talk = Conversation(connection, cycle(commands), impatient=mode % 8 > 3)
    for part in said.split(BORDER):
        talk.hear(part, cut)
        assert connection.buffered <= MAX_LINE
    connection.abandon()
    connection.abandon()
    assert len(talk.events) <= MAX_EVENTS_PER_BYTE * len(said) + 1
    return talk.outcome


def assert_any_chunks_mean_the_same(first: int, said: bytes, cut: int, mode: int) -> None:
    """At once, in chunks of `cut` octets, and octet by octet."""
    whole = converse(first, said, 0, mode)
    assert whole == converse(first, said, cut, mode), f"in chunks of {cut} the same bytes meant something else"
    assert whole == converse(first, said, 1, mode), "the same bytes one at a time meant something else"
