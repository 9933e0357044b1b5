"""Judges of bare lines: what an answer without a prefix must look like to be taken for one. TS 23.003, TS 27.007 5."""

import re

_PREFIX = re.compile(r"\s*[+^$%*#&][A-Z]")
_PRINTABLE = re.compile(r"[\x20-\x7e\x80-\xff]+")
_ECHO = re.compile(r"[Aa][Tt](?:[+^$%*#&].*|[DdEeHhIiVvXxZz]\d*)?")


def luhn_holds(digits: str) -> bool:
    """Whether the last digit is the Luhn check digit of the others (TS 23.003 B)."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = ord(digit) - 48
        total += (value * 2 - 9 if value > 4 else value * 2) if place % 2 else value
    return total % 10 == 0


def is_digits(text: str) -> bool:
    """One or more ASCII digits."""
    return text.isascii() and text.isdigit()


def is_imei(text: str) -> bool:
    """15 digits whose last is the check digit, and not all zero (an unprogrammed modem)."""
    return len(text) == 15 and is_digits(text) and luhn_holds(text) and text.strip("0") != ""


def is_imeisv(text: str) -> bool:
    """16 digits; the software version has no check digit (TS 23.003 6.2.2)."""
    return len(text) == 16 and is_digits(text)


def is_imsi(text: str) -> bool:
    """14 or 15 digits, as networks issue them (TS 23.003 2.2 allows at most 15)."""
    return len(text) in {14, 15} and is_digits(text)


def is_hex(text: str) -> bool:
    """One or more hexadecimal digits."""
    return bool(text) and not text.strip("0123456789ABCDEFabcdef")


def is_text(text: str) -> bool:
    """Printable free text (manufacturer, model, firmware) that is neither a result code with prefix nor an echo."""
    return (
        0 < len(text) <= 256
        and _PRINTABLE.fullmatch(text) is not None
        and _PREFIX.match(text) is None
        and _ECHO.fullmatch(text) is None
    )


def is_pdu(text: str, length: int | None = None) -> bool:
    """A PDU line: the SMSC address with its own length octet, then `length` octets of TPDU (TS 27.005 4.1)."""
    if len(text) < 4 or len(text) % 2 or not is_hex(text):
        return False
    return length is None or len(text) == 2 * (1 + int(text[:2], 16) + length)
