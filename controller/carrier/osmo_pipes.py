"""Pipelined connections to osmo-hlr: many callers, one socket, each answer to its own caller.

A connection is used until it is lost, then replaced; its loss is told to everybody who waits on it, once. What several
callers send in one turn of the event loop leaves in one write. At most `MOST_WAITING` requests wait on a connection.
"""

import asyncio
import itertools
from abc import ABC, abstractmethod
from collections import deque
from typing import Any, Final, Generic, TypeVar

from controller.carrier.osmo_wire import (
    ControlReply,
    ControlStream,
    TerminalStream,
    WireError,
    answer_to,
    control_request,
)

MOST_WAITING: Final = 256


class LostError(Exception):
    """The connection was lost while an answer was awaited: what was sent may have been done."""


class Pipe(ABC, asyncio.Protocol):
    """One connection; idempotent end, the first error wins."""

    def __init__(self) -> None:
        self._transport: asyncio.WriteTransport | None = None
        self._places = asyncio.Semaphore(MOST_WAITING)
        self._outgoing: list[bytes] = []
        self.is_lost = False

    async def ready(self) -> None:
        """Return when requests may be sent."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the socket."""
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell those who wait."""
        self.fail(LostError("the connection was closed" if exc is None else type(exc).__name__))

    def data_received(self, data: bytes) -> None:
        """Take bytes in; what is not of the protocol ends the connection."""
        try:
            self._take(data)
        except WireError as error:
            self.fail(error)

    def fail(self, error: Exception) -> None:
        """End the connection and tell those who wait."""
        self.is_lost = True
        if self._transport is not None:
            self._transport.abort()
        for waiting in self._waiting():
            if not waiting.done():
                waiting.set_exception(error)

    @abstractmethod
    def _take(self, data: bytes) -> None:
        """Read what came."""

    @abstractmethod
    def _waiting(self) -> list[asyncio.Future[Any]]:
        """Return the answers that are waited for."""

    def _write(self, data: bytes) -> None:
        if self.is_lost:
            raise LostError("the connection is closed")
        if not self._outgoing:
            asyncio.get_running_loop().call_soon(self._flush)
        self._outgoing.append(data)

    def _flush(self) -> None:
        data, self._outgoing = b"".join(self._outgoing), []
        if self._transport is not None and not self.is_lost:
            self._transport.write(data)


class ControlPipe(Pipe):
    """Requests over CTRL, matched to replies by their ids."""

    def __init__(self) -> None:
        super().__init__()
        self._stream = ControlStream()
        self._ids = itertools.count(1)
        self._calls: dict[int, asyncio.Future[ControlReply]] = {}

    async def send(self, verb: str, variable: str, value: str = "") -> ControlReply:
        """Send one request and return its reply. Raises LostError or WireError."""
        async with self._places:
            id_ = next(self._ids)
            self._write(control_request(id_, verb, variable, value))
            self._calls[id_] = asyncio.get_running_loop().create_future()
            try:
                return await self._calls[id_]
            finally:
                del self._calls[id_]

    def _take(self, data: bytes) -> None:
        for reply in self._stream.feed(data):
            waiting = self._calls.get(reply.id)
            if waiting is not None and not waiting.done():
                waiting.set_result(reply)

    def _waiting(self) -> list[asyncio.Future[Any]]:
        return list(self._calls.values())


class TerminalPipe(Pipe):
    """Lines to the VTY, matched to answers by their order; the echo proves the match."""

    def __init__(self) -> None:
        super().__init__()
        self._stream = TerminalStream()
        greeted: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._greeted = greeted
        # A caller who gave up keeps his place, or everybody after him would get another's answer.
        self._lines: deque[tuple[str, asyncio.Future[str]]] = deque([("", greeted)])

    async def ready(self) -> None:
        """Wait for the greeting and become privileged."""
        await self._greeted
        await self.send("enable")

    async def send(self, line: str) -> str:
        """Send one line and return what was said to it. Raises LostError or WireError."""
        async with self._places:
            self._write(line.encode() + b"\n")
            waiting: asyncio.Future[str] = asyncio.get_running_loop().create_future()
            self._lines.append((line, waiting))
            return await waiting

    def _take(self, data: bytes) -> None:
        for answer in self._stream.feed(data):
            if not self._lines:
                raise WireError("the terminal answered what nobody asked")
            line, waiting = self._lines.popleft()
            text = answer_to(line, answer)
            if not waiting.done():
                waiting.set_result(text)

    def _waiting(self) -> list[asyncio.Future[Any]]:
        return [waiting for _, waiting in self._lines]


P = TypeVar("P", bound=Pipe)


class Pipes(Generic[P]):
    """The current connection of one kind to one address."""

    def __init__(self, kind: type[P], host: str, port: int) -> None:
        self._kind, self._host, self._port = kind, host, port
        self._current: P | None = None
        self._opening = asyncio.Lock()

    async def open(self) -> P:
        """Return the connection, opening one if there is none. Raises OSError, LostError or WireError."""
        if self._current is not None and not self._current.is_lost:
            return self._current
        async with self._opening:
            if self._current is None or self._current.is_lost:
                self._current = await self._connect()
            return self._current

    def close(self) -> None:
        """Close what is open. Safe to call twice."""
        if self._current is not None:
            self._current.fail(LostError("closed"))
            self._current = None

    async def _connect(self) -> P:
        loop = asyncio.get_running_loop()
        _, pipe = await loop.create_connection(self._kind, self._host, self._port)
        try:
            await pipe.ready()
        except BaseException:
            pipe.fail(LostError("not opened"))
            raise
        return pipe
