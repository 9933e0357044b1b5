"""One fact of history (`minihub/v1/{hub}/event`), under (boot, seq) shared with telemetry."""

from enum import StrEnum
from typing import Annotated

import msgspec

from device_agent.protocol.desired import Milliseconds, Wire
from device_agent.protocol.reported import Counter


class Severity(StrEnum):
    """TR-181 FaultMgmt PerceivedSeverity, and `info` for what is no fault."""

    CRITICAL = "critical"
    MAJOR = "major"
    MINOR = "minor"
    WARNING = "warning"
    INFO = "info"


class Event(Wire, frozen=True, kw_only=True):
    """What happened, when (uptime of that boot; wall time if the clock was trusted), and its small facts."""

    boot: Counter
    seq: Counter
    uptime_ms: Milliseconds
    kind: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    severity: Severity = Severity.INFO
    at: Milliseconds | None = None
    facts: Annotated[dict[str, str], msgspec.Meta(max_length=32)] = msgspec.field(default_factory=dict)
