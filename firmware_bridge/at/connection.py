"""The AT conversation without I/O: bytes in, events out.

    data = connection.send(command)          # write it
    connection.receive_data(bytes)           # whatever arrived, in any chunks
    event = connection.next_event()          # Answered, PromptSeen, Unsolicited, Rebooted … or NEED_DATA
    event = connection.events.popleft()      # the same for who is in a hurry, while there are `events`

Whoever gives up on a command says `abandon()`; from then on the port is quarantined: lines are counted as late and
delivered to nobody, until a probe (`next_probe`) proves that nothing is owed any more (see `at.resync`). The same
happens by itself when a final result code arrives that nobody asked for, or an OK without the declared lines.

No bytes make `receive_data` or `next_event` raise, and memory is bounded: by MAX_LINE for a line, MAX_REPLY_LINES for a
reply. Events are to be drained after each `receive_data`.
"""

import re
from collections.abc import Callable, Mapping
from enum import Enum, auto

from firmware_bridge.at import results
from firmware_bridge.at.assembly import MAX_REPLY_LINES
from firmware_bridge.at.bodies import fits_header, is_pdu_header
from firmware_bridge.at.commands import (
    Command,
    Dial,
    Final,
    FinalKind,
    NoInfo,
    Prefixed,
    Prompted,
    Rebooted,
    Reply,
    Resynchronised,
    Unsolicited,
    Urc,
    UrcTable,
)
from firmware_bridge.at.connection_events import (
    NEED_DATA,
    Answered,
    ConnectionEvent,
    NeedData,
    ProbeAnswered,
    PromptSeen,
)
from firmware_bridge.at.lines import MAX_LINE, LineSplitter
from firmware_bridge.at.resync import Outcome, Probe, Resynchroniser, ResyncTiming
from firmware_bridge.at.tokens import split_parameters
from firmware_bridge.at.usual_lines import UsualLines

__all__ = ["NEED_DATA", "Answered", "Connection", "ConnectionEvent", "NeedData", "ProbeAnswered", "PromptSeen"]

_make = tuple.__new__  # what a NamedTuple's own constructor calls, without its frame

CTRL_Z = b"\x1a"

_OK_BEHIND_LINE = b"\r\n\r\nOK\r\n"
_plain_final = results.PLAIN.get
_ECHO_OFF = re.compile(r"AT[^+^$%*#;]*E(?:0|(?!\d))", re.IGNORECASE)
_FORGETS_MODE = re.compile(r"AT[^+^$%*#;]*[VZ&]", re.IGNORECASE)


class _Echo(Enum):
    """Whether this port echoes. OFF only when a command came back without: then an echo shows that the modem restarted.

    A modem that answers OK to ATE0 and goes on echoing is none that restarts with every command.
    """

    ON = auto()
    ASKED_OFF = auto()
    OFF = auto()


