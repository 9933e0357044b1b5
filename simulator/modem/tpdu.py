"""Short message transfer PDUs, network to phone and phone to network (3GPP TS 23.040 clause 9.2)."""

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from simulator.modem.alphabet import from_septets, pack, to_septets, unpack

SEPTETS_ALONE, SEPTETS_OF_PART = 160, 153
UCS2_ALONE, UCS2_OF_PART = 70, 67


class TpduError(ValueError):
    """The octets are no SMS-SUBMIT."""


@dataclass(frozen=True, slots=True)
class Submit:
    """What a phone sends: `text` is None for 8-bit data, which stands in `data`."""

    destination: str
    text: str | None
    data: bytes
    report_wanted: bool
    reference: int
    protocol: int = 0


@dataclass(frozen=True, slots=True)
class Delivered:
    """What a phone received, read back for text mode."""

    sender: str
    text: str
    stamp: str
    first_octet: int
    protocol: int
    coding: int
    length: int


def encode_address(number: str) -> bytes:
    """Length in digits, type of number, semi-octets; letters become an alphanumeric address (clause 9.1.2.5)."""
    digits = number.removeprefix("+")
    if not digits.isdecimal():
        septets = to_septets(number) or to_septets("?")
        assert septets is not None
        packed = pack(septets[:11])
        return bytes([len(packed) * 2 - (1 if len(septets) * 7 % 8 in range(1, 5) else 0), 0xD0]) + packed
    kind = 0x91 if number.startswith("+") else 0x81
    return bytes([len(digits), kind]) + _semi_octets(digits)


def _semi_octets(digits: str) -> bytes:
    padded = digits + "F" * (len(digits) % 2)
    return bytes.fromhex("".join(padded[i + 1] + padded[i] for i in range(0, len(padded), 2)))


