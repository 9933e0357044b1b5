"""Events for one reader, bounded by their kinds: a newer fact takes the place of an unread one."""

import asyncio
from collections.abc import AsyncIterator

from firmware_bridge.types import ModemEvent, ModemEventKind


class EventMailbox:
    """At most one unread event of each kind, in the order in which the kinds first became unread.

    An event says "look"; the state is read from the modem. So nothing is lost when a newer one replaces an older.
    """

    def __init__(self) -> None:
        self._unread: dict[ModemEventKind, ModemEvent] = {}
        self._changed = asyncio.Event()
        self._ended = False

    def put(self, event: ModemEvent) -> None:
        """Leave an event."""
        self._unread[event.kind] = event
        self._changed.set()

    def end(self) -> None:
        """No more events come; the reader ends when it has read what is left."""
        self._ended = True
        self._changed.set()

    async def read(self) -> AsyncIterator[ModemEvent]:
        """Events until the end."""
        while True:
            while self._unread:
                yield self._unread.pop(next(iter(self._unread)))
            if self._ended:
                return
            self._changed.clear()
            await self._changed.wait()
