"""What a trace may not hold: PIN, IMSI, ICCID, IMEI, telephone numbers, passwords and SMS bodies.

Replacements keep length and kind (an IMEI keeps its check digit right, a received message its parts and its time), so
that a redacted trace still drives every parser. Redacting twice changes nothing. Lines are judged whole: never hand
over half a line.
"""

import re

_IDENTIFIER = re.compile(r"(?<![0-9A-Fa-f.])(?:\d{14,16}|(?:89|98)\d{4}[0-9A-Fa-f]{12,14}|\d{17,20})(?![0-9A-Fa-f.])")
# Some write an ICCID as its card does: 8901 4103 2111 1851 0720.
_SPACED = re.compile(r"(?<![0-9A-Fa-f])(?:89|98)\d\d(?: [0-9A-Fa-f]{4}){3} [0-9A-Fa-f]{2,4}(?![0-9A-Fa-f])")
_PDU = re.compile(r"[0-9A-Fa-f]{18,}")
_SIM_FILE = re.compile(r'(\+C(?:RSM|SIM)[:=][^"+]*?"?)([0-9A-Fa-f]{16,})')
_NUMBER = re.compile(r"(?<![0-9A-Fa-f])(\+?)\d{7,15}(?![0-9A-Fa-f:/])")
_SECRET = re.compile(
    r"((?:\+CPIN2?|\+CLCK|\+CPWD|\^CPIN|\^CPIN2|\+CGAUTH|\+QICSGP|\^NDISDUP|\^AUTHDATA)=)(.*)", re.IGNORECASE
)
_QUOTED = re.compile(r'"[^"]*"')
_DIGITS = re.compile(r"\d{4,}")
_DIALLED = re.compile(r"(?i)^(AT\s*D[TP]?)(\+?\d{5,})")
_NUMBERED = re.compile(r"\+(?:CNUM|CLIP|CMGR|CMGL|CMGS|CMT|CDS|CSCA|CPBR|CPBW|CCWA|CLCC|COLP|CRING)\b")
_HEADED = re.compile(r"\+(?:CMGR|CMGL|CMT|CDS|CBM):")
_USSD = re.compile(r"\+CUSD")
_COUNTERS = re.compile(r"[\^+](?:DSFLOWQRY|DSFLOWRPT|QGDCNT|QGDNRCNT)")
_FINALS = frozenset({"OK", "ERROR"})


class Redactor:
    """Redacts one direction of a conversation, line by line; remembers only whether a message body is due."""

    __slots__ = ("_in_message",)

    def __init__(self) -> None:
        self._in_message = False

    def line(self, line: str) -> str:
        """One line without its end."""
        if _HEADED.search(line):
            self._in_message = True
            return redact_line(line)
        if line in _FINALS or line.startswith(("+CME ERROR", "+CMS ERROR")):
            self._in_message = False
            return line
        if self._in_message and line and not line.startswith("AT"):
            return redact_body(line)
        return redact_line(line)


def redact_body(text: str) -> str:
    """A message body: a received PDU keeps its structure, any other its SMSC length octet; text becomes asterisks."""
    if _PDU.fullmatch(text):
        return _blank_deliver(text) or _blank_pdu(text)
    return "".join("*" if character.isprintable() and character != "\x1a" else character for character in text)


def redact_line(line: str) -> str:
    """A line that is no message body."""
    line = _SECRET.sub(_blank_secret, line)
    if _PDU.fullmatch(line.rstrip("\x1a")) and not _IDENTIFIER.fullmatch(line):
        return _blank_pdu(line)
    if _COUNTERS.search(line):
        return line
    line = _DIALLED.sub(lambda match: match[1] + "0" * len(match[2]), line)
    line = _SIM_FILE.sub(lambda match: match[1] + _blank_iccid(match[2]), line)
    line = _SPACED.sub(_blank_spaced, line)
    line = _IDENTIFIER.sub(_blank_identifier, line)
    if _USSD.search(line):
        line = _QUOTED.sub(lambda match: '"' + "*" * (len(match[0]) - 2) + '"', line)
    if _NUMBERED.search(line):
        line = _NUMBER.sub(lambda match: match[1] + "0" * (len(match[0]) - len(match[1])), line)
    return line


