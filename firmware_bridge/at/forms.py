"""Read form or unsolicited form: lines that share a prefix, told apart by structure. TS 27.007 7.2, 10.1.20, 10.1.22.

`+CREG: <n>,<stat>[,<lac>,<ci>…]` answers a read; `+CREG: <stat>[,<lac>,<ci>…]` comes unasked. <stat> is never quoted
and never empty, so the second parameter decides; a bare area code made of few digits is told from a padded <stat> by
its neighbours.
"""

import re

# <n> of +CEREG is 0 to 5 (TS 27.007 10.1.22), <stat> 0 to 11; neither has more than four digits.
_MODE = "0{0,3}[0-5]"
_STAT = "(?:0{0,3}[0-9]|0{0,2}1[01])"
_READ = (
    # A short second parameter is a <stat> whatever follows; a longer one is when nothing follows, or a quoted area code
    # (`2,0011,"18d8"`), or when <n> is padded too (`002,001,…`).
    rf"[^:]*:\s*(?:{_MODE}\s*,\s*(?:(?:0?[0-9]|1[01])\s*(?:,|\Z)|{_STAT}\s*(?:\Z|,\s*\"))"
    rf"|0{{1,3}}[0-5]\s*,\s*{_STAT}\s*,)"
)
# What modems say most, put first: each is a case of what stands behind it.
_is_read = re.compile(rf"[^:]*: ?[0-5],[0-9](?:,|\Z)|{_READ}").match
_is_unasked = re.compile(rf"[^:]*: ?[0-9],\"|(?!{_READ})[^:]*:\s*{_STAT}\s*(?:,|\Z)").match


def is_registration_read(line: str) -> bool:
    """Whether a +CREG, +CGREG, +CEREG or +C5GREG line answers the read command (n = 0 … 5, quoted or bare)."""
    return _is_read(line) is not None


def is_registration_urc(line: str) -> bool:
    """Whether a registration line came unasked: it starts with a <stat> and is not the read form."""
    return _is_unasked(line) is not None


def has_parameters(count: int, *more: int) -> "ParameterCount":
    """A form by arity, as +NETOPEN: `1,0` answers the read, `0` comes unasked."""
    return ParameterCount(frozenset({count, *more}))


class ParameterCount:
    """Judges a line by how many parameters it has."""

    __slots__ = ("_counts",)

    def __init__(self, counts: frozenset[int]) -> None:
        self._counts = counts

    def __call__(self, line: str) -> bool:
        """Whether the line has one of the counts."""
        return line.partition(":")[2].count(",") + 1 in self._counts
