"""The SIM: its state and its identifiers. PINs are in `pin`."""

from firmware_bridge.errors import CommandError
from firmware_bridge.modem.dialect import EF_AD, IMSI, MSISDN, SIM_STATE, Dialect
from firmware_bridge.modem.parse.identity import mnc_length
from firmware_bridge.modem.parse.sim import Tries, sim_state_of_error
from firmware_bridge.modem.session import Session
from firmware_bridge.types import Sim, SimState

READABLE = {SimState.READY, SimState.PIN2, SimState.PUK2}


async def read_state(session: Session) -> SimState:
    """What +CPIN? says, its errors included; a busy SIM (CME 14) has been waited for."""
    try:
        return await session.ask(SIM_STATE)
    except CommandError as error:
        return sim_state_of_error(error.standard_code, error.text)


async def read_tries(session: Session, dialect: Dialect) -> Tries:
    """Tries left by the first question the modem answers; unknown where it answers none."""
    return await session.ask_first(dialect.tries) or Tries()


async def read_sim(session: Session, dialect: Dialect) -> Sim:
    """The SIM as it stands. What a locked SIM does not tell is None; nothing is asked of an absent one."""
    state = await read_state(session)
    if state in {SimState.ABSENT, SimState.FAILED, SimState.BUSY}:
        return Sim(state)
    tries = await read_tries(session, dialect)
    iccid = await session.ask_first(dialect.iccid)
    if state not in READABLE:
        return Sim(state, iccid=iccid, pin_tries=tries.pin, puk_tries=tries.puk)
    data = await session.ask_first([EF_AD])
    return Sim(
        state,
        iccid=iccid,
        imsi=await session.ask_first([IMSI]),
        msisdn=await session.ask_first([MSISDN]),
        mnc_length=mnc_length(data) if data else None,
        pin_tries=tries.pin,
        puk_tries=tries.puk,
    )
