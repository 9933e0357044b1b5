"""Listeners and the webhooks they are owed, with the manners of real platforms: late, twice, out of order, lost.

Pure: `due` says what to post now, `settle` takes the answer. Repeats back off from 1 s to 60 s, `webhook_attempts`
times at most; then the platform gives up, as real ones do.
"""

import hashlib
import hmac
from random import Random
from typing import Final
from urllib.parse import parse_qs

import msgspec

from simulator.carrier.manners import Manners, draw

# An outbox that nobody empties must not eat the memory: the oldest webhook is given up first.
OUTBOX_LIMIT: Final = 20_000


class Listener(msgspec.Struct):
    """A callback and its filter. An empty `event_types` means every event."""

    id: str
    callback: str
    secret: str
    event_types: tuple[str, ...]


class Delivery(msgspec.Struct):
    """One POST that is owed: when, where, what, and how often it was tried."""

    due_s: float
    serial: int
    listener_id: str
    callback: str
    body: bytes
    attempts: int = 0
    signature: str = ""


def read_event_types(query: str) -> tuple[str, ...]:
    """The event types of a TMF `query`: `eventType=A,B`, repeated or not; empty for all."""
    found = parse_qs(query).get("eventType", [])
    return tuple(name for item in found for name in item.split(",") if name)


def sign(secret: str, body: bytes) -> str:
    """The value of X-Signature."""
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


class Outbox:
    """What is owed to the listeners. `random` decides delays and accidents, in the order of the events."""

    def __init__(self, random: Random) -> None:
        self.listeners: dict[str, Listener] = {}
        self.deliveries: list[Delivery] = []
        self._random = random
        self.serial = 0

    def register(self, callback: str, secret: str, query: str) -> Listener:
        """Add a listener; the same callback again renews its secret and filter and is the same listener."""
        types = read_event_types(query)
        for known in self.listeners.values():
            if known.callback == callback:
                known.secret, known.event_types = secret, types
                return known
        self.serial += 1
        listener = Listener(f"hub-{self.serial}", callback, secret, types)
        self.listeners[listener.id] = listener
        return listener

    def remove(self, listener_id: str) -> bool:
        """Forget a listener and what it is owed; False if there is none of that id."""
        self.deliveries = [each for each in self.deliveries if each.listener_id != listener_id]
        return self.listeners.pop(listener_id, None) is not None

    def announce(self, event_type: str, body: bytes, manners: Manners, now_s: float) -> None:
        """Owe the event to every listener that wants its type, as well or as badly as the manners have it."""
        for listener in self.listeners.values():
            if not listener.event_types or event_type in listener.event_types:
                for delay in self._delays(manners):
                    self._owe(listener, body, now_s + delay)

    def due(self, now_s: float) -> list[Delivery]:
        """Take out what must be posted now, in the order of its due time, signed with the listener's present secret."""
        ready = sorted((d for d in self.deliveries if d.due_s <= now_s), key=lambda d: (d.due_s, d.serial))
        self.deliveries = [d for d in self.deliveries if d.due_s > now_s]
        for delivery in ready:
            delivery.signature = sign(self.listeners[delivery.listener_id].secret, delivery.body)
        return ready

    def next_due_s(self) -> float | None:
        """When the next POST is due."""
        return min((d.due_s for d in self.deliveries), default=None)

    def settle(self, delivery: Delivery, *, accepted: bool, manners: Manners, now_s: float) -> None:
        """Take the answer to a POST: any 2xx settles it, else it is owed again."""
        delivery.attempts += 1
        if accepted or delivery.attempts >= manners.webhook_attempts or delivery.listener_id not in self.listeners:
            return
        delivery.due_s = now_s + min(60.0, 2.0 ** (delivery.attempts - 1)) * self._random.uniform(0.8, 1.2)
        self.deliveries.append(delivery)

    def _delays(self, manners: Manners) -> list[float]:
        chance = self._random.random
        lost, twice, late = (
            chance() < manners.webhook_lost,
            chance() < manners.webhook_twice,
            chance() < manners.webhook_late,
        )
        if lost:
            return []
        first = draw(self._random, manners.webhook_late_s if late else manners.webhook_delay_s)
        return [first, first + draw(self._random, manners.webhook_late_s)] if twice else [first]

    def _owe(self, listener: Listener, body: bytes, due_s: float) -> None:
        if len(self.deliveries) >= OUTBOX_LIMIT:
            self.deliveries.pop(0)
        self.serial += 1
        self.deliveries.append(Delivery(due_s, self.serial, listener.id, listener.callback, body))
