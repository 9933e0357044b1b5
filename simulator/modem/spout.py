"""The way out of a port, where faults deform what a terminal reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.clock import Timer
from simulator.faults import Fault

if TYPE_CHECKING:
    from simulator.modem.device import SimulatedModem

FRAGMENT_GAP_S = 0.001
OUTPUT_LIMIT = 65536  # octets nobody has read; beyond it the newest are dropped, as a stuck USB endpoint does


class Spout:
    """Bytes on their way out, in order. `pour` for echo and unsolicited lines, `reply` for answers."""

    def __init__(self, modem: SimulatedModem, point: str) -> None:
        self._modem = modem
        self._point = point
        self._out: list[bytes] = []
        self._held = 0  # octets of it
        self._drops = bytearray()
        self._gathered = bytearray()
        self._drip: Timer | None = None
        self._gather: Timer | None = None

    def clear(self) -> None:
        """Forget what has not left."""
        for timer in (self._drip, self._gather):
            if timer is not None:
                timer.cancel()
        self._drip = self._gather = None
        self._out, self._held = [], 0
        self._drops.clear()
        self._gathered.clear()

    def take(self) -> bytes:
        """Everything that left since the last call."""
        out = self._out
        if not out:
            return b""
        self._out, self._held = [], 0
        return out[0] if len(out) == 1 else b"".join(out)

    def pour(self, data: bytes) -> None:
        """Send as it is."""
        if self._modem.faulty or self._drops or self._gathered:
            self._deform(data)
        else:
            self._emit(data)

    def reply(self, text: bytes, final: bytes) -> None:
        """Send information text and final result code."""
        if not self._modem.faulty and not self._drops and not self._gathered:
            self._emit(text + final)
            return
        take, now = self._modem.faults.take, self._modem.agenda.now
        if self._modem.faults.find(Fault.HANG_ALL, self._point, now):
            return
        if inside := take(Fault.URC_INSIDE_REPLY, self._point, now):
            line = inside.text("line") or self._modem.habitual_urc()
            text += f"\r\n{line}\r\n".encode()
        if take(Fault.LOST_OK, self._point, now):
            final = b""
        noise = b""
        if garbage := take(Fault.GARBAGE, self._point, now):
            noise += self._modem.noise(int(garbage.number("bytes")))
        if nul := take(Fault.NUL, self._point, now):
            noise += bytes(int(nul.number("bytes")))
        self.pour(noise + text + final)

    def _emit(self, data: bytes) -> None:
        held = self._held + len(data)
        if held > OUTPUT_LIMIT:
            data, held = data[: OUTPUT_LIMIT - self._held], OUTPUT_LIMIT
        if data:
            self._out.append(data)
            self._held = held

    def _deform(self, data: bytes) -> None:
        find, now = self._modem.faults.find, self._modem.agenda.now
        if find(Fault.BAUD_MISMATCH, self._point, now):
            data = self._modem.noise(len(data))
        if merged := find(Fault.MERGED_REPLIES, self._point, now):
            self._gathered += data
            if self._gather is None:
                self._gather = self._modem.agenda.after(merged.number("seconds"), self._release)
        elif self._gathered:
            self._gathered += data
        elif self._drops or find(Fault.FRAGMENTS, self._point, now):
            self._drops += data
            self._drip = self._drip or self._modem.agenda.after(FRAGMENT_GAP_S, self._drop)
        else:
            self._emit(data)

    def _release(self) -> None:
        self._gather = None
        data = bytes(self._gathered)
        self._gathered.clear()
        self._emit(data)

    def _drop(self) -> None:
        self._drip = None
        if self._drops:
            self._emit(bytes(self._drops[:1]))
            del self._drops[:1]
        if self._drops:
            self._drip = self._modem.agenda.after(FRAGMENT_GAP_S, self._drop)
