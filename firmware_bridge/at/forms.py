"""Read form or unsolicited form: lines that share a prefix, told apart by structure. TS 27.007 7.2, 10.1.20, 10.1.22.

`+CREG: <n>,<stat>[,<lac>,<ci>…]` answers a read; `+CREG: <stat>[,<lac>,<ci>…]` comes unasked. <stat> is never quoted
and never empty, so the second parameter decides; a bare area code made of few digits is told from a padded <stat> by
its neighbours.
"""

MAX_MODE = 5  # <n> of +CEREG (TS 27.007 10.1.22)
MAX_STAT = 11


def is_registration_read(line: str) -> bool:
    """Whether a +CREG, +CGREG, +CEREG or +C5GREG line answers the read command (n = 0 … 5, quoted or bare)."""
    fields = line.partition(":")[2].split(",")
    if len(fields) < 2:
        return False
    second = fields[1].strip()
    if second[:1] == '"':
        return False
    if not (_is_number_up_to(second, MAX_STAT) and _is_number_up_to(fields[0].strip(), MAX_MODE)):
        return False
    if len(fields) == 2 or len(second) <= 2:
        return True
    # A padded second parameter: `002,001,…` pads <n> too; `2,0011,"18d8"` quotes the area code, so 0011 is not one.
    return len(fields[0].strip()) > 1 or fields[2].lstrip().startswith('"')


def is_registration_urc(line: str) -> bool:
    """Whether a registration line came unasked: it starts with a <stat> and is not the read form."""
    first = line.partition(":")[2].partition(",")[0].strip()
    return _is_number_up_to(first, MAX_STAT) and not is_registration_read(line)


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


def _is_number_up_to(text: str, most: int) -> bool:
    return 0 < len(text) <= 4 and text.isascii() and text.isdigit() and int(text) <= most
