"""The bounded queue of a channel's events, in order, with a stated policy when nobody reads."""

from collections import deque

from firmware_bridge.at.commands import Arrival, ChannelEvent, EventsLost, Unsolicited, UrcTable

LIMIT = 256


class EventBuffer:
    """First in, first out, at most `limit` events.

    Of a code whose arrival is LATEST an unread older one gives way to the newer (`coalesced` counts). When the buffer
    is full the oldest event is dropped, and the next to be taken is EventsLost with the number of all that were
    dropped there: nothing is lost silently.
    """

    __slots__ = ("_events", "_latest", "_limit", "_lost", "coalesced", "lost")

    def __init__(self, urcs: UrcTable, limit: int = LIMIT) -> None:
        self.coalesced = 0
        self.lost = 0
        self._limit = limit
        self._lost = 0
        self._events: deque[ChannelEvent] = deque()
        self._latest: dict[str, Unsolicited | None] = {
            name: None for name, urc in urcs.entries.items() if urc.arrival is Arrival.LATEST
        }

    def __len__(self) -> int:
        return len(self._events) + (self._lost > 0)

    def put(self, event: ChannelEvent) -> None:
        """Add an event."""
        if isinstance(event, Unsolicited) and event.name in self._latest:
            older = self._latest[event.name]
            self._latest[event.name] = event
            if older is not None:
                self._remove(older)
                self.coalesced += 1
        if len(self._events) >= self._limit:
            self._forget(self._events.popleft())
            self._lost += 1
            self.lost += 1
        self._events.append(event)

    def take(self) -> ChannelEvent | None:
        """The oldest event, or None."""
        if self._lost:
            lost, self._lost = self._lost, 0
            return EventsLost(lost)
        if not self._events:
            return None
        event = self._events.popleft()
        self._forget(event)
        return event

    def _remove(self, event: Unsolicited) -> None:
        for place, candidate in enumerate(self._events):
            if candidate is event:
                del self._events[place]
                return

    def _forget(self, event: ChannelEvent) -> None:
        if isinstance(event, Unsolicited) and self._latest.get(event.name) is event:
            self._latest[event.name] = None
