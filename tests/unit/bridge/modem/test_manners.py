"""Modems of other makers, with manners of their own on the line: found, read, and never taken for rebooting ones."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from firmware_bridge.detect import open_modem
from firmware_bridge.modem.generic import Modem
from firmware_bridge.types import AccessTechnology, Operator, Registration, RegistrationState, SimState
from simulator.virtual.loop import run_virtual
from tests.unit.bridge.modem.scripted import Answer, Scripted

SAYS: dict[str, Answer] = {
    "ATI": "Acme\nX1\nRevision: R1",
    "AT+CGMI": "Acme",
    "AT+CGMM": "X1",
    "AT+CGMR": "R1",
    "AT+CGSN": "490154203237518",
    "AT+CCID": "+CCID: 8944100030012345678",
    "AT+CIMI": "234304100000001",
    "AT+CEREG?": '+CEREG: 3,1,"1F00","79D903",7',
    "AT+COPS=3,2;+COPS?": '+COPS: 0,2,"23430",7',
    "AT+COPS=3,0;+COPS?": '+COPS: 0,0,"EE",7',
    "AT+CESQ": "+CESQ: 99,99,255,255,20,50",
}


class V0Modem(Scripted):
    """Left in V0 by another program: results are numbers, lines have no CR LF before them (V.250 6.2.6)."""

    stuck = False

    def __init__(self) -> None:
        super().__init__(SAYS)
        self._verbose = False

    def _take(self, command: str) -> None:
        self._verbose = self._verbose or (command == "ATV1" and not self.stuck)
        super()._take(command)

    def say(self, said: str | bytes) -> None:
        if not self._verbose and isinstance(said, bytes):
            text = said.decode("latin-1").replace("\r\nOK\r\n", "0\r").replace("\r\nERROR\r\n", "4\r")
            said = text.removeprefix("\r\n").replace("\r\n\r\n", "\r\n").encode("latin-1")
        super().say(said)


class StuckV0Modem(V0Modem):
    """Says that it took ATV1, and goes on with numbers."""

    stuck = True


class StuckEchoModem(Scripted):
    """Says OK to ATE0 and goes on echoing."""

    def __init__(self) -> None:
        super().__init__(SAYS, echo=True)

    def _take(self, command: str) -> None:
        super()._take(command)
        self.echo = True


@dataclass(frozen=True, slots=True)
class Respelt:
    """Every `old` in what the modem says is written as `new`."""

    old: bytes
    new: bytes

    def __call__(self) -> Scripted:
        port = Scripted(SAYS)
        say = port.say

        def respelt(said: str | bytes) -> None:
            say(said.replace(self.old, self.new) if isinstance(said, bytes) else said)

        object.__setattr__(port, "say", respelt)
        return port


MANNERS: dict[str, Callable[[], Scripted]] = {
    "V0 until told": V0Modem,
    "V0 for ever": StuckV0Modem,
    "echo for ever": StuckEchoModem,
    "CR alone": Respelt(b"\r\n", b"\r"),
    "LF alone": Respelt(b"\r\n", b"\n"),
    "CR CR LF": Respelt(b"\r\n", b"\r\r\n"),
    "single line ends": Respelt(b"\r\n\r\n", b"\r\n"),
    "blanks around": Respelt(b"\r\n", b" \r\n "),
    "NULs between": Respelt(b"\r\n", b"\0\r\n\0"),
}


@pytest.mark.parametrize("manner", MANNERS)
def test_a_modem_is_read_whatever_its_manners(manner: str) -> None:
    async def read(modem: Modem, port: Scripted) -> None:
        await modem.initialise()
        identity = await modem.identity()
        assert (identity.model, identity.firmware, identity.imei) == ("X1", "R1", "490154203237518")
        card = await modem.sim()
        assert (card.state, card.iccid, card.imsi) == (SimState.READY, "8944100030012345678", "234304100000001")
        assert await modem.registration() == Registration(
            RegistrationState.HOME, AccessTechnology.E_UTRAN, 0x1F00, 0x79D903
        )
        assert await modem.operator() == Operator("234", "30", "EE", AccessTechnology.E_UTRAN)
        assert (await modem.signal()).rsrp_dbm == -91
        assert port.sent.count("ATE0") == 1  # nothing was taken for a reboot

    async def main() -> None:
        port = MANNERS[manner]()
        modem = await open_modem(["usb2"], open_transport=lambda _: port)
        try:
            async with asyncio.timeout(60):
                await read(modem, port)
        finally:
            await modem.close()

    run_virtual(main())
