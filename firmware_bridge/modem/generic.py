"""The driver every family builds on: 3GPP TS 27.007 and nothing else."""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from typing import ClassVar

from firmware_bridge.at.channel import Channel
from firmware_bridge.at.commands import ChannelEvent, Command
from firmware_bridge.errors import CommandError, ModemRebootedError, PortLostError, UnsupportedError
from firmware_bridge.modem import bearer, clock, identity, network, sim, sms
from firmware_bridge.modem import pin as pins
from firmware_bridge.modem.dialect import GENERIC, Dialect
from firmware_bridge.modem.parse.counters import CounterAccumulator
from firmware_bridge.modem.session import Session, unsolicited
from firmware_bridge.modem.urcs import translate
from firmware_bridge.types import (
    Bearer,
    BearerSettings,
    Counters,
    Identity,
    ModemEvent,
    NetworkTime,
    Operator,
    Registration,
    ScannedOperator,
    Signal,
    Sim,
    SimState,
    Sms,
    Temperature,
)

_log = logging.getLogger(__name__)
POWER_DOWN_S = 65.0  # EC25 manual: from +QPOWD's OK to POWERED DOWN


class Modem:
    """One modem over one or two AT ports; owns them. Made inside a running loop.

    Every call may raise a `BridgeError`, whose `remedy` says what to do, and may be cancelled at any await: the next
    call works. Unknown values are None. Families set `dialect` and override what they do otherwise.
    """

    dialect: ClassVar[Dialect] = GENERIC

    def __init__(self, channels: Sequence[Channel], *, jitter: Callable[[], float] = random.random) -> None:
        self._session = Session(channels, self.dialect.init, translate, jitter=jitter)
        self._pins = pins.PinMemory()
        self._counters = CounterAccumulator()
        self._radio_owed = False

    @property
    def family(self) -> str:
        """The family's name: generic, quectel, simcom, huawei or zte."""
        return self.dialect.family

    async def initialise(self) -> None:
        """Run the init sequence and take the counters' base line. Replayed by itself after a recognised reboot."""
        await self._session.initialise()
        if self.dialect.counters is not None:
            base = await self._session.ask_first([self.dialect.counters])
            if base is not None:
                self._counters.update(base)

    async def identity(self) -> Identity:
        """Who the modem is."""
        return await identity.read_identity(self._session, self.dialect)

    async def sim(self) -> Sim:
        """The SIM; one that is busy (CME 14, at boot) is waited for."""
        found = await sim.read_sim(self._session, self.dialect)
        self._pins.saw(found)
        if found.state is SimState.READY:
            await self._session.complete_init()
        return found

    def remember_pins(self, memory: pins.PinMemory) -> None:
        """Use this memory of PINs instead of one that ends with the driver."""
        self._pins = memory

    async def unlock(self, pin: str, *, force: bool = False) -> None:
        """Enter the PIN where one is asked for; see `pin.unlock` for what is refused. Raises SimError."""
        await pins.unlock(self._session, self.dialect, self._pins, pin, force=force)
        await self._session.complete_init()

    async def registration(self) -> Registration:
        """Where the modem stands with the network. Ends a radio cycle that was cancelled half-way."""
        await self._settle_radio()
        return await network.read_registration(self._session, self.dialect)

    async def operator(self) -> Operator:
        """The network in use."""
        return await network.read_operator(self._session, self.dialect)

    async def signal(self) -> Signal:
        """Levels and cell."""
        return await network.read_signal(self._session, self.dialect)

    async def connect(self, settings: BearerSettings) -> Bearer:
        """Bring the bearer up and read it back. One that is up already is left up."""
        await self._settle_radio()
        await bearer.prepare(self._session, settings, self._credentials(settings))
        await bearer.attach(self._session)
        await self._start_call(settings)
        return await self.bearer()

    async def disconnect(self) -> None:
        """Take the bearer down; one that is down is left alone."""
        await self._end_call()

    async def bearer(self) -> Bearer:
        """The bearer read back."""
        return await bearer.read_bearer(self._session)

    async def counters(self) -> Counters:
        """Bytes since the driver was made, whatever the modem did meanwhile.

        Raises:
            UnsupportedError: the family has no counters.
        """
        if self.dialect.counters is None:
            raise UnsupportedError(f"{self.family} data counters", kind="no such command")
        raw = await self._session.ask(self.dialect.counters)
        return Counters(*self._counters.update(raw))

    async def network_time(self) -> NetworkTime | None:
        """The network's time; None before it has told one."""
        return await clock.read_network_time(self._session, self.dialect)

    async def temperature(self) -> Temperature:
        """Degrees by sensor. Raises UnsupportedError where the modem has none."""
        found = await self._session.ask_first(self.dialect.temperature)
        if found is None:
            raise UnsupportedError(f"{self.family} temperature", kind="no such command")
        return found

    async def scan(self) -> tuple[ScannedOperator, ...]:
        """All networks in reach; up to three minutes, on the second port when there is one."""
        return await network.scan(self._session)

    async def receive_sms(self) -> tuple[Sms, ...]:
        """Whole messages in the storage; they stay until deleted."""
        return await sms.receive(self._session)

    async def delete_sms(self, message: Sms) -> None:
        """Delete a message, all its parts. Deleting it twice is harmless."""
        await sms.delete(self._session, message)

    async def set_radio(self, on: bool) -> None:  # noqa: FBT001 - the one argument is the state
        """Radio on or off (+CFUN=1 or 4, never 0)."""
        await self._session.patiently(network.RADIO_ON if on else network.RADIO_OFF)
        self._radio_owed = False

    async def cycle_radio(self) -> None:
        """Off and on: the only cure after EMM causes 3, 6, 7, 8. Cancelled in between, the next call turns it on."""
        self._radio_owed = True
        await self._session.patiently(network.RADIO_OFF)
        await self._settle_radio()

    async def reboot(self) -> None:
        """Tell the modem to start anew; its port may vanish meanwhile. The init is replayed when it is back."""
        with suppress(ModemRebootedError):  # it was faster than its OK
            await self._session.execute(self.dialect.reboot)

    async def synchronise(self) -> None:
        """Prove that the next answer is the next command's: the ladder's first rung. Raises ModemSilentError."""
        await self._session.synchronise()

    async def power_off(self) -> None:
        """Power the modem down and wait for its word, or for its port to vanish. Raises UnsupportedError."""
        if self.dialect.power_off is None:
            raise UnsupportedError(f"{self.family} power off", kind="no such command")
        with self._session.expecting(unsolicited(*self.dialect.powered_down)) as gone:
            await self._session.execute(self.dialect.power_off)
            await self._await_power_down(gone)

    def events(self) -> AsyncIterator[ModemEvent]:
        """What the modem says unasked, for one reader; ends after PORT_LOST."""
        return self._session.events()

    async def close(self) -> None:
        """Close the ports. Idempotent."""
        await self._session.close()

    async def _await_power_down(self, gone: "asyncio.Future[ChannelEvent]") -> None:
        try:
            async with asyncio.timeout(POWER_DOWN_S):
                await gone
        except PortLostError:
            return
        except TimeoutError as error:
            command = self.dialect.power_off or Command("AT")
            raise CommandError(command.shown, kind=f"accepted, but not down after {POWER_DOWN_S:g} s") from error

    async def _settle_radio(self) -> None:
        if self._radio_owed:
            await self._session.patiently(network.RADIO_ON)
            self._radio_owed = False

    def _credentials(self, settings: BearerSettings) -> Command:
        return bearer.authenticate(settings)

    async def _start_call(self, settings: BearerSettings) -> None:  # noqa: ARG002 - families need it
        await bearer.activate(self._session)

    async def _end_call(self) -> None:
        await bearer.deactivate(self._session)
