"""The end-to-end acknowledgement (`minihub/v1/{hub}/ack`).

Per boot the highest seq up to which the controller has committed everything or recorded it as a gap. The hub's spool
deletes on this, never on the broker's PUBACK.
"""

from typing import Annotated

import msgspec

from device_agent.protocol.desired import Wire
from device_agent.protocol.reported import Counter


class BootAck(Wire, frozen=True, kw_only=True):
    """Everything of `boot` up to and including `seq` is the controller's now."""

    boot: Counter
    seq: Counter


class Ack(Wire, frozen=True, kw_only=True):
    """The acknowledgement of one or more boots."""

    boots: Annotated[tuple[BootAck, ...], msgspec.Meta(min_length=1, max_length=64)]
