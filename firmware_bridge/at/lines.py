"""Bytes to lines, whatever the chunks.

A line ends at CR LF, CR or LF; an LF right behind a CR belongs to it, also across chunks. NULs are noise of a UART that
wakes up and are dropped. Nothing here can raise, and memory is bounded by the limit.
"""

import re

MAX_LINE = 8192  # the longest real one is an answer to +COPS=? or +CSIM, below 3 kB

# Stands for a dropped line: it is no empty line, and means nothing to anybody.
_DROPPED = "\x7f"

_BREAK = re.compile("\r\n|\r|\n")


class LineSplitter:
    """`feed(bytes)` gives the lines that ended, empty ones included; `partial` is the line that has not ended yet.

    Of a line longer than `limit` characters a lone DEL is left; `dropped` counts the characters that went.
    """

    __slots__ = ("_behind_prompt", "_limit", "_odd", "_skip_feed", "_skipping", "dropped", "partial")

    def __init__(self, limit: int = MAX_LINE) -> None:
        self.partial = ""
        self.dropped = 0
        self._limit = limit
        self._odd = False  # whether any of the next three may be set: one look instead of three
        self._skip_feed = False
        self._skipping = False
        self._behind_prompt = False

    @property
    def empty(self) -> bool:
        """Whether the next octet begins a line, whatever it is."""
        return not (self.partial or self._skip_feed or self._behind_prompt)

    def feed(self, data: bytes) -> list[str]:
        """The lines these bytes complete, decoded as Latin-1 (a byte is a character)."""
        if 0 in data:
            data = data.replace(b"\0", b"")
        text = data.decode("latin-1")
        if self._odd:
            text = self._skipped(text)
        if self.partial:
            text = self.partial + text
        lines = text.split("\r\n")
        whole = "".join(lines)
        if "\r" in whole or "\n" in whole:  # an end of another kind
            lines = _BREAK.split(text)
            self._skip_feed = text[-1] == "\r"
            self._odd = self._odd or self._skip_feed
        self.partial = lines.pop()
        return self._bounded(lines) if self._odd or len(text) > self._limit else lines

    def _skipped(self, text: str) -> str:
        """The text without the LF of a CR that came before, or the blanks behind a prompt."""
        if self._skip_feed and text:
            self._skip_feed = False
            text = text.removeprefix("\n")
        if self._behind_prompt:
            text = text.lstrip(" ")
            self._behind_prompt = not text
        self._odd = self._skip_feed or self._behind_prompt or self._skipping
        return text

    def take_prompt(self) -> bool:
        """Whether the unfinished line is a `>` prompt; it is consumed then, and so are the blanks that will follow."""
        if self.partial.lstrip(" ") != ">":
            return False
        self.partial = ""
        self._behind_prompt = self._odd = True
        return True

    def _bounded(self, lines: list[str]) -> list[str]:
        if self._skipping and lines:
            lines[0] = self._drop(lines[0])
            self._skipping = False
        kept = [line if len(line) <= self._limit else self._drop(line) for line in lines]
        if self._skipping or len(self.partial) > self._limit:
            self._skipping = self._odd = True
            self.partial = self._drop(self.partial)
        return kept

    def _drop(self, line: str) -> str:
        """What stands for a line that is too long."""
        self.dropped += len(line) - 1
        return _DROPPED
