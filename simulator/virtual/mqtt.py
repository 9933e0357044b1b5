"""An MQTT 5 broker and its links in memory: QoS 1, sessions, wills, retained messages, shared subscriptions.

It plays what the project relies on of a real broker and nothing more; the conformance suite that mosquitto passes
passes here too. `MemoryLinkPort` has the shape of both link ports (hub and controller). Deliveries a connection did not
settle come again to the session's next connection, marked by nothing, as QoS 1 allows.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol

# How many deliveries one connection may hold unsettled; the rest waits in the session (receive maximum).
RECEIVE_MAXIMUM = 100
# What a session keeps for an absent client; beyond it the oldest goes, as in any broker with a bound.
SESSION_QUEUE_MOST = 10_000


class WillLike(Protocol):
    """The will of a link port."""

    @property
    def topic(self) -> str:
        """The topic the will is published to."""

    @property
    def payload(self) -> bytes:
        """What is published."""


@dataclass(frozen=True, slots=True)
class LinkErrors:
    """The error types of the room whose port this plays; each takes one line of text."""

    refused: Callable[[str], Exception]
    unreachable: Callable[[str], Exception]
    lost: Callable[[str], Exception]


@dataclass(frozen=True, slots=True)
class _Retained:
    payload: bytes
    expires: float | None


@dataclass(slots=True, eq=False)
class MemoryDelivery:
    """One message handed to a connection; `settle` acknowledges it, unless that connection is gone."""

    topic: str
    payload: bytes
    _connection: "MemoryLink"

    def settle(self) -> None:
        """Acknowledge; idempotent, and of no effect after the connection ended."""
        self._connection.settle(self)


@dataclass(slots=True)
class _Session:
    client_id: str
    subscriptions: tuple[str, ...] = ()
    queue: deque[tuple[str, bytes]] = field(default_factory=lambda: deque(maxlen=SESSION_QUEUE_MOST))
    connection: "MemoryLink | None" = None
    expires: float | None = None


class MemoryBroker:
    """The broker. `refuse` holds client ids that may not connect; `available` False refuses every connection."""

    def __init__(self, *, latency_s: float = 0.002) -> None:
        self.latency_s = latency_s
        self.available = True
        self.refuse: set[str] = set()
        self._sessions: dict[str, _Session] = {}
        self._retained: dict[str, _Retained] = {}
        self._shares: dict[str, int] = {}

    def publish(self, topic: str, payload: bytes, *, retain: bool = False, expiry_s: int | None = None) -> None:
        """Route a message to every matching session, once for each, and to one member of each share group."""
        if retain:
            self._retain(topic, payload, expiry_s)
        groups: dict[str, list[_Session]] = {}
        for session in self._live_sessions():
            if any(matches(f, topic) for f in session.subscriptions if not f.startswith("$share/")):
                self._enqueue(session, topic, payload)
            for share in {f for f in session.subscriptions if f.startswith("$share/")}:
                if matches(share.split("/", 2)[2], topic):
                    groups.setdefault(share, []).append(session)
        for share, members in groups.items():
            self._enqueue(self._pick(share, members), topic, payload)

    def restart(self, *, keep_store: bool) -> None:
        """Cut every connection; without the store, sessions and retained messages are gone."""
        for session in list(self._sessions.values()):
            if session.connection is not None:
                session.connection.cut("the broker restarted")
        if not keep_store:
            self._sessions.clear()
            self._retained.clear()

    def cut(self, client_id: str) -> None:
        """Break one client's connection as a lost network does: its will is published."""
        session = self._sessions.get(client_id)
        if session is not None and session.connection is not None:
            session.connection.cut("the connection was cut")

    def attach(self, link: "MemoryLink", subscriptions: Sequence[str]) -> None:
        """Connect a link: take over an earlier connection of the id, resume the session, deliver what is retained."""
        session = self._sessions.setdefault(link.client_id, _Session(link.client_id))
        if session.expires is not None and session.expires <= _now():
            session.queue.clear()
        if session.connection is not None:
            session.connection.cut("another client took this id over")
        fresh = [f for f in subscriptions if f not in session.subscriptions or not f.startswith("$share/")]
        session.subscriptions, session.connection, session.expires = tuple(subscriptions), link, None
        for topic, retained in list(self._retained.items()):
            wanted = any(matches(f, topic) for f in fresh if not f.startswith("$share/"))
            if wanted and (retained.expires is None or retained.expires > _now()):
                session.queue.append((topic, retained.payload))
        link.pump(session.queue)

    def detach(self, link: "MemoryLink", unsettled: Sequence[MemoryDelivery]) -> None:
        """End a link's connection; what it did not settle is first in the session's queue again."""
        session = self._sessions.get(link.client_id)
        if session is None or session.connection is not link:
            return
        session.connection = None
        session.expires = _now() + link.session_expiry_s
        session.queue.extendleft((d.topic, d.payload) for d in reversed(unsettled))

    def queue_of(self, link: "MemoryLink") -> deque[tuple[str, bytes]]:
        """The messages waiting for a connected link (an empty queue once it was replaced)."""
        session = self._sessions.get(link.client_id)
        return session.queue if session is not None and session.connection is link else deque()

    def _retain(self, topic: str, payload: bytes, expiry_s: int | None) -> None:
        if payload:
            self._retained[topic] = _Retained(payload, None if expiry_s is None else _now() + expiry_s)
        else:
            self._retained.pop(topic, None)

    def _live_sessions(self) -> list[_Session]:
        gone = [c for c, s in self._sessions.items() if s.expires is not None and s.expires <= _now()]
        for client_id in gone:
            del self._sessions[client_id]
        return list(self._sessions.values())

    def _pick(self, share: str, members: list[_Session]) -> _Session:
        connected = [member for member in members if member.connection is not None] or members
        self._shares[share] = turn = self._shares.get(share, -1) + 1
        return connected[turn % len(connected)]

    def _enqueue(self, session: _Session, topic: str, payload: bytes) -> None:
        session.queue.append((topic, payload))
        if session.connection is not None:
            session.connection.pump(session.queue)


