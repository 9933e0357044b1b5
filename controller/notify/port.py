"""The door to people: one rendered message to one address. No templates and no decisions live behind it.

NotifyError
├── NotSentError        nothing left: try again later
├── UndeliverableError  this address won't take it: use another channel, then tell an operator
└── MaybeSentError      it may have left: a second copy is recognisable by its key, so try again later
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class NotifyError(Exception):
    """Root of the notifier's errors."""


class NotSentError(NotifyError):
    """Nothing left."""


class MaybeSentError(NotifyError):
    """It may have left."""


class UndeliverableError(NotifyError):
    """The other side refuses this address or this message for good."""


class Medium(StrEnum):
    """How a person is told."""

    EMAIL = "email"
    SMS = "sms"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What one person is told. `key` is the notice's id: a second copy carries the same one."""

    key: str
    medium: Medium
    to: str
    subject: str
    text: str


class Notifier(Protocol):
    """Sends messages; every call has a deadline."""

    async def send(self, message: Message) -> str:
        """Send and return the other side's reference (may be empty). Raises NotifyError, nothing else."""