def _blank_secret(match: re.Match[str]) -> str:
    """Text in quotes but for short words such as "SC" and "IP", and runs of digits."""
    shown = _QUOTED.sub(
        lambda quoted: quoted[0] if quoted[0] in _PLAIN_WORDS else '"' + "*" * (len(quoted[0]) - 2) + '"', match[2]
    )
    return match[1] + _DIGITS.sub(lambda digits: "*" * len(digits[0]), shown)


_PLAIN_WORDS = frozenset({'"SC"', '"P2"', '"IP"', '"IPV6"', '"IPV4V6"', '""'})


def _blank_pdu(text: str) -> str:
    digits = text.rstrip("\x1a")
    return digits[:2] + "0" * (len(digits) - 2) + text[len(digits) :]


_SCTS_OCTETS = 7
_CONCATENATION = frozenset({(0x00, 3), (0x08, 4)})


def _blank_deliver(digits: str) -> str | None:
    """An SMS-DELIVER (TS 23.040 9.2.2.1) without the service centre's and sender's digits and without its text.

    What stays is what a parser needs: lengths, alphabet, time, and which part of a message it is. None for all else.
    """
    if len(digits) % 2:
        return None
    pdu = bytearray.fromhex(digits)
    first = 1 + pdu[0]
    if first + 2 >= len(pdu) or pdu[first] & 0x03:
        return None
    address = first + 3
    coding = address + (pdu[first + 1] + 1) // 2 + 1
    text = coding + 1 + _SCTS_OCTETS + 1
    if text > len(pdu):
        return None
    _zero(pdu, 1, first)
    _zero(pdu, address, coding - 1)
    shown = _blank_header(pdu, text) if pdu[first] & 0x40 and text < len(pdu) else text
    _zero(pdu, shown, len(pdu))
    return pdu.hex().upper()


def _blank_header(pdu: bytearray, start: int) -> int:
    """The user data header keeps its elements, with content only where they number parts (9.2.3.24); where it ends."""
    end = start + 1 + pdu[start]
    if end > len(pdu):
        return start
    place = start + 1
    while place < end:
        content = min(place + 2, end)
        following = min(content + (pdu[place + 1] if content == place + 2 else 0), end)
        if (pdu[place], following - content) not in _CONCATENATION:
            _zero(pdu, content, following)
        place = following
    return end


def _zero(pdu: bytearray, start: int, end: int) -> None:
    pdu[start:end] = bytes(end - start)


def _blank_iccid(digits: str) -> str:
    """The issuer stays (89, country, network), and the filler."""
    filler = "F" if digits[-1] in "Ff" else ""
    kept = digits[:6] if digits[:2] in {"89", "98"} else ""
    return kept + "0" * (len(digits) - len(kept) - len(filler)) + filler


def _blank_spaced(match: re.Match[str]) -> str:
    groups = match[0].split(" ")
    blank = _blank_iccid("".join(groups))
    return " ".join(blank[4 * place : 4 * place + len(group)] for place, group in enumerate(groups))


def _blank_identifier(match: re.Match[str]) -> str:
    digits = match[0]
    if len(digits) > 16 or not digits.isdigit():
        return _blank_iccid(digits)
    if len(digits) == 16:
        return digits[:8] + "000000" + digits[14:]
    if len(digits) == 15 and _check_digit(digits[:14]) == digits[14]:
        blank = digits[:8] + "000000"
        return blank + _check_digit(blank)
    return digits[:5] + "0" * (len(digits) - 5)


def _check_digit(fourteen: str) -> str:
    """The Luhn digit of an IMEI (TS 23.003 B.3)."""
    total = sum(
        int(digit) if place % 2 == 0 else sum(divmod(2 * int(digit), 10)) for place, digit in enumerate(fourteen)
    )
    return str(-total % 10)
