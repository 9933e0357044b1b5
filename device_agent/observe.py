"""Reading the modem: each fact on its own, so that one refused command does not hide the others."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, Final, Protocol, TypeVar

from device_agent.facts import ModemFacts
from firmware_bridge.errors import BridgeError, CommandTimeoutError, ModemSilentError, PortError
from firmware_bridge.types import (
    Bearer,
    BearerSettings,
    Counters,
    Identity,
    NetworkTime,
    Operator,
    Registration,
    ScannedOperator,
    Signal,
    Sim,
    Sms,
    Temperature,
)

_log = logging.getLogger(__name__)
# The longest any single reading may take (s); the driver's own command deadlines are shorter.
READ_DEADLINE_S: Final = 60.0

T = TypeVar("T")


class Modem(Protocol):
    """What the agent uses of `firmware_bridge.modem.generic.Modem`."""

    @property
    def family(self) -> str: ...
    async def initialise(self) -> None: ...
    async def identity(self) -> Identity: ...
    async def sim(self) -> Sim: ...
    async def unlock(self, pin: str) -> None: ...
    async def registration(self) -> Registration: ...
    async def operator(self) -> Operator: ...
    async def signal(self) -> Signal: ...
    async def connect(self, settings: BearerSettings) -> Bearer: ...
    async def disconnect(self) -> None: ...
    async def bearer(self) -> Bearer: ...
    async def counters(self) -> Counters: ...
    async def network_time(self) -> NetworkTime | None: ...
    async def temperature(self) -> Temperature: ...
    async def scan(self) -> tuple[ScannedOperator, ...]: ...
    async def receive_sms(self) -> tuple[Sms, ...]: ...
    async def delete_sms(self, message: Sms) -> None: ...
    async def cycle_radio(self) -> None: ...
    async def reboot(self) -> None: ...
    def events(self) -> Any: ...
    async def close(self) -> None: ...


def lost(error: BridgeError) -> bool:
    """Whether the modem itself is gone, and not one of its answers."""
    return isinstance(error, PortError | ModemSilentError)


async def read(call: Callable[[], Awaitable[T]], what: str) -> T | None:
    """One reading; None when the modem did not tell. Raises PortError and ModemSilentError only."""
    try:
        async with asyncio.timeout(READ_DEADLINE_S):
            return await call()
    except TimeoutError:
        _log.warning("reading took too long", extra={"what": what})
    except CommandTimeoutError as error:
        _log.warning("the modem did not answer", extra={"what": what, "error": str(error)})
    except BridgeError as error:
        if lost(error):
            raise
        _log.debug("not told", extra={"what": what, "error": str(error)})
    return None


async def observe_state(modem: Modem) -> ModemFacts:
    """SIM, registration, operator and bearer; nothing else."""
    sim = await read(modem.sim, "sim")
    registration = await read(modem.registration, "registration")
    attached = registration is not None and registration.state.attached
    operator = await read(modem.operator, "operator") if attached else None
    bearer = await read(modem.bearer, "bearer")
    return ModemFacts(present=True, sim=sim, registration=registration, operator=operator, bearer=bearer)


async def observe_identity(modem: Modem, known: ModemFacts) -> ModemFacts:
    """Who the modem is; asked once for each modem found."""
    return replace(known, present=True, family=modem.family, identity=await read(modem.identity, "identity"))


async def observe_sample(modem: Modem, known: ModemFacts) -> ModemFacts:
    """Signal, counters and temperature anew."""
    return replace(
        known,
        signal=await read(modem.signal, "signal"),
        counters=await read(modem.counters, "counters"),
        temperature=await read(modem.temperature, "temperature"),
    )
