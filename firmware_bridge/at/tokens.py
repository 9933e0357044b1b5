"""Parameters of an AT line: split once at the colon, then at commas outside quotes and parentheses.

Values stay text: a quoted `"0502"` is hexadecimal and an MNC of `01` keeps its zero, so only the driver that knows the
field converts it. An omitted parameter is None, an empty quoted one is "". Sources: V.250 5.4.2, TS 27.007 4.
"""

import csv
import re
from itertools import repeat
from typing import TypeAlias

Parameter: TypeAlias = "str | tuple[Parameter, ...] | None"
Parameters: TypeAlias = tuple[Parameter, ...]

MAX_DEPTH = 4  # `((1,2),(3))` is the deepest a real modem nests; more is text

# V.250 5.4.2.2: a backslash and two hexadecimal digits stand for a character. Only those that cannot stand for
# themselves are translated, because most modems print a plain backslash.
_UNESCAPED = {"\\22": '"', "\\5C": "\\", "\\5c": "\\", "\\0D": "\r", "\\0d": "\r", "\\0A": "\n", "\\0a": "\n"}
_ESCAPE = re.compile(r"\\(?:22|5[Cc]|0[DdAa])")
_ESCAPED = {'"': "\\22", "\\": "\\5C", "\r": "\\0D", "\n": "\\0A"}
_MUST_ESCAPE = re.compile(r'["\\\r\n]')

# One row in, one row out. The reader asks for a further line when a quote stays open: there is none (IndexError).
_pending_row: list[str] = []
_rows = csv.reader(map(_pending_row.pop, repeat(0)), skipinitialspace=True, strict=True)


def after_colon(line: str) -> str:
    """The text behind the first colon, without surrounding blanks; the whole line when there is none."""
    head, colon, rest = line.partition(":")
    return rest.strip() if colon else head.strip()


def parameters(line: str) -> Parameters:
    """The parameters of `+NAME: a,"b",(c,d)`: `("a", "b", ("c", "d"))`. Never raises; no parameters give ()."""
    return split_parameters(line.partition(":")[2])


def split_parameters(text: str) -> Parameters:
    """The parameters of a text without a prefix. Quotes and blanks around are taken off, None stands for nothing."""
    if '"' not in text:
        text = text.strip(" \t")
        if "(" in text:
            return _split_carefully(text, 0)
        values = text.split(",")  # every comma separates, and only blanks around a value go
        if " " not in text and "" not in values and "\t" not in text:
            return tuple(values)
        return tuple([value.strip(" \t") or None for value in values]) if text else ()
    # The C parser of csv is three times as fast as anything written in Python; what it might read otherwise than
    # `_split_carefully` goes there.
    if "(" in text or "\\" in text or " ," in text or "\t" in text or text[-1] <= " ":
        return _split_carefully(text, 0)
    _pending_row.append(text)
    try:
        row = next(_rows)
    except (csv.Error, IndexError):
        return _split_carefully(text, 0)
    if '"' in "".join(row):
        return _split_carefully(text, 0)
    if "" not in row:
        return tuple(row)
    return _split_carefully(text, 0) if '""' in text else tuple([value or None for value in row])


def _unescape(text: str) -> str:
    return _ESCAPE.sub(lambda match: _UNESCAPED[match.group()], text) if "\\" in text else text


def _split_carefully(text: str, depth: int) -> Parameters:
    """Commas inside quotes and parentheses belong to the parameter; junk of any kind is kept as text."""
    return tuple([_value(part, depth) for part in _fields(text)]) if text.strip(" \t") else ()


def _fields(text: str) -> list[str]:
    fields, start, depth, quoted = [], 0, 0, False
    for place, character in enumerate(text):
        if character == '"':
            quoted = not quoted
        elif quoted:
            continue
        elif character == "(":
            depth += 1
        elif character == ")":
            depth = max(0, depth - 1)
        elif character == "," and depth == 0:
            fields.append(text[start:place])
            start = place + 1
    return [*fields, text[start:]]


def _value(field: str, depth: int) -> Parameter:
    part = field.strip(" \t")
    if len(part) > 1 and part[0] == part[-1] == '"':
        return _unescape(part[1:-1])
    if depth < MAX_DEPTH and part[:1] == "(" and part[-1:] == ")" and len(part) > 1:
        return _split_carefully(part[1:-1], depth + 1)
    return part or None


def quote(text: str) -> str:
    r"""The text as a V.250 string constant. `"`, `\`, CR and LF are escaped; other control characters are refused.

    Raises:
        ValueError: the text holds a character that would end the command line or the text mode (Ctrl-Z, ESC, NUL …).
    """
    if any((ord(character) < 32 and character not in "\r\n") or ord(character) > 255 for character in text):
        raise ValueError("a parameter holds a character that cannot stand in an AT command")
    return '"' + _MUST_ESCAPE.sub(lambda match: _ESCAPED[match.group()], text) + '"'


def join_parameters(*values: str | int | None) -> str:
    """The inverse of `split_parameters` for a command: text is quoted, numbers are bare, None is omitted."""
    return ",".join("" if value is None else str(value) if isinstance(value, int) else quote(value) for value in values)
