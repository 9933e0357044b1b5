"""One row of a parser table."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple


class Fails(NamedTuple):
    """The expectation of a ReplyError."""


class Row(NamedTuple):
    """`text` is the reply's lines, separated by line feeds; the expected value is compared by equality."""

    parse: Callable[[Sequence[str]], Any]
    text: str
    expected: object

    @property
    def lines(self) -> list[str]:
        return self.text.split("\n") if self.text else []


FAILS = Fails()


def table(parse: Callable[[Sequence[str]], Any], *rows: tuple[str, object]) -> list[Row]:
    return [Row(parse, text, expected) for text, expected in rows]


def of_line(parse: Callable[[str], Any]) -> Callable[[Sequence[str]], Any]:
    """A parser of one line, as a parser of lines."""
    return lambda lines: parse(lines[0])
