"""A DNS server on UDP and TCP around a function that answers, and the forwarding of what it does not answer itself."""

import asyncio
import contextlib
import errno
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Final, cast

from simulator.host.dns import SERVFAIL, DnsMessageError, Question, Reply, read_question, write_reply

Answerer = Callable[[Question, bytes], Awaitable[bytes | None]]

UPSTREAM_DEADLINE_S: Final = 5.0
# Questions in work at a time; more are dropped, as a busy resolver drops them.
QUESTIONS_AT_A_TIME: Final = 500
# Of free ports, when any will do.
PORTS_TRIED: Final = 8


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, answer: Answerer) -> None:
        self._answer = answer
        self._tasks: set[asyncio.Task[None]] = set()
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # The selector loop's transport does not inherit from asyncio.DatagramTransport on Python 3.11.
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if len(self._tasks) < QUESTIONS_AT_A_TIME:
            task = asyncio.get_running_loop().create_task(self._reply(data, addr))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        for task in self._tasks:
            task.cancel()

    async def _reply(self, data: bytes, addr: tuple[str, int]) -> None:
        reply = await _answer_bytes(self._answer, data)
        if reply is not None and self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(reply, addr)


async def _answer_bytes(answer: Answerer, data: bytes) -> bytes | None:
    try:
        question = read_question(data)
    except DnsMessageError:
        return None
    return await answer(question, data)


@contextlib.asynccontextmanager
async def serve_dns(addresses: Sequence[str], port: int, answer: Answerer) -> AsyncIterator[int]:
    """Answer on these addresses while the block runs; yields the port (a free one for 0). Raises OSError."""
    for left in reversed(range(PORTS_TRIED)):
        try:
            listening, bound = await _listen(addresses, port, answer)
            break
        except OSError as error:
            # What is free for UDP may be some connection's end in TCP: then another one is.
            if port or error.errno != errno.EADDRINUSE or not left:
                raise
    async with listening:
        yield bound


async def _listen(addresses: Sequence[str], port: int, answer: Answerer) -> tuple[contextlib.AsyncExitStack, int]:
    """Listen on one port of all addresses, by UDP and TCP, or on none."""
    loop = asyncio.get_running_loop()
    async with contextlib.AsyncExitStack() as stack:
        for address in addresses:
            transport, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(answer), local_addr=(address, port))
            stack.callback(transport.close)
            port = transport.get_extra_info("sockname")[1]
            server = await asyncio.start_server(_stream_handler(answer), address, port)
            stack.push_async_callback(server.wait_closed)
            stack.callback(server.close)
        return stack.pop_all(), port


def _stream_handler(answer: Answerer) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, TimeoutError, OSError):
            async with asyncio.timeout(UPSTREAM_DEADLINE_S * 2):
                (length,) = struct.unpack("!H", await reader.readexactly(2))
                reply = await _answer_bytes(answer, await reader.readexactly(length))
                if reply is not None:
                    writer.write(struct.pack("!H", len(reply)) + reply)
                    await writer.drain()
        writer.close()

    return handle


async def exchange(server: tuple[str, int], data: bytes, *, deadline_s: float = UPSTREAM_DEADLINE_S) -> bytes | None:
    """Send a query and return the reply's bytes, or None when none came in time."""
    loop = asyncio.get_running_loop()
    family = socket.AF_INET6 if ":" in server[0] else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as asking:
        asking.settimeout(0)
        with contextlib.suppress(TimeoutError, OSError):
            async with asyncio.timeout(deadline_s):
                await loop.sock_connect(asking, server)
                await loop.sock_sendall(asking, data)
                return await loop.sock_recv(asking, 65535)
    return None


def refuse_service(question: Question) -> bytes:
    """A SERVFAIL reply."""
    return write_reply(question, Reply(SERVFAIL))
