"""The one rule about PINs: a wrong one is never sent twice, and the last try is never used up unasked.

What was sent is remembered by SIM, before it is sent. The memory outlives drivers when the same one is given to each
(`RecoveringOpener` does), and the process when its owner keeps it:

    PinMemory(store.kept("pins"), keep=lambda data: store.keep("pins", data))
"""

import asyncio
import hashlib
import hmac
import json
import logging
from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple

from firmware_bridge.at.commands import Command
from firmware_bridge.errors import CommandError, SimError
from firmware_bridge.modem.dialect import Dialect
from firmware_bridge.modem.parse.sim import cme_code
from firmware_bridge.modem.session import BUSY_CODES, Session
from firmware_bridge.modem.sim import READABLE, read_sim, read_state, read_tries
from firmware_bridge.types import Sim, SimState

PIN_SETTLES_S = 10.0  # TS 27.007 gives none; EC2x and ME909 say READY within five seconds of the PIN
ATTEMPTS_MOST = 64  # remembered; the oldest gives way
_PIN_POLL_S = 0.5
_CME_PASSWORD = 16
_log = logging.getLogger(__name__)


class _Outcome(StrEnum):
    UNKNOWN = "unknown"
    """Sent, and no answer came (timeout, cancellation, restart of modem or agent)."""
    WRONG = "wrong"


class _Attempt(NamedTuple):
    """A PIN on a SIM; `iccid` is "" for a SIM that tells none."""

    iccid: str
    digest: str


class PinMemory:
    """PINs that did not open a SIM, or whose outcome is unknown.

    `kept` is what `keep` was last given, in this life or an earlier one. `keep` is called with all that is remembered
    at each change; before a PIN is sent, too, and the PIN is not sent when it raises, so it must have stored the octets
    when it returns. They hold no PIN, but ten thousand PINs are soon tried: keep them as safe as the settings.
    """

    def __init__(self, kept: bytes | None = None, keep: Callable[[bytes], None] | None = None) -> None:
        self._attempts = _loaded(kept) if kept else {}
        self._keep = keep or (lambda _: None)

    def has_tried(self, iccid: str | None, pin: str) -> bool:
        """Whether this PIN must not be sent to this SIM."""
        return _attempt(iccid, pin) in self._attempts

    def has_tried_any(self, iccid: str | None) -> bool:
        """Whether any PIN was spent on this SIM."""
        return any(attempt.iccid == (iccid or "") for attempt in self._attempts)

    def begin(self, iccid: str | None, pin: str) -> None:
        """The PIN is about to be sent. Raises what `keep` raises."""
        self._set({**self._attempts, _attempt(iccid, pin): _Outcome.UNKNOWN})

    def wrong(self, iccid: str | None, pin: str) -> None:
        """The SIM refused it."""
        self._set({**self._attempts, _attempt(iccid, pin): _Outcome.WRONG})

    def forget(self, iccid: str | None, pin: str) -> None:
        """It opened the SIM, or the SIM never looked at it."""
        attempt = _attempt(iccid, pin)
        self._set({known: outcome for known, outcome in self._attempts.items() if known != attempt})

    def saw(self, sim: Sim) -> None:
        """What the SIM shows of a PIN whose outcome is unknown: ready, it was right; still locked, it counts as wrong.

        So a lost OK does not lock a right PIN out for ever.
        """
        if sim.state is SimState.READY:
            kept = {known: told for known, told in self._attempts.items() if not _is_open(known, told, sim)}
        elif sim.state in {SimState.PIN, SimState.PUK}:
            kept = {
                known: _Outcome.WRONG if _is_open(known, told, sim) else told for known, told in self._attempts.items()
            }
        else:
            return
        if kept != self._attempts:
            self._set(kept)

    def _set(self, attempts: dict[_Attempt, _Outcome]) -> None:
        attempts = dict(list(attempts.items())[-ATTEMPTS_MOST:])
        self._keep(json.dumps([[*known, outcome] for known, outcome in attempts.items()]).encode())
        self._attempts = attempts


