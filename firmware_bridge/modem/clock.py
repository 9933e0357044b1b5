"""The network's time."""

from firmware_bridge.modem.dialect import Dialect
from firmware_bridge.modem.session import Session
from firmware_bridge.types import NetworkTime


async def read_network_time(session: Session, dialect: Dialect) -> NetworkTime | None:
    """The first clock of the family that was ever set; None when the network has told no time yet."""
    for query in dialect.clock:
        found = await session.ask_first([query])
        if found is not None:
            return found
    return None
