"""Asks a real home location register whether a SIM may attach: GSUP over IPA over TCP, as an SGSN of Osmocom speaks it.

One connection serves every question; it is opened by the first and opened again after a loss. A register only knows
whom to answer once it was told who asks, so no question goes out before. Subscriber data the register pushes is
acknowledged; a subscriber it withdraws or strips of packet service is detached.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Final

from simulator.radio import Verdict
from simulator.uicc import swap_nibbles

LOG = logging.getLogger(__name__)
DEADLINE_S = 10.0
IDENTIFY_S = 2.0  # a register asks who we are at once; one that does not ask does not need to know
_CCM, _OSMO, _GSUP = 0xFE, 0xEE, 0x05  # IPA protocols and the Osmocom extension for GSUP
_PING, _PONG, _ID_GET, _ID_RESP = 0x00, 0x01, 0x04, 0x05
_UPDATE, _UPDATE_ERROR, _UPDATE_RESULT = 0x04, 0x05, 0x06
_INSERT, _INSERT_RESULT, _DELETE, _DELETE_RESULT = 0x10, 0x12, 0x14, 0x16
_CANCEL, _CANCEL_RESULT = 0x1C, 0x1E
_IMSI, _CAUSE, _CANCEL_TYPE, _DOMAIN, _PACKET = 0x01, 0x02, 0x06, 0x28, 0x01
_MOVED = b"\x00"  # cancelled because the subscriber attached elsewhere: nothing to tell it
# GMM causes that an MME turns into EMM causes: an unknown subscriber is refused for good (TS 29.272 annex A).
_EMM_CAUSE: Final = {2: 8}
NO_PACKET_SERVICE, NO_SERVICE = 7, 8


class GsupClient:
    """`ask_attach` over GSUP. `on_detach` is called with an EMM cause when the register ends the service."""

    def __init__(self, host: str, port: int, *, name: str = "SGSN-simulated") -> None:
        self._address = (host, port)
        self._name = name
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None
        self._identified = asyncio.Event()
        self._asking: set[asyncio.Task[None]] = set()
        self._waiting: dict[bytes, Callable[[Verdict], None]] = {}
        self.on_detach: Callable[[int], None] = lambda _cause: None

    def ask_attach(self, answer: Callable[[Verdict], None], *, iccid: str, imsi: str, imei: str) -> None:
        """Ask; without an answer the modem's own timer ends the attempt."""
        del iccid, imei  # a register knows IMSIs
        task = asyncio.get_running_loop().create_task(self._ask(answer, swap_nibbles(imsi, 8)), name="GSUP question")
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)

    async def idle(self) -> None:
        """Wait until every question was sent or given up."""
        await asyncio.gather(*self._asking, return_exceptions=True)

    async def close(self) -> None:
        """Give up questions and close; idempotent."""
        tasks = [*self._asking, *([self._reading] if self._reading else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._drop()

    async def _ask(self, answer: Callable[[Verdict], None], imsi: bytes) -> None:
        self._waiting[imsi] = answer
        try:
            async with asyncio.timeout(DEADLINE_S):
                writer = await self._connected()
                writer.write(_gsup(_UPDATE, imsi, bytes([_DOMAIN, 1, _PACKET])))
                await writer.drain()
        except OSError as error:  # TimeoutError is one
            LOG.warning("the register at %s:%s cannot be asked: %s", *self._address, error)
            await self._drop()

    async def _connected(self) -> asyncio.StreamWriter:
        if self._writer is None:
            self._identified.clear()
            reader, self._writer = await asyncio.open_connection(*self._address)
            self._reading = asyncio.get_running_loop().create_task(self._read(reader), name="GSUP reader")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(IDENTIFY_S):
                await self._identified.wait()
        if self._writer is None:
            raise ConnectionResetError("the register closed the connection")
        return self._writer

    async def _read(self, reader: asyncio.StreamReader) -> None:
        try:
            while True:
                header = await reader.readexactly(3)
                payload = await reader.readexactly(int.from_bytes(header[:2], "big"))
                self._received(header[2], payload)
        except (asyncio.IncompleteReadError, OSError) as error:
            LOG.info("the register closed the connection: %s", error)
            await self._drop()

    async def _drop(self) -> None:
        writer, self._writer = self._writer, None
        self._identified.set()
        if writer is not None:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    def _send(self, data: bytes) -> None:
        if self._writer is not None:
            self._writer.write(data)

    def _received(self, protocol: int, payload: bytes) -> None:
        if protocol == _CCM and payload[:1] == bytes([_PING]):
            self._send(_frame(_CCM, bytes([_PONG])))
        elif protocol == _CCM and payload[:1] == bytes([_ID_GET]):
            self._send(_frame(_CCM, bytes([_ID_RESP]) + _identity(self._name)))
            self._identified.set()
        elif protocol == _OSMO and payload[:1] == bytes([_GSUP]) and len(payload) > 1:
            self._message(payload[1], _elements(payload[2:]))

    def _message(self, kind: int, elements: dict[int, bytes]) -> None:
        imsi = elements.get(_IMSI, b"")
        results = {_INSERT: _INSERT_RESULT, _DELETE: _DELETE_RESULT, _CANCEL: _CANCEL_RESULT}
        if kind in results:
            self._send(_gsup(results[kind], imsi))
            if kind == _DELETE:
                self.on_detach(NO_PACKET_SERVICE)
            elif kind == _CANCEL and elements.get(_CANCEL_TYPE) != _MOVED:
                self.on_detach(NO_SERVICE)
            return
        answer = self._waiting.pop(imsi, None) if kind in {_UPDATE_RESULT, _UPDATE_ERROR} else None
        if answer is None:
            return
        cause = elements.get(_CAUSE, b"\x00")[0]
        answer(Verdict(accepted=kind == _UPDATE_RESULT, cause=_EMM_CAUSE.get(cause, cause) or None))


def _frame(protocol: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(2, "big") + bytes([protocol]) + payload


def _gsup(kind: int, imsi: bytes, more: bytes = b"") -> bytes:
    return _frame(_OSMO, bytes([_GSUP, kind, _IMSI, len(imsi)]) + imsi + more)


def _identity(name: str) -> bytes:
    """Unit data of an identity response; only the serial number, which registers take for the name, matters."""
    fields = ((0x00, name), (0x01, name), (0x08, "0/0/0"))
    return b"".join(
        (len(value) + 2).to_bytes(2, "big") + bytes([tag]) + value.encode() + b"\0" for tag, value in fields
    )


def _elements(octets: bytes) -> dict[int, bytes]:
    """Information elements: tag, length, value; the last of a kind counts, a cut one ends the list."""
    found: dict[int, bytes] = {}
    place = 0
    while place + 2 <= len(octets):
        size = octets[place + 1]
        found[octets[place]] = octets[place + 2 : place + 2 + size]
        place += 2 + size
    return found