def _attempt(iccid: str | None, pin: str) -> _Attempt:
    known = iccid or ""
    return _Attempt(known, hmac.new(known.encode(), pin.encode(), hashlib.sha256).hexdigest())


def _is_open(attempt: _Attempt, outcome: _Outcome, sim: Sim) -> bool:
    return attempt.iccid == (sim.iccid or "") and outcome is _Outcome.UNKNOWN


def _loaded(kept: bytes) -> dict[_Attempt, _Outcome]:
    try:
        return {_Attempt(str(iccid), str(digest)): _Outcome(outcome) for iccid, digest, outcome in json.loads(kept)}
    except (ValueError, TypeError) as error:
        _log.warning("what was kept of PINs cannot be read, it is forgotten: %s", error)
        return {}


async def unlock(session: Session, dialect: Dialect, memory: PinMemory, pin: str, *, force: bool = False) -> None:
    """Enter the PIN if the SIM asks for one. A SIM that is ready needs none.

    Without `force` a PIN is sent only while a wrong one would leave another try; where the modem does not tell the
    tries left, only as long as no other PIN was spent on this SIM. `force` allows both, and no PIN that was wrong.

    Raises:
        SimError: no PIN can help (absent, PUK), it must not be tried, or it was wrong; with the tries left.
        BridgeError: what the channel raises; the outcome is then unknown, and the PIN counts as tried.
    """
    if not (4 <= len(pin) <= 8 and pin.isascii() and pin.isdigit()):
        raise SimError("a PIN has four to eight digits")
    if await read_state(session) in READABLE:
        return
    sim = await read_sim(session, dialect)
    memory.saw(sim)
    if sim.state is not SimState.PIN:
        raise SimError(f"the SIM is {sim.state.value}, a PIN cannot help", sim.pin_tries)
    _refuse_what_must_not_be_tried(memory, sim, pin, force=force)
    memory.begin(sim.iccid, pin)
    await _enter(session, dialect, memory, sim.iccid, pin)
    memory.forget(sim.iccid, pin)


def _refuse_what_must_not_be_tried(memory: PinMemory, sim: Sim, pin: str, *, force: bool) -> None:
    if memory.has_tried(sim.iccid, pin):
        raise SimError("this PIN was tried on this SIM before", sim.pin_tries)
    if force:
        return
    if sim.pin_tries is not None and sim.pin_tries <= 1:
        raise SimError("the last PIN try is not used up without being told to", sim.pin_tries)
    if sim.pin_tries is None and memory.has_tried_any(sim.iccid):
        raise SimError("a PIN was wrong before, and the modem does not tell how many tries are left")


async def _enter(session: Session, dialect: Dialect, memory: PinMemory, iccid: str | None, pin: str) -> None:
    try:
        await session.execute(Command(f'AT+CPIN="{pin}"', secret=True))
    except CommandError as error:
        if cme_code(error.standard_code, error.text) in BUSY_CODES:
            memory.forget(iccid, pin)  # a busy SIM has not looked at it
            raise
        memory.wrong(iccid, pin)
        tries = (await read_tries(session, dialect)).pin
        wrong = error.standard_code == _CME_PASSWORD
        raise SimError("the PIN is wrong" if wrong else "the SIM refused the PIN", tries) from error
    await _await_ready(session, dialect)


async def _await_ready(session: Session, dialect: Dialect) -> None:
    """READY follows the OK by seconds; what is still asked for then was not satisfied."""
    state = await read_state(session)
    waited = 0.0
    while state not in READABLE and waited < PIN_SETTLES_S:
        await asyncio.sleep(_PIN_POLL_S)
        waited += _PIN_POLL_S
        state = await read_state(session)
    if state not in READABLE:
        raise SimError(f"the SIM is {state.value} after its PIN", (await read_tries(session, dialect)).pin)
