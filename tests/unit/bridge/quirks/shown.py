"""How a quirk is shown: the scenario in virtual time, and behind it one more command that works."""

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
