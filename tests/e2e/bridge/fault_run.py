"""One run: a personality, a fault, a seed. Questions are asked before, during and after; every answer is checked.

What is true is read from the simulated modem itself, beside the AT port. An answer may be the truth, unknown, or a
typed error; nothing else. Afterwards the modem must answer again, on this port or on one opened anew.
"""

import asyncio
from collections.abc import Awaitable, Callable
from random import Random

from firmware_bridge.detect import open_modem
from firmware_bridge.errors import BridgeError, PortBusyError, PortLostError, PortNotFoundError
from firmware_bridge.modem.generic import Modem
from firmware_bridge.types import (
    Bearer,
    BearerSettings,
    Counters,
    Identity,
    NetworkTime,
    Operator,
    Registration,
    Signal,
    Sim,
    SimState,
    Temperature,
)
from simulator.clock import LoopClock
from simulator.faults import FAULTS, Fault, InjectedFault, make_fault
from simulator.modem import SimulatedModem, default_card, load
from simulator.virtual.loop import run_virtual
from simulator.virtual.serial import ModemOnLoop, PortErrors

PORTS = ("usb2", "usb3")
BOOT_S = 45.0  # the slowest personality's boot script is over
RECOVERY_TRIES = 12
RECOVERY_WAIT_S = 10.0
NETWORKS = {"23430": "EE", "23410": "O2 - UK", "23415": "vodafone UK", "23420": "3 UK"}

PORT_FAULTS = (
    Fault.HANG_PORT,
    Fault.HANG_ALL,
    Fault.LATE_REPLY,
    Fault.LOST_OK,
    Fault.FRAGMENTS,
    Fault.MERGED_REPLIES,
    Fault.GARBAGE,
    Fault.NUL,
    Fault.URC_INSIDE_REPLY,
    Fault.URC_FLOOD,
    Fault.REBOOT,
    Fault.USB_DISCONNECT,
    Fault.USB_RENUMBER,
    Fault.SIM_REMOVED,
    Fault.PIN_WANTED,
    Fault.COUNTER_RESET,
)
_HARMLESS = 20.0  # seconds; what the network's clock may differ by from the simulator's


class WrongValueError(AssertionError):
    """A driver told something that is neither true nor unknown."""


def _check(truth: bool, what: str, value: object) -> None:
    if not truth:
        raise WrongValueError(f"{what}: {value!r}")


class Run:
    """The pieces of one run and the truth about them."""

    def __init__(self, personality: str, seed: int) -> None:
        self.random = Random(seed)
        self.clock = LoopClock(asyncio.get_running_loop().time)
        self.card = default_card()
        self.simulated = SimulatedModem(load(personality), clock=self.clock, random=Random(seed), card=self.card)
        errors = PortErrors(PortNotFoundError, PortBusyError, PortLostError)
        self.ports = ModemOnLoop(self.simulated, self.clock, PORTS, errors)
        self.modem: Modem | None = None
        self.counted = Counters(0, 0)
        self.typed_failures = 0

    async def open(self) -> None:
        """Open and initialise; a driver that was open is closed."""
        await self.close()
        self.modem = await open_modem(PORTS, open_transport=self.ports.open)
        self.counted = Counters(0, 0)
        await self.modem.initialise()

    async def close(self) -> None:
        modem, self.modem = self.modem, None
        if modem is not None:
            await modem.close()

    def _identity(self, found: Identity) -> None:
        _check(found.imei in {None, self.simulated.imei}, "IMEI", found)
        _check(found.imeisv is None or found.imeisv[:14] == self.simulated.imei[:14], "IMEISV", found)
        _check(found.model in {None, self.simulated.personality.model}, "model", found)
        _check(found.firmware in {None, self.simulated.personality.revision}, "firmware", found)

    def _sim(self, found: Sim) -> None:
        subscription = self.card.subscription
        _check(found.iccid in {None, subscription.iccid}, "ICCID", found)
        _check(found.imsi in {None, subscription.imsi}, "IMSI", found)
        _check(found.msisdn in {None, subscription.msisdn}, "MSISDN", found)
        _check(found.mnc_length in {None, 2}, "MNC length", found)
        _check(found.pin_tries in {None, 3}, "PIN tries", found)

    def _registration(self, found: Registration) -> None:
        known = {(cell.tac, cell.cell_id) for cell in self.simulated.air.cells}
        _check(found.tac is None or (found.tac, found.cell_id) in known, "cell", found)
        _check(found.reject_cause is None, "cause", found)

    @staticmethod
    def _operator(found: Operator) -> None:
        code = f"{found.mcc}{found.mnc}"
        _check(found.mcc is None or code in NETWORKS, "network", found)
        _check(found.name in {None, NETWORKS.get(code)} or found.mcc is None, "name", found)

    def _signal(self, found: Signal) -> None:
        places = {(cell.tac, cell.cell_id) for cell in self.simulated.air.cells}
        channels = {(cell.pci, cell.earfcn, cell.band) for cell in self.simulated.air.cells}
        _check(found.cell_id is None or (found.tac, found.cell_id) in places, "cell", found)
        _check(found.pci is None or (found.pci, found.earfcn, found.band) in channels, "channel", found)
        _check(found.rssi_dbm is None or -90 <= found.rssi_dbm <= -40, "RSSI", found)
        _check(found.rsrp_dbm is None or -110 <= found.rsrp_dbm <= -60, "RSRP", found)
        _check(found.rsrq_db is None or -15 <= found.rsrq_db <= -5, "RSRQ", found)
        _check(found.sinr_db is None or 0 <= found.sinr_db <= 31, "SINR", found)

    @staticmethod
    def _bearer(found: Bearer) -> None:
        _check(all(text.startswith(("10.", "2a01:")) for text in found.addresses), "addresses", found)
        _check(found.apn in {None, "internet"} or not found.up, "APN", found)

    def _counters(self, found: Counters) -> None:
        grown = found.tx_bytes >= self.counted.tx_bytes and found.rx_bytes >= self.counted.rx_bytes
        _check(grown, "counters fell", (self.counted, found))
        traffic_most = 50_000 * (self.clock.now() + 1)
        _check(found.rx_bytes <= traffic_most, "counters beyond any traffic", found)
        self.counted = found

    def _time(self, found: NetworkTime | None) -> None:
        difference = 0.0 if found is None else abs((found.at - self.clock.utc()).total_seconds())
        _check(difference <= _HARMLESS, "time", found)

    @staticmethod
    def _temperature(found: Temperature) -> None:
        _check(all(15 <= degrees <= 60 for degrees in found.sensors.values()), "temperature", found)

    async def ask(self) -> None:
        """One question by chance, its answer checked; a typed failure is counted."""
        modem = self.modem
        if modem is None:
            return
        questions: list[Callable[[], Awaitable[None]]] = [
            lambda: _asked(modem.identity(), self._identity),
            lambda: _asked(modem.sim(), self._sim),
            lambda: _asked(modem.registration(), self._registration),
            lambda: _asked(modem.operator(), self._operator),
            lambda: _asked(modem.signal(), self._signal),
            lambda: _asked(modem.bearer(), self._bearer),
            lambda: _asked(modem.connect(BearerSettings("internet")), self._bearer),
            lambda: _asked(modem.counters(), self._counters),
            lambda: _asked(modem.network_time(), self._time),
            lambda: _asked(modem.temperature(), self._temperature),
            lambda: _asked(modem.receive_sms(), lambda found: _check(found == (), "messages", found)),
        ]
        try:
            await self.random.choice(questions)()
        except BridgeError:
            self.typed_failures += 1

    async def works(self) -> bool:
        """Whether the modem tells its IMEI and its card on the ports it has."""
        try:
            if self.modem is None:
                await self.open()
            assert self.modem is not None
            identity, sim = await self.modem.identity(), await self.modem.sim()
        except BridgeError:
            await self.close()
            return False
        self._identity(identity)
        self._sim(sim)
        return identity.imei is not None and sim.state is SimState.READY


