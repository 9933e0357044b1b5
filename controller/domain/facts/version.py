"""What every fact has: the time it was true of the world, and the time this system knew it."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from operator import attrgetter
from typing import get_type_hints

from msgspec import Struct
from msgspec.structs import force_setattr

KNOWN_FROM_THE_START = datetime(1, 1, 1, tzinfo=UTC)
NOT_SUPERSEDED = datetime(9999, 12, 31, tzinfo=UTC)


class NaiveInstantError(ValueError):
    """An instant without a time zone reached the domain; the caller must attach one."""


def utc(instant: datetime) -> datetime:
    """Return the instant in UTC; raises NaiveInstantError where no zone is attached."""
    if instant.tzinfo is UTC:
        return instant
    if instant.tzinfo is None:
        raise NaiveInstantError(f"{instant.isoformat()} has no time zone: attach one before it becomes a fact")
    return instant.astimezone(UTC)


@cache
def _instants_of(kind: "type[Fact]") -> tuple[str, ...]:
    """Name a kind's fields that hold an instant, looked up once a kind: two at least, its version's."""
    return tuple(name for name, hint in get_type_hints(kind).items() if hint in {datetime, datetime | None})


@cache
def _reading_of(kind: "type[Fact]") -> "Callable[[Fact], tuple[datetime | None, ...]]":
    """Return what reads a kind's instants, all in one step."""
    return attrgetter(*_instants_of(kind))


class Fact(Struct, frozen=True, kw_only=True, gc=False):
    """One version of one fact; known from `recorded_at` (included) to `superseded_at` (not included)."""

    recorded_at: datetime = KNOWN_FROM_THE_START
    superseded_at: datetime = NOT_SUPERSEDED

    def __post_init__(self) -> None:
        kind = type(self)
        for instant in _reading_of(kind)(self):
            if instant is not None and instant.tzinfo is not UTC:
                self._turn_to_utc()
                return

    def _turn_to_utc(self) -> None:
        for name in _instants_of(type(self)):
            instant = getattr(self, name)
            if instant is not None:
                force_setattr(self, name, utc(instant))
