"""What is asked of a modem and what may come back, as data.

A command declares the shape of its reply. Every line that arrives is judged by that shape, by the table of unsolicited
result codes and by validators of bare lines; never by substring, never by timing.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import NamedTuple, TypeAlias

from firmware_bridge.at.tokens import Parameters, after_colon, parameters, split_parameters

LineTest: TypeAlias = Callable[[str], bool]
"""Judges one whole line; used to tell a read form from an unsolicited form and to validate bare lines."""


def heads_of(prefixes: Sequence[str]) -> tuple[str, ...]:
    """What lines with one of the prefixes start with, for `str.startswith`. ValueError where a colon is in a prefix."""
    if any(":" in prefix for prefix in prefixes):
        raise ValueError("a prefix is what stands before the colon")
    return tuple([f"{prefix}:" for prefix in prefixes])


Expected: TypeAlias = tuple[tuple[str, ...], LineTest | None, bool]
"""Lines that answer: what they start with, their form, whether there must be one."""


@dataclass(frozen=True, slots=True)
class NoInfo:
    """Only a final result code is expected, as for `AT+CFUN=1`."""


@dataclass(frozen=True, slots=True, init=False)
class Prefixed:
    """Information lines that start with one of the prefixes and a colon, as `+CSQ: 21,99`.

    Give every prefix a modem may use: `Prefixed("+CICCID", "+ICCID")`. `required=False` where an empty list is a plain
    OK (+CMGL, +QIACT?, +CNUM): else an OK without such a line is a ReplyError, and the channel checks its place.
    `form` tells the answer from an unsolicited line with the same prefix (see `at.forms`): a line it refuses is offered
    to the table of unsolicited codes instead.
    `next_line=True` where the value may stand on the line behind a bare `^DSFLOWQRY:`.
    """

    prefixes: tuple[str, ...]
    required: bool
    form: LineTest | None
    next_line: bool
    expected: Expected = field(repr=False, compare=False)
    openings: tuple[bytes, ...] = field(repr=False, compare=False)
    """What a reply whose first line is the answer begins with; empty where one line may not be all of it."""

    def __init__(
        self, *prefixes: str, required: bool = True, form: LineTest | None = None, next_line: bool = False
    ) -> None:
        if not prefixes:
            raise ValueError("a prefixed shape needs a prefix")
        object.__setattr__(self, "prefixes", prefixes)
        object.__setattr__(self, "required", required)
        object.__setattr__(self, "form", form)
        object.__setattr__(self, "next_line", next_line)
        heads = heads_of(prefixes)
        openings = () if next_line else tuple([b"\r\n" + head.encode("latin-1") for head in heads])
        object.__setattr__(self, "expected", (heads, form, required))
        object.__setattr__(self, "openings", openings)


@dataclass(frozen=True, slots=True)
class Bare:
    """A line without prefix that passes `valid`, as the IMEI of `AT+CGSN`; `prefixes` that a modem may put before it.

    `valid` is given the value alone: prefix, blanks and quotes taken off.
    """

    valid: LineTest
    prefixes: tuple[str, ...] = ()
    required: bool = True


@dataclass(frozen=True, slots=True)
class Lines:
    """Free text until the final result code, as for ATI. Lines of the table of unsolicited codes are not part of it."""

    required: bool = False


@dataclass(frozen=True, slots=True)
class Messages:
    """Header lines each followed by a body: `+CMGL: 1,0,,24` and a PDU, or a text of the length the header tells.

    With `pdu=True` a body is a line of hexadecimal digits of the length the header tells. With `pdu=False` (text mode)
    the header's own length counts when it has one (+CSDH=1); else the body ends at a result code behind an empty line.
    """

    prefix: str
    pdu: bool = True


@dataclass(frozen=True, slots=True)
class Prompted:
    """The modem asks with `> ` and gets `payload` and Ctrl-Z; the rest of the reply has the shape `then`."""

    payload: str = field(repr=False)
    then: NoInfo | Prefixed = field(default_factory=NoInfo)


@dataclass(frozen=True, slots=True)
class Dial:
    """`ATD`: ends with CONNECT (the port then carries data) or NO CARRIER, BUSY, NO ANSWER."""


Shape: TypeAlias = NoInfo | Prefixed | Bare | Lines | Messages | Prompted | Dial

NO_INFO = NoInfo()
LINES = Lines()
DIAL = Dial()


class Priority(IntEnum):
    """Who goes first when several callers wait for the port; within one priority the first come."""

    URGENT = 0
    NORMAL = 10
    BACKGROUND = 20


@dataclass(frozen=True, slots=True)
class Command:
    """One command line, without its carriage return.

    `deadline_s` counts from the write to the final result; None takes it from the table of manual times
    (`at.deadlines`). A `secret` command (PIN, password) is never shown: `shown` stops at the `=`.
    """

    text: str
    shape: Shape = NO_INFO
    deadline_s: float | None = None
    secret: bool = False
    wire: bytes = field(init=False, repr=False, compare=False)
    reads: bool = field(init=False, repr=False, compare=False)
    """Whether it is a single read command (`AT+CSQ?`) whose answer has a name."""
    expected: Expected | None = field(init=False, repr=False, compare=False)
    """What lines with a prefix answer, where each is a whole one; None for every other shape."""

    def __post_init__(self) -> None:
        if not self.text.isascii() or not self.text.isprintable():
            raise ValueError("a command line is printable ASCII; encode parameters first (UCS2, hexadecimal)")
        object.__setattr__(self, "wire", self.text.encode("ascii") + b"\r")
        is_read = self.text[-1:] == "?" and "=" not in self.text and ";" not in self.text
        prefixed = self.shape if isinstance(self.shape, Prefixed) else None
        object.__setattr__(self, "reads", is_read and prefixed is not None)
        object.__setattr__(self, "expected", prefixed.expected if prefixed and not prefixed.next_line else None)

    @property
    def shown(self) -> str:
        """The text for logs and errors."""
        return self.text.partition("=")[0] + "=…" if self.secret else self.text


class FinalKind(StrEnum):
    """Final result codes (V.250 5.7.1, TS 27.007 9), and what vendors say instead."""

    OK = "OK"
    CONNECT = "CONNECT"
    ERROR = "ERROR"
    CME = "+CME ERROR"
    CMS = "+CMS ERROR"
    NO_CARRIER = "NO CARRIER"
    BUSY = "BUSY"
    NO_ANSWER = "NO ANSWER"
    NO_DIALTONE = "NO DIALTONE"
    NOT_SUPPORTED = "COMMAND NOT SUPPORT"
    VENDOR = "vendor error"


class Final(NamedTuple):
    """How a command ended. `code` is the number of +CME/+CMS ERROR (looked up when the modem sent words)."""

    kind: FinalKind
    code: int | None = None
    text: str | None = None

    @property
    def succeeded(self) -> bool:
        """Whether the command did what it was asked."""
        return self.kind is FinalKind.OK or self.kind is FinalKind.CONNECT


class Reply(NamedTuple):
    """What a command brought: its information lines whole (decoded as Latin-1, so no byte is lost) and its final.

    For `Messages` the lines are header, body, header, body …: see `pairs`. Text that spanned lines inside quotes is one
    line with LF for each break.
    """

    lines: tuple[str, ...]
    final: Final
    truncated: bool = False

    @property
    def line(self) -> str:
        """The first information line, "" without any."""
        return self.lines[0] if self.lines else ""

    @property
    def text(self) -> str:
        """The value of the first line: behind its `+NAME:` prefix if it has one, blanks and quotes taken off."""
        return bare_value(self.line)

    @property
    def parameters(self) -> Parameters:
        """The parameters of the first line."""
        return parameters(self.line)

    @property
    def rows(self) -> tuple[Parameters, ...]:
        """The parameters of each line."""
        lines = self[0]
        if len(lines) == 1:
            return (split_parameters(lines[0].partition(":")[2]),)
        return tuple([split_parameters(line.partition(":")[2]) for line in lines])

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Header and body of each message."""
        return tuple(zip(self.lines[::2], self.lines[1::2], strict=False))


