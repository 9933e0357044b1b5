"""Answers that are kept with the facts they are about: facts never change, so neither does what a rule says of them."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final, TypeVar

R = TypeVar("R")
_NAMED: Final = frozenset({str, datetime})


class Remembering:
    """A value that keeps what pure functions said of it; no part of its equality."""

    __slots__ = ("_memory",)
    _memory: dict[Any, Any]

    def remember(self, rule: Callable[..., R], *given: Any) -> R:
        """Return `rule(self, *given)`, computed once for the same ids and instants and the very same other arguments.

        `rule` must be pure. Arguments that are neither texts nor instants (rule sets) are told apart by identity.
        """
        try:
            memory = self._memory
        except AttributeError:
            memory = {}
            object.__setattr__(self, "_memory", memory)
        key = (rule, *[each if type(each) in _NAMED else id(each) for each in given])
        known = memory.get(key)
        if known is None:
            # What is told apart by identity is kept, so that nothing else gets its number.
            known = memory[key] = (rule(self, *given), given)
        answer: R = known[0]
        return answer
