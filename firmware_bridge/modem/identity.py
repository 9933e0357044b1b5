"""Who the modem is."""

from firmware_bridge.modem.dialect import FIRMWARE, IMEISV, INFORMATION, MANUFACTURER, MODEL, Dialect
from firmware_bridge.modem.session import Session
from firmware_bridge.types import Identity


async def read_identity(session: Session, dialect: Dialect) -> Identity:
    """Maker, model, firmware, IMEI and IMEISV, each None where the modem does not tell it."""
    maker, model, firmware = await session.ask_first([INFORMATION]) or (None, None, None)
    return Identity(
        manufacturer=await session.ask_first([MANUFACTURER]) or maker,
        model=await session.ask_first([MODEL]) or model,
        firmware=await session.ask_first([FIRMWARE]) or firmware,
        imei=await session.ask_first(dialect.imei),
        imeisv=await session.ask_first([IMEISV]),
    )
