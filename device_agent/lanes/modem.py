"""The modem lane: finds the modem, keeps the SIM, the network and the bearer as wanted, and listens to it."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Final, assert_never

from device_agent.config import Config
from device_agent.facts import ModemFacts
from device_agent.lanes.board import Alarm, Board, Change
from device_agent.lanes.doorbell import Doorbell
from device_agent.observe import Modem, lost, observe_identity, observe_state, read
from device_agent.plan import (
    RADIO_CYCLE_FIRST_MS,
    Connect,
    CycleRadio,
    Disconnect,
    ModemStep,
    ModemView,
    Unlock,
    Wait,
    longer_radio_wait_ms,
    next_modem_step,
)
from device_agent.store import StoreError
from firmware_bridge.errors import BridgeError, CommandError, PortLostError, PortNotFoundError, UnsupportedError
from firmware_bridge.types import Bearer, BearerSettings, ModemEvent, ModemEventKind, NetworkTime, SimState

_log = logging.getLogger(__name__)

OpenModem = Callable[[Sequence[str]], Awaitable[Modem]]

# Looked at whole this often (s): when all is well, and while something is missing.
LOOK_S: Final = 30.0
LOOK_UNCONVERGED_S: Final = 2.0
# A modem that is gone is looked for after this (s), doubling, with jitter. To see that no port is there costs nothing,
# and one that was just plugged in is waited for by a person; a port that gives no answer is asked seldom.
FIND_FIRST_S: Final = 0.5
FIND_ABSENT_MOST_S: Final = 2.0
FIND_MOST_S: Final = 30.0
# A modem that neither attaches nor is refused gets this long before its radio is cycled.
PATIENCE_MS: Final = 90_000
RETRY_FIRST_MS: Final = 2_000
RETRY_MOST_MS: Final = 120_000
# A running clock is compared with the network's this often.
TIME_LOOK_MS: Final = 3_600_000
# The driver's own deadlines sum to less; this guards against one that never returns (s).
STEP_DEADLINE_S: Final = 240.0


_STATE: Final = ("sim", "registration", "operator", "bearer")
# There is no operator to ask for while not attached.
_STATE_UNATTACHED: Final = ("sim", "registration", "bearer")


class ModemLane:
    """Runs until cancelled. `modem` is the one in hand, None between two."""

    def __init__(
        self,
        config: Config,
        board: Board,
        open_modem: OpenModem,
        rng: random.Random,
        doorbell: Doorbell,
    ) -> None:
        self.alarm = Alarm()
        self.modem: Modem | None = None
        self._config = config
        self._board = board
        self._open_modem = open_modem
        self._rng = rng
        self._doorbell = doorbell
        self._asked: BearerSettings | None = None
        self._retry_ms = 0
        self._retry_step_ms = 0
        self._radio_ms: int | None = None
        self._radio_step_ms = RADIO_CYCLE_FIRST_MS
        self._cycled = False
        self._time_ms: int | None = None
        self._missed = False
        self._has_mail = True

    async def run(self) -> None:
        """Find a modem, live with it until it is lost, find it again; for ever."""
        wait_s = FIND_FIRST_S
        while True:
            try:
                await self._live()
            except* BridgeError as group:
                error = group.exceptions[0]
                met = self._board.modem.present
                self._lost(str(error))
                most_s = FIND_ABSENT_MOST_S if isinstance(error, PortNotFoundError) else FIND_MOST_S
                wait_s = FIND_FIRST_S if met else min(most_s, wait_s * 2)
            await asyncio.sleep(wait_s * self._rng.uniform(0.5, 1.0))

    def reload(self, config: Config) -> None:
        """Follow new settings: the depot's bearer and the PIN at once, ports when a modem is looked for again."""
        self._config = config
        self.alarm.wake()

    async def _live(self) -> None:
        modem = await self._open_modem(self._config.modem.ports)
        try:
            await modem.initialise()
            self.modem = modem
            self._begin()
            async with asyncio.TaskGroup() as both:
                both.create_task(self._listen(modem), name="modem events")
                both.create_task(self._converge(modem), name="modem lane")
        finally:
            self.modem = None
            await modem.close()

    def _begin(self) -> None:
        _log.info("modem found", extra={"family": self.modem.family if self.modem else ""})
        self._asked, self._retry_ms, self._retry_step_ms = None, 0, 0
        # What came while nobody looked lies in the SIM.
        self._has_mail = True
        self._radio_ms, self._radio_step_ms, self._cycled, self._time_ms = None, RADIO_CYCLE_FIRST_MS, False, None

    def _lost(self, problem: str) -> None:
        if self._board.modem.problem != problem:
            _log.warning("no modem", extra={"error": problem})
        self._set(ModemFacts(problem=problem))

    async def _listen(self, modem: Modem) -> None:
        async for event in modem.events():
            self._hear(event)
        raise PortLostError("modem", "the modem's port is gone")

    def _hear(self, event: ModemEvent) -> None:
        _log.debug("modem event", extra={"kind": str(event.kind)})
        if event.kind is ModemEventKind.TIME and isinstance(event.value, NetworkTime):
            self._offer_time(event.value)
        if event.kind is ModemEventKind.SMS:
            self._has_mail = True
        if event.kind is ModemEventKind.REBOOTED:
            self._asked = None
            self._radio_ms, self._cycled = None, False
        self.alarm.wake()

    async def _converge(self, modem: Modem) -> None:
        self._set(await observe_identity(modem, self._board.modem))
        while True:
            seen = await observe_state(modem)
            self._set(self._carry(self._board.modem, seen))
            await self._read_time(modem)
            await self._read_mail(modem)
            wake_ms = await self._steps(modem)
            await self.alarm.sleep(self._pause_s(wake_ms))

    def _carry(self, known: ModemFacts, seen: ModemFacts) -> ModemFacts:
        """What one look could not tell is believed for one look more: a late answer is no change of state."""
        unattached = seen.registration is not None and not seen.registration.state.attached
        asked = _STATE_UNATTACHED if unattached else _STATE
        missed = [name for name in asked if getattr(seen, name) is None and getattr(known, name) is not None]
        believed = {name: getattr(known if name in missed and not self._missed else seen, name) for name in _STATE}
        self._missed = bool(missed)
        return replace(known, present=True, problem=f"not told: {', '.join(missed)}" if missed else "", **believed)

    async def _read_mail(self, modem: Modem) -> None:
        """Look at the messages once for each word of one; again at the next look when the modem would not tell."""
        sim = self._board.modem.sim
        if not self._has_mail or sim is None or sim.state is not SimState.READY:
            return
        self._has_mail = False
        try:
            rang = await self._doorbell.look(modem)
        except UnsupportedError:
            return
        except BridgeError as error:
            if lost(error):
                raise
            self._has_mail = True
            _log.debug("messages not told", extra={"error": str(error)})
            return
        if rang:
            self._radio_ms = 0

    async def _read_time(self, modem: Modem) -> None:
        now = self._board.clock.uptime_ms()
        if self._board.clock.trusted and self._time_ms is not None and now - self._time_ms < TIME_LOOK_MS:
            return
        told = await read(modem.network_time, "time")
        if told is not None and told.zone_known:
            self._offer_time(told)

    def _offer_time(self, told: NetworkTime) -> None:
        if self._board.clock.offer(int(told.at.timestamp() * 1000)):
            self._time_ms = self._board.clock.uptime_ms()
            self._board.tell(Change.CLOCK)

    async def _steps(self, modem: Modem) -> int | None:
        while True:
            step = next_modem_step(self._view())
            if isinstance(step, Wait):
                return step.wake_ms
            try:
                async with asyncio.timeout(STEP_DEADLINE_S):
                    await self._perform(modem, step)
            except BridgeError as error:
                if lost(error):
                    raise
                return self._failed(step, str(error))
            except StoreError as error:
                # A PIN is not sent when that it was sent cannot be kept.
                return self._failed(step, str(error))
            except TimeoutError:
                return self._failed(step, f"no end within {STEP_DEADLINE_S:g} s")

    def _failed(self, step: ModemStep, problem: str) -> int:
        self._retry_step_ms = min(RETRY_MOST_MS, max(RETRY_FIRST_MS, self._retry_step_ms * 2))
        self._retry_ms = self._board.clock.uptime_ms() + int(self._retry_step_ms * self._rng.uniform(0.5, 1.0))
        _log.warning("a modem step failed", extra={"step": type(step).__name__, "error": problem})
        self._set(replace(self._board.modem, problem=f"{type(step).__name__}: {problem}"))
        return self._retry_ms

    def _view(self) -> ModemView:
        now = self._board.clock.uptime_ms()
        return ModemView(
            goal=self._board.goal,
            modem=self._board.modem,
            now_ms=now,
            bearer=self._wanted_bearer(),
            radio_ms=self._next_radio_ms(now),
            retry_ms=self._retry_ms,
            may_unlock=bool(self._config.modem.pin),
            asked=self._asked,
        )

    def _wanted_bearer(self) -> BearerSettings | None:
        """The document's bearer; without one, that of the depot, by which a parked hub stays reachable."""
        if self._board.goal.bearer is not None:
            return self._board.goal.bearer
        apn = self._config.modem.management_apn
        return BearerSettings(apn=apn) if apn else None

    def _next_radio_ms(self, now: int) -> int:
        """Refused for the first time: at once. Else after some patience, then every 5 to 30 minutes."""
        registration = self._board.modem.registration
        if registration is not None and registration.state.attached:
            self._radio_ms, self._radio_step_ms, self._cycled = None, RADIO_CYCLE_FIRST_MS, False
        elif registration is not None and registration.needs_radio_cycle and not self._cycled:
            self._radio_ms = now
        elif self._radio_ms is None:
            self._radio_ms = now + PATIENCE_MS
        return now if self._radio_ms is None else self._radio_ms

    async def _perform(self, modem: Modem, step: ModemStep) -> None:
        facts = self._board.modem
        match step:
            case Unlock():
                await modem.unlock(self._config.modem.pin)
                self._set(replace(facts, sim=await modem.sim()))
            case CycleRadio():
                self._cycled, self._radio_ms = True, self._after_cycle()
                await modem.cycle_radio()
                self._set(replace(facts, registration=await modem.registration()))
            case Connect(settings):
                self._connected(await modem.connect(settings), settings)
            case Disconnect():
                await modem.disconnect()
                self._asked = None
                self._set(replace(facts, bearer=await modem.bearer()))
            case Wait():
                return
            case _:
                assert_never(step)
        _log.info("step", extra={"step": type(step).__name__})

    def _connected(self, bearer: Bearer, settings: BearerSettings) -> None:
        if not bearer.up:
            raise CommandError("connect", text=f"the bearer {settings.apn!r} did not come up")
        self._asked, self._retry_step_ms = settings, 0
        self._set(replace(self._board.modem, bearer=bearer, problem=""))
        # Connecting takes up to minutes, and nobody looked at the network meanwhile.
        self.alarm.wake()

    def _after_cycle(self) -> int:
        due = self._board.clock.uptime_ms() + int(self._radio_step_ms * self._rng.uniform(0.9, 1.1))
        self._radio_step_ms = longer_radio_wait_ms(self._radio_step_ms)
        return due

    def _pause_s(self, wake_ms: int | None) -> float:
        bearer = self._board.modem.bearer
        wanted = self._wanted_bearer() is not None
        converged = bearer is not None and bearer.up is wanted and self._board.clock.trusted
        look = LOOK_S if converged else LOOK_UNCONVERGED_S
        if wake_ms is None:
            return look
        return max(0.0, min(look, (wake_ms - self._board.clock.uptime_ms()) / 1000))

    def _set(self, facts: ModemFacts) -> None:
        if facts != self._board.modem:
            self._board.modem = facts
            self._board.tell(Change.MODEM)
