"""What the lanes know of each other: the latest facts, and who wants to hear that they changed."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto

from device_agent.clock import Clock
from device_agent.facts import CertificateFacts, GateFacts, Goal, ModemFacts, Reason


class Change(Enum):
    """What changed."""

    GOAL = auto()
    MODEM = auto()
    GATE = auto()
    CLOCK = auto()
    HISTORY = auto()
    CERTIFICATE = auto()


@dataclass(slots=True)
class Board:
    """One hub's present facts. Whoever changes one calls `tell`; listeners must not block."""

    clock: Clock
    goal: Goal = field(default_factory=Goal)
    modem: ModemFacts = field(default_factory=ModemFacts)
    gate: GateFacts = field(default_factory=GateFacts)
    certificate: CertificateFacts | None = None
    reason: Reason = Reason.NO_DOCUMENT
    waiting: str = ""
    total_bytes: tuple[int, int] = (0, 0)
    listeners: list[Callable[[Change], None]] = field(default_factory=list)

    def tell(self, change: Change) -> None:
        """Something changed."""
        for listener in self.listeners:
            listener(change)


class Alarm:
    """Wakes one sleeping loop: level-triggered, so a wake-up while it works is not lost."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def wake(self) -> None:
        """Look again."""
        self._event.set()

    async def sleep(self, seconds: float | None) -> bool:
        """Return True at the wake-up, False after so many seconds (None: at the wake-up only)."""
        try:
            async with asyncio.timeout(seconds):
                await self._event.wait()
        except TimeoutError:
            return False
        else:
            return True
        finally:
            self._event.clear()
