"""Front ends: a modem's ports as pseudo-terminals, Unix sockets and TCP listeners, any number at once.

`Wire` ties one modem to an event loop: it arms one timer for the modem's next deadline and moves bytes. What a terminal
does to a serial port is felt: closing it drops DTR, a speed of nought does too, an unread port fills up and loses, and
a device that leaves USB hangs its ports up and takes their names away.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

from simulator.clock import LoopClock
from simulator.faults import Fault, SimulatorError
from simulator.modem.device import SimulatedModem
from simulator.modem.port import Port
from simulator.modem.pty import PtyHub, PtyLine

LOG = logging.getLogger(__name__)
SOCKET_LIMIT = 65536  # octets queued for a socket nobody reads; beyond it output is lost, as on a serial line
_ROLES = {"at", "modem", "diag", "nmea"}
# The last number a TCP port can have.
_LAST_PORT = 65_535


class ListenError(SimulatorError):
    """An address or path cannot be listened on."""

    exit_code = 4


class UsageError(SimulatorError):
    """A listen address that means nothing."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Listen:
    """One front end: kind pty, unix or tcp; its address; the role of the port behind it."""

    kind: str
    address: str
    role: str = "at"


def parse_listen(text: str) -> Listen:
    """`pty:PATH`, `unix:PATH` or `tcp:HOST:PORT`, with `,role=diag` at will. Raises UsageError."""
    body, _, option = text.partition(",role=")
    kind, _, address = body.partition(":")
    role = option or "at"
    if kind not in {"pty", "unix", "tcp"} or not address:
        raise UsageError(f"cannot listen on {text!r}", remedy="write pty:PATH, unix:PATH or tcp:HOST:PORT")
    if kind == "tcp" and not (re.fullmatch(r".+:\d+", address) and int(address.rpartition(":")[2]) <= _LAST_PORT):
        raise UsageError(f"cannot listen on {text!r}", remedy="tcp needs HOST:PORT, port 0 for any, 65535 the last")
    if role not in _ROLES:
        raise UsageError(f"{text!r} has an unknown role", remedy=f"one of {', '.join(sorted(_ROLES))}")
    return Listen(kind, address, role)


class Front(Protocol):
    """One front end of one port."""

    @property
    def address(self) -> str:
        """Where a terminal finds it now."""
        ...

    async def open(self) -> None:
        """Be there. Raises ListenError."""
        ...

    def attach(self, shift: int) -> None:
        """The device appeared on USB, its ports moved by `shift` numbers."""
        ...

    def detach(self) -> None:
        """The device left USB: hang up."""
        ...

    async def close(self) -> None:
        """Leave nothing behind; idempotent."""
        ...


class Wire:
    """An asynchronous context: inside it the front ends exist and the modem lives on the loop's time."""

    def __init__(self, modem: SimulatedModem, clock: LoopClock, listens: tuple[Listen, ...], *, hub: PtyHub) -> None:
        self._modem = modem
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._armed: float | None = None
        self._fronts: list[Front] = [self._front(listen, hub) for listen in listens]

    @property
    def addresses(self) -> tuple[str, ...]:
        """Where terminals find the ports, in the order they were asked for."""
        return tuple(front.address for front in self._fronts)

    async def __aenter__(self) -> Self:
        """Open every front end; what was opened is closed again when one fails."""
        try:
            for front in self._fronts:
                await front.open()
        except BaseException:
            await self._close_fronts()
            raise
        self._modem.usb_listeners.append(self._usb_changed)
        self._modem.arm = self._arm
        self._usb_changed(attached=self._modem.listening, shift=0)
        self._modem.settle()
        return self

    async def __aexit__(self, *_exception: object) -> None:
        """Close every front end."""
        self._modem.arm = None
        if self._usb_changed in self._modem.usb_listeners:
            self._modem.usb_listeners.remove(self._usb_changed)
        if self._timer is not None:
            self._timer.cancel()
        await self._close_fronts()

    async def _close_fronts(self) -> None:
        for front in self._fronts:
            await front.close()

    def _front(self, listen: Listen, hub: PtyHub) -> Front:
        port = self._modem.open_port(f"{listen.kind}:{listen.address}", role=listen.role)
        if listen.kind == "pty":
            return _PtyFront(self._modem, port, listen.address, hub)
        return _SocketFront(self._modem, port, listen)

    def _usb_changed(self, attached: bool, shift: int) -> None:  # noqa: FBT001 - the listeners' signature
        for front in self._fronts:
            if attached:
                front.attach(shift)
            else:
                front.detach()

    def _arm(self, deadline: float | None) -> None:
        if deadline == self._armed:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._armed = deadline
        if deadline is not None:
            self._timer = self._loop.call_at(self._clock.reading_at(deadline), self._due)

    def _due(self) -> None:
        self._timer = self._armed = None
        self._modem.settle()


