"""What a certificate says of itself, without a cryptography library: `run` keeps none in memory.

Reads the few fields of X.509 (RFC 5280 4.1) that a hub needs of its own certificate. It verifies nothing: that is
TLS's work, on the other side.
"""

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

_UTC_TIME, _GENERALIZED_TIME, _VERSION = 0x17, 0x18, 0xA0
# 2.5.4.3, the common name (X.520), in DER.
_COMMON_NAME: Final = bytes((0x55, 0x04, 0x03))


class CertificateError(Exception):
    """The file is no certificate that can be read: `path` and why."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path


@dataclass(frozen=True, slots=True)
class Certificate:
    """Common names of subject and issuer ("" for none), and its life in Unix milliseconds."""

    subject: str
    issuer: str
    not_before_ms: int
    not_after_ms: int

    @property
    def renewal_ms(self) -> int:
        """When a third of its life is left."""
        return self.not_after_ms - (self.not_after_ms - self.not_before_ms) // 3


def read_certificate(path: Path) -> Certificate:
    """Read the first certificate of a PEM file. Raises CertificateError."""
    try:
        text = path.read_text(encoding="ascii")
        begin, end = text.index(ssl.PEM_HEADER), text.index(ssl.PEM_FOOTER) + len(ssl.PEM_FOOTER)
        return parse_certificate(ssl.PEM_cert_to_DER_cert(text[begin:end]))
    except OSError as error:
        raise CertificateError(path, f"cannot be read: {error.strerror}") from None
    except (ValueError, IndexError) as error:
        raise CertificateError(path, f"is no certificate in PEM ({error})") from None


def parse_certificate(der: bytes) -> Certificate:
    """Read a certificate in DER. Raises ValueError or IndexError for anything else."""
    (_, outer), *_ = _items(der)
    (_, signed), *_ = _items(outer)
    fields = _items(signed)
    if fields[0][0] == _VERSION:
        fields = fields[1:]
    # serialNumber, signature, issuer, validity, subject
    (_, issuer), (_, validity), (_, subject) = fields[2:5]
    not_before, not_after = (_time(tag, body) for tag, body in _items(validity)[:2])
    return Certificate(_common_name(subject), _common_name(issuer), not_before, not_after)


def _items(der: bytes) -> list[tuple[int, bytes]]:
    """The tag-length-value items side by side (X.690 8.1)."""
    items, at = [], 0
    while at < len(der):
        tag, length, at = der[at], der[at + 1], at + 2
        if length & 0x80:
            size = length & 0x7F
            length, at = int.from_bytes(der[at : at + size], "big"), at + size
        if at + length > len(der):
            raise ValueError("an item is cut short")
        items.append((tag, der[at : at + length]))
        at += length
    return items


def _common_name(name: bytes) -> str:
    for _, relative in _items(name):
        for _, pair in _items(relative):
            (_, kind), (_, value) = _items(pair)[:2]
            if kind == _COMMON_NAME:
                return value.decode("utf-8", errors="replace")
    return ""


def _time(tag: int, body: bytes) -> int:
    """UTCTime has a year of two digits, up to 49 in this century (RFC 5280 4.1.2.5.1)."""
    text = body.decode("ascii")
    if tag == _UTC_TIME:
        text = ("20" if text[:2] < "50" else "19") + text
    elif tag != _GENERALIZED_TIME:
        raise ValueError("a time of no known kind")
    return int(datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC).timestamp() * 1000)
