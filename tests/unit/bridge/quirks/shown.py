"""How a quirk is shown: the scenario in virtual time, and behind it one more command that works."""

import asyncio
from collections.abc import Mapping

from firmware_bridge.modem.generic import Modem
from firmware_bridge.modem.quectel import QuectelModem
from tests.unit.bridge.modem.scripted import Answer, Scenario, Scripted, drive

LEVEL_DBM = -71  # what the scripted +CSQ: 21,99 means


def shows(
    says: Mapping[str, Answer], scenario: Scenario[None], *, driver: type[Modem] = QuectelModem, echo: bool = False
) -> None:
    async def and_goes_on(modem: Modem, port: Scripted) -> None:
        await scenario(modem, port)
        assert (await modem.signal()).rssi_dbm == LEVEL_DBM

    drive({'AT+QENG="servingcell"': '+QENG: "servingcell","SEARCH"', **says}, and_goes_on, driver=driver, echo=echo)


def lost_its_place(port: Scripted) -> bool:
    """Whether the driver had to prove where it is: an answer was not what it took it for."""
    return any(command.startswith(("AT+CMEE?", "AT+CFUN?")) for command in port.sent)


class Busy(Scripted):
    """A modem that answers nothing before `until`, and then everything in the order in which it was asked."""

    GAP_S = 0.01

    def __init__(self, says: Mapping[str, Answer]) -> None:
        super().__init__(says)
        self.until = 0.0

    def say(self, said: str | bytes) -> None:
        loop = asyncio.get_running_loop()
        self.until = max(loop.time(), self.until + self.GAP_S)
        loop.call_at(self.until, super().say, said)