class _PtyFront:
    """A pseudo-terminal behind a symbolic link whose name stays."""

    def __init__(self, modem: SimulatedModem, port: Port, path: str, hub: PtyHub) -> None:
        self._modem = modem
        self._port = port
        self._path = Path(path)
        self._hub = hub
        self._line: PtyLine | None = None
        self._unsubscribe: Callable[[], None] | None = None

    @property
    def address(self) -> str:
        return str(self._path)

    async def open(self) -> None:
        if self._path.is_symlink() and not self._path.exists():
            self._path.unlink()  # what a killed predecessor left
        if self._path.is_symlink() or self._path.exists():
            raise ListenError(f"{self._path} is there already", remedy="remove it or choose another path")
        if not self._path.parent.is_dir():
            raise ListenError(f"{self._path.parent} is no directory", remedy="create it first")
        self._unsubscribe = self._modem.faults.subscribe(lambda _change: self._guard())

    def attach(self, shift: int) -> None:
        if shift:
            self._path = _renumbered(self._path, shift)
        if self._line is not None:
            return
        line = self._line = self._hub.open(self._receive, self._port.terminal_gone)
        self._port.sink = line.write
        line.hung_up_at_zero_speed = lambda: self._port.online
        _remove(self._path)
        self._path.symlink_to(line.slave_name)
        self._guard()

    def detach(self) -> None:
        if self._line is None:
            return
        self._port.sink = _nowhere
        self._line.close()
        self._line = None
        _remove(self._path)

    async def close(self) -> None:
        if self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None
        self.detach()

    def _receive(self, data: bytes) -> None:
        self._modem.feed(self._port.name, data)

    def _guard(self) -> None:
        """A busy port is one that somebody else holds open exclusively."""
        if self._line is not None:
            now = self._modem.agenda.now
            self._line.hold(self._modem.faults.find(Fault.PORT_BUSY, self._port.point, now) is not None)


def _remove(path: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        path.unlink()


def _nowhere(_data: bytes) -> None:
    """Output of a port that is not there."""


def _renumbered(path: Path, shift: int) -> Path:
    match = re.fullmatch(r"(.*?)(\d+)", path.name)
    return path.with_name(f"{match[1]}{int(match[2]) + shift}") if match else path


class _SocketFront:
    """A listening socket. The newest terminal has the port; an older one is hung up on."""

    def __init__(self, modem: SimulatedModem, port: Port, listen: Listen) -> None:
        self._modem = modem
        self._port = port
        self._listen = listen
        self._server: asyncio.Server | None = None
        self._address = listen.address
        self._terminal: _SocketTerminal | None = None
        self._attached = False

    @property
    def address(self) -> str:
        return self._address

    async def open(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            if self._listen.kind == "unix":
                self._server = await loop.create_unix_server(self._accept, self._listen.address)
            else:
                host, _, number = self._listen.address.rpartition(":")
                self._server = await loop.create_server(self._accept, host.strip("[]"), int(number))
                self._address = f"{host}:{self._server.sockets[0].getsockname()[1]}"
        except OSError as error:
            reason = "in use" if error.errno == errno.EADDRINUSE else error.strerror or str(error)
            raise ListenError(f"cannot listen on {self._listen.address}: {reason}", remedy="choose another") from error
        self._port.sink = self._send

    def attach(self, shift: int) -> None:
        del shift  # a socket has no number
        self._attached = True

    def detach(self) -> None:
        self._attached = False
        self._drop()

    async def close(self) -> None:
        self._drop()
        server, self._server = self._server, None
        if server is not None:
            server.close()
            await server.wait_closed()
            if self._listen.kind == "unix":
                _remove(Path(self._listen.address))

    def _accept(self) -> _SocketTerminal:
        return _SocketTerminal(self)

    def connected(self, terminal: _SocketTerminal) -> None:
        """A terminal opened the port."""
        busy = self._modem.faults.find(Fault.PORT_BUSY, self._port.point, self._modem.agenda.now)
        if not self._attached or busy:
            terminal.hang_up()
            return
        self._drop()
        self._terminal = terminal

    def received(self, terminal: _SocketTerminal, data: bytes) -> None:
        """Bytes of a terminal; only the one that has the port counts."""
        if terminal is self._terminal:
            self._modem.feed(self._port.name, data)

    def lost(self, terminal: _SocketTerminal) -> None:
        """A terminal closed the port."""
        if terminal is self._terminal:
            self._terminal = None
            self._port.terminal_gone()

    def _send(self, data: bytes) -> None:
        if self._terminal is not None:
            self._terminal.send(data)

    def _drop(self) -> None:
        terminal, self._terminal = self._terminal, None
        if terminal is not None:
            terminal.hang_up()
            self._port.terminal_gone()


class _SocketTerminal(asyncio.Protocol):
    def __init__(self, front: _SocketFront) -> None:
        self._front = front
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._front.connected(self)

    def data_received(self, data: bytes) -> None:
        self._front.received(self, data)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._transport = None
        self._front.lost(self)

    def send(self, data: bytes) -> None:
        if self._transport is not None and self._transport.get_write_buffer_size() < SOCKET_LIMIT:
            self._transport.write(data)

    def hang_up(self) -> None:
        if self._transport is not None:
            self._transport.abort()
