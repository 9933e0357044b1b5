"""The recovery ladder put to work where a modem is opened: each failed opening is evidence, each may climb a rung.

The milder rungs happen by themselves: opening finds the place, opens anew and tries the second port. What is left for
a modem that answers on no port is to restart it blindly, and to cut its power where the board can.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

from firmware_bridge.errors import BridgeError, ModemRebootedError, ModemSilentError, PortBusyError, PortError
from firmware_bridge.modem.generic import Modem
from firmware_bridge.modem.ladder import Evidence, Ladder, Rung
from firmware_bridge.modem.pin import PinMemory
from firmware_bridge.transport import TransportOpener, open_transport

OpenPorts: TypeAlias = Callable[[Sequence[str]], Awaitable[Modem]]
CutPower: TypeAlias = Callable[[], Awaitable[None]]

_log = logging.getLogger(__name__)
_CHANNEL = "modem"
# Ctrl-Z and ESC would send or drop a message that was begun; a lone CR ends whatever line was.
RESTART = b"\x1b\rAT+CFUN=1,1\r"
WRITE_WITHIN_S = 5.0


def evidence_of(error: BridgeError) -> Evidence:
    """What a failed opening shows. A busy port is no fault of the modem."""
    if isinstance(error, PortBusyError):
        return Evidence.PORT_BUSY
    if isinstance(error, PortError):
        return Evidence.PORT_LOST
    if isinstance(error, ModemRebootedError):
        return Evidence.REBOOTED
    return Evidence.SILENT if isinstance(error, ModemSilentError) else Evidence.TIMED_OUT


class RecoveringOpener:
    """Opens a modem like the opener it wraps, and recovers the modem between failures. Call it again after each.

    `cut_power` takes the modem's supply away and gives it back; without it the ladder ends at the restart.
    All drivers it opens share the memory of PINs `pins`, so that a wrong PIN is not sent again by the next one; give
    one that is kept, and no restart of the process forgets either.
    """

    def __init__(
        self,
        open_ports: OpenPorts,
        *,
        cut_power: CutPower | None = None,
        opener: TransportOpener = open_transport,
        pins: PinMemory | None = None,
        jitter: Callable[[float], float] = lambda seconds: seconds,
    ) -> None:
        rungs = {Rung.RESYNC, Rung.REOPEN, Rung.MODEM_RESTART} | ({Rung.POWER_CUT} if cut_power else set())
        self._ladder = Ladder(frozenset(rungs), jitter=jitter)
        self._open_ports = open_ports
        self._cut_power = cut_power
        self._opener = opener
        self._pins = pins or PinMemory()

    async def __call__(self, ports: Sequence[str]) -> Modem:
        """The modem behind the ports. Raises what the wrapped opener raises, after the rung that was due."""
        try:
            modem = await self._open_ports(ports)
        except BridgeError as error:
            self._hear(evidence_of(error))
            await self._climb(ports)
            raise
        self._hear(Evidence.ANSWERED)
        modem.remember_pins(self._pins)
        return modem

    def _hear(self, evidence: Evidence) -> None:
        self._ladder.hear(_CHANNEL, evidence, asyncio.get_running_loop().time())

    async def _climb(self, ports: Sequence[str]) -> None:
        rung = self._ladder.advance(asyncio.get_running_loop().time()).rung
        if rung is Rung.MODEM_RESTART:
            _log.warning("the modem answers on no port: restarting it")
            for port in ports:
                await self._restart(port)
        elif rung is Rung.POWER_CUT and self._cut_power is not None:
            _log.warning("the modem did not come back: cutting its power")
            try:
                await self._cut_power()
            except BridgeError as error:  # the failed opening is what the caller must hear
                _log.warning("its power cannot be cut: %s", error)

    async def _restart(self, port: str) -> None:
        """Write the restart and expect nothing: a modem whose output hangs may still read."""
        try:
            transport = self._opener(port)
        except PortError as error:
            _log.info("no restart over this port: %s", error)
            return
        try:
            async with asyncio.timeout(WRITE_WITHIN_S):
                transport.write(RESTART)
                await transport.drain()
        except (PortError, TimeoutError) as error:
            _log.info("no restart over this port: %s", error)
        finally:
            transport.close()
