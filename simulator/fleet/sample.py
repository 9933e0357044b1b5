"""A hub's telemetry as the contract's codec writes it, with only the numbers put in anew.

Building and encoding the structs of one sample takes longer than sending them, so the codec writes one document at
import, and its text between the numbers is kept. What stays the same for a hub (its boot counter, its cell) or takes
few values (a signal) is written once for all. That every document equals what the codec would write is a test.
"""

from functools import lru_cache
from typing import Final

from device_agent.protocol import Sample, Telemetry, encode

OPERATOR: Final = "EE"
TECHNOLOGY: Final = "lte"
# RSRP and RSRQ as a hub at home sees them, in whole dBm and dB.
_RSRP: Final = range(71, 111)
_RSRQ: Final = range(7, 17)
# Numbers that stand nowhere else in the document.
_MARKS: Final = tuple(900_000_000_001 + place for place in range(7))


def _write_pieces() -> list[bytes]:
    """The document's text around its numbers: boot, seq, uptime, -RSRP, -RSRQ, cell id, octets received."""
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
    rest, pieces = encode(Telemetry(boot=boot, seq=seq, samples=(sample,))), []
    for mark in _MARKS:
        piece, rest = rest.split(str(mark).encode())
        pieces.append(piece)
    return [*pieces, rest]


_PIECES: Final = _write_pieces()
# Takes (head, seq, uptime_ms, signal, tail, rx_bytes), in this order.
DOCUMENT: Final = b"%%b%%d%b%%d%%b%%b%%d%b" % tuple(_PIECES[at].replace(b"%", b"%%") for at in (2, 7))


@lru_cache(maxsize=1024)
def head(boot: int) -> bytes:
    """What stands before the sequence number."""
    return b"%b%d%b" % (_PIECES[0], boot, _PIECES[1])


def signal(rsrp: int, rsrq: int) -> bytes:
    """RSRP and RSRQ, given without their minus, and what stands around them."""
    return b"%b%d%b%d" % (_PIECES[3], rsrp, _PIECES[4], rsrq)


# Every signal there is, strongest first.
SIGNALS: Final = tuple(signal(rsrp, rsrq) for rsrp in _RSRP for rsrq in _RSRQ)


@lru_cache(maxsize=1024)
def tail(cell_id: int) -> bytes:
    """What stands between the signal and the octets received."""
    return b"%b%d%b" % (_PIECES[5], cell_id, _PIECES[6])
