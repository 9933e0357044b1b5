"""Plain connections on one epoll: real sockets, a receiver that keeps what it is told."""

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest

from simulator.fleet.connections import BACKLOG, Connections, Transport


class Receiver:
    """Keeps what came and how it ended."""

    def __init__(self, buffer: bytearray) -> None:
        self.buffer = buffer
        self.heard = b""
        self.ends: list[Exception | None] = []
        self.changed = asyncio.Event()
        self.transport: Transport | None = None

    def connection_made(self, transport: Transport) -> None:
        self.transport = transport

    def buffer_updated(self, nbytes: int) -> None:
        self.heard += self.buffer[:nbytes]
        self.changed.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.ends.append(exc)
        self.changed.set()

    async def change(self) -> None:
        async with asyncio.timeout(5):
            await self.changed.wait()
        self.changed.clear()


class Bench:
    """One connection and its peer's end."""

    def __init__(self) -> None:
        self.buffer = bytearray(4096)
        self.connections = Connections(asyncio.get_running_loop(), self.buffer)
        ours, self.peer = socket.socketpair()
        for end in (ours, self.peer):
            end.setblocking(False)
        self.receiver = Receiver(self.buffer)
        self.connections.open(ours, self.receiver)
        assert self.receiver.transport is not None
        self.transport = self.receiver.transport

    def close(self) -> None:
        self.connections.close()
        self.peer.close()


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    made = Bench()
    yield made
    made.close()
    await asyncio.sleep(0)


async def test_octets_pass_both_ways_and_the_peers_end_is_told_once(bench: Bench) -> None:
    bench.peer.send(b"hello")
    await bench.receiver.change()
    bench.transport.write(b"answer")
    assert (bench.receiver.heard, bench.peer.recv(100)) == (b"hello", b"answer")
    bench.peer.close()
    await bench.receiver.change()
    bench.transport.write(b"into nothing")
    bench.transport.abort()
    await asyncio.sleep(0)
    assert bench.receiver.ends == [None]


async def test_what_a_slow_peer_has_no_room_for_comes_later_in_order_and_close_waits_for_it(bench: Bench) -> None:
    piece, sent = bytes(range(256)) * 64, 0
    while sent < 200_000 + 65536:
        bench.transport.write(piece)
        sent += len(piece)
    bench.transport.close()
    got, loop = b"", asyncio.get_running_loop()
    async with asyncio.timeout(5):
        while data := await loop.sock_recv(bench.peer, 65536):
            got += data
    assert got == piece * (sent // len(piece))
    await asyncio.sleep(0)
    assert bench.receiver.ends == [None]


async def test_a_peer_that_never_reads_costs_the_connection_not_the_memory(bench: Bench) -> None:
    for _ in range(3 * BACKLOG // 4096 + 200):
        bench.transport.write(bytes(4096))
    await bench.receiver.change()
    (end,) = bench.receiver.ends
    assert isinstance(end, ConnectionAbortedError)


async def test_a_reset_is_an_error_and_closing_all_ends_each(bench: Bench) -> None:
    other, peer = socket.socketpair()
    other.setblocking(False)
    second = Receiver(bench.buffer)
    bench.connections.open(other, second)
    bench.transport.write(b"never read")
    bench.peer.close()  # with octets unread: a reset
    await bench.receiver.change()
    assert isinstance(bench.receiver.ends[0], ConnectionError)
    bench.connections.close()
    await asyncio.sleep(0)
    assert second.ends == [None]
    peer.close()