async def _asked(answer: Awaitable[object], check: Callable[..., None]) -> None:
    check(await answer)


# What a fault's parameters are drawn from; the rest keep their defaults.
_RANGES: dict[Fault, tuple[str, float, float]] = {
    Fault.LATE_REPLY: ("seconds", 0.5, 40),
    Fault.MERGED_REPLIES: ("seconds", 0.05, 3),
    Fault.GARBAGE: ("bytes", 1, 200),
    Fault.NUL: ("bytes", 1, 40),
    Fault.URC_FLOOD: ("per_second", 5, 400),
    Fault.USB_RENUMBER: ("seconds", 0.5, 15),
}
_LINES = ("", "+CREG: 1", '+CMTI: "ME",5', "RING", "NO CARRIER", '+CEREG: 1,"2F1B","B57DE8",7', "+CPIN: READY")


def _fault(kind: Fault, random: Random, now: float) -> InjectedFault:
    holds = random.uniform(2, 40)
    times = random.choice([None, 1, 3]) if kind is Fault.LOST_OK else None
    parameters: dict[str, float | str] = {}
    if kind in _RANGES:
        name, low, high = _RANGES[kind]
        parameters[name] = random.uniform(low, high) if name == "seconds" else random.randint(int(low), int(high))
    if kind in {Fault.URC_INSIDE_REPLY, Fault.URC_FLOOD}:
        parameters["line"] = random.choice(_LINES)
    for_s = None if FAULTS[kind].momentary else holds
    return make_fault(kind, parameters=parameters, at_s=now, for_s=for_s, times=times)


async def _run(personality: str, kind: Fault, seed: int) -> int:
    run = Run(personality, seed)
    run.simulated.power_on(boot=True)
    try:
        await asyncio.sleep(BOOT_S)
        await run.open()
        for _ in range(2):
            await run.ask()
        number = run.simulated.faults.inject(_fault(kind, run.random, run.clock.now()))
        for _ in range(6):
            await run.ask()
            await asyncio.sleep(run.random.uniform(0, 8))
        run.simulated.faults.clear(number)
        for _ in range(RECOVERY_TRIES):
            if await run.works():
                return run.typed_failures
            await asyncio.sleep(RECOVERY_WAIT_S)
        raise WrongValueError(f"{personality}, {kind}, seed {seed}: not usable {RECOVERY_TRIES} tries after the fault")
    finally:
        await run.close()
        run.ports.stop()


def assert_no_wrong_value(personality: str, kind: Fault, seed: int) -> int:
    """Run it in virtual time; the number of typed failures seen. Raises WrongValueError."""
    return run_virtual(_run(personality, kind, seed))
