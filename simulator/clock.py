"""Simulated time: a clock that is injected everywhere, and an agenda of what is due on it.

Nothing in the simulator reads the machine's clock but the shell that builds a `LoopClock`. Simulated time runs at
`factor` times the loop's, so a boot that takes twelve seconds can be watched in one.
"""

import heapq
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Protocol

EPOCH = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)  # where a run begins when nobody says otherwise


class Clock(Protocol):
    """What the simulated parts know about time."""

    def now(self) -> float:
        """Simulated seconds since the run began; never goes back."""
        ...

    def utc(self) -> datetime:
        """The true simulated time of day, time-zone aware, in UTC."""
        ...


class ManualClock:
    """A clock that moves only when told to: for unit tests and for replays."""

    def __init__(self, *, start: datetime = EPOCH) -> None:
        self._start = start
        self._now = 0.0

    def now(self) -> float:
        """Seconds advanced so far."""
        return self._now

    def utc(self) -> datetime:
        """The start plus what was advanced."""
        return self._start + timedelta(seconds=self._now)

    def advance(self, seconds: float) -> None:
        """Move forward; raises ValueError for a step back."""
        if seconds < 0:
            raise ValueError(f"a clock cannot go back by {-seconds} s")
        self._now += seconds


class LoopClock:
    """A clock driven by a monotonic reading (an event loop's `time`), `factor` times as fast."""

    def __init__(self, time: Callable[[], float], *, start: datetime = EPOCH, factor: float = 1.0) -> None:
        if factor <= 0:
            raise ValueError(f"time factor {factor} must be above 0")
        self._time = time
        self._zero = time()
        self._start = start
        self.factor = factor

    def now(self) -> float:
        """Simulated seconds since construction."""
        return (self._time() - self._zero) * self.factor

    def utc(self) -> datetime:
        """The start plus simulated seconds."""
        return self._start + timedelta(seconds=self.now())

    def reading_at(self, when: float) -> float:
        """The monotonic reading at which `now()` becomes `when`: what `loop.call_at` takes."""
        return self._zero + when / self.factor


class Timer:
    """One entry of an agenda; `cancel` is idempotent."""

    __slots__ = ("action", "when")

    def __init__(self, when: float, action: Callable[[], None]) -> None:
        self.when = when
        self.action: Callable[[], None] | None = action

    def cancel(self) -> None:
        """The action will not run."""
        self.action = None


class Agenda:
    """What will happen and when, on one clock; actions run in order of time, then of scheduling.

    An action sees `now` as the moment it was due, so a late call of `run_due` changes no outcome.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._heap: list[tuple[float, int, Timer]] = []
        self._serial = count()
        self.now = clock.now()

    def at(self, when: float, action: Callable[[], None]) -> Timer:
        """Run `action` at `when` (simulated seconds); a past moment means at the next `run_due`."""
        timer = Timer(when, action)
        heapq.heappush(self._heap, (when, next(self._serial), timer))
        return timer

    def after(self, delay: float, action: Callable[[], None]) -> Timer:
        """Run `action` `delay` seconds after `now`."""
        return self.at(self.now + delay, action)

    def run_due(self) -> None:
        """Run all that is due, then set `now` to the clock's."""
        clock_now = self._clock.now()
        heap = self._heap
        while heap and heap[0][0] <= clock_now:
            when, _, timer = heapq.heappop(heap)
            action, timer.action = timer.action, None
            if action is not None:
                self.now = max(self.now, when)
                action()
        self.now = max(self.now, clock_now)

    def next_deadline(self) -> float | None:
        """When `run_due` is next needed, or None when nothing is planned."""
        heap = self._heap
        while heap and heap[0][2].action is None:
            heapq.heappop(heap)
        return heap[0][0] if heap else None