def bare_value(line: str) -> str:
    """A line's value without `+NAME:` (only such a prefix: a colon in free text stays), blanks and quotes."""
    value = after_colon(line) if line[:1] in {"+", "^", "$", "%", "*", "#"} else line.strip()
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value


class Arrival(StrEnum):
    """What the event queue does with an unsolicited code when nobody reads it."""

    KEEP = "keep"
    """Each one counts (+CMTI): kept in order; when the queue is full its loss is told by EventsLost."""
    LATEST = "latest"
    """Only the newest counts (^RSSI, ^HCSQ, floods): an unread older one of the same name makes room."""


@dataclass(frozen=True, slots=True)
class Urc:
    """One unsolicited result code: a name before a colon (`+CMTI`) or a whole line (`RDY`).

    `form` refuses lines that are the answer to a read command. `body=True`: a PDU line follows (+CMT, +CDS).
    `reboot=True`: it is said only after a start. `spans=True`: its quoted text may hold line breaks (+CUSD).
    """

    name: str
    arrival: Arrival = Arrival.KEEP
    form: LineTest | None = None
    body: bool = False
    reboot: bool = False
    spans: bool = False
    plain: bool = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "plain", not (self.body or self.reboot or self.spans))


@dataclass(frozen=True, slots=True, init=False)
class UrcTable:
    """The unsolicited result codes a modem is known to send, by name."""

    entries: Mapping[str, Urc]

    def __init__(self, entries: Iterable[Urc | str] = ()) -> None:
        rows = [Urc(entry) if isinstance(entry, str) else entry for entry in entries]
        object.__setattr__(self, "entries", {row.name: row for row in rows})

    def extended(self, *entries: Urc | str) -> "UrcTable":
        """This table and more rows; a row of the same name replaces the older one."""
        return UrcTable([*self.entries.values(), *entries])


class Unsolicited(NamedTuple):
    """A line nobody asked for: its name in the table, its parameters, the whole line, and the PDU that followed it."""

    name: str
    parameters: Parameters
    line: str
    body: str | None = None


class Rebooted(NamedTuple):
    """The modem has started anew: what it was told is forgotten. `evidence` is the line (RDY …) or "echo"."""

    evidence: str


class Resynchronised(NamedTuple):
    """After a lost reply the channel has found its place again; so many late lines were delivered to nobody.

    Among them may have been unsolicited ones that looked like answers: read again what matters.
    """

    late_lines: int
    late_replies: int


class EventsLost(NamedTuple):
    """So many events did not fit into the queue before this point: read the state anew (registration, SMS list)."""

    number: int


ChannelEvent: TypeAlias = Unsolicited | Rebooted | Resynchronised | EventsLost
