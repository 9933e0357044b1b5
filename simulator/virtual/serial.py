"""A simulated modem's ports in memory: bytes move on the loop's time, through no file descriptor.

`ModemOnLoop` does for a SimulatedModem what `simulator.modem.wire.Wire` does on a real loop. Its `open` has the shape
of a transport opener; the error types are the caller's, so that this room needs none of another's.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from simulator.clock import LoopClock
from simulator.modem import SimulatedModem
from simulator.virtual.loop import RESOLUTION_S

# What a port keeps for a reader that is behind; then bytes are lost, as on a serial line.
UNREAD_MOST = 262_144


@dataclass(frozen=True, slots=True)
class PortErrors:
    """The error types of the room that opens ports; each takes the port's name and a reason."""

    not_found: Callable[[str, str], Exception]
    busy: Callable[[str, str], Exception]
    lost: Callable[[str, str], Exception]


class MemoryPort:
    """One open port; has the shape of a transport."""

    def __init__(self, name: str, modem: "ModemOnLoop", errors: PortErrors) -> None:
        self._name = name
        self._modem = modem
        self._errors = errors
        self._unread = bytearray()
        self._changed = asyncio.Event()
        self._ended: str | None = None

    @property
    def name(self) -> str:
        """The port's name."""
        return self._name

    async def read(self) -> bytes:
        """The next bytes, never empty. Raises the lost error at hang-up."""
        while not self._unread:
            if self._ended is not None:
                raise self._errors.lost(self._name, self._ended)
            self._changed.clear()
            await self._changed.wait()
        data = bytes(self._unread)
        self._unread.clear()
        return data

    def write(self, data: bytes) -> None:
        """Hand bytes to the modem. Raises the lost error when the port is gone."""
        if self._ended is not None:
            raise self._errors.lost(self._name, self._ended)
        self._modem.feed(self._name, data)

    async def drain(self) -> None:
        """Everything is handed over already. Raises the lost error when the port is gone."""
        if self._ended is not None:
            raise self._errors.lost(self._name, self._ended)

    def close(self) -> None:
        """Give the port back; idempotent."""
        self.end("closed")

    def receive(self, data: bytes) -> None:
        """Bytes from the modem."""
        self._unread += data[: max(0, UNREAD_MOST - len(self._unread))]
        self._changed.set()

    def end(self, reason: str) -> None:
        """Hang up."""
        if self._ended is None:
            self._ended = reason
            self._modem.released(self._name)
            self._changed.set()


class ModemOnLoop:
    """A SimulatedModem living on the running loop, with named ports that can be opened one reader at a time."""

    def __init__(self, modem: SimulatedModem, clock: LoopClock, ports: tuple[str, ...], errors: PortErrors) -> None:
        self.modem = modem
        self._clock = clock
        self._errors = errors
        self._open: dict[str, MemoryPort] = {}
        self._timer: asyncio.TimerHandle | None = None
        for name in ports:
            modem.open_port(name)
        modem.usb_listeners.append(self._usb_changed)
        modem.arm = self._arm
        modem.settle()

    def open(self, name: str) -> MemoryPort:
        """Open a port as a transport opener does. Raises the not-found and busy errors."""
        if name not in self.modem.ports or not self.modem.listening:
            raise self._errors.not_found(name, "no such port")
        if name in self._open:
            raise self._errors.busy(name, "another program holds it")
        port = self._open[name] = MemoryPort(name, self, self._errors)
        self.modem.ports[name].sink = port.receive
        return port

    def feed(self, name: str, data: bytes) -> None:
        """Bytes from the terminal of a port."""
        self.modem.feed(name, data)

    def released(self, name: str) -> None:
        """A port was closed or hung up: nobody listens to it any more."""
        self._open.pop(name, None)
        self.modem.ports[name].sink = None
        self.modem.ports[name].take()

    def stop(self) -> None:
        """Take the modem off the loop: power off, ports hung up, no timer left."""
        self.modem.power_off()
        self.modem.arm = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for port in list(self._open.values()):
            port.end("the device is gone")

    def _usb_changed(self, attached: bool, _shift: int) -> None:  # noqa: FBT001 - the listeners' signature
        if not attached:
            for port in list(self._open.values()):
                port.end("the device is gone")

    def _arm(self, deadline: float | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if deadline is not None:
            # A hair later: the way there and back through floats may land just before the deadline, and virtual time
            # would then stand still there for ever.
            when = self._clock.reading_at(deadline) + 10 * RESOLUTION_S
            self._timer = asyncio.get_running_loop().call_at(when, self._due)

    def _due(self) -> None:
        self._timer = None
        self.modem.settle()
