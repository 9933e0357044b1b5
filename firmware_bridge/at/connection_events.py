"""What a connection tells its owner."""

from enum import Enum, auto
from typing import NamedTuple, TypeAlias

from firmware_bridge.at.commands import Command, Rebooted, Reply, Resynchronised, Unsolicited
from firmware_bridge.at.resync import Outcome


class NeedData(Enum):
    """The type of NEED_DATA."""

    NEED_DATA = auto()


NEED_DATA = NeedData.NEED_DATA
"""All events were taken: feed more bytes."""


class Answered(NamedTuple):
    """The command in flight ended. `fits` is False when an OK came without the lines its shape requires."""

    command: Command
    reply: Reply
    fits: bool


class PromptSeen(NamedTuple):
    """The modem asks for the payload: write these bytes."""

    payload: bytes


class ProbeAnswered(NamedTuple):
    """Something was heard while quarantined: what it means for the proof."""

    outcome: Outcome


ConnectionEvent: TypeAlias = Answered | PromptSeen | ProbeAnswered | Unsolicited | Rebooted | Resynchronised
