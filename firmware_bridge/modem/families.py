"""The families there are, and which one a modem is of."""

from collections.abc import Iterator

from firmware_bridge.at.commands import Urc, UrcTable
from firmware_bridge.modem.generic import Modem
from firmware_bridge.modem.huawei import HuaweiModem
from firmware_bridge.modem.quectel import QuectelModem
from firmware_bridge.modem.simcom import SimcomModem
from firmware_bridge.modem.zte import ZteModem

FAMILIES: dict[str, type[Modem]] = {
    "quectel": QuectelModem,
    "simcom": SimcomModem,
    "huawei": HuaweiModem,
    "zte": ZteModem,
}


def family_of(*texts: str) -> type[Modem]:
    """The driver for a modem that says this of itself (ATI, +CGMI): by its maker's name, else the generic one."""
    said = " ".join(texts).lower()
    return next((driver for maker, driver in FAMILIES.items() if maker in said), Modem)


def _entries() -> Iterator[Urc]:
    drivers: tuple[type[Modem], ...] = (Modem, *FAMILIES.values())
    for driver in drivers:
        yield from driver.dialect.urcs.entries.values()


# A port is opened before its family is known, so it listens for what any of them says unasked.
ALL_URCS = UrcTable(_entries())
