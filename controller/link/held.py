"""Deliveries of one connection from their arrival to their acknowledgement, which may be one write for thousands."""

import asyncio
import struct
from collections import deque
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Final

from controller.link.port import LinkLostError
from controller.link.publishes import Publish

# MQTT 5 section 3.4: 0x40, two bytes follow, the packet identifier; no reason code is Success.
_PUBACK: Final = 0x4002_0000


class HeldDelivery:
    """One message; unsettled until `settle`, or for ever once its connection ended."""

    __slots__ = ("_held", "mid", "payload", "topic")

    def __init__(self, mid: int, topic: str, payload: bytes, held: "Held") -> None:
        self.mid, self.topic, self.payload = mid, topic, payload
        self._held: Held | None = held

    def settle(self) -> None:
        """Let its PUBACK go, once."""
        if (held := self._held) is not None:
            self._held = None
            held.settle(self)


class Held:
    """What one connection holds.

    Args:
        most: unsettled deliveries from which on it is full, as from `most_bytes` of payload; one read more may come.
        acknowledge: called in the loop's next turn with the PUBACKs of all that was settled in this one.
    """

    def __init__(self, most: int, most_bytes: int, acknowledge: Callable[[bytes], None]) -> None:
        self._most, self._most_bytes, self._acknowledge = most, most_bytes, acknowledge
        self._arrived: deque[HeldDelivery] = deque()
        self._settled: list[int] = []
        self._unsettled, self._bytes = 0, 0
        self._more = asyncio.Event()
        self._lost = False

    @property
    def is_full(self) -> bool:
        """Whether reading has to stop."""
        return self._unsettled >= self._most or self._bytes >= self._most_bytes

    @property
    def is_lost(self) -> bool:
        """Whether the connection ended."""
        return self._lost

    def take(self, publishes: Iterable[Publish]) -> None:
        """Hold what arrived."""
        if self._lost:
            return
        before = len(self._arrived)
        self._arrived.extend([HeldDelivery(mid, _text(topic), payload, self) for mid, topic, payload in publishes])
        self._unsettled += len(self._arrived) - before
        self._bytes += sum([len(payload) for _, _, payload in publishes])
        self._more.set()

    async def next(self) -> HeldDelivery:
        """Return the oldest that nobody took yet. Raises LinkLostError once the connection ended."""
        while not self._arrived and not self._lost:
            self._more.clear()
            await self._more.wait()
        if self._lost:
            raise LinkLostError("the connection to the broker was lost")
        return self._arrived.popleft()

    def settle(self, delivery: HeldDelivery) -> None:
        """Owe the PUBACK of a delivery of this connection; of one that ended it would mean another message."""
        if self._lost:
            return
        if not self._settled:
            asyncio.get_running_loop().call_soon(self._send)
        self._settled.append(_PUBACK | delivery.mid)
        self._unsettled -= 1
        self._bytes -= len(delivery.payload)

    def lose(self) -> None:
        """Let go of everything: the connection ended, and what is not acknowledged comes again by the next."""
        self._lost = True
        self._arrived.clear()
        self._settled.clear()
        self._more.set()

    def _send(self) -> None:
        settled, self._settled = self._settled, []
        if settled:
            self._acknowledge(struct.pack(f">{len(settled)}I", *settled))


@lru_cache(maxsize=20_000)
def _text(topic: bytes) -> str:
    return topic.decode(errors="replace")  # what is no UTF-8 is for the quarantine, not for an exception
