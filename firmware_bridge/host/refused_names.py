"""A DNS server that refuses whatever it is asked and counts how often: one loopback port for each category of names.

dnsmasq sends the names of a category's list to that category's port. Who is asked there is never looked at: the name is
skipped over, not decoded, and nothing of a question outlives its answer. While nobody listens on the port dnsmasq gets
no answer for such a name, and asks no other server for it.
"""

import asyncio
import struct
from collections.abc import Callable, Sequence
from typing import Final, Protocol, cast

from firmware_bridge.host.dns import NXDOMAIN

ADDRESS: Final = "127.0.0.1"
# Each category is two sockets; what is beyond is refused without being counted.
CATEGORIES_MOST: Final = 32
# Of each category; more are dropped. Datagrams are dropped while the loop's own bound of unsent answers is reached.
CONNECTIONS_MOST: Final = 8
CONNECTION_S: Final = 2.0
# A question without its additional records (RFC 1035 2.3.4: a name has at most 255 octets).
_QUESTION_MOST: Final = 12 + 255 + 4
_MESSAGE_MOST: Final = 4096
_PORT_TRIES: Final = 8

_HEADER: Final = struct.Struct(">HHHHHH")
_IS_REPLY: Final = 0x8000
_OPCODE_AND_RECURSE: Final = 0x7900
_RECURSES: Final = 0x0080


class NameCounter(Protocol):
    """Refuses names by category, and counts."""

    async def listen(self, categories: Sequence[str]) -> dict[str, int]:
        """Serve these categories and no other; returns the port of each. One that can have none is left out."""
        ...

    def counts(self) -> dict[str, int]:
        """How many questions of each category were refused since it is served."""
        ...

    def close(self) -> None:
        """Serve none. A second call does nothing."""
        ...


def refuse(message: bytes) -> bytes | None:
    """The NXDOMAIN reply to a query (RFC 1035 4.1.1, RFC 2308 2.1), None for what is not a query of one question."""
    if len(message) < _HEADER.size:
        return None
    number, flags, questions, *_ = _HEADER.unpack_from(message)
    end = _question_end(message)
    if flags & _IS_REPLY or questions != 1 or end is None:
        return None
    told = _IS_REPLY | flags & _OPCODE_AND_RECURSE | _RECURSES | NXDOMAIN
    return _HEADER.pack(number, told, 1, 0, 0, 0) + message[_HEADER.size : end]


def _question_end(message: bytes) -> int | None:
    at = _HEADER.size
    while at < len(message) and 0 < message[at] < 64:
        at += 1 + message[at]
    end = at + 5
    # A question has no compressed name: a length above 63 is no query that a resolver sends.
    return end if end <= min(len(message), _QUESTION_MOST) and message[at] == 0 else None


class LoopbackCounter:
    """The real one: UDP and TCP on loopback."""

    def __init__(self) -> None:
        self._served: dict[str, _Category] = {}

    async def listen(self, categories: Sequence[str]) -> dict[str, int]:
        """See NameCounter."""
        wanted = tuple(dict.fromkeys(categories))[:CATEGORIES_MOST]
        for category in self._served.keys() - set(wanted):
            self._served.pop(category).close()
        for category in wanted:
            if category not in self._served:
                served = _Category()
                if await served.open():
                    self._served[category] = served
        return {category: self._served[category].port for category in wanted if category in self._served}

    def counts(self) -> dict[str, int]:
        """See NameCounter."""
        return {category: served.refused for category, served in self._served.items()}

    def close(self) -> None:
        """See NameCounter."""
        for served in self._served.values():
            served.close()
        self._served.clear()


class _Category:
    """The two sockets of one category, and its count."""

    def __init__(self) -> None:
        self.port = 0
        self.refused = 0
        self.connections = 0
        self._datagrams: asyncio.BaseTransport | None = None
        self._server: asyncio.Server | None = None

    async def open(self) -> bool:
        """Take a port that is free for both; returns whether there was one."""
        for _ in range(_PORT_TRIES):
            try:
                await self._take_port()
            except OSError:
                self.close()
            except asyncio.CancelledError:
                self.close()
                raise
            else:
                return True
        return False

    async def _take_port(self) -> None:
        loop = asyncio.get_running_loop()
        self._datagrams, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(self), local_addr=(ADDRESS, 0))
        self.port = self._datagrams.get_extra_info("sockname")[1]
        self._server = await loop.create_server(lambda: _Connection(self), ADDRESS, self.port)

    def answer(self, message: bytes) -> bytes | None:
        """Refuse and count."""
        reply = refuse(message)
        self.refused += reply is not None
        return reply

    def close(self) -> None:
        """Give both sockets back."""
        if self._datagrams is not None:
            self._datagrams.close()
        if self._server is not None:
            self._server.close()
        self._datagrams = self._server = None


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, category: _Category) -> None:
        self._category = category
        self._transport: asyncio.DatagramTransport | None = None
        self._is_full = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # The selector loop's transport does not inherit from asyncio.DatagramTransport on Python 3.11.
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if self._transport is None or self._is_full:
            return
        reply = self._category.answer(data)
        if reply is not None:
            self._transport.sendto(reply, addr)

    def pause_writing(self) -> None:
        self._is_full = True

    def resume_writing(self) -> None:
        self._is_full = False


class _Connection(asyncio.Protocol):
    """One question over TCP (RFC 1035 4.2.2), then the end."""

    def __init__(self, category: _Category) -> None:
        self._category = category
        self._transport: asyncio.Transport | None = None
        self._came = b""
        self._end: Callable[[], None] = lambda: None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._category.connections += 1
        self._end = asyncio.get_running_loop().call_later(CONNECTION_S, self._transport.abort).cancel
        if self._category.connections > CONNECTIONS_MOST:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._came += data
        length = int.from_bytes(self._came[:2], "big")
        assert self._transport is not None, "data comes after connection_made"
        if len(self._came) >= 2 and length > _MESSAGE_MOST:
            self._transport.abort()
        elif len(self._came) >= 2 + length > 2:
            reply = self._category.answer(self._came[2 : 2 + length])
            if reply is not None:
                self._transport.write(len(reply).to_bytes(2, "big") + reply)
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._end()
        self._category.connections -= 1
