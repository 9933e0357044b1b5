"""Modems as pure values for these tests: lines in, bytes out, as late as a test wants. Independent of the engine."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

READS = {"+CMEE?": "+CMEE: 1", "+CFUN?": "+CFUN: 1", "+CSQ": "+CSQ: 21,99", "+CPIN?": "+CPIN: READY"}


@dataclass
class LateModem:
    """Answers in order, but only when `release` lets it: what is owed waits in `owed`.

    `chains` joins reads by semicolons; `reads` are those it knows; with `verdict` False every line gets OK, with
    `refuses` ERROR.
    """

    reads: frozenset[str] = frozenset(READS)
    chains: bool = True
    verdict: bool = True
    refuses: bool = False
    echo: bool = False
    owed: deque[bytes] = field(default_factory=deque)
    received: list[str] = field(default_factory=list)
    swallow: int = 0
    _partial: str = ""

    def take(self, data: bytes) -> bytes:
        """Bytes from the computer; gives the echo, which is never late."""
        text = data.decode("latin-1").replace("\x1b", "")
        lines = (self._partial + text).split("\r")
        self._partial = lines.pop()
        for line in lines:
            if self.swallow:
                self.swallow -= 1
                continue
            self.received.append(line)
            self.owed.append(self._answer(line))
        return text.encode() if self.echo else b""

    def release(self, count: int) -> bytes:
        """Let go of so many answers."""
        return b"".join(self.owed.popleft() for _ in range(min(count, len(self.owed))))

    def _answer(self, line: str) -> bytes:
        if self.refuses:
            return b"\r\nERROR\r\n"
        parts = line[2:].split(";")
        if len(parts) > 1 and not self.chains:
            return b"\r\nERROR\r\n" if self.verdict else b"\r\nOK\r\n"
        answer = ""
        for part in parts:
            if part in self.reads:
                answer += f"\r\n{READS[part]}\r\n"
            elif part not in {"", "E0", "+SET=1"} and self.verdict:
                return (answer + "\r\nERROR\r\n").encode()
        return (answer + "\r\nOK\r\n").encode()


Answerer = Callable[[str], bytes]
