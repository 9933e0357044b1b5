"""Splitting an information line into fields (TS 27.007 4.1, V.250 5.7): quotes honoured, junk tolerated."""

import re
from collections.abc import Iterable, Sequence

from firmware_bridge.errors import ReplyError

_NUMBER = re.compile(r"[+-]?\d{1,20}")
_HEX = re.compile(r"(?:0[xX])?([0-9A-Fa-f]{1,16})")
_DIGIT_RUN = re.compile(r"[0-9A-Fa-f]{6,}")


def masked(text: str) -> str:
    """The text with every run of six or more hex digits hidden: an identifier never reaches an error or a log."""
    return _DIGIT_RUN.sub(lambda run: f"<{len(run[0])} digits>", text)


def failure(name: str, line: str, reason: str) -> ReplyError:
    """The error of a reply called `name` whose `line` does not parse, identifiers masked."""
    return ReplyError(name, masked(line), reason)


def payload(line: str, *names: str) -> str | None:
    """What follows `name:` in the line, stripped; None when the line is another's.

    Case and blanks around the colon are ignored: `^NDISSTATQry:1` and `+QSIMSTAT : 1,0` are both seen in the field.
    """
    head, colon, tail = line.partition(":")
    if colon and head.strip().upper() in {name.upper() for name in names}:
        return tail.strip()
    return None


def payloads(lines: Iterable[str], *names: str) -> list[str]:
    """The payloads of every line of that name, in order."""
    return [found for line in lines if (found := payload(line, *names)) is not None]


def first_payload(lines: Sequence[str], *names: str) -> str:
    """The first payload of that name; a value on the line after a bare `name:` counts as its own (Q27).

    Raises:
        ReplyError: when no line has the name.
    """
    for at, line in enumerate(lines):
        found = payload(line, *names)
        if found is not None:
            return found or (lines[at + 1].strip() if at + 1 < len(lines) else "")
    raise failure(names[0], " | ".join(lines), "no such line in the reply")


def raw_fields(text: str) -> list[str]:
    """Fields between commas outside quotes, stripped, their quotes kept. A quote never closed runs to the end."""
    found: list[str] = []
    start, quoted = 0, False
    for at, char in enumerate(text):
        if char == '"':
            quoted = not quoted
        elif char == "," and not quoted:
            found.append(text[start:at].strip())
            start = at + 1
    return [*found, text[start:].strip()]


def unquoted(field: str) -> str:
    """The field without its quotes and the blanks around."""
    return field.strip().strip('"').strip()


def fields(text: str) -> list[str]:
    """Fields without quotes."""
    return [unquoted(field) for field in raw_fields(text)]


def at(values: Sequence[str], index: int) -> str:
    """The field at the index, empty when the line is shorter (trailing parameters are optional, TS 27.007 4.1)."""
    return values[index] if index < len(values) else ""


def number(field: str) -> int | None:
    """A decimal number; None for an empty field, `-` and anything else."""
    text = unquoted(field)
    return int(text) if _NUMBER.fullmatch(text) else None


def hexadecimal(field: str) -> int | None:
    """A hexadecimal number with or without 0x: `0502` is 1282 (Q11). None for anything else."""
    match = _HEX.fullmatch(unquoted(field))
    return int(match[1], 16) if match else None


def area_code(field: str) -> int | None:
    """A LAC or TAC, always hexadecimal. 0000 and FFFE mean no valid area (TS 23.003 4.1), FFFF and above too."""
    value = hexadecimal(field)
    return value if value is not None and 0 < value < 0xFFFE else None


def cell_identity(value: int | None, area: int | None) -> int | None:
    """A cell identity of up to 28 bits; all ones is unknown, and so is any without an area."""
    return value if value is not None and area is not None and 0 <= value < 0xFFFFFFF else None


def country_code(digits: str) -> str | None:
    """An MCC: three digits, and 000 is no country."""
    return digits if len(digits) == 3 and digits.isascii() and digits.isdigit() and digits != "000" else None


def within(value: float | None, least: float, most: float) -> float | None:
    """The value if it lies in the range a radio can report, else None: placeholders lie outside."""
    return value if value is not None and least <= value <= most else None


def coded(field: str, most: int, offset: float, step: float = 1.0) -> float | None:
    """A level coded as 0..most (lower edge of its class): offset + step * n; 99, 255, `-` and empty are unknown."""
    index = number(field)
    return None if index is None or not 0 <= index <= most else round(offset + step * index, 1)


def octets(text: str) -> bytes | None:
    """Bytes of a hex string, None when it is none."""
    try:
        return bytes.fromhex(unquoted(text))
    except ValueError:
        return None
