"""The SIM: its state, its identifiers, and the one rule about PINs."""

import asyncio

from firmware_bridge.at.commands import Command
from firmware_bridge.errors import CommandError, SimError
from firmware_bridge.modem.dialect import EF_AD, IMSI, MSISDN, SIM_STATE, Dialect
from firmware_bridge.modem.parse.identity import mnc_length
from firmware_bridge.modem.parse.sim import Tries, cme_code, sim_state_of_error
from firmware_bridge.modem.session import BUSY_CODES, Session
from firmware_bridge.types import Sim, SimState

PIN_SETTLES_S = 10.0  # TS 27.007 gives none; EC2x and ME909 say READY within five seconds of the PIN
_PIN_POLL_S = 0.5
_CME_PASSWORD = 16
_READABLE = {SimState.READY, SimState.PIN2, SimState.PUK2}


async def read_state(session: Session) -> SimState:
    """What +CPIN? says, its errors included; a busy SIM (CME 14) has been waited for."""
    try:
        return await session.ask(SIM_STATE)
    except CommandError as error:
        return sim_state_of_error(error.code, error.text)


async def _tries(session: Session, dialect: Dialect) -> Tries:
    return await session.ask_first(dialect.tries) or Tries()


async def read_sim(session: Session, dialect: Dialect) -> Sim:
    """The SIM as it stands. What a locked SIM does not tell is None; nothing is asked of an absent one."""
    state = await read_state(session)
    if state in {SimState.ABSENT, SimState.FAILED, SimState.BUSY}:
        return Sim(state)
    tries = await _tries(session, dialect)
    iccid = await session.ask_first(dialect.iccid)
    if state not in _READABLE:
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


class PinGuard:
    """Lets a PIN be tried once on a SIM: a wrong one, or one whose outcome is unknown, is never sent again."""

    def __init__(self) -> None:
        self._spent: set[tuple[str, str]] = set()

    async def unlock(self, session: Session, dialect: Dialect, pin: str, *, force: bool = False) -> None:
        """Enter the PIN if the SIM asks for one. A SIM that is ready needs none.

        `force` allows the last try. It does not allow a PIN that was wrong before.

        Raises:
            SimError: no PIN can help (absent, PUK), it must not be tried, or it was wrong; with the tries left.
            BridgeError: what the channel raises; the outcome is then unknown, and the PIN counts as tried.
        """
        if not (4 <= len(pin) <= 8 and pin.isascii() and pin.isdigit()):
            raise SimError("a PIN has four to eight digits")
        if await read_state(session) in _READABLE:
            return
        sim = await read_sim(session, dialect)
        if sim.state is not SimState.PIN:
            raise SimError(f"the SIM is {sim.state.value}, a PIN cannot help", sim.pin_tries)
        key = (sim.iccid or "", pin)
        self._refuse_if_spent(key, sim.pin_tries, force=force)
        self._spent.add(key)
        await self._enter(session, dialect, key)
        self._spent.discard(key)

    def _refuse_if_spent(self, key: tuple[str, str], tries: int | None, *, force: bool) -> None:
        if key in self._spent:
            raise SimError("this PIN was tried on this SIM before", tries)
        if tries is not None and tries <= 1 and not force:
            raise SimError("the last PIN try is not used up without being told to", tries)

    async def _enter(self, session: Session, dialect: Dialect, key: tuple[str, str]) -> None:
        try:
            await session.execute(Command(f'AT+CPIN="{key[1]}"', secret=True))
        except CommandError as error:
            if cme_code(error.code, error.text) in BUSY_CODES:
                self._spent.discard(key)  # a busy SIM has not looked at it
                raise
            tries = (await _tries(session, dialect)).pin
            wrong = error.code == _CME_PASSWORD
            raise SimError("the PIN is wrong" if wrong else "the SIM refused the PIN", tries) from error
        await self._await_ready(session, dialect)

    async def _await_ready(self, session: Session, dialect: Dialect) -> None:
        """READY follows the OK by seconds; what is still asked for then was not satisfied."""
        state = await read_state(session)
        waited = 0.0
        while state not in _READABLE and waited < PIN_SETTLES_S:
            await asyncio.sleep(_PIN_POLL_S)
            waited += _PIN_POLL_S
            state = await read_state(session)
        if state not in _READABLE:
            raise SimError(f"the SIM is {state.value} after its PIN", (await _tries(session, dialect)).pin)
