"""Trusted time on a hub: a bounded anchor plus boot time, never before the persisted floor (decision 8).

The system clock is never consulted: it starts anywhere after a cold boot and anyone may set it. What is known is
(1) the boot clock, which only counts, (2) a floor, below which time cannot be: the issue time of every authenticated
document and what was known before the last power cut, and (3) an anchor from the network (NITZ). The network's word
is not authenticated, so it is bounded: never taken for less than the floor, refused when it is further below, never
moving a running clock by more than MAX_STEP_MS.
Without an anchor in this boot there is no time, and a lease cannot be live.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

# A network clock that disagrees with a running anchor by more is refused; crystals drift by seconds a day.
MAX_STEP_MS: Final = 10 * 60 * 1000
# 2100-01-01: a network that says more is broken.
LATEST_MS: Final = 4_102_444_800_000


def boot_clock() -> float:
    """Seconds since boot, suspend included (CLOCK_BOOTTIME)."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@dataclass(frozen=True, slots=True)
class Anchor:
    """At `uptime_ms` of this boot it was `at_ms` (Unix milliseconds)."""

    uptime_ms: int
    at_ms: int


class Clock:
    """One boot's trusted time. `uptime` gives seconds and only grows; `floor_ms` is what the store kept."""

    def __init__(self, uptime: Callable[[], float] = boot_clock, floor_ms: int = 0) -> None:
        self._uptime = uptime
        self._floor = Anchor(self.uptime_ms(), floor_ms)
        self._anchor: Anchor | None = None

    @property
    def floor_ms(self) -> int:
        """The least that time can be (authenticated words and elapsed uptime only): what is to be persisted."""
        return self._at(self._floor)

    @property
    def trusted(self) -> bool:
        """Whether this boot has an anchor."""
        return self._anchor is not None

    def uptime_ms(self) -> int:
        """Milliseconds since boot."""
        return int(self._uptime() * 1000)

    def now_ms(self) -> int | None:
        """Unix milliseconds, or None without an anchor."""
        return None if self._anchor is None else max(self._at(self._anchor), self.floor_ms)

    def raise_floor(self, at_ms: int) -> None:
        """Time is at least `at_ms`: an authenticated document was issued then. Never lowers it."""
        if at_ms > self.floor_ms:
            self._floor = Anchor(self.uptime_ms(), at_ms)

    def offer(self, at_ms: int) -> bool:
        """Take the network's word for the time if it is within bounds; returns whether it was taken.

        Networks tell whole seconds and may be late, so a word up to MAX_STEP_MS below the floor stands for the floor
        itself; one further below is refused: a replayed network would prolong a lease. Two words that disagree by more
        than MAX_STEP_MS leave neither believed: time is unknown until the next.
        """
        if not self.floor_ms - MAX_STEP_MS <= at_ms <= LATEST_MS:
            return False
        at_ms = max(at_ms, self.floor_ms)
        now = self.now_ms()
        if now is not None and abs(at_ms - now) > MAX_STEP_MS:
            self._anchor = None
            return False
        if now is None or at_ms > now:
            self._anchor = Anchor(self.uptime_ms(), at_ms)
        return True

    def _at(self, anchor: Anchor) -> int:
        return anchor.at_ms + self.uptime_ms() - anchor.uptime_ms
