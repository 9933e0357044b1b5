"""When the carrier's lane will have come to each SIM: its order, its rate and its pauses are known, so lateness is too.

The lane works strictly by deadline (decision 10), one call after the other at the account's rate (decision 13). A row
that is not due yet does not hold up those behind it.
"""

import heapq
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import select
from sqlmodel import Session

from controller.services import rows, sims
from controller.tables.owed import Owed

_C: Final = rows.table_of(Owed).c
_NEVER: Final = datetime.max.replace(tzinfo=UTC)

# (SIM, deadline, due) of an owed call.
Call = tuple[str, datetime | None, datetime]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How fast the lane is: calls a second (None: as fast as it can), and for how long it is held back from now."""

    calls_per_s: float | None = 5.0
    held_for: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneForecast:
    """What waits for the lane: how many calls, when it will be empty, when each SIM's turn comes, and who is late."""

    calls: int
    calls_per_s: float | None
    empty_at: datetime | None
    turns: Mapping[str, datetime] = field(default_factory=dict)
    late: tuple[str, ...] = ()


def forecast(session: Session, now: datetime, pace: Pace) -> LaneForecast:
    """Say when every owed call will have been made; `late` are those after their deadline, the nearest first."""
    waiting = select(_C.key, _C.deadline, _C.due).where(_C.noun == sims.NOUN, _C.parked_at.is_(None))
    calls = [(row.key, row.deadline, row.due) for row in session.connection().execute(waiting)]
    turns = turns_of(calls, now, pace)
    deadlines = {key: deadline for key, deadline, _ in calls}
    late = [key for key, at in turns.items() if (deadline := deadlines[key]) is not None and at > deadline]
    return LaneForecast(
        calls=len(calls),
        calls_per_s=pace.calls_per_s,
        empty_at=max(turns.values(), default=None),
        turns=turns,
        late=tuple(sorted(late, key=lambda key: (deadlines[key], key))),
    )


def turns_of(calls: Iterable[Call], now: datetime, pace: Pace) -> dict[str, datetime]:
    """Return when each call will have been made: by deadline among those that are due when the lane is free."""
    step = timedelta(0) if pace.calls_per_s is None else timedelta(seconds=1 / pace.calls_per_s)
    free_at = now + pace.held_for
    coming = sorted(calls, key=lambda call: call[2], reverse=True)
    due: list[tuple[datetime, datetime, str]] = []
    turns: dict[str, datetime] = {}
    while coming or due:
        if not due:
            free_at = max(free_at, coming[-1][2])
        while coming and coming[-1][2] <= free_at:
            key, deadline, since = coming.pop()
            heapq.heappush(due, (deadline or _NEVER, since, key))
        free_at += step
        turns[heapq.heappop(due)[2]] = free_at
    return turns
