"""Thousands of plain TCP connections on one epoll, without a transport of asyncio's each.

The event loop watches the epoll's own descriptor, so one turn of the loop reads every connection that has something to
say; a handle and a context a packet cost more than the packet. What a receiver sees is what asyncio's transports show
it: `connection_made`, `buffer_updated` with the octets in the shared buffer, `connection_lost` once and never from
within a call of its own.
"""

import asyncio
import select
import socket
from typing import Final, Protocol

# Octets that wait for a peer who does not read; the connection is lost beyond it.
BACKLOG: Final = 256 * 1024


class Transport(Protocol):
    """What a hub needs of a connection; asyncio's transports are such, and `Connection` is."""

    def write(self, data: bytes) -> None:
        """Send; never blocks, and tells nothing about an end that `connection_lost` will tell."""
        ...

    def close(self) -> None:
        """Send what waits, then end; idempotent."""
        ...

    def abort(self) -> None:
        """End at once; idempotent."""
        ...


class Receiver(Protocol):
    """Who a connection is for."""

    def connection_made(self, transport: Transport) -> None:
        """The connection stands."""
        ...

    def buffer_updated(self, nbytes: int) -> None:
        """So many octets lie in the shared buffer, which the next connection's overwrite."""
        ...

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over; None when either side ended it properly or `abort` did."""
        ...


class Connections:
    """The connections of one event loop; `buffer` takes what any of them receives. Close it last."""

    def __init__(self, loop: asyncio.AbstractEventLoop, buffer: bytearray) -> None:
        self.loop = loop
        self._buffer = buffer
        self._open: dict[int, Connection] = {}
        self._epoll = select.epoll()
        loop.add_reader(self._epoll.fileno(), self._ready)

    def open(self, connected: socket.socket, receiver: Receiver) -> None:
        """Take over a connected, non-blocking socket and tell the receiver."""
        number = connected.fileno()
        connection = self._open[number] = Connection(self, connected, receiver)
        self._epoll.register(number, select.EPOLLIN)
        receiver.connection_made(connection)

    def want_writing(self, number: int, *, wanted: bool) -> None:
        """Tell the connection when its peer has read on, or no more."""
        self._epoll.modify(number, select.EPOLLIN | (select.EPOLLOUT if wanted else 0))

    def forget(self, number: int) -> None:
        """The connection is over: its descriptor is about to be closed."""
        if self._open.pop(number, None) is not None:
            self._epoll.unregister(number)

    def close(self) -> None:
        """End every connection and stop watching; idempotent. Receivers hear of it in the loop's next turn."""
        for connection in list(self._open.values()):
            connection.abort()
        if not self._epoll.closed:
            self.loop.remove_reader(self._epoll.fileno())
            self._epoll.close()

    def _ready(self) -> None:
        held, buffer = self._open, self._buffer
        for number, event in self._epoll.poll(0):
            if event != select.EPOLLIN and (blocked := held.get(number)) is not None:
                blocked.flush()
            connection = held.get(number)
            if connection is None:
                continue  # ended by what came before it in this turn
            try:
                size = connection.receive_into(buffer)
            except BlockingIOError:
                continue
            except OSError as error:
                connection.fail(error)
                continue
            if size:
                connection.receiver.buffer_updated(size)
            else:
                connection.abort()


class Connection:
    """One connection: a transport as far as a hub needs one."""

    __slots__ = ("_closing", "_connections", "_pending", "_send", "_socket", "receive_into", "receiver")

    def __init__(self, connections: Connections, connected: socket.socket, receiver: Receiver) -> None:
        self._connections = connections
        self._socket = connected
        self.receiver = receiver
        self.receive_into = connected.recv_into
        self._send = connected.send
        self._pending = b""
        self._closing = False

    def write(self, data: bytes) -> None:
        """Send; what the peer has no room for waits, up to BACKLOG."""
        if self._closing:
            return
        if not self._pending:
            try:
                sent = self._send(data)
            except BlockingIOError:
                sent = 0
            except OSError as error:
                self.fail(error)
                return
            if sent == len(data):
                return
            data = data[sent:]
            self._connections.want_writing(self._socket.fileno(), wanted=True)
        self._pending += data
        if len(self._pending) > BACKLOG:
            self.fail(ConnectionAbortedError("the peer does not read"))

    def flush(self) -> None:
        """Send what waited."""
        if not self._pending:
            return
        try:
            sent = self._send(self._pending)
        except BlockingIOError:
            return
        except OSError as error:
            self.fail(error)
            return
        self._pending = self._pending[sent:]
        if not self._pending:
            self._connections.want_writing(self._socket.fileno(), wanted=False)
            if self._closing:
                self.fail(None)

    def close(self) -> None:
        """Send what waits, then end."""
        if not self._closing:
            self._closing = True
            if not self._pending:
                self.fail(None)

    def abort(self) -> None:
        """End at once."""
        self.fail(None)

    def fail(self, error: Exception | None) -> None:
        """End because of an error, or without one."""
        number = self._socket.fileno()
        if number < 0:
            return
        self._closing, self._pending = True, b""
        self._connections.forget(number)
        self._socket.close()
        self._connections.loop.call_soon(self.receiver.connection_lost, error)
