"""Data counters: which number is sent and which is received is stated once for each family (Q27)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from firmware_bridge.modem.parse.fields import failure, fields, first_payload, number

_HEX_FIELD = re.compile(r"[0-9A-Fa-f]{8,16}")


@dataclass(frozen=True, slots=True)
class RawCounters:
    """Bytes as the modem counts them; it starts again whenever it likes."""

    tx_bytes: int
    rx_bytes: int


def parse_qgdcnt(lines: Sequence[str]) -> RawCounters:
    """Quectel `+QGDCNT: <bytes_sent>,<bytes_recv>`, decimal, sent first (EG800Q manual 9.9)."""
    values = [number(field) for field in fields(first_payload(lines, "+QGDCNT", "+QGDNRCNT"))]
    if len(values) != 2 or values[0] is None or values[1] is None or min(values[0], values[1]) < 0:
        raise failure("+QGDCNT", " | ".join(lines), "two counts are due")
    return RawCounters(tx_bytes=values[0], rx_bytes=values[1])


def parse_dsflowqry(lines: Sequence[str]) -> RawCounters:
    """Huawei `^DSFLOWQRY:` hex last_time,last_tx,last_rx,total_time,total_tx,total_rx.

    The value may be on the next line. The totals count: the `last` ones start anew with each connection.
    """
    values = fields(first_payload(lines, "^DSFLOWQRY"))
    if len(values) != 6 or not all(_HEX_FIELD.fullmatch(value) for value in values):
        raise failure("^DSFLOWQRY", " | ".join(lines), "six hex counts are due")
    return RawCounters(tx_bytes=int(values[4], 16), rx_bytes=int(values[5], 16))


def _grown(before: int, now: int) -> int:
    return now - before if now >= before else now


class CounterAccumulator:
    """Monotonic counts over a modem's resets. A count that went down started again from nought.

    Never over-counts: what flowed between the last reading and a reset is lost, a wrap counts as a reset, and a
    direction whose count went on is taken to have gone on, whatever the other did.
    """

    def __init__(self) -> None:
        self._last: RawCounters | None = None
        self._tx = 0
        self._rx = 0

    def update(self, raw: RawCounters) -> tuple[int, int]:
        """Sent and received since the first reading, this one included."""
        last = raw if self._last is None else self._last
        self._tx += _grown(last.tx_bytes, raw.tx_bytes)
        self._rx += _grown(last.rx_bytes, raw.rx_bytes)
        self._last = raw
        return self._tx, self._rx
