"""Transcripts: what a driver is asked, what it then writes and what the modem says, line by line and in this order.

# a comment
= signal() -> Signal(rssi_dbm=-54, …)      a call and the repr of its value, or ! and the name of its error
> AT+CSQ                                   the driver writes this
< +CSQ: 21,99                              the modem says this, CR LF on both sides
<| \\r\\r\\n+CRING: VOICE\\r\\r\\n               the modem says exactly this
~ 3.0                                      seconds pass before it goes on
"""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from firmware_bridge.errors import PortLostError

FOLDER = Path(__file__).parents[3] / "data/transcripts"


@dataclass(frozen=True, slots=True)
class Call:
    """One call, the value expected and the records that belong to it."""

    name: str
    expected: str
    records: tuple[tuple[str, str], ...]


def _records(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        mark, _, content = line.partition(" ")
        if mark and mark != "#":
            yield mark, content


def read_transcript(path: Path) -> tuple[str, list[Call]]:
    """The family and the calls."""
    family, name, expected = "", "", ""
    calls: list[Call] = []
    held: list[tuple[str, str]] = []
    for mark, content in _records(path.read_text(encoding="utf-8")):
        if mark == "family":
            family = content
        elif mark == "=":
            if name:
                calls.append(Call(name, expected, tuple(held)))
            name, _, expected = content.partition(" -> ")
            held = []
        else:
            held.append((mark, content))
    return family, [*calls, Call(name, expected, tuple(held))]


def spoken(mark: str, content: str) -> bytes:
    """The bytes of one thing said."""
    if mark == "<|":
        return content.encode("latin-1").decode("unicode_escape").encode("latin-1")
    return f"\r\n{content}\r\n".encode("latin-1")


class TranscriptPort:
    """A transport that insists on the transcript's order."""

    name = "transcript"

    def __init__(self) -> None:
        self._left: list[tuple[str, str]] = []
        self._partial = b""
        self._received: Callable[[bytes], None] = lambda _: None
        self.strayed: list[str] = []

    def listen(self, received: Callable[[bytes], None], lost: Callable[[PortLostError], None]) -> None:
        self._received = received

    async def read(self) -> bytes:
        raise AssertionError("the channel listens")

    async def drain(self) -> None:
        await asyncio.sleep(0)

    def close(self) -> None:
        self._received = lambda _: None

    def play(self, call: Call) -> None:
        """What is said before the first command is said now."""
        self._left = list(call.records)
        self._speak()

    @property
    def unplayed(self) -> list[tuple[str, str]]:
        return self._left

    def write(self, data: bytes) -> None:
        *commands, self._partial = (self._partial + data).split(b"\r")
        for command in commands:
            expected = self._left.pop(0) if self._left else ("", "")
            if expected != (">", command.decode()):
                self.strayed.append(f"{command.decode()} where {expected[1]!r} was due")
            self._speak()

    def _speak(self) -> None:
        delay = 0.0
        chunks: dict[float, bytes] = {}
        while self._left and self._left[0][0] != ">":
            mark, content = self._left.pop(0)
            if mark == "~":
                delay += float(content)
            else:
                chunks[delay] = chunks.get(delay, b"") + spoken(mark, content)
        loop = asyncio.get_running_loop()
        for after, chunk in chunks.items():
            loop.call_later(after, self._received, chunk)
