"""Collecting one reply: the lines a declared shape wants, values that span lines, and message bodies."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

from firmware_bridge.at import results
from firmware_bridge.at.bodies import TextBody, fits_header
from firmware_bridge.at.commands import (
    NO_INFO,
    Bare,
    Command,
    Expected,
    Lines,
    Messages,
    Prefixed,
    Prompted,
    Shape,
    Urc,
    UrcTable,
    bare_value,
    heads_of,
)

_NOTHING_EXPECTED: Expected = ((), None, False)

MAX_REPLY_LINES = 4096
MAX_SPAN = 4096  # characters of one information line with line breaks inside its quotes
MAX_SPAN_LINES = 256


@dataclass(slots=True)
class Counts:
    """What happened on this port, for telemetry. Lines, replies, characters, times: plain numbers."""

    commands: int = 0
    abandoned: int = 0
    late_lines: int = 0
    late_replies: int = 0
    stray_finals: int = 0
    noise_lines: int = 0
    resyncs: int = 0
    reboots: int = 0
    unsolicited: int = 0


class ReplyAssembly(ABC):
    """The part of a conversation that collects. `_take` is what the next line is given to: the state is that method."""

    __slots__ = (
        "_after_blank",
        "_command",
        "_follow",
        "_form",
        "_heads",
        "_held",
        "_info",
        "_minds_blanks",
        "_payload",
        "_prompt",
        "_rare",
        "_required",
        "_span",
        "_take",
        "_text_body",
        "_to_idle",
        "_to_pending",
        "_truncated",
        "_urcs",
        "counts",
        "quarantined",
    )

    def __init__(self, urcs: UrcTable) -> None:
        self.counts = Counts()
        self.quarantined = False
        self._urcs = urcs.entries
        self._command: Command | None = None
        self._after_blank = False
        self._minds_blanks = False
        self._rare = True  # whether the last command left more behind than its lines
        self._text_body: TextBody | None = None
        self._span: list[str] | None = None
        self._held: tuple[Urc, str] | None = None
        # Made once: to tell a state from another is to compare what `_take` is.
        self._to_pending: Callable[[str], None] = self._pending
        self._to_idle: Callable[[str], None] = self._idle
        self._take: Callable[[str], None] = self._usual()
        self._expect(NO_INFO)

    @abstractmethod
    def _pending(self, line: str) -> None:
        """A line while a command is in flight."""

    @abstractmethod
    def _idle(self, line: str) -> None:
        """A line while no command is in flight."""

    @abstractmethod
    def _usual(self) -> Callable[[str], None]:
        """Where lines go when nothing special is due."""

    @abstractmethod
    def _emit(self, urc: Urc, line: str) -> None:
        """An unsolicited line."""

    @abstractmethod
    def _unsolicited(self, urc: Urc, line: str, body: str | None) -> None:
        """An unsolicited message that is complete."""

    def _blank(self) -> None:
        self._after_blank = True
        if self._span is not None:
            if len(self._span) < MAX_SPAN_LINES:
                self._span.append("")
        elif self._text_body is not None:
            self._text_body.add("")

    def _expect(self, shape: Shape) -> None:
        self._info: list[str] = []
        if self._rare:
            self._rare = self._truncated = False
            self._prompt: Prompted | None = None
            self._payload = ""
            self._follow: Callable[[str], None] | None = None
        if isinstance(shape, Prefixed):
            self._heads, self._form, self._required = shape.expected
            if shape.next_line:
                self._follow = self._await_value
                self._rare = True
        else:
            self._rare = True
            self._heads, self._form, self._required = _NOTHING_EXPECTED
            self._expect_other(shape)

    def _expect_other(self, shape: Shape) -> None:
        if isinstance(shape, Bare):
            self._heads = heads_of(shape.prefixes)
            self._required = shape.required
            self._form = lambda line: shape.valid(bare_value(line))
        elif isinstance(shape, Messages):
            self._heads = heads_of((shape.prefix,))
            self._follow = self._await_pdu if shape.pdu else self._await_text
        elif isinstance(shape, Prompted):
            self._prompt = shape
        elif isinstance(shape, Lines):
            self._required = shape.required

    def _add_info(self, line: str) -> None:
        if line.count('"') & 1:
            self._span_from(line)
            return
        if len(self._info) >= MAX_REPLY_LINES:
            self._truncated = self._rare = True
            return
        self._info.append(line)
        if self._follow is not None:
            self._follow(line)

    def _span_from(self, line: str) -> None:
        self._span = [line]
        self._minds_blanks = True
        self._take = self._spanning

    def _spanning(self, line: str) -> None:
        """Inside quotes: whatever the line says, it belongs to the value, until the quotes close."""
        assert self._span is not None
        self._span.append(line)
        whole = "\n".join(self._span)
        if not line.count('"') & 1 and len(whole) <= MAX_SPAN and len(self._span) < MAX_SPAN_LINES:
            return
        self._span = None
        self._minds_blanks = False
        held, self._held = self._held, None
        self._take = self._usual()
        if line.count('"') & 1 == 0:
            self.counts.noise_lines += 1
        elif held is not None:
            self._unsolicited(held[0], whole, None)
        else:
            self._add_info(whole)

    def _await_value(self, line: str) -> None:
        if line.endswith(":"):
            self._take = self._value

    def _value(self, line: str) -> None:
        self._take = self._to_pending
        if line[0] in "+^$%" or line in results.PLAIN or line in self._urcs:
            self._pending(line)
        else:
            self._info[-1] += line

    def _await_pdu(self, _header: str) -> None:
        self._take = self._pdu

    def _pdu(self, line: str) -> None:
        if fits_header(self._info[-1], line.strip()):
            self._info.append(line.strip())
            self._take = self._to_pending
        elif (urc := self._urcs.get(line.partition(":")[0])) is not None and not (urc.body or urc.spans):
            self._emit(urc, line)
        else:
            self._info.append("")
            self._take = self._to_pending
            self._pending(line)

    def _await_text(self, header: str) -> None:
        self._text_body = TextBody(header)
        self._minds_blanks = True
        self._after_blank = False
        self._take = self._text

    def _text(self, line: str) -> None:
        assert self._text_body is not None
        name = line.partition(":")[0]
        ends = line in results.PLAIN or name in results.ERROR_NAMES or line.startswith(self._heads)
        if ends and self._text_body.may_end(after_blank=self._after_blank):
            self._info.append(self._text_body.text)
            self._text_body = None
            self._minds_blanks = False
            self._take = self._to_pending
            self._pending(line)
        else:
            self._text_body.add(line)
        self._after_blank = False

    def _is_shaped(self, line: str, place: int) -> bool:
        """Whether an unusual line is information: bare, free text, or a prefix in another case (`^NDISSTATQry`)."""
        shape = self._command.shape if self._command else None
        if isinstance(shape, Lines) or (isinstance(shape, Bare) and shape.valid(bare_value(line))):
            self._add_info(line)
            return True
        known = {head.upper(): head for head in self._heads}.get(line[: max(place + 1, 0)].upper())
        if known is None or known == line[: place + 1]:
            return False
        self._pending(known + line[place + 1 :])
        return True
