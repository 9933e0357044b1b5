"""What every transport is, and the one over a file descriptor that the event loop reads."""

import asyncio
import errno
import os
import select
from collections.abc import Callable
from typing import Protocol, TypeAlias, runtime_checkable

from firmware_bridge.errors import PortLostError

CHUNK = 8192  # octets per read; a tty gives at most 4 kB, and a large buffer costs time for each short answer
MAX_UNREAD = 262_144  # octets kept for a reader that is behind; then the kernel keeps the rest
MAX_UNWRITTEN = 65_536  # octets kept for a port that takes none: no AT command comes near it
# A wait shorter than the kernel's tick (4 ms) has a timer of its own set and taken back, which costs more than all else
# in a quick modem's trip.
GLANCE_MS = 5
GLANCE_S = GLANCE_MS / 1000

DataReceiver: TypeAlias = Callable[[bytes], None]
LossReceiver: TypeAlias = Callable[[PortLostError], None]


class Transport(Protocol):
    """A port. Made inside a running loop."""

    @property
    def name(self) -> str:
        """The port's name for people."""

    async def read(self) -> bytes:
        """The next octets, never empty. Raises PortLostError at hang-up."""

    def write(self, data: bytes) -> None:
        """Send soon. Raises PortLostError when the port is gone."""

    async def drain(self) -> None:
        """Return when what was written has left this process. Raises PortLostError."""

    def close(self) -> None:
        """Give the port back; idempotent. A pending read raises PortLostError."""


@runtime_checkable
class PushTransport(Protocol):
    """A transport that hands octets over by itself: one trip through the loop less than `read`."""

    def listen(self, received: DataReceiver, lost: LossReceiver) -> None:
        """From now on call `received` with octets as they come, and `lost` once at hang-up. Replaces `read`."""


@runtime_checkable
class LookingTransport(Protocol):
    """A transport that can be looked at between the loop's turns. Its `write` never hands anything over."""

    def look(self) -> bytes:
        """What comes within GLANCE_S, b"" for nothing; blocks that long at most.

        What is given here is not handed over to the listener. A hang-up is told to it in the loop's next turn.
        """


class DescriptorTransport:
    """A non-blocking file descriptor (serial port, pty, socket). Owns it through `release`, called once."""

    def __init__(self, name: str, descriptor: int, release: Callable[[], None], *, connecting: bool = False) -> None:
        self._name = name
        self._fd = descriptor
        self._release = release
        self._loop = asyncio.get_running_loop()
        self._loss: PortLostError | None = None
        self._unread = bytearray()
        self._unwritten = bytearray()
        self._connecting = connecting
        self._changed = asyncio.Event()
        self._received: DataReceiver = self._keep
        self._lost: LossReceiver | None = None
        if connecting:
            self._loop.add_writer(descriptor, self._writable)
        else:
            self._loop.add_reader(descriptor, self._readable)
        self._reading = not connecting
        glances = select.poll()
        glances.register(descriptor, select.POLLIN)
        self._poll = glances.poll

    @property
    def name(self) -> str:
        """The port's name for people."""
        return self._name

    def listen(self, received: DataReceiver, lost: LossReceiver) -> None:
        """Hand octets over as they come (those already read at once)."""
        self._received, self._lost = received, lost
        if self._unread:
            data = bytes(self._unread)
            self._unread.clear()
            received(data)
        if self._loss is not None:
            lost(self._loss)
        elif not self._reading and not self._connecting:
            self._resume()

    async def read(self) -> bytes:
        """The next octets, never empty. Raises PortLostError at hang-up."""
        while not self._unread:
            if self._loss is not None:
                raise self._loss
            self._changed.clear()
            await self._changed.wait()
        data = bytes(self._unread)
        self._unread.clear()
        if not self._reading and self._loss is None:
            self._resume()
        return data

    def write(self, data: bytes) -> None:
        """Send at once what the port takes, the rest when it takes more."""
        if self._loss is not None:
            raise self._loss
        if not self._unwritten and not self._connecting:
            try:
                sent = os.write(self._fd, data)
            except BlockingIOError:
                sent = 0
            except OSError as error:
                raise self._hang_up(_reason(error)) from error
            if sent == len(data):
                return
            data = data[sent:]
            self._loop.add_writer(self._fd, self._writable)
        if len(self._unwritten) + len(data) > MAX_UNWRITTEN:
            raise self._hang_up("the port takes no data")
        self._unwritten += data

    async def drain(self) -> None:
        """Return when everything written has left this process. Raises PortLostError."""
        while self._unwritten and self._loss is None:
            self._changed.clear()
            await self._changed.wait()
        if self._loss is not None:
            raise self._loss

    def close(self) -> None:
        """Give the port back; idempotent."""
        self._hang_up("closed", tell=False)

    def look(self) -> bytes:
        """What comes within GLANCE_S, b"" for nothing; blocks that long at most."""
        return self._octets() if self._reading and self._poll(GLANCE_MS) else b""

    def _readable(self) -> None:
        if data := self._octets():
            self._received(data)

    def _octets(self) -> bytes:
        """What the port has now; at a hang-up nothing, and the loss is told."""
        try:
            data = os.read(self._fd, CHUNK)
        except (BlockingIOError, InterruptedError):
            return b""
        except OSError as error:
            self._hang_up(_reason(error))
            return b""
        if not data:
            self._hang_up("hung up")
        return data

    def _keep(self, data: bytes) -> None:
        self._unread += data
        self._changed.set()
        if len(self._unread) > MAX_UNREAD:
            self._reading = False
            self._loop.remove_reader(self._fd)

    def _resume(self) -> None:
        self._reading = True
        self._loop.add_reader(self._fd, self._readable)

    def _writable(self) -> None:
        if self._connecting:
            self._connecting = False
            self._resume()
        try:
            sent = os.write(self._fd, self._unwritten) if self._unwritten else 0
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._hang_up(_reason(error))
            return
        del self._unwritten[:sent]
        if not self._unwritten:
            self._loop.remove_writer(self._fd)
            self._changed.set()

    def _hang_up(self, reason: str, *, tell: bool = True) -> PortLostError:
        if self._loss is not None:
            return self._loss
        self._loss = loss = PortLostError(self._name, reason)
        self._reading = False
        self._loop.remove_reader(self._fd)
        self._loop.remove_writer(self._fd)
        self._release()
        self._changed.set()
        if tell and self._lost is not None:
            self._loop.call_soon(self._lost, loss)
        return loss


def _reason(error: OSError) -> str:
    """EIO, ENODEV, ENXIO: the other end or the device is gone."""
    known = {errno.EIO: "hung up (EIO)", errno.ENODEV: "the device is gone", errno.ENXIO: "the device is gone"}
    return known.get(error.errno or 0, error.strerror or "lost")
