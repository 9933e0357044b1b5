"""Timers for thousands of hubs: a slot of 20 ms holds all that is due in it, and the loop has one timer for all slots.

A TimerHandle a hub costs half a kilobyte and, at 18,000 in one heap, more time than the message it sends. What
everybody does once an interval is not even planned anew: members of one slot make a round, and the round comes again.
"""

import asyncio
import heapq
from collections.abc import Callable
from functools import partial
from typing import Final

SLOT_S: Final = 0.02

Action = Callable[[], None]
# Takes the loop's time; False leaves the round.
Member = Callable[[float], bool]


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
        self.at_slot(int((self._loop.time() + delay_s) / SLOT_S) + 1, action)

    def time(self) -> float:
        """The loop's time."""
        return self._loop.time()

    def at_slot(self, slot: int, action: Action) -> None:
        """Run `action` in a slot, counted from the loop's time zero; a slot that is over means the next one."""
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


class Rounds:
    """Calls each member once an interval, at a phase of its own, until it says False."""

    def __init__(self, wheel: Wheel, interval_s: float) -> None:
        self._wheel = wheel
        self._slots = max(1, round(interval_s / SLOT_S))
        self._rounds: dict[int, list[Member]] = {}

    def join(self, delay_s: float, member: Member) -> None:
        """Call `member` in `delay_s` seconds, at most an interval, and then once an interval."""
        slot = int((self._wheel.time() + delay_s) / SLOT_S) + 1
        phase = slot % self._slots
        members = self._rounds.get(phase)
        if members is not None:
            members.append(member)
            return
        self._rounds[phase] = [member]
        self._wheel.at_slot(slot, partial(self._go_round, slot))

    def _go_round(self, slot: int) -> None:
        """One turn; turns that a busy loop has missed are left out, as a hub's own timer would."""
        members = self._rounds[slot % self._slots]
        now, there = self._wheel.time(), len(members)
        members[:there] = [member for member in members[:there] if member(now)]
        if not members:
            del self._rounds[slot % self._slots]
            return
        missed = max(0, (int(now / SLOT_S) - slot) // self._slots)
        following = slot + (missed + 1) * self._slots
        self._wheel.at_slot(following, partial(self._go_round, following))
