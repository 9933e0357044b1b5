"""The will and the goodbye (`minihub/v1/{hub}/presence`); coming online is the hello, not a presence message."""

from enum import StrEnum

from device_agent.protocol.desired import Wire
from device_agent.protocol.reported import Counter


class PresenceState(StrEnum):
    """`lost` is published by the broker (will), `goodbye` by the hub before it disconnects."""

    LOST = "lost"
    GOODBYE = "goodbye"


class Presence(Wire, frozen=True, kw_only=True):
    """The end of one session: (boot, session) tells a stale will from the present connection."""

    state: PresenceState
    boot: Counter
    session: Counter