def decode_address(octets: bytes) -> tuple[str, int]:
    """The number and how many octets it took."""
    digits, kind = octets[0], octets[1]
    size = (digits + 1) // 2
    body = octets[2 : 2 + size]
    if kind & 0x70 == 0x50:
        return from_septets(unpack(body, digits * 4 // 7)), 2 + size
    text = "".join(f"{octet & 15:X}{octet >> 4:X}" for octet in body)[:digits]
    return ("+" if kind & 0x70 == 0x10 else "") + text, 2 + size


def encode_centre(number: str) -> bytes:
    """The service centre in front of a TPDU: length in octets (TS 27.005 clause 3.1)."""
    if not number:
        return b"\x00"
    digits = number.removeprefix("+")
    body = bytes([0x91 if number.startswith("+") else 0x81]) + _semi_octets(digits)
    return bytes([len(body)]) + body


def encode_stamp(moment: datetime, zone_quarters: int) -> bytes:
    """Service centre time stamp (clause 9.2.3.11): local time and zone, nibbles swapped."""
    local = moment.astimezone(timezone(timedelta(minutes=15 * zone_quarters)))
    zone = abs(zone_quarters)
    tens = (zone // 10) | (8 if zone_quarters < 0 else 0)
    fields = f"{local:%y%m%d%H%M%S}"
    return _semi_octets(fields) + bytes([(zone % 10) << 4 | tens])


def decode_stamp(octets: bytes) -> str:
    """The stamp as +CMGR prints it in text mode."""
    pairs = [f"{octet & 15}{octet >> 4}" for octet in octets[:6]]
    zone = ((octets[6] & 7) * 10) + (octets[6] >> 4)
    sign = "-" if octets[6] & 8 else "+"
    return f"{pairs[0]}/{pairs[1]}/{pairs[2]},{pairs[3]}:{pairs[4]}:{pairs[5]}{sign}{zone:02d}"


def deliver_parts(sender: str, text: str, moment: datetime, zone: int, reference: int) -> list[bytes]:
    """The SMS-DELIVER TPDUs of a text: one, or several with concatenation headers (clause 9.2.3.24.1)."""
    septets = to_septets(text)
    units = len(septets) if septets is not None else len(text.encode("utf-16-be")) // 2
    alone, part = (SEPTETS_ALONE, SEPTETS_OF_PART) if septets is not None else (UCS2_ALONE, UCS2_OF_PART)
    pieces = [text] if units <= alone else _split(text, part, septets=septets is not None)
    out = []
    for place, piece in enumerate(pieces, 1):
        header = b"" if len(pieces) == 1 else bytes([5, 0, 3, reference & 0xFF, len(pieces), place])
        out.append(_deliver(sender, piece, header, encode_stamp(moment, zone), more=place < len(pieces)))
    return out


def _split(text: str, size: int, *, septets: bool) -> list[str]:
    pieces, current, used = [], "", 0
    for character in text:
        cost = len(to_septets(character) or [0]) if septets else len(character.encode("utf-16-be")) // 2
        if used + cost > size:
            pieces.append(current)
            current, used = "", 0
        current += character
        used += cost
    return [*pieces, current]


def _deliver(sender: str, text: str, header: bytes, stamp: bytes, *, more: bool) -> bytes:
    septets = to_septets(text)
    first = (0 if more else 4) | (0x40 if header else 0)
    if septets is None:
        body = header + text.encode("utf-16-be")
        coding, length = 8, len(body)
    else:
        fill = -len(header) * 8 % 7
        header_septets = (len(header) * 8 + fill) // 7
        body = header + pack(septets, fill_bits=fill)
        coding, length = 0, header_septets + len(septets)
    return bytes([first]) + encode_address(sender) + bytes([0, coding]) + stamp + bytes([length]) + body


def read_delivered(tpdu: bytes) -> Delivered:
    """An SMS-DELIVER read back. Raises TpduError for octets that are none."""
    try:
        sender, size = decode_address(tpdu[1:])
        at = 1 + size
        protocol, coding = tpdu[at], tpdu[at + 1]
        stamp = decode_stamp(tpdu[at + 2 : at + 9])
        length, body = tpdu[at + 9], tpdu[at + 10 :]
    except IndexError as error:
        raise TpduError("an SMS-DELIVER ends early") from error
    text, _ = _user_data(body, length, coding, has_header=bool(tpdu[0] & 0x40))
    return Delivered(sender, text if text is not None else body.hex().upper(), stamp, tpdu[0], protocol, coding, length)


def read_submit(tpdu: bytes) -> Submit:
    """An SMS-SUBMIT. Raises TpduError."""
    try:
        first, reference = tpdu[0], tpdu[1]
        if first & 3 != 1:
            raise TpduError("the message type is not SUBMIT")
        destination, size = decode_address(tpdu[2:])
        at = 2 + size
        protocol, coding = tpdu[at], tpdu[at + 1]
        at += 2 + {0: 0, 2: 1}.get(first >> 3 & 3, 7)
        length, body = tpdu[at], tpdu[at + 1 :]
    except IndexError as error:
        raise TpduError("an SMS-SUBMIT ends early") from error
    text, octets = _user_data(body, length, coding, has_header=bool(first & 0x40))
    if len(body) < octets:
        raise TpduError("user data is shorter than its length")
    return Submit(destination, text, body, bool(first & 0x20), reference, protocol)


def _user_data(body: bytes, length: int, coding: int, *, has_header: bool) -> tuple[str | None, int]:
    """The text (None for 8-bit data) and how many octets the user data takes."""
    header = body[0] + 1 if has_header and body else 0
    alphabet = coding >> 2 & 3 if coding < 0xF0 else coding >> 2 & 1
    if alphabet == 0:
        fill = -header * 8 % 7
        count = length - (header * 8 + fill) // 7
        return from_septets(unpack(body[header:], max(0, count), fill_bits=fill)), (length * 7 + 7) // 8
    if alphabet == 2:
        return body[header:length].decode("utf-16-be", "replace"), length
    return None, length


def submit(destination: str, text: str, *, report: bool = False) -> bytes:
    """An SMS-SUBMIT for a text sent in text mode. Raises TpduError when it does not fit one message."""
    septets = to_septets(text)
    if septets is not None:
        coding, length, body = 0, len(septets), pack(septets)
    else:
        body = text.encode("utf-16-be")
        coding, length = 8, len(body)
    if length > (SEPTETS_ALONE if coding == 0 else UCS2_ALONE * 2):
        raise TpduError("the text does not fit one message")
    first = 0x11 | (0x20 if report else 0)
    return bytes([first, 0]) + encode_address(destination) + bytes([0, coding, 0xAA, length]) + body


def status_report(reference: int, recipient: str, moment: datetime, zone: int) -> bytes:
    """An SMS-STATUS-REPORT that says delivered (clause 9.2.2.3)."""
    stamp = encode_stamp(moment, zone)
    return bytes([0x06, reference]) + encode_address(recipient) + stamp + stamp + b"\x00"
