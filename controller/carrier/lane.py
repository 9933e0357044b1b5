"""A carrier account is a lane (decision 13): its rate and concurrency are the account's, whoever calls.

The lane paces calls by the event loop's time, keeps everybody back when the platform asked for it, and opens a circuit
after failures in a row, so that a platform that is down is not hammered. Which process may use the lane at all is a
claimed row (module `controller.work.sims`).
"""

import asyncio
import math
import random as random_module
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

FAILURES_TO_OPEN: Final = 3
LONGEST_PAUSE_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class LaneLimits:
    """The account's limits: calls per second (None: unlimited) and calls at a time."""

    calls_per_s: float | None = 5.0
    concurrency: int = 1


class Lane:
    """Turns on one account. Turns are given in the order they were asked for."""

    def __init__(self, limits: LaneLimits, *, random: random_module.Random) -> None:
        self.limits = limits
        self._random = random
        self._places = asyncio.Semaphore(limits.concurrency)
        # Two percent under the limit: the platform counts arrivals, and the network moves those together.
        self._interval = 1.02 / limits.calls_per_s if limits.calls_per_s is not None else 0.0
        self._next = 0.0
        self._closed_until = 0.0
        self._failures = 0
        self.calls = 0

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for a place and for the rate, then hold the place for one call."""
        async with self.place():
            await self.pace()
            yield

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Wait for a place and hold it; each call in it begins with `pace`."""
        async with self._places:
            yield

    def due_in(self) -> float:
        """Return for how many seconds the next call must wait for the rate or for the platform; 0 when it may begin."""
        return max(0.0, max(self._next, self._closed_until) - asyncio.get_running_loop().time())

    def hold(self, seconds: float) -> None:
        """Let nobody call for so long: the platform asked for it."""
        self._closed_until = max(self._closed_until, asyncio.get_running_loop().time() + seconds)

    def failed(self) -> None:
        """Count a call without an answer; from the third in a row on the lane pauses, longer each time."""
        self._failures += 1
        if self._failures >= FAILURES_TO_OPEN:
            pause = min(2.0 ** (self._failures - FAILURES_TO_OPEN), LONGEST_PAUSE_S)
            self.hold(pause * (0.5 + 0.5 * self._random.random()))

    def worked(self) -> None:
        """Forget earlier failures."""
        self._failures = 0

    def held_for(self) -> float:
        """Return for how many seconds nobody may call; 0 when the lane is open."""
        return max(0.0, self._closed_until - asyncio.get_running_loop().time())

    async def pace(self, within_s: float = math.inf) -> bool:
        """Wait for the rate, and count a call. False, at once and without a call, if it would take over `within_s`."""
        loop = asyncio.get_running_loop()
        while True:
            now = loop.time()
            start = max(self._next, self._closed_until)
            if start <= now:
                break
            if start - now > within_s:
                return False
            await asyncio.sleep(start - now)
        # Spaced evenly: no second of the platform's holds more calls than it allows.
        self._next = now + self._interval
        self.calls += 1
        return True
