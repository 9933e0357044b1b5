"""A modem in memory with the driver's interface: the tests turn its knobs."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from firmware_bridge.errors import BridgeError, PortNotFoundError
from firmware_bridge.types import (
    AccessTechnology,
    Bearer,
    BearerSettings,
    Counters,
    Identity,
    ModemEvent,
    ModemEventKind,
    NetworkTime,
    Operator,
    Registration,
    RegistrationState,
    ScannedOperator,
    Signal,
    Sim,
    SimState,
    Sms,
    Temperature,
)

ICCID = "8944300000000000001"
START = datetime(2026, 1, 5, 9, tzinfo=UTC)
UK = Operator("234", "30", "EE", AccessTechnology.E_UTRAN)


class MemoryModem:
    """Answers at once. `fails[name]` is raised by the call of that name; `calls` lists what was asked of it."""

    family = "memory"

    def __init__(self) -> None:
        self.plugged = True
        self.card = Sim(SimState.READY, ICCID, "234300000000001")
        self.at = Registration(RegistrationState.HOME, AccessTechnology.E_UTRAN)
        self.network = UK
        self.link = Bearer(up=False)
        self.tells_time = self.zone_known = True
        self.skew = timedelta()
        self.moved = Counters(0, 0)
        self.fails: dict[str, BridgeError] = {}
        self.calls: list[str] = []
        self.connect_takes_s = 0.5
        self.mail: list[Sms] = []
        self.level = Signal(rssi_dbm=-64.0, rsrp_dbm=-87.0, rsrq_db=-9.0, sinr_db=23.0, band=20)
        self._events: asyncio.Queue[ModemEvent | None] = asyncio.Queue()

    async def open(self, ports: Sequence[str]) -> "MemoryModem":
        self._note("open")
        if not self.plugged:
            raise PortNotFoundError("memory", "unplugged")
        self._events = asyncio.Queue()
        return self

    def say(self, kind: ModemEventKind, value: Any = None) -> None:
        """An unsolicited event."""
        self._events.put_nowait(ModemEvent(kind, value))

    def unplug(self) -> None:
        self.plugged = False
        self._events.put_nowait(None)

    def move_to(self, mcc: str, mnc: str) -> None:
        self.network = Operator(mcc, mnc, "elsewhere", AccessTechnology.E_UTRAN)
        self.say(ModemEventKind.REGISTRATION, self.at)

    def register(self, state: RegistrationState, cause: int | None = None) -> None:
        self.at = Registration(state, AccessTechnology.E_UTRAN, reject_cause=cause)
        if not self.at.state.attached:
            self.link = Bearer(up=False)
        self.say(ModemEventKind.REGISTRATION, self.at)

    async def initialise(self) -> None:
        self._note("initialise")

    async def identity(self) -> Identity:
        self._note("identity")
        return Identity("Memory", "M1", "1.0", "861500059492816")

    async def sim(self) -> Sim:
        self._note("sim")
        return self.card

    async def unlock(self, pin: str) -> None:
        self._note(f"unlock {pin}")
        self.card = Sim(SimState.READY, ICCID)

    async def registration(self) -> Registration:
        self._note("registration")
        return self.at

    async def operator(self) -> Operator:
        self._note("operator")
        return self.network

    async def signal(self) -> Signal:
        self._note("signal")
        return self.level

    async def connect(self, settings: BearerSettings) -> Bearer:
        self._note(f"connect {settings.apn}")
        await asyncio.sleep(self.connect_takes_s)
        self.link = Bearer(up=True, cid=1, apn=settings.apn, addresses=("10.0.0.2",), dns=("192.0.2.53",))
        return self.link

    async def disconnect(self) -> None:
        self._note("disconnect")
        self.link = Bearer(up=False)

    async def bearer(self) -> Bearer:
        self._note("bearer")
        return self.link

    async def counters(self) -> Counters:
        self._note("counters")
        return self.moved

    async def network_time(self) -> NetworkTime | None:
        self._note("network_time")
        now = START + timedelta(seconds=asyncio.get_running_loop().time()) + self.skew
        return NetworkTime(now, zone_known=self.zone_known) if self.tells_time else None

    async def temperature(self) -> Temperature:
        self._note("temperature")
        return Temperature({"pa": 35.0})

    async def scan(self) -> tuple[ScannedOperator, ...]:
        self._note("scan")
        return ()

    async def receive_sms(self) -> tuple[Sms, ...]:
        self._note("receive_sms")
        return tuple(self.mail)

    async def delete_sms(self, message: Sms) -> None:
        self._note("delete_sms")
        self.mail.remove(message)

    def deliver(self, text: str) -> None:
        """A message comes into the storage."""
        self.mail.append(Sms("+447700900123", START, text))
        self.say(ModemEventKind.SMS)

    async def cycle_radio(self) -> None:
        self._note("cycle_radio")

    async def reboot(self) -> None:
        self._note("reboot")

    async def events(self) -> AsyncIterator[ModemEvent]:
        while (event := await self._events.get()) is not None:
            yield event

    async def close(self) -> None:
        self._note("close")

    def _note(self, name: str) -> None:
        self.calls.append(name)
        verb, _, _ = name.partition(" ")
        if verb in self.fails:
            raise self.fails[verb]
