"""Registration, operator, signal, scan and the radio."""

from dataclasses import replace

from firmware_bridge.at.commands import Command
from firmware_bridge.modem.dialect import SCAN, Dialect
from firmware_bridge.modem.parse.cell import ServingCell
from firmware_bridge.modem.session import Session
from firmware_bridge.types import (
    AccessTechnology,
    Operator,
    Registration,
    RegistrationState,
    ScannedOperator,
    Signal,
)

RADIO_ON = Command("AT+CFUN=1")
# Never 0: that takes the SIM's power and makes +CPIN and +CGDCONT fail (Q44).
RADIO_OFF = Command("AT+CFUN=4")

_RANK = {
    RegistrationState.HOME: 6,
    RegistrationState.ROAMING: 6,
    RegistrationState.HOME_NO_CSFB: 6,
    RegistrationState.ROAMING_NO_CSFB: 6,
    RegistrationState.DENIED: 5,
    RegistrationState.SEARCHING: 4,
    RegistrationState.EMERGENCY_ONLY: 3,
    RegistrationState.RESTRICTED_LOCAL: 3,
    RegistrationState.HOME_SMS_ONLY: 2,
    RegistrationState.ROAMING_SMS_ONLY: 2,
    RegistrationState.IDLE: 1,
    RegistrationState.UNKNOWN: 0,
}


async def read_registration(session: Session, dialect: Dialect) -> Registration:
    """The packet domain's registration: EPS where attached, else the most telling of EPS and GPRS, with EPS's cause.

    The circuit-switched one speaks only for a modem that knows neither: it says nothing about packet data.
    """
    told: list[Registration] = []
    for query in dialect.registration[:2]:
        found = await session.ask_first([query])
        if found is not None:
            told.append(found)
            if found.state.attached:
                return found
    if not told:
        return await session.ask_first(dialect.registration[2:]) or Registration()
    best = max(told, key=lambda found: _RANK[found.state])
    return replace(best, reject_cause=best.reject_cause or told[0].reject_cause)


async def read_operator(session: Session, dialect: Dialect) -> Operator:
    """Code and name of the network in use, each None where unknown."""
    merged = Operator()
    for query in dialect.operator:
        found = await session.ask(query)
        merged = Operator(
            mcc=merged.mcc or found.mcc,
            mnc=merged.mnc or found.mnc,
            name=merged.name or found.name,
            technology=merged.technology if merged.technology is not None else found.technology,
        )
    return merged


_FIELDS = ("rssi_dbm", "rsrp_dbm", "rsrq_db", "sinr_db", "technology", "band", "earfcn", "cell_id", "tac", "pci")
_LEVELS = _FIELDS[:4]


def _merged(known: Signal, more: Signal) -> Signal:
    """What is known, filled up with what another question told; never across technologies."""
    if None not in {known.technology, more.technology} and not _same_radio(known.technology, more.technology):
        return known
    missing = {name: getattr(more, name) for name in _FIELDS if getattr(known, name) is None}
    return replace(known, **missing)


# What one question calls by its radio, another calls by the service on it.
_RADIOS = (
    frozenset({AccessTechnology.E_UTRAN, AccessTechnology.E_UTRA_NR}),
    frozenset({AccessTechnology.UTRAN, AccessTechnology.HSDPA, AccessTechnology.HSUPA, AccessTechnology.HSPA}),
    frozenset({AccessTechnology.GSM, AccessTechnology.GSM_COMPACT, AccessTechnology.EGPRS}),
)


def _same_radio(one: AccessTechnology | None, other: AccessTechnology | None) -> bool:
    return one is other or any({one, other} <= radio for radio in _RADIOS)


async def read_serving_cell(session: Session, dialect: Dialect) -> ServingCell:
    """The first cell the family's questions tell."""
    return await session.ask_first(dialect.cell) or ServingCell()


async def read_signal(session: Session, dialect: Dialect) -> Signal:
    """Levels and cell, merged from the family's questions until all four levels are known."""
    signal = (await read_serving_cell(session, dialect)).signal
    for query in dialect.signal:
        if all(getattr(signal, name) is not None for name in _LEVELS):
            break
        found = await session.ask_first([query])
        signal = signal if found is None else _merged(signal, found)
    return signal if signal.cell_id is not None else await _with_cell(session, dialect, signal)


async def _with_cell(session: Session, dialect: Dialect, signal: Signal) -> Signal:
    """Cell, TAC and technology from the registration, for families whose signal questions do not tell them."""
    found = await session.ask_first(dialect.registration[:1])
    if found is None or not found.state.attached:
        return signal
    technology = found.technology if signal.technology is None else signal.technology
    if not _same_radio(technology, found.technology):
        return signal
    return replace(signal, technology=technology, cell_id=found.cell_id, tac=found.tac)


async def scan(session: Session) -> tuple[ScannedOperator, ...]:
    """All networks in reach; takes up to three minutes."""
    reply = await session.execute_slowly(SCAN.command)
    return SCAN.parse(reply.lines)
