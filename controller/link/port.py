"""The controller's door to the broker: open with a will, publish, deliveries with settle, lost. No logic lives here.

Contract (tests/e2e/test_link_conformance.py shows it on mosquitto and on the in-memory broker):
- everything is QoS 1; a delivery that is not settled before its connection ends comes again;
- `settle` lets the PUBACK go, is idempotent, and does nothing once the connection that carried the message has died;
- `publish` returns at the broker's PUBACK, which proves nothing about delivery or permission;
- how many unsettled deliveries a link holds is its own bound: at the bound it stops reading (brokers need not honour
  MQTT 5 receive maximum), it never drops;
- a subscription may be shared (`$share/{group}/{filter}`, MQTT 5 section 4.8.2): then order is not promised.
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
    """The broker answered and said no (credentials, client id, version): a person must mend the configuration."""

    def __init__(self, reason: str, code: int | None = None) -> None:
        super().__init__(reason)
        self.code = code


class LinkLostError(LinkError):
    """The connection ended: open a new one; what was not settled comes again, what was not acknowledged is unknown."""


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

    @property
    def payload(self) -> bytes:
        """Its bytes."""

    def settle(self) -> None:
        """Acknowledge it to the broker: its effect is committed."""


class Link(Protocol):
    """One connection, used until it is lost."""

    async def publish(self, topic: str, payload: bytes, *, retain: bool = False, expiry_s: int | None = None) -> None:
        """Publish at QoS 1 and return at the PUBACK. Raises LinkLostError."""

    def deliveries(self) -> AsyncIterator[Delivery]:
        """Every delivery of this connection in order of arrival; ends by raising LinkLostError. One reader only."""


class LinkPort(Protocol):
    """Where links come from."""

    def open(
        self, *, client_id: str, will: Will | None, subscriptions: Sequence[str], session_expiry_s: int
    ) -> AbstractAsyncContextManager[Link]:
        """Connect, resume the session (none if the expiry is 0), subscribe. Raises LinkUnreachable or LinkRefused."""
