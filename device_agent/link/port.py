"""The hub's door to the broker: open with a will, publish, deliveries, lost. No logic lives here.

Contract (tests/e2e/test_link_conformance.py shows it on mosquitto and on the in-memory broker):
- everything is QoS 1; a message is acknowledged on arrival, since what a hub receives is state, sent again when owed;
- `publish` returns at the broker's PUBACK, which proves nothing; no timeout is put around it: it ends with the link.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol


class LinkError(Exception):
    """Root of the link's errors."""


class LinkUnreachableError(LinkError):
    """No broker answers at that address: try again with back-off."""


class LinkRefusedError(LinkError):
    """The broker answered and said no (certificate, client id, version): a person must act; ask again seldom."""

    def __init__(self, reason: str, code: int | None = None) -> None:
        super().__init__(reason)
        self.code = code


class LinkLostError(LinkError):
    """The connection ended: open a new one; what was not acknowledged is unknown."""


@dataclass(frozen=True, slots=True)
class Will:
    """What the broker publishes (QoS 1) when this connection dies without a goodbye."""

    topic: str
    payload: bytes


class Delivery(Protocol):
    """One message received, at least once."""

    @property
    def topic(self) -> str:
        """The topic it was published to."""
        ...

    @property
    def payload(self) -> bytes:
        """Its bytes."""
        ...

    def settle(self) -> None:
        """Nothing on this side: it is acknowledged on arrival."""


class Link(Protocol):
    """One connection, used until it is lost."""

    async def publish(self, topic: str, payload: bytes, *, retain: bool = False, expiry_s: int | None = None) -> None:
        """Publish at QoS 1 and return at the PUBACK. Raises LinkLostError."""

    def deliveries(self) -> AsyncIterator[Delivery]:
        """Every delivery of this connection in order of arrival; ends by raising LinkLostError. One reader only."""
        ...


class LinkPort(Protocol):
    """Where links come from."""

    def open(
        self, *, client_id: str, will: Will | None, subscriptions: Sequence[str], session_expiry_s: int
    ) -> AbstractAsyncContextManager[Link]:
        """Connect and subscribe. Raises LinkUnreachableError or LinkRefusedError."""
        ...
