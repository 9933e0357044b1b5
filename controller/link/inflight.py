"""Publishes that wait for their PUBACK."""

import asyncio
from typing import Final

from gmqtt.storage import PersistentStorage

from controller.link.port import LinkLostError

MOST_PUBLISHES: Final = 64


class Inflight(PersistentStorage):  # type: ignore[misc]  # gmqtt ships no types
    """gmqtt's store of publishes without a PUBACK, which here also tells their publishers."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting: dict[int, asyncio.Future[None]] = {}
        self.slots = asyncio.Semaphore(MOST_PUBLISHES)

    def push_message(self, mid: int, raw_package: bytes) -> None:
        """Keep a publish; `latest` becomes what its publisher waits for."""
        super().push_message(mid, raw_package)
        self.waiting[mid] = self.latest = asyncio.get_running_loop().create_future()

    def remove_message_by_mid(self, mid: int) -> None:
        """Let a publish go: its PUBACK came."""
        super().remove_message_by_mid(mid)
        waiter = self.waiting.pop(mid, None)
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def lose(self) -> None:
        """Tell every publisher that the connection ended first."""
        for waiter in self.waiting.values():
            if not waiter.done():
                waiter.set_exception(LinkLostError("the connection was lost before the PUBACK"))
