"""Timers for thousands of hubs: a slot of 20 ms holds all that is due in it, and the loop has one timer for all slots.

A TimerHandle a hub costs half a kilobyte and, at 18,000 in one heap, more time than the message it sends.
"""

import asyncio
import heapq
from collections.abc import Callable
from typing import Final

SLOT_S: Final = 0.02

Action = Callable[[], None]


class Wheel:
    """Runs actions on the loop's time, up to SLOT_S late. Nothing is cancelled: an action looks if it is wanted."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._slots: dict[int, list[Action]] = {}
        self._order: list[int] = []
        self._timer: asyncio.TimerHandle | None = None
        self._armed = 0

    def after(self, delay_s: float, action: Action) -> None:
        """Run `action` in `delay_s` seconds."""
        slot = int((self._loop.time() + delay_s) / SLOT_S) + 1
        actions = self._slots.get(slot)
        if actions is not None:
            actions.append(action)
            return
        self._slots[slot] = [action]
        heapq.heappush(self._order, slot)
        if self._timer is None or slot < self._armed:
            self._arm()

    def stop(self) -> None:
        """Run nothing any more."""
        self._slots.clear()
        self._order.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._armed = self._order[0]
        self._timer = self._loop.call_at(self._armed * SLOT_S, self._turn)

    def _turn(self) -> None:
        self._timer = None
        now = self._loop.time()
        while self._order and self._order[0] * SLOT_S <= now:
            for action in self._slots.pop(heapq.heappop(self._order)):
                action()
        if self._order and self._timer is None:
            self._arm()
