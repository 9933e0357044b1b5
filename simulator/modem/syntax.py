"""A V.250 command line, read into calls (ITU-T V.250 clause 5.2 to 5.4). Pure.

Names are case-insensitive and spaces outside quotes mean nothing. Basic commands may follow each other without a
separator; extended ones end at `;` or the end of the line; `D` takes the rest.
"""

import re
from dataclasses import dataclass, field
from enum import IntEnum
from functools import lru_cache


class Op(IntEnum):
    """The four ways to address a command (TS 27.007 clause 4)."""

    EXECUTE = 0
    SET = 1
    READ = 2
    TEST = 3


@dataclass(frozen=True, slots=True)
class Call:
    """One command of a line. `args` are its parameters without their quotes, None where one is left out."""

    name: str
    op: Op
    args: tuple[str | None, ...] = ()
    raw: str = ""
    key: tuple[str, Op] = field(init=False, repr=False, compare=False)  # what the command table is looked up by

    def __post_init__(self) -> None:
        """Make the key once: a call is read once and run many times."""
        object.__setattr__(self, "key", (self.name, self.op))


class LineSyntaxError(Exception):
    """The line is not V.250: the modem answers ERROR."""


_EXTENDED = re.compile(r"([+^*$%#_@!][A-Z0-9_./\-]+)(=\?|\?|=(.*))?\Z", re.IGNORECASE | re.DOTALL)
_BASIC = re.compile(r"([A-Z]|&[A-Z])(\d*)", re.IGNORECASE)
_CONTROL = re.compile(rb"[\x00-\x0c\x0e-\x1f\x7f]")  # CR ends the line; no other control character is plain
_REGISTER = re.compile(r"S(\d+)(\?|=(\d*))", re.IGNORECASE)


@lru_cache(maxsize=1024)
def read_line(body: str) -> tuple[Call, ...]:
    """The calls of a line, its leading `AT` already taken off. Raises LineSyntaxError."""
    calls: list[Call] = []
    place = 0
    if " " in body:
        body = "".join(part if odd else part.replace(" ", "") for odd, part in _quoted_parts(body))
    while place < len(body):
        if body[place] == ";":
            place += 1
            continue
        call, place = _read_call(body, place)
        calls.append(call)
    return tuple(calls)


@lru_cache(maxsize=1024)
def read_plain_line(data: bytes) -> tuple[str, tuple[Call, ...]] | None:
    """What most programs write at a time: `AT`, a line that V.250 knows, CR. Its body (for `A/`) and its calls.

    None for everything else (pieces, several lines, line feeds, editing characters, what is wrong): that needs the
    port's own reading. Programs repeat themselves, so the answers are kept; give it no more than a line.
    """
    if data[:2] not in {b"AT", b"at"} or data.find(b"\r") != len(data) - 1 or _CONTROL.search(data):
        return None
    body = data[2:-1].decode("latin-1")
    try:
        return body, read_line(body)
    except LineSyntaxError:
        return None


def _quoted_parts(body: str) -> list[tuple[bool, str]]:
    """The pieces between quotes (False) and the quoted ones with their quotes (True)."""
    pieces = body.split('"')
    last = len(pieces) - 1
    return [(place % 2 == 1, piece + ('"' if place < last else "")) for place, piece in enumerate(pieces)]


def _read_call(body: str, place: int) -> tuple[Call, int]:
    first = body[place]
    if first in "+^*$%#_@!":
        end = _end_of_extended(body, place)
        return _extended(body[place:end]), end
    if first in "Dd":
        rest = body[place + 1 :].strip()
        return Call("D", Op.EXECUTE, (rest,), rest), len(body)
    if first in "Ss" and (match := _REGISTER.match(body, place)):
        op = Op.READ if match[2] == "?" else Op.SET
        return Call("S", op, (match[1], match[3] or "0")), match.end()
    if match := _BASIC.match(body, place):
        return Call(match[1].upper(), Op.EXECUTE, (match[2] or None,)), match.end()
    raise LineSyntaxError(body)


def _end_of_extended(body: str, place: int) -> int:
    quoted = False
    for end in range(place, len(body)):
        if body[end] == '"':
            quoted = not quoted
        elif body[end] == ";" and not quoted:
            return end
    return len(body)


def _extended(text: str) -> Call:
    match = _EXTENDED.match(text.strip())
    if match is None:
        raise LineSyntaxError(text)
    name, suffix, raw = match[1].upper(), match[2], match[3]
    if suffix is None:
        return Call(name, Op.EXECUTE)
    if suffix == "=?":
        return Call(name, Op.TEST)
    if suffix == "?":
        return Call(name, Op.READ)
    return Call(name, Op.SET, split_arguments(raw), raw)


def split_arguments(raw: str) -> tuple[str | None, ...]:
    """Parameters separated by commas outside quotes; quotes come off, spaces outside them too."""
    found: list[str | None] = []
    current, quoted, seen = "", False, False
    for character in raw:
        if character == '"':
            quoted, seen = not quoted, True
        elif character == "," and not quoted:
            found.append(current if current or seen else None)
            current, seen = "", False
        else:
            current += character
    if quoted:
        raise LineSyntaxError(raw)
    found.append(current if current or seen else None)
    return tuple(found)
