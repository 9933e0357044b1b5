"""Answers that are kept with the facts they are about: facts never change, so neither does what a rule says of them."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Final, TypeVar, cast

Rule = TypeVar("Rule", bound=Callable[..., Any])
_NOT_ASKED: Final = object()


class Remembering:
    """A value that keeps what pure functions said of it; no part of its equality."""

    __slots__ = ("_memory",)
    _memory: dict[Any, Any]

    def memory(self) -> dict[Any, Any]:
        """Return what is kept, for rules."""
        try:
            return self._memory
        except AttributeError:
            memory: dict[Any, Any] = {}
            object.__setattr__(self, "_memory", memory)
            return memory


def remembered(rule: Rule) -> Rule:
    """Compute `rule(facts, *given)` once for equal arguments, which are given by position.

    `rule` must be pure, and equal arguments must mean the same to it: ids, instants, rule sets.
    """

    @wraps(rule)
    def answer(facts: Remembering, *given: Any) -> Any:
        try:
            memory = facts._memory  # noqa: SLF001  # the quick way to what `memory` returns
        except AttributeError:
            memory = facts.memory()
        key = (rule, given)
        known = memory.get(key, _NOT_ASKED)
        if known is _NOT_ASKED:
            known = memory[key] = rule(facts, *given)
        return known

    return cast("Rule", answer)
