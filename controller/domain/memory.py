"""Answers that are kept with the facts they are about: facts never change, so neither does what a rule says of them."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Final, TypeVar, cast

from msgspec import Struct

Rule = TypeVar("Rule", bound=Callable[..., Any])
_NOT_ASKED: Final = object()


class Remembering(Struct, frozen=True, dict=True):
    """A value that keeps what pure functions said of it, beside its fields; no part of its equality."""

    def memory(self) -> dict[Any, Any]:
        """Return what is kept, for rules."""
        memory: dict[Any, Any] = self.__dict__.setdefault("_memory", {})
        return memory


def remembered(rule: Rule) -> Rule:
    """Compute `rule(facts, *given)` once for equal arguments, which are given by position.

    `rule` must be pure, and equal arguments must mean the same to it: ids, instants, rule sets.
    """

    @wraps(rule)
    def answer(facts: Remembering, *given: Any) -> Any:
        try:
            memory = facts.__dict__["_memory"]  # the quick way to what `memory` returns
        except KeyError:
            memory = facts.memory()
        key = (rule, given)
        known = memory.get(key, _NOT_ASKED)
        if known is _NOT_ASKED:
            known = memory[key] = rule(facts, *given)
        return known

    return cast("Rule", answer)
