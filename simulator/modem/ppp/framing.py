"""PPP in HDLC-like framing over an asynchronous line (RFC 1662)."""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

FLAG: Final = 0x7E
ESCAPE: Final = 0x7D
ALL_CONTROLS: Final = 0xFFFFFFFF  # the async-control-character map both sides begin with (RFC 1662 clause 7.1)
# Octets between two flags; a longer frame is given up. An MRU of 1500, its header and FCS, and room for VPN habits.
FRAME_LIMIT: Final = 2048
_INITIAL_FCS: Final = 0xFFFF
_GOOD_FCS: Final = 0xF0B8
_ADDRESS_AND_CONTROL: Final = b"\xff\x03"
_LCP: Final = 0xC021


class Frame(NamedTuple):
    """A protocol number and its information field."""

    protocol: int
    information: bytes


def _fcs_table() -> tuple[int, ...]:
    table = []
    for octet in range(256):
        value = octet
        for _ in range(8):
            value = value >> 1 ^ 0x8408 if value & 1 else value >> 1
        table.append(value)
    return tuple(table)


_TABLE: Final = _fcs_table()


def fcs(data: bytes) -> int:
    """The 16-bit frame check sequence before its last complement (RFC 1662 appendix C.2)."""
    value = _INITIAL_FCS
    for octet in data:
        value = value >> 8 ^ _TABLE[(value ^ octet) & 0xFF]
    return value


def encode(frame: Frame, controls: int = ALL_CONTROLS) -> bytes:
    """A frame with both flags; `controls` is the map of control characters the peer wants escaped.

    LCP frames are always sent as if nothing were agreed yet (RFC 1662 clause 7). No field is ever compressed: that is
    allowed whatever the peer offered (RFC 1661 clauses 6.5 and 6.6).
    """
    body = _ADDRESS_AND_CONTROL + frame.protocol.to_bytes(2, "big") + frame.information
    body += (fcs(body) ^ 0xFFFF).to_bytes(2, "little")
    escaped = _escaped(ALL_CONTROLS if frame.protocol == _LCP else controls)
    return b"~" + escaped.sub(lambda match: bytes((ESCAPE, match[0][0] ^ 0x20)), body) + b"~"


def _escaped(controls: int) -> re.Pattern[bytes]:
    octets = [octet for octet in range(32) if controls >> octet & 1] + [ESCAPE, FLAG]
    return re.compile(b"[" + b"".join(b"\\x%02x" % octet for octet in octets) + b"]")


class Deframer:
    """Octets in, frames out. `discarded` counts frames that were damaged, too short or too long.

    Octets of `controls` are the line's own and mean nothing (RFC 1662 clause 4.2); the map may change at any frame.
    """

    def __init__(self) -> None:
        self.discarded = 0
        self.controls = ALL_CONTROLS
        self._octets = bytearray()
        self._escaped = False
        self._spoilt = False

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The frames these octets end, each before what follows it is read: it may be what changes the map."""
        for octet in data:
            if octet == FLAG:
                frame = self._end()
                if frame is not None:
                    yield frame
            elif octet < 0x20 and self.controls >> octet & 1:
                continue
            elif octet == ESCAPE:
                self._escaped = True
            else:
                self._octets.append(octet ^ 0x20 if self._escaped else octet)
                self._escaped = False
                if len(self._octets) > FRAME_LIMIT:
                    self._spoilt = True
                    self._octets.clear()

    def _end(self) -> Frame | None:
        """What a flag ends: nothing between two flags is nothing; an escape before it aborts (RFC 1662 clause 4.3)."""
        octets, spoilt = bytes(self._octets), self._spoilt or self._escaped
        self._octets.clear()
        self._escaped = self._spoilt = False
        if not octets and not spoilt:
            return None
        frame = None if spoilt or len(octets) < 4 or fcs(octets) != _GOOD_FCS else _read(octets[:-2])
        self.discarded += frame is None
        return frame


def _read(body: bytes) -> Frame | None:
    """Address and control may be left out, and a protocol below 256 be one octet long (RFC 1661 clauses 6.5, 6.6)."""
    body = body.removeprefix(_ADDRESS_AND_CONTROL)
    size = 1 if body[:1] and body[0] & 1 else 2
    if len(body) < size or not body[size - 1] & 1:
        return None
    return Frame(int.from_bytes(body[:size], "big"), body[size:])
