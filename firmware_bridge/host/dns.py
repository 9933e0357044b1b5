"""A DNS question over UDP (RFC 1035), enough to ask the hub's own resolver what it has in force."""

import asyncio
import ipaddress
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Protocol

from firmware_bridge.errors import HostToolError

A: Final = 1
TXT: Final = 16
AAAA: Final = 28
NXDOMAIN: Final = 3

_HEADER: Final = struct.Struct(">HHHHHH")
_RECORD: Final = struct.Struct(">HHIH")
_RECURSE: Final = 0x0100
_ID: Final = 0x4D48
_ID_BYTES: Final = _ID.to_bytes(2, "big")
_DATAGRAMS: Final = socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
_REPLY_MOST: Final = 4096


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply: its RCODE, the strings of its TXT records, the addresses of its A and AAAA records."""

    rcode: int
    texts: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()


class Resolver(Protocol):
    """Asks one server one question."""

    async def ask(self, server: tuple[str, int], name: str, kind: int, *, deadline_s: float) -> Answer:
        """Return its answer. Raises HostToolError when none came in time or it makes no sense."""
        ...


class UdpResolver:
    """The real one: one datagram each way, no retry (the caller asks again when it looks again)."""

    async def ask(self, server: tuple[str, int], name: str, kind: int, *, deadline_s: float) -> Answer:
        """See Resolver."""
        family = socket.AF_INET6 if ":" in server[0] else socket.AF_INET
        loop = asyncio.get_running_loop()
        try:
            # A bare socket: asked once a second, an asyncio endpoint costs an idle hub six times as much.
            with socket.socket(family, _DATAGRAMS) as asking:
                asking.connect(server)
                asking.send(encode_question(name, kind))
                async with asyncio.timeout(deadline_s):
                    reply = b""
                    while not reply.startswith(_ID_BYTES):
                        reply = await loop.sock_recv(asking, _REPLY_MOST)
            return decode_answer(reply)
        except TimeoutError:
            raise HostToolError("dns", f"{server[0]} port {server[1]} did not answer within {deadline_s:g} s") from None
        except OSError as error:
            raise HostToolError("dns", f"{server[0]} port {server[1]} is not reachable: {error.strerror}") from None


def encode_question(name: str, kind: int) -> bytes:
    """Encode one question with recursion desired."""
    labels = b"".join(bytes([len(label)]) + label.encode("ascii") for label in name.split("."))
    return _HEADER.pack(_ID, _RECURSE, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">HH", kind, 1)


def decode_answer(data: bytes) -> Answer:
    """Decode a reply. Raises HostToolError for anything that is not one."""
    try:
        _, flags, questions, answers, _, _ = _HEADER.unpack_from(data)
        at = _HEADER.size
        for _ in range(questions):
            at = _skip_name(data, at) + 4
        records = tuple(_records(data, at, answers))
    except (struct.error, IndexError, ValueError):
        raise HostToolError("dns", f"a reply of {len(data)} bytes is not DNS") from None
    texts = tuple(text for kind, body in records if kind == TXT for text in _strings(body))
    addresses = tuple(str(ipaddress.ip_address(body)) for kind, body in records if kind in {A, AAAA})
    return Answer(rcode=flags & 0xF, texts=texts, addresses=addresses)


def _records(data: bytes, at: int, count: int) -> Iterator[tuple[int, bytes]]:
    for _ in range(count):
        at = _skip_name(data, at)
        kind, _, _, length = _RECORD.unpack_from(data, at)
        at += _RECORD.size
        body = data[at : at + length]
        if len(body) != length or (kind in {A, AAAA} and length not in {4, 16}):
            raise ValueError("truncated record")
        yield kind, body
        at += length


def _skip_name(data: bytes, at: int) -> int:
    """The offset after a name; a compression pointer (RFC 1035 4.1.4) ends it."""
    while True:
        length = data[at]
        if length == 0:
            return at + 1
        if length & 0xC0 == 0xC0:
            return at + 2
        at += 1 + length


def _strings(body: bytes) -> Iterator[str]:
    at = 0
    while at < len(body):
        yield body[at + 1 : at + 1 + body[at]].decode("ascii", errors="replace")
        at += 1 + body[at]
