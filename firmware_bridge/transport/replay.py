"""`replay:/file`: a trace in place of a modem, so that what happened in the field becomes a test.

What the modem said is said again once the same commands have been sent, without its waiting times. Commands are
compared redacted, so a test may use any PIN. The opening proof of a channel (a chain of +CMEE? and +CFUN?) differs each
time: it is answered here and left out of the trace.
"""

import asyncio
import json
import re
from pathlib import Path

from firmware_bridge.errors import PortError, PortLostError, PortNotFoundError
from firmware_bridge.transport.redact import Redactor, redact_body
from firmware_bridge.transport.trace import FORMAT, VERSION

_PROOF = re.compile(r"\x1b?AT(?:\+(?:CMEE|CFUN)\?;){7}\+(?:CMEE|CFUN)\?\r")
_PROOF_PART = re.compile(r"\+(CMEE|CFUN)\?")

Record = tuple[str, str]


def read_trace(path: str) -> list[Record]:
    """Direction and text of each record. Raises PortNotFoundError, PortError for a file that is no trace."""
    name = f"replay:{path}"
    try:
        lines = Path(path).read_text(encoding="ascii").splitlines()
        head = json.loads(lines[0])
        if head["format"] != FORMAT or head["version"] != VERSION:
            raise PortError(name, f"not a trace of version {VERSION}")
        return [(str(mark), str(text)) for _, mark, text in map(json.loads, lines[1:])]
    except FileNotFoundError as error:
        raise PortNotFoundError(name, "no such trace") from error
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise PortError(name, f"no trace: {error}") from error


class ReplayTransport:
    """Says what the trace's modem said, when the same was written to it."""

    def __init__(self, name: str, records: list[Record]) -> None:
        self._name = name
        self._records = _without_proofs(records)
        self._place = 0
        self._redactor = Redactor()
        self._unread = bytearray()
        self._changed = asyncio.Event()
        self._written = ""
        self._loss: PortLostError | None = None
        self._speak()

    @property
    def name(self) -> str:
        """`replay:` and the file."""
        return self._name

    @property
    def finished(self) -> bool:
        """Whether the whole trace was played."""
        return self._place == len(self._records)

    async def read(self) -> bytes:
        """What the modem said next. Raises PortLostError when the trace is over."""
        while not self._unread:
            if self._loss is not None or self.finished:
                raise self._loss or PortLostError(self._name, "the trace is over")
            self._changed.clear()
            await self._changed.wait()
        data = bytes(self._unread)
        self._unread.clear()
        return data

    def write(self, data: bytes) -> None:
        """Compare with the trace. Raises PortLostError where they part."""
        if self._loss is not None:
            raise self._loss
        self._written += data.decode("latin-1")
        while (end := re.search("[\r\x1a]", self._written)) is not None:
            line, self._written = self._written[: end.end()], self._written[end.end() :]
            self._compare(line)

    async def drain(self) -> None:
        """Nothing waits here."""

    def close(self) -> None:
        """End it; a pending read raises PortLostError."""
        self._lose("closed")

    def _compare(self, line: str) -> None:
        if _PROOF.fullmatch(line):
            self._say("".join(f"\r\n+{name}: 1\r\n" for name in _PROOF_PART.findall(line)) + "\r\nOK\r\n")
            return
        shown = redact_body(line) if line.endswith("\x1a") else self._redactor.line(line[:-1]) + "\r"
        expected = self._records[self._place][1] if not self.finished else None
        if shown != expected:
            raise self._lose(f"the trace goes on with {expected!r}, not with {shown!r}")
        self._place += 1
        self._speak()

    def _speak(self) -> None:
        while not self.finished and self._records[self._place][0] == "<":
            self._say(self._records[self._place][1])
            self._place += 1

    def _say(self, text: str) -> None:
        self._unread += text.encode("latin-1")
        self._changed.set()

    def _lose(self, reason: str) -> PortLostError:
        self._loss = self._loss or PortLostError(self._name, reason)
        self._changed.set()
        return self._loss


def _without_proofs(records: list[Record]) -> list[Record]:
    """Leaves out each proof and what was heard up to its OK."""
    kept: list[Record] = []
    in_proof = False
    for mark, text in records:
        if mark == ">" and _PROOF.fullmatch(text):
            in_proof = True
        elif in_proof and mark == "<":
            in_proof = text.strip() != "OK"
        else:
            kept.append((mark, text))
    return kept


def open_replay(url: str) -> ReplayTransport:
    """Open `replay:/file`. Raises PortNotFoundError, PortError."""
    return ReplayTransport(url, read_trace(url.removeprefix("replay:")))
