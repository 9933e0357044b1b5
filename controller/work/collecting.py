"""Garbage collected less often while very many things are made that go by their reference counts.

What deciding some hundred accounts takes is let go at the end of each transaction. Until then every look through the
youngest objects finds all of it in use, in vain: a tenth of the time that deciding takes.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

# Containers made and not gone before one looks: more than the transactions under way hold, and a bound nevertheless.
AFTER: Final = 500_000
_usual: list[tuple[int, int, int]] = []


@contextmanager
def collecting_rarely() -> Iterator[None]:
    """Let garbage wait meanwhile, until AFTER; where several do so, until the last of them is done."""
    _usual.append(gc.get_threshold())
    gc.set_threshold(AFTER, *_usual[0][1:])
    try:
        yield
    finally:
        usual = _usual[0]
        _usual.pop()
        if not _usual:
            gc.set_threshold(*usual)
