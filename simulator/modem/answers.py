"""What a command may answer besides lines of information text."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Later:
    """The command goes on in `delay_s` seconds."""

    delay_s: float
    then: "Callable[[], Answer]"


@dataclass(frozen=True, slots=True)
class Prompt:
    """The command wants text up to Ctrl-Z; ESC cancels it."""

    then: "Callable[[bytes], Answer]"


@dataclass(frozen=True, slots=True)
class Connect:
    """The port goes to data mode for a context; `word` is the result code, with its speed if any."""

    cid: int
    word: str


Lines: TypeAlias = tuple[str, ...]
Answer: TypeAlias = "Lines | Later | Prompt | Connect | None"
