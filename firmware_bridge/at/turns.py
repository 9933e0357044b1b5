"""Whose turn it is on a port."""

import asyncio
import heapq

from firmware_bridge.at.commands import Priority


class Turns:
    """Who may use the port: one at a time, by priority, then in order of arrival. Safe to cancel."""

    __slots__ = ("_count", "_waiting", "busy")

    def __init__(self) -> None:
        self.busy = False
        self._count = 0
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []

    def take_free(self) -> bool:
        """Whether the port was free; it is the caller's then."""
        free = not self.busy
        self.busy = True
        return free

    async def take(self, priority: Priority) -> None:
        """Wait for the port; a cancelled wait takes nothing."""
        if self.take_free():
            return
        turn = asyncio.get_running_loop().create_future()
        self._count += 1
        heapq.heappush(self._waiting, (priority, self._count, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():
                self.give()  # the turn came together with the cancellation: pass it on
            raise

    def give(self) -> None:
        """Pass the port on to whoever waits first."""
        while self._waiting:
            turn = heapq.heappop(self._waiting)[2]
            if not turn.done():
                turn.set_result(None)
                return
        self.busy = False
