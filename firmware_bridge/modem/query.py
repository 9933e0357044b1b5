"""A question to a modem as data: the command, how its answer reads, and whether a modem may not know it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from firmware_bridge.at.commands import Command

T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Query(Generic[T_co]):
    """`parse` takes the reply's lines. A `learnable` question that brings ERROR is not asked again until reboot."""

    command: Command
    parse: Callable[[Sequence[str]], T_co]
    learnable: bool = True


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the init sequence: the first of `alternatives` the modem accepts; none is no failure (Q20)."""

    alternatives: tuple[Command, ...]


def step(*texts: str) -> Step:
    """A step from command texts that bring no information."""
    return Step(tuple(Command(text) for text in texts))
