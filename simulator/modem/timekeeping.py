"""The modem's clock: unset after power-on, set by the network (NITZ, TS 22.042) or by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from simulator.faults import Fault
from simulator.radio.nitz import zone_of

if TYPE_CHECKING:
    from simulator.modem.device import SimulatedModem

UNSET = datetime(1980, 1, 6, tzinfo=UTC)  # the GPS epoch: where Qualcomm clocks begin


class ModemTime:
    """`utc` is what the modem believes; `zone` and `dst` come with the network's time."""

    def __init__(self, modem: SimulatedModem) -> None:
        self._modem = modem
        self._base = UNSET
        self._set_at = 0.0
        self.zone = 0
        self.dst = 0
        self.network_time: datetime | None = None

    def forget(self) -> None:
        """A restart: the clock runs from its epoch again."""
        self._base, self._set_at = UNSET, self._modem.agenda.now
        self.zone = self.dst = 0
        self.network_time = None

    @property
    def utc(self) -> datetime:
        """The modem's idea of UTC."""
        return self._base + timedelta(seconds=self._modem.agenda.now - self._set_at)

    @property
    def local(self) -> datetime:
        """The same with the zone added."""
        return self.utc + timedelta(minutes=15 * self.zone)

    def set_clock(self, utc: datetime, zone: int) -> None:
        """+CCLK=: by hand."""
        self._base, self._set_at, self.zone = utc, self._modem.agenda.now, zone

    def receive(self, country: str) -> None:
        """The network tells the time; an unset-clock fault keeps it from arriving."""
        modem = self._modem
        if modem.faults.find(Fault.CLOCK_UNSET, "host.clock", modem.agenda.now):
            return
        utc = modem.clock.utc().replace(microsecond=0)
        zone, self.dst = zone_of(country, utc)
        self.network_time = utc
        if modem.volatile.time_updates:
            self.set_clock(utc, zone)
        modem.habits.time_received()


def quarters(zone: int) -> str:
    """A zone in quarters of an hour as TS 27.007 clause 8.15 writes it: sign and two digits."""
    return f"{'-' if zone < 0 else '+'}{abs(zone):02d}"
