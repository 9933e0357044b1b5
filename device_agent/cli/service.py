"""The service manager's socket (sd_notify(3)): ready, watchdog, stopping. Silent where there is none."""

import asyncio
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Service:
    """Where to tell, "" for nowhere; how often the watchdog wants food (s), 0 for never."""

    address: str = ""
    watchdog_s: float = 0.0

    @classmethod
    def from_environment(cls) -> Self:
        """As the service manager says."""
        address = os.environ.get("NOTIFY_SOCKET", "")
        return cls(address, int(os.environ.get("WATCHDOG_USEC", "0") or "0") / 1_000_000)

    def tell(self, state: str) -> None:
        """Send a state; a service manager that is gone is no reason to fail."""
        if not self.address:
            return
        address = "\0" + self.address[1:] if self.address.startswith("@") else self.address
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            sender.setblocking(False)
            try:
                sender.sendto(state.encode(), address)
            except OSError:
                return

    async def feed(self, healthy: Callable[[], bool]) -> None:
        """Say ready, then feed the watchdog while the agent is healthy; for ever."""
        self.tell("READY=1")
        while True:
            await asyncio.sleep(self.watchdog_s / 3 if self.watchdog_s else 3600)
            if healthy():
                self.tell("WATCHDOG=1")
