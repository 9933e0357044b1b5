"""Copies of values of the domain with something changed, whatever kind of value it is."""

import dataclasses
from typing import Any, TypeVar

from msgspec import Struct, structs

V = TypeVar("V")


def replace(value: V, **changes: Any) -> V:
    """Return the same value with other fields."""
    if isinstance(value, Struct):
        return structs.replace(value, **changes)
    return dataclasses.replace(value, **changes)  # type: ignore[type-var]  # a dataclass, then
