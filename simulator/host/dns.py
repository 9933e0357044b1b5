"""DNS messages (RFC 1035), as far as a resolver for one question needs them; values in, values out."""

import ipaddress
import struct
from dataclasses import dataclass
from typing import Final

A: Final = 1
PTR: Final = 12
TXT: Final = 16
AAAA: Final = 28

NOERROR: Final = 0
FORMERR: Final = 1
SERVFAIL: Final = 2
NXDOMAIN: Final = 3
NOTIMP: Final = 4
REFUSED: Final = 5

_HEADER: Final = struct.Struct("!6H")
_QUERY_BIT: Final = 0x8000
_RECURSION_AVAILABLE: Final = 0x0080
_RECURSION_DESIRED: Final = 0x0100
_AUTHORITATIVE: Final = 0x0400


class DnsMessageError(ValueError):
    """The bytes are not a DNS message with one question: answer nothing."""


@dataclass(frozen=True, slots=True)
class Question:
    """A query as it came. `raw` is its question section, repeated in the reply (its letter case too)."""

    id: int
    name: str
    kind: int
    raw: bytes
    wants_recursion: bool = True


@dataclass(frozen=True, slots=True)
class Reply:
    """What to answer: an RCODE, addresses for A and AAAA, or texts for TXT."""

    rcode: int = NOERROR
    addresses: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    authoritative: bool = False


def read_question(data: bytes) -> Question:
    """Read a query. Raises DnsMessageError for anything else."""
    try:
        id_, flags, questions, *_ = _HEADER.unpack_from(data)
        if flags & _QUERY_BIT or questions != 1:
            raise DnsMessageError("not one question")
        name, at = _read_name(data, _HEADER.size)
        kind, _class = struct.unpack_from("!HH", data, at)
    except (struct.error, IndexError, UnicodeDecodeError) as error:
        raise DnsMessageError(str(error)) from None
    return Question(id_, name, kind, data[_HEADER.size : at + 4], bool(flags & _RECURSION_DESIRED))


def write_question(id_: int, name: str, kind: int) -> bytes:
    """Write a query with recursion desired. Raises DnsMessageError for a name that cannot be asked."""
    try:
        labels = [label.encode("ascii") for label in name.rstrip(".").split(".")]
        if not all(0 < len(label) < 64 for label in labels):
            raise DnsMessageError(f"not a name: {name[:100]!r}")
    except UnicodeEncodeError as error:
        raise DnsMessageError(str(error)) from None
    section = b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
    return _HEADER.pack(id_, _RECURSION_DESIRED, 1, 0, 0, 0) + section + struct.pack("!HH", kind, 1)


def write_reply(question: Question, reply: Reply) -> bytes:
    """Write the answer to a question; TTL 0, the name compressed to the question's (RFC 1035 §4.1.4)."""
    records = [_record(A, ipaddress.IPv4Address(item).packed) for item in reply.addresses if ":" not in item]
    records += [_record(AAAA, ipaddress.IPv6Address(item).packed) for item in reply.addresses if ":" in item]
    records += [_record(TXT, _text(item)) for item in reply.texts]
    flags = _QUERY_BIT | _RECURSION_AVAILABLE | reply.rcode
    flags |= _RECURSION_DESIRED if question.wants_recursion else 0
    flags |= _AUTHORITATIVE if reply.authoritative else 0
    return _HEADER.pack(question.id, flags, 1, len(records), 0, 0) + question.raw + b"".join(records)


def read_reply(data: bytes) -> tuple[int, Reply]:
    """Read an answer; returns (id, reply). Raises DnsMessageError."""
    try:
        id_, flags, questions, answers, *_ = _HEADER.unpack_from(data)
        at = _HEADER.size
        for _ in range(questions):
            at = _read_name(data, at)[1] + 4
        addresses, texts = _read_records(data, at, answers)
    except (struct.error, IndexError, ValueError) as error:
        raise DnsMessageError(str(error)) from None
    return id_, Reply(flags & 0xF, addresses, texts, bool(flags & _AUTHORITATIVE))


def _read_records(data: bytes, at: int, count: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    addresses, texts = [], []
    for _ in range(count):
        _, at = _read_name(data, at)
        kind, _class, _ttl, length = struct.unpack_from("!HHIH", data, at)
        body = data[at + 10 : at + 10 + length]
        at += 10 + length
        if kind in {A, AAAA}:
            addresses.append(str(ipaddress.ip_address(body)))
        elif kind == TXT:
            texts.append(_read_text(body))
    return tuple(addresses), tuple(texts)


def _read_name(data: bytes, at: int) -> tuple[str, int]:
    labels: list[str] = []
    end = None
    for _ in range(128):
        length = data[at]
        if length == 0:
            return ".".join(labels).lower(), end or at + 1
        if length & 0xC0 == 0xC0:
            end = end or at + 2
            at = (length & 0x3F) << 8 | data[at + 1]
            continue
        labels.append(data[at + 1 : at + 1 + length].decode("ascii"))
        at += 1 + length
    raise DnsMessageError("a name without end")


def _record(kind: int, body: bytes) -> bytes:
    return b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 0, len(body)) + body


def _text(text: str) -> bytes:
    data = text.encode()
    parts = [data[at : at + 255] for at in range(0, len(data), 255)] or [b""]
    return b"".join(bytes([len(part)]) + part for part in parts)


def _read_text(body: bytes) -> str:
    at, parts = 0, []
    while at < len(body):
        parts.append(body[at + 1 : at + 1 + body[at]])
        at += 1 + body[at]
    return b"".join(parts).decode("utf-8", errors="replace")
