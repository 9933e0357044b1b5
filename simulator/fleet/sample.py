"""A hub's telemetry as the contract's codec writes it, with only the numbers put in anew.

Building and encoding the structs of one sample takes longer than sending them, so the codec writes one document at
import and its numbers become places. That every document equals what the codec would write is a test.
"""

from typing import Final

from device_agent.protocol import Sample, Telemetry, encode

OPERATOR: Final = "EE"
TECHNOLOGY: Final = "lte"
# Numbers that stand nowhere else in the document.
_MARKS: Final = tuple(900_000_000_001 + place for place in range(7))


def _write_template() -> bytes:
    boot, seq, uptime_ms, rsrp, rsrq, cell_id, rx_bytes = _MARKS
    sample = Sample(
        uptime_ms=uptime_ms,
        rsrp_dbm=-float(rsrp),
        rsrq_db=-float(rsrq),
        operator=OPERATOR,
        technology=TECHNOLOGY,
        cell_id=cell_id,
        rx_bytes=rx_bytes,
    )
    written = encode(Telemetry(boot=boot, seq=seq, samples=(sample,))).replace(b"%", b"%%")
    for mark in _MARKS:
        written = written.replace(str(mark).encode(), b"%d")
    return written


# Takes (boot, seq, uptime_ms, -RSRP in whole dBm, -RSRQ in whole dB, cell_id, rx_bytes), in this order.
TEMPLATE: Final = _write_template()