class MemoryLink:
    """One connection; may be used once. It has the shape of the rooms' `Link`."""

    def __init__(
        self, broker: MemoryBroker, errors: LinkErrors, client_id: str, will: WillLike | None, session_expiry_s: int
    ) -> None:
        self.client_id = client_id
        self.session_expiry_s = session_expiry_s
        self._broker = broker
        self._errors = errors
        self._will = will
        self._inbox: deque[MemoryDelivery] = deque()
        self._unsettled: list[MemoryDelivery] = []
        self._wake = asyncio.Event()
        self._ended: str | None = None

    async def publish(self, topic: str, payload: bytes, *, retain: bool = False, expiry_s: int | None = None) -> None:
        """Publish at QoS 1; returns when the broker has it. Raises the room's lost error."""
        self._raise_if_ended()
        await asyncio.sleep(self._broker.latency_s)
        self._raise_if_ended()
        self._broker.publish(topic, payload, retain=retain, expiry_s=expiry_s)

    async def deliveries(self) -> AsyncIterator[MemoryDelivery]:
        """Yield messages in order; ends by raising the room's lost error."""
        while True:
            while self._inbox:
                self._raise_if_ended()
                yield self._inbox.popleft()
            self._raise_if_ended()
            self._wake.clear()
            await self._wake.wait()
            await asyncio.sleep(self._broker.latency_s)

    def pump(self, queue: deque[tuple[str, bytes]]) -> None:
        """Take from the session's queue as far as the receive maximum allows."""
        while queue and len(self._unsettled) < RECEIVE_MAXIMUM:
            topic, payload = queue.popleft()
            delivery = MemoryDelivery(topic, payload, self)
            self._unsettled.append(delivery)
            self._inbox.append(delivery)
        self._wake.set()

    def settle(self, delivery: MemoryDelivery) -> None:
        """Forget an acknowledged delivery and make room for the next."""
        if self._ended is None and delivery in self._unsettled:
            self._unsettled.remove(delivery)
            self.pump(self._broker.queue_of(self))

    def cut(self, reason: str) -> None:
        """End without a goodbye: unsettled messages go back, the will is published."""
        self._end(reason)
        if self._will is not None:
            self._broker.publish(self._will.topic, self._will.payload)

    def close(self) -> None:
        """End with a DISCONNECT: no will."""
        self._end("closed")

    def _end(self, reason: str) -> None:
        if self._ended is None:
            self._ended = reason
            self._broker.detach(self, self._unsettled)
            self._wake.set()

    def _raise_if_ended(self) -> None:
        if self._ended is not None:
            raise self._errors.lost(self._ended)


class MemoryLinkPort:
    """Opens links to a MemoryBroker; has the shape of the rooms' `LinkPort`."""

    def __init__(self, broker: MemoryBroker, errors: LinkErrors) -> None:
        self._broker = broker
        self._errors = errors

    @asynccontextmanager
    async def open(
        self, *, client_id: str, will: WillLike | None, subscriptions: Sequence[str], session_expiry_s: int
    ) -> AsyncIterator[MemoryLink]:
        """Connect, or raise the room's refused or unreachable error; leaving the block disconnects."""
        await asyncio.sleep(self._broker.latency_s)
        if not self._broker.available:
            raise self._errors.unreachable("the broker is not there")
        if client_id in self._broker.refuse:
            raise self._errors.refused("the broker refused this client")
        link = MemoryLink(self._broker, self._errors, client_id, will, session_expiry_s)
        self._broker.attach(link, subscriptions)
        try:
            yield link
        finally:
            link.close()


def matches(pattern: str, topic: str) -> bool:
    """Tell whether an MQTT topic filter (with + and #) matches a topic (MQTT 5.0, 4.7)."""
    wanted, got = pattern.split("/"), topic.split("/")
    for index, level in enumerate(wanted):
        if level == "#":
            return True
        if index >= len(got) or level not in {"+", got[index]}:
            return False
    return len(wanted) == len(got)


def _now() -> float:
    return asyncio.get_running_loop().time()
