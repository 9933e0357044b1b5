"""One AT port: the V.250 line discipline between its bytes and the command table (ITU-T V.250 clauses 5 and 6.2).

Theory of operation: a port is in one of three modes. In COMMAND mode bytes gather to a line, which is read into calls
that run one after the other, each after its latency; what arrives meanwhile waits (or aborts, for a command that can
be aborted). In PROMPT mode bytes gather until Ctrl-Z or ESC. In DATA mode bytes are the data call's, until
`+++` between two silences. Everything that leaves goes through `Spout`, where faults deform it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING

from simulator.clock import Timer
from simulator.faults import Fault
from simulator.modem.answers import Answer, Connect, Later, Prompt
from simulator.modem.data_call import DataCall
from simulator.modem.results import Refusal, numeric
from simulator.modem.spout import Spout
from simulator.modem.syntax import Call, LineSyntaxError, read_line, read_plain_line

if TYPE_CHECKING:
    from simulator.modem.device import SimulatedModem
    from simulator.modem.table import Entry

INPUT_LIMIT = 8192  # octets of type-ahead; beyond it the newest are dropped, as a full UART does
PLAIN_LINE = 256  # octets of a line that is looked up whole; a longer one is read piece by piece
LINE_LIMIT = 1024  # octets of one command line; a longer one is answered ERROR
URC_LIMIT = 200  # unsolicited lines held while a port carries data; beyond it the newest are dropped
_NO_CALLS: Iterator[Call] = iter(())


class Mode(Enum):
    """What the next byte means."""

    COMMAND = "command"
    PROMPT = "prompt"
    DATA = "data"


@dataclass(slots=True)
class PortSettings:
    """What each port keeps for itself; all of it is lost at a reboot unless stored with &W."""

    echo: bool = True
    verbose: bool = True
    quiet: bool = False
    cmee: int = 0
    text_mode: bool = False
    charset: str = "IRA"
    header: bool = False  # +CSDH
    dtr: int = 2  # &D
    dcd: int = 1  # &C
    registers: dict[int, int] = field(default_factory=lambda: {0: 0, 3: 13, 4: 10, 5: 8, 6: 2, 7: 60, 8: 2, 10: 15})
    reports: dict[str, int] = field(default_factory=dict)  # n of +CREG, +CGREG, +CEREG
    parameters: dict[str, str] = field(default_factory=dict)


class Port:
    """One end for one terminal. `sink` takes what goes out; without one it gathers in `take`."""

    def __init__(self, modem: SimulatedModem, name: str, number: int, role: str) -> None:
        self.modem = modem
        self.name = name
        self.number = number
        self.role = role
        self.point = f"modem.port.{number}"
        self.sink: Callable[[bytes], None] | None = None
        self.spout = Spout(modem, self.point)
        self._call: DataCall | None = None
        self._deaf = role in {"diag", "nmea"}
        self._gap = "\r\n\r\n" if modem.personality.quirk("gap_between_lines") else "\r\n"
        self.settings = PortSettings()
        self.reset()

    def reset(self) -> None:
        """What a reboot does to a port."""
        self.settings = self.modem.fresh_port_settings()
        self.mode = Mode.COMMAND
        self.swallow = 0  # commands that a booting modem loses
        self._line = bytearray()
        self._waiting = bytearray()
        self._calls: Iterator[Call] = _NO_CALLS
        self._entry: Entry | None = None
        self._info: list[str] = []
        self._last = ""
        self._timer: Timer | None = None
        self._running = False
        self._prompted: Callable[[bytes], Answer] | None = None
        if self._call is not None:
            self._call.forget()
        self._call = None  # a data call exists, even while escaped to COMMAND mode
        self._held: list[str] = []
        self.spout.clear()

    def take(self) -> bytes:
        """What went out since the last `take`."""
        return self.spout.take()

    # -- in

    def receive(self, data: bytes) -> None:
        """Bytes from the terminal."""
        modem = self.modem
        if self._deaf or not modem.listening or (modem.faulty and self._hung()):
            return
        if modem.faulty and modem.faults.find(Fault.BAUD_MISMATCH, self.point, modem.agenda.now):
            data = modem.noise(len(data))
        if self._running:
            self._type_ahead(data)
        elif self.mode is Mode.DATA and self._call is not None:
            self._call.receive(data)
        elif self.mode is not Mode.COMMAND or self._waiting or self._line or not self._enter_plain(data):
            self._waiting += data
            self._drain()

    def _enter_plain(self, data: bytes) -> bool:
        """The quick way for a whole plain line; False leaves it to `_gather_line`, which would do the same slowly."""
        registers = self.settings.registers
        if len(data) > PLAIN_LINE or registers[3] != 13 or registers[5] != 8:
            return False
        line = read_plain_line(data)
        if line is None:
            return False
        if self.settings.echo:
            self.spout.pour(data)
        if self.swallow:
            self.swallow -= 1
            return True
        self._last, calls = line
        self._begin(calls)
        return True

    def _hung(self) -> bool:
        now, find = self.modem.agenda.now, self.modem.faults.find
        return any(find(fault, self.point, now) for fault in (Fault.HANG_PORT, Fault.HANG_ALL, Fault.PORT_BUSY))

    def _type_ahead(self, data: bytes) -> None:
        if self._entry is not None and self._entry.abortable and data.strip(b"\n"):
            self._abort()
        elif self._waiting or data.strip(b"\r\n"):  # an empty line, as many send after Ctrl-Z, leaves no trace
            self._waiting += data[: INPUT_LIMIT - len(self._waiting)]

    def _abort(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._finish("NO CARRIER" if self._entry is not None and self._entry.name == "D" else "OK")

    def _drain(self) -> None:
        while self._waiting and not self._running:
            if self.mode is Mode.DATA and self._call is not None:
                data = bytes(self._waiting)
                self._waiting.clear()
                self._call.receive(data)
            elif self.mode is Mode.PROMPT:
                self._gather_text()
            else:
                self._gather_line()

    def _gather_line(self) -> None:
        waiting, end = self._waiting, self.settings.registers[3]
        place = waiting.find(end)
        piece = bytes(waiting[: place + 1]) if place >= 0 else bytes(waiting)
        del waiting[: len(piece)]
        if b"\n" in piece:
            piece = piece.replace(b"\n", b"")
        if self.settings.echo and piece:
            self.spout.pour(piece)
        if b"/" in piece and self._repeat(piece):
            return
        self._line += piece
        if place >= 0:
            line = bytes(self._line[:-1])
            self._line.clear()
            self._enter(line)
        elif len(self._line) > LINE_LIMIT * 4:
            del self._line[LINE_LIMIT * 2 :]

    def _repeat(self, piece: bytes) -> bool:
        """`A/` repeats the last line and needs no CR (V.250 clause 5.2.4)."""
        typed = bytes(self._line) + piece
        if typed.strip(b"\r").upper() != b"A/":
            return False
        self._line.clear()
        self._run(self._last)
        return True

    def _enter(self, line: bytes) -> None:
        rub_out = self.settings.registers[5]
        if rub_out in line or 0x7F in line:
            line = _edited(line, rub_out)
        start = line.upper().find(b"AT")
        if start < 0:
            return  # not addressed to the modem (V.250 clause 5.2.1)
        if self.swallow:
            self.swallow -= 1
            return
        body = line[start + 2 :].decode("latin-1")
        self._last = body
        self._run(body)

    # -- run

    def _run(self, body: str) -> None:
        if len(body) > LINE_LIMIT:
            self._refuse_line()
            return
        try:
            calls = read_line(body)
        except LineSyntaxError:
            self._refuse_line()
            return
        self._begin(calls)

    def _refuse_line(self) -> None:
        self._info = []
        self._finish("ERROR")

    def _begin(self, calls: tuple[Call, ...]) -> None:
        self._info = []
        self._calls = iter(calls)
        self._running = True
        self._advance()

    def _advance(self) -> None:
        modem = self.modem
        while (call := next(self._calls, None)) is not None:
            entry = modem.table.get(call.key)
            if entry is None:
                self._finish(modem.unknown_command(self))
                return
            self._entry = entry
            if entry.pace == "bearer":
                modem.renew_service()
            if delay := modem.latency(entry.pace) if modem.latencies else 0.0:
                self._timer = modem.agenda.after(delay, partial(self._resume, partial(entry.run, self, call)))
                return
            try:
                answer = entry.run(self, call)
            except Refusal as refusal:
                self._finish(refusal.final(self.settings.cmee))
                return
            if not self._take(answer):
                return
        self._finish("OK")

    def _take(self, answer: Answer) -> bool:
        """What a call answered; True when the line goes on at once."""
        if answer is None:
            return True
        if isinstance(answer, tuple):
            self._info += answer
            return True
        if isinstance(answer, Later):
            self._timer = self.modem.agenda.after(answer.delay_s, lambda: self._resume(answer.then))
        elif isinstance(answer, Prompt):
            self._prompt(answer)
        else:
            self._connect(answer)
        return False

    def _resume(self, then: Callable[[], Answer]) -> None:
        try:
            answer = then()
        except Refusal as refusal:
            self._finish(refusal.final(self.settings.cmee))
            return
        if self._take(answer):
            self._advance()

    def _prompt(self, prompt: Prompt) -> None:
        self._flush_info()
        self.mode, self._running, self._prompted = Mode.PROMPT, False, prompt.then
        self._line.clear()
        self.spout.pour(b"\r\n> ")
        self._drain()

    def _gather_text(self) -> None:
        while self._waiting and self.mode is Mode.PROMPT:
            byte = self._waiting.pop(0)
            if byte == 0x1A:
                if not self._waiting.strip(b"\r\n"):
                    self._waiting.clear()  # the empty line that many send after it
                self._end_text(bytes(self._line))
            elif byte == 0x1B:
                self._end_prompt()
                self._running = True
                self._finish("OK")
            elif byte == 8:
                del self._line[-1:]
            elif not (byte == 10 and not self._line):
                self._line.append(byte)
                if byte == 13 and self.settings.text_mode:
                    self.spout.pour(b"\r\n> ")
                elif self.settings.echo:
                    self.spout.pour(bytes([byte]))

    def _end_text(self, text: bytes) -> None:
        then = self._prompted
        self._end_prompt()
        assert then is not None
        self._running = True
        self._resume(lambda: then(text))

    def _end_prompt(self) -> None:
        self.mode, self._prompted = Mode.COMMAND, None
        self._line.clear()

    def _finish(self, final: str) -> None:
        """Send information text and final result code; faults may hold or spoil them."""
        modem = self.modem
        if modem.faulty:
            late = modem.faults.take(Fault.LATE_REPLY, self.point, modem.agenda.now)
            if late is not None:
                self._running = True
                self._entry = None
                self._timer = modem.agenda.after(late.number("seconds"), lambda: self._conclude(final))
                return
        self._conclude(final)

    def _conclude(self, final: str) -> None:
        self._calls = _NO_CALLS
        self._entry = None
        self.spout.reply(self._info_text(), self._final_text(final))
        self._info = []
        self._running = False
        if self._held:
            self._release_held()
        if self._waiting:
            self._drain()

    def _flush_info(self) -> None:
        text = self._info_text()
        self._info = []
        if text:
            self.spout.pour(text)

    def _info_text(self) -> bytes:
        lines = self._info
        if not lines:
            return b""
        if not self.settings.verbose:
            return "".join(f"{line}\r\n" for line in lines).encode("latin-1", "replace")
        return f"\r\n{self._gap.join(lines)}\r\n".encode("latin-1", "replace")

    def _final_text(self, final: str) -> bytes:
        if self.settings.quiet:
            return b""
        if not self.settings.verbose:
            return f"{numeric(final)}\r".encode()
        return b"\r\nOK\r\n" if final == "OK" else f"\r\n{final}\r\n".encode()

    def note(self, line: str) -> None:
        """An information line of the running command that comes even though it fails."""
        self._info.append(line)

    # -- unsolicited

    def urc(self, line: str) -> None:
        """An unsolicited line; held back while the port asks for text or carries data."""
        if self._deaf or (self.modem.faulty and self._hung()):
            return
        if self.mode is not Mode.COMMAND:
            if len(self._held) < URC_LIMIT:
                self._held.append(line)
            return
        if not self.settings.quiet:
            self.spout.pour(f"\r\n{line}\r\n".encode("latin-1", "replace"))

    def _release_held(self) -> None:
        held, self._held = self._held, []
        for line in held:
            self.urc(line)

    # -- data

    def _connect(self, connect: Connect) -> None:
        self._flush_info()
        self._calls = _NO_CALLS
        self._entry = None
        self._running = False
        self.mode = Mode.DATA
        if self._call is None:
            self._call = DataCall(self, connect.cid)
        self.spout.pour(self._final_text(connect.word))
        self._waiting.clear()
        self._call.resume()

    def send_data(self, data: bytes) -> None:
        """Octets of the data call; in COMMAND mode nobody is there to take them."""
        if data and self.mode is Mode.DATA and not (self.modem.faulty and self._hung()):
            self.spout.pour(data)

    def escape(self) -> None:
        """Three plus signs between two silences: COMMAND mode, the call still up."""
        self.mode = Mode.COMMAND
        self.spout.pour(self._final_text("OK"))
        self._release_held()

    def resume_data(self) -> Connect:
        """ATO: back to the call. Raises Refusal when there is none."""
        if self._call is None:
            raise Refusal("NO CARRIER")
        return Connect(self._call.cid, "CONNECT")

    def drop_call(self, *, announce: bool) -> None:
        """The call ends: the bearer went, ATH, or DTR fell."""
        call = self._call
        if call is None:
            return
        was_data = self.mode is Mode.DATA
        if announce and was_data:
            call.hang_up()
        call.forget()
        self._call, self.mode = None, Mode.COMMAND
        if announce and was_data:
            self.spout.pour(self._final_text("NO CARRIER"))
        self._release_held()

    @property
    def online(self) -> bool:
        """Whether a data call exists, even while escaped from."""
        return self._call is not None

    @property
    def data_cid(self) -> int | None:
        """The context this port's call runs on."""
        return self._call.cid if self._call is not None else None

    def terminal_gone(self) -> None:
        """The terminal closed the port: DTR falls, half-typed input is forgotten (&D2, V.250 clause 6.2.9)."""
        self._line.clear()
        self._waiting.clear()
        self._prompted = None
        if self.mode is Mode.PROMPT:
            self.mode = Mode.COMMAND
        cid = self.data_cid
        if cid is not None and self.settings.dtr:
            self.drop_call(announce=False)
            self.modem.release_bearer(cid)


def _edited(line: bytes, rub_out: int) -> bytes:
    """Apply the line-editing character S5 (and DEL)."""
    kept = bytearray()
    for byte in line:
        if byte in {rub_out, 0x7F}:
            del kept[-1:]
        else:
            kept.append(byte)
    return bytes(kept)
