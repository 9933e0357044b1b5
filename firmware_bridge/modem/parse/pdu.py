"""SMS-DELIVER in PDU mode (TS 23.040 9.2.2.1): sender, time, body, and where a part belongs."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from enum import Enum

from firmware_bridge.errors import ReplyError
from firmware_bridge.modem.parse.fields import octets
from firmware_bridge.modem.parse.gsm7 import decode_septets, unpack_septets

_ALPHANUMERIC = 0x50  # type of number bits of 0xD0 (TS 23.040 9.1.2.5)
_INTERNATIONAL = 0x10
_SEMI_OCTETS = "0123456789*#abc"
_PDU_OCTETS_MOST = 255
_USER_DATA_OCTETS_MOST = 140


class Alphabet(Enum):
    """TS 23.038 4."""

    GSM7 = 0
    DATA = 1
    UCS2 = 2


@dataclass(frozen=True, slots=True)
class Concatenation:
    """A part's place (TS 23.040 9.2.3.24.1 and .8): references of 8 and of 16 bits never mix."""

    reference: int
    total: int
    sequence: int
    wide: bool


@dataclass(frozen=True, slots=True)
class Deliver:
    """One SMS-DELIVER. The body is in no repr."""

    sender: str
    at: datetime | None
    body: str = field(repr=False)
    part: Concatenation | None = None


class _Reader:
    """Octets taken from the front; running out is an error and never a short value."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0

    def take(self, count: int) -> bytes:
        taken = self._content[self._at : self._at + count]
        if len(taken) != count:
            raise _refused("the PDU is too short")
        self._at += count
        return taken

    def octet(self) -> int:
        return self.take(1)[0]

    def rest(self) -> bytes:
        return self._content[self._at :]


def _refused(reason: str) -> ReplyError:
    """The error of a PDU; its content is personal and stays out."""
    return ReplyError("+CMGL", "<pdu>", reason)


def alphabet(coding_scheme: int) -> Alphabet:
    """The alphabet of a TP-DCS (TS 23.038 4); reserved groups read as GSM 7-bit, compressed text as octets."""
    group = coding_scheme >> 4
    if group == 0xF:
        return Alphabet.DATA if coding_scheme & 0x04 else Alphabet.GSM7
    if group == 0xE:
        return Alphabet.UCS2
    if group < 0x8:
        if coding_scheme & 0x20:
            return Alphabet.DATA
        bits = coding_scheme >> 2 & 0x03
        return Alphabet(bits) if bits < 3 else Alphabet.GSM7
    return Alphabet.GSM7


def _semi_octets(content: bytes) -> str:
    digits = "".join(f"{octet & 0x0F:x}{octet >> 4:x}" for octet in content)
    return "".join(_SEMI_OCTETS[int(digit, 16)] for digit in digits if digit != "f")


def _address(reader: _Reader) -> str:
    """TP-OA: its length counts digits, not octets (9.1.2.5)."""
    digits = reader.octet()
    kind = reader.octet()
    content = reader.take((digits + 1) // 2)
    if kind & 0x70 == _ALPHANUMERIC:
        return decode_septets(unpack_septets(content, digits * 4 // 7))
    number = _semi_octets(content)[:digits]
    return f"+{number}" if kind & 0x70 == _INTERNATIONAL else number


def _timestamp(content: bytes) -> datetime | None:
    """TP-SCTS (9.2.3.11): swapped decimal digits, zone in quarter hours with its sign in bit 3 of the low half."""
    sign = -1 if content[6] & 0x08 else 1
    halves = [(octet & 0x0F, octet >> 4) for octet in (*content[:6], content[6] & 0xF7)]
    if any(low > 9 or high > 9 for low, high in halves):
        return None
    year, month, day, hour, minute, second, quarters = (low * 10 + high for low, high in halves)
    try:
        zone = timezone(sign * timedelta(minutes=15 * quarters))
        return datetime(2000 + year, month, day, hour, minute, second, tzinfo=zone)
    except ValueError:
        return None


def _concatenation(header: bytes) -> Concatenation | None:
    """The concatenation element of a user data header; a malformed one is ignored, as 9.2.3.24.1 demands."""
    at = 0
    while at + 2 <= len(header):
        element, length = header[at], header[at + 1]
        value = header[at + 2 : at + 2 + length]
        at += 2 + length
        if len(value) != length or (element, length) not in {(0x00, 3), (0x08, 4)}:
            continue
        reference = int.from_bytes(value[:-2], "big")
        total, sequence = value[-2:]
        if 0 < sequence <= total:
            return Concatenation(reference, total, sequence, wide=element == 0x08)
    return None


def _text(kind: Alphabet, content: bytes, length: int, header_octets: int) -> str:
    if kind is Alphabet.GSM7:
        skipped = (header_octets * 8 + 6) // 7
        count = max(0, min(length, len(content) * 8 // 7) - skipped)
        return decode_septets(unpack_septets(content, count, skip_bits=skipped * 7))
    body = content[header_octets:length]
    return body.decode("utf-16-be", errors="replace") if kind is Alphabet.UCS2 else body.decode("latin-1")


def decode_deliver(text: str) -> Deliver:
    """The SMS-DELIVER in a hex line, service centre address included.

    8-bit data comes out one character an octet (latin-1).

    Raises:
        ReplyError: no hex, too short, too long, or another kind of message.
    """
    content = octets(text)
    if not content or len(content) > _PDU_OCTETS_MOST:
        raise _refused("no PDU")
    reader = _Reader(content)
    reader.take(reader.octet())
    first = reader.octet()
    if first & 0x03:
        raise _refused("not an SMS-DELIVER")
    sender = _address(reader)
    reader.octet()  # TP-PID
    kind = alphabet(reader.octet())
    at = _timestamp(reader.take(7))
    length = reader.octet()
    user_data = reader.rest()[:_USER_DATA_OCTETS_MOST]
    if len(user_data) < ((length * 7 + 7) // 8 if kind is Alphabet.GSM7 else length):
        raise _refused("the user data is cut short")
    header_octets = 1 + user_data[0] if first & 0x40 and user_data else 0
    part = _concatenation(user_data[1:header_octets])
    return Deliver(sender, at, _text(kind, user_data, length, header_octets), part)
