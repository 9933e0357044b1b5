"""Samples of the radio and the bearer: history, under (boot, seq) shared with events.

Counters are monotonic; a difference of two samples of one hub is traffic, whatever the modem reset in between.
Unknown is absent, never a number.
"""

from typing import Annotated

import msgspec

from device_agent.protocol.desired import Milliseconds, Wire
from device_agent.protocol.reported import Counter, ShortText


class Sample(Wire, frozen=True, kw_only=True):
    """One sample. RSSI and RSRP in dBm, RSRQ and SINR in dB, temperature in °C, counters in bytes."""

    uptime_ms: Milliseconds
    at: Milliseconds | None = None
    rssi_dbm: float | None = None
    rsrp_dbm: float | None = None
    rsrq_db: float | None = None
    sinr_db: float | None = None
    operator: ShortText | None = None
    technology: Annotated[str, msgspec.Meta(max_length=32)] | None = None
    band: int | None = None
    cell_id: Counter | None = None
    tac: Counter | None = None
    tx_bytes: Counter | None = None
    rx_bytes: Counter | None = None
    temperature_c: float | None = None


class Telemetry(Wire, frozen=True, kw_only=True):
    """A batch (`minihub/v1/{hub}/telemetry`); one seq for the batch."""

    boot: Counter
    seq: Counter
    samples: Annotated[tuple[Sample, ...], msgspec.Meta(min_length=1, max_length=500)]