class Connection(UsualLines):
    """One conversation. `in_step=True` asserts that nothing is owed at the start; by default a proof comes first."""

    # More attributes than CPython keeps close at hand in an instance with a dictionary (30).
    __slots__ = (
        "_doubtful",
        "_echo",
        "_late_lines",
        "_late_replies",
        "_lost",
        "_owed_call",
        "_owed_names",
        "_splitter",
        "_swallow_error",
        "_verbose",
        "resync",
    )

    def __init__(
        self,
        urcs: UrcTable,
        *,
        timing: ResyncTiming | None = None,
        first_probe: int = 0,
        in_step: bool = False,
    ) -> None:
        super().__init__(urcs)
        self.resync = Resynchroniser(timing or ResyncTiming(), first_probe)
        self._judged = self.resync.judged
        self._splitter = LineSplitter()
        self._owed_names: set[str] = set()
        self._owed_call = False
        self._late_lines = self._late_replies = self._doubtful = 0
        self._lost = False
        self._swallow_error = False
        self._echo = _Echo.ON
        self._verbose: bool | None = None
        if not in_step:
            self._quarantine(owed=0, lost=False)

    # What the owner calls

    def send(self, command: Command) -> bytes:
        """The bytes of a command, which is now in flight. One at a time, and only while in step (else RuntimeError)."""
        if self._take is not self._to_idle and not self.idle:
            raise RuntimeError("a command may be sent only while none is in flight and the place is known")
        self._command = command
        if self._rare or command.expected is None:
            self._expect(command.shape)
        else:  # the same, without looking at the shape again
            self._info = []
            self._heads, self._form, self._required = command.expected
        if self._held is None:  # else a line behind +CMT is due first
            self._take = self._to_pending
        self.counts.commands += 1
        return command.wire

    @property
    def idle(self) -> bool:
        """Whether a command may be sent."""
        return self._command is None and not self.quarantined and not self.online

    @property
    def buffered(self) -> int:
        """Characters held of a line that has not ended; never more than MAX_LINE."""
        return len(self._splitter.partial)

    def receive_data(self, data: bytes) -> None:
        """Take bytes as they come; drain `next_event` afterwards."""
        if self._prompt is not None:
            data = self._take_to_prompt(data)
        lines = self._splitter.feed(data)
        take = self._take
        if take is self._to_idle or (
            take is self._to_pending and self._follow is None and len(self._info) + len(lines) <= MAX_REPLY_LINES
        ):
            self._take_usual(lines)
        else:
            self._take_each(lines)  # a body, a value, late or foreign lines: they mean something else than elsewhere

    def reply_at_once(self, command: Command, data: bytes) -> Reply | None:
        """The reply, if `data` is all of it in the commonest form: one information line and OK. Instead of `send`.

        For a command that was written although it is not yet in flight here, and whatever came since. None takes
        nothing: then `send` and `receive_data` are due, which would come to the same reply. Here nothing is left to
        find out: no octet was held before, the line has no break in it, begins with the declared prefix, is no
        unsolicited form of it, opens no quote, and fits in.
        """
        shape = command.shape
        if not (data.endswith(_OK_BEHIND_LINE) and isinstance(shape, Prefixed) and data.startswith(shape.openings)):
            return None
        line = data[2:-8].decode("latin-1")
        if not (line.isprintable() and self._splitter.empty and self._held is None and len(line) <= MAX_LINE):
            return None
        if line.count('"') & 1 or (shape.form is not None and not shape.form(line)):
            return None
        self.counts.commands += 1
        self._swallow_error = False
        self._succeeded(command, results.OK, (line,))
        return _make(Reply, ((line,), results.OK, False))

    def next_event(self) -> ConnectionEvent | NeedData:
        """The next event in the order of the bytes, or NEED_DATA."""
        return self.events.popleft() if self.events else NEED_DATA

    def abandon(self) -> None:
        """Give up on the command in flight (deadline passed or caller cancelled): quarantine. Idempotent."""
        command, self._command = self._command, None
        if command is None:
            return
        self.counts.abandoned += 1
        self._owed_names.update([head[:-1] for head in self._heads])
        self._owed_call = self._owed_call or results.ends_in_call_result(command.text)
        self._quarantine(owed=1, lost=True, escape=isinstance(command.shape, Prompted))

    def leave_data_mode(self) -> None:
        """The owner has written the escape sequence: what comes is judged as lines again, after a proof."""
        self.online = False
        self._quarantine(owed=1, lost=False)

    def start_proof(self) -> None:
        """A new attempt to find the place, with fresh bounds."""
        self.resync.begin_again()

    def next_probe(self) -> Probe | None:
        """What to write next while quarantined; None when all was tried."""
        return self.resync.next_probe()

    def probe_unanswered(self) -> None:
        """The probe's window has passed."""
        if self.resync.window_passed():
            self._proved()

    # A line, by state

    def _pending(self, line: str) -> None:
        if line.startswith(self._heads) and (self._form is None or self._form(line)):
            info = self._info
            if self._follow is None and not line.count('"') & 1 and len(info) < MAX_REPLY_LINES:
                info.append(line)
            else:
                self._add_info(line)
            return
        final = _plain_final(line)
        if final is not None:
            self._finish(final)
            return
        place = line.find(":")
        if place > 0:
            urc = self._urcs.get(line[:place])
            if urc is not None and (urc.form is None or urc.form(line)):
                self._emit(urc, line)
                return
        self._pending_unusual(line, place)

    def _pending_unusual(self, line: str, place: int) -> None:
        stripped = line.strip()
        if stripped != line or (place > 0 and line[place - 1] == " "):
            self._retake(stripped)
            return
        urc = self._urcs.get(line)
        final = results.final_from_error_line(line[:place], line) if place > 0 else self._rare_final(line)
        if final is not None:
            self._finish(final)
        elif urc is not None:
            self._emit(urc, line)
        elif not (self._is_echo(line) or self._is_shaped(line, place)):
            self.counts.noise_lines += 1

    def _retake(self, line: str) -> None:
        """The same line without blanks around it and before its colon (`+QSIMSTAT : 1,0`)."""
        name, colon, rest = line.partition(":")
        if line:
            self._take(name.rstrip(" ") + colon + rest)

    def _idle(self, line: str) -> None:
        place = line.find(":")
        urc = self._urcs.get(line[:place] if place > 0 else line)
        if urc is not None and (urc.form is None or urc.form(line)):
            self._emit(urc, line)
            return
        stripped = line.strip()
        if stripped != line or (place > 0 and line[place - 1] == " "):
            self._retake(stripped)
        elif (final := self._any_final(line, place)) is not None:
            self._stray(final)
        elif not self._is_foreign_echo(line):
            self.counts.noise_lines += 1

    def _late(self, line: str) -> None:
        place = line.find(":")
        name = line[:place].rstrip() if place > 0 else line.strip()
        urc = self._urcs.get(name)
        if urc is not None and self._is_news(urc, name, line):
            self._emit(urc, line)
        elif (final := self._any_final(line.strip(), place) or self._number_of_unknown_port(name)) is not None:
            self._late_final(final)
        elif name in self.resync.names:
            self.resync.heard_line(name)
            self._doubtful += 1
        elif not self._is_foreign_echo(line):
            self._late_lines += 1
            self.counts.late_lines += 1

    def _data(self, line: str) -> None:
        if line == "NO CARRIER":
            self.online = False
            self._take = self._usual()
            self.events.append(Unsolicited(line, (), line))

    # Ends

    def _take_to_prompt(self, data: bytes) -> bytes:
        """The bytes behind the prompt, which counts as soon as its `>` is there: so the chunks make no difference."""
        start = 0
        while self._prompt is not None and (stop := data.find(b">", start) + 1):
            self._take_each(self._splitter.feed(data[start:stop]))
            if self._awaits_prompt() and self._splitter.take_prompt():
                self._answer_prompt()
            start = stop
        return data[start:]

    def _awaits_prompt(self) -> bool:
        return self._prompt is not None and self._held is None

    def _answer_prompt(self) -> None:
        assert self._prompt is not None
        prompt = self._prompt
        self._expect(prompt.then)
        self._payload = prompt.payload
        self._rare = True
        self.events.append(PromptSeen(prompt.payload.encode("latin-1", "replace") + CTRL_Z))

    def _finish(self, final: Final) -> None:
        command = self._command
        assert command is not None
        if self._swallow_error:
            self._swallow_error = False
            if final is results.ERROR and not self._info:
                return  # it belongs to the +IP ERROR before; if not, the deadline tells
        succeeded = final is results.OK or final.succeeded
        info = tuple(self._info)
        fits = not self._required or bool(info) or not succeeded
        self._command = self._prompt = self._follow = None
        self._take = self._to_idle
        self.events.append(_make(Answered, (command, _make(Reply, (info, final, self._truncated)), fits)))
        if succeeded:
            self._succeeded(command, final, info)
        elif final.text is not None and final.text.startswith("+IP ERROR"):
            self._swallow_error = True
            self._steady = False
        if not fits:
            self._quarantine(owed=0, lost=True)

    def _succeeded(self, command: Command, final: Final, info: tuple[str, ...]) -> None:
        self._verbose = self._verbose is not False
        if self._echo is _Echo.ASKED_OFF:
            self._echo = _Echo.OFF
        shape, text = command.shape, command.text
        if isinstance(shape, Prefixed):
            if command.reads and info and text not in self.resync.judged:
                self._judge(text, shape.prefixes[0], info)
        elif isinstance(shape, NoInfo):
            if self._echo is _Echo.ON and _ECHO_OFF.match(text):
                self._echo = _Echo.ASKED_OFF
            if _FORGETS_MODE.match(text):
                self._verbose = None
        elif isinstance(shape, Dial) and final.kind is FinalKind.CONNECT:
            self.online = True
            self._take = self._data
        self._steady = self._verbose is True and self._echo is not _Echo.ASKED_OFF and not self._swallow_error

    def _judge(self, text: str, name: str, info: tuple[str, ...]) -> None:
        """Whether this modem's answer to a read will be recognised later: one line, with a name of its own."""
        known = name not in self._urcs and len(info) == 1 and info[0].startswith(name + ":")
        self.resync.judge(text, name if known else None)

    def _rare_final(self, line: str) -> Final | None:
        """The final of a call, or a number of ATV0: only where this command and this modem may say so."""
        assert self._command is not None
        if len(line) == 1 and self._verbose is not True:
            final = results.NUMERIC.get(line) or (self._call_final(line, results.NUMERIC_CALL))
            if final is not None:
                self._verbose = self._steady = False
            return final
        return self._call_final(line, results.CALL) or (
            results.connect_final(line) if isinstance(self._command.shape, Dial) else None
        )

    def _call_final(self, line: str, table: Mapping[str, Final]) -> Final | None:
        final = table.get(line)
        asked = final is not None and self._command is not None and results.ends_in_call_result(self._command.text)
        return final if asked else None

    def _any_final(self, line: str, place: int) -> Final | None:
        if place > 0:
            return results.final_from_error_line(line[:place], line)
        if line in results.CALL_RESULTS and not self._owed_call:
            return None
        if self._verbose is False and line in results.NUMERIC:
            return results.NUMERIC[line]
        return results.CALL.get(line) or (results.connect_final(line) if self._owed_call else None)

    def _number_of_unknown_port(self, line: str) -> Final | None:
        """A port may have been left in V0 by another program: until it has said OK, a number may be its final."""
        return results.NUMERIC.get(line) if self._verbose is None else None

    def _stray(self, final: Final) -> None:
        """A final nobody waits for: either the ERROR that some vendors send behind their own, or the place is lost."""
        if self._swallow_error and final is results.ERROR:
            self._swallow_error = False
            return
        self.counts.stray_finals += 1
        self._quarantine(owed=0, lost=True)

    # Unsolicited

    def _emit(self, urc: Urc, line: str) -> None:
        if urc.plain:
            self.events.append(_make(Unsolicited, (urc.name, split_parameters(line.partition(":")[2]), line, None)))
            self.counts.unsolicited += 1
        elif urc.reboot:
            self._reboot(line)
        elif urc.body:
            self._held = (urc, line)
            self._take = self._urc_body
        elif urc.spans and line.count('"') & 1 and not self.quarantined:
            self._held = (urc, line)
            self._span_from(line)
        else:
            self._unsolicited(urc, line, None)

    def _unsolicited(self, urc: Urc, line: str, body: str | None) -> None:
        self.events.append(Unsolicited(urc.name, split_parameters(line.partition(":")[2]), line, body))
        self.counts.unsolicited += 1

    def _urc_body(self, line: str) -> None:
        """The line behind +CMT: a PDU of the announced length, or in text mode any line."""
        assert self._held is not None
        (urc, header), self._held = self._held, None
        self._take = self._usual()
        if not is_pdu_header(header) or fits_header(header, line.strip()):
            self._unsolicited(urc, header, line.strip())
        else:
            self._unsolicited(urc, header, None)
            self._take(line)

    def _usual(self) -> Callable[[str], None]:
        if self.quarantined:
            return self._late
        return self._to_pending if self._command is not None else self._to_idle

    def _reboot(self, evidence: str) -> None:
        self._echo = _Echo.ON
        self._verbose = None
        self._steady = False
        self.counts.reboots += 1
        self.events.append(Rebooted(evidence))

    def _is_echo(self, line: str) -> bool:
        assert self._command is not None
        if self._payload and line.strip("\x1a> ") == self._payload:
            return True
        if line.upper() != self._command.text.upper():
            return False
        if self._echo is _Echo.OFF:
            self._reboot("echo")
        self._echo = _Echo.ON
        return True

    def _is_foreign_echo(self, line: str) -> bool:
        """An echo of something sent earlier; while in step with echo off it shows a reboot too."""
        return line[:2] in {"AT", "at"} and line[2:3] not in {" ", ":"}

    # Quarantine

    def _quarantine(self, *, owed: int, lost: bool, escape: bool = False) -> None:
        self.quarantined = True
        self._lost = self._lost or lost
        self._prompt = self._span = self._held = self._text_body = None
        self._minds_blanks = False
        self._swallow_error = False
        self._take = self._late
        self.resync.begin(owed=owed, escape=escape)

    def _is_news(self, urc: Urc, name: str, line: str) -> bool:
        """Whether a line is unsolicited although answers are owed: by its form, or because nobody asked for it."""
        if urc.form is not None:
            return urc.form(line)
        return name not in self._owed_names and name not in self.resync.names

    def _late_final(self, final: Final) -> None:
        if final.kind is FinalKind.CONNECT and self._owed_call:
            self.online = True
            self._take = self._data
        outcome = self.resync.heard_final(final)
        doubtful, self._doubtful = self._doubtful, 0
        if outcome is Outcome.MISFIT:
            self._late_replies += 1
            self._late_lines += doubtful
            self.counts.late_replies += 1
            self.counts.late_lines += doubtful
        if outcome is Outcome.PROVED:
            self._proved()
        else:
            self.events.append(ProbeAnswered(outcome))

    def _proved(self) -> None:
        self.quarantined = False
        if self._take == self._late:  # else data flow, or a line behind +CMT is due first
            self._take = self._to_idle
        self._owed_names.clear()
        self._owed_call = False
        self.events.append(ProbeAnswered(Outcome.PROVED))
        if self._lost or self._late_lines or self._late_replies:
            self.counts.resyncs += 1
            self.events.append(Resynchronised(self._late_lines, self._late_replies))
        self._lost = False
        self._late_lines = self._late_replies = 0
