"""Registration of one UE: search, choose a network, attach, be refused, lose service (TS 23.122, TS 24.301).

Theory of operation: `_restart` is the only way in. It cancels what is under way and, if the radio is on and a usable
SIM is there, plans a search; the search chooses a cell and asks the network; the verdict ends the attempt or plans the
next. After a cause that TS 24.301 clause 5.5.1.2.5 makes final (3, 6, 7, 8) the UE stays quiet until its radio is
cycled, its SIM is changed or it reboots.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from random import Random
from typing import Protocol

from simulator.clock import Agenda, Timer
from simulator.radio.air import Air, Cell
from simulator.radio.network import AskNetwork, Network, Service, Verdict
from simulator.radio.operators import is_home, may_roam

_FINAL_CAUSES = frozenset({3, 6, 7, 8})
_NEXT_PLMN_CAUSES = frozenset({11, 12, 13, 14, 15})
T3410_S = 15.0  # no answer to an attach request
T3411_S = 10.0  # next attempt after an abnormal end
T3402_S = 720.0  # after five of them
SEARCH_AGAIN_S = 30.0
CONGESTION, PLMN_NOT_ALLOWED = 22, 11


class Subscriber(Protocol):
    """Who asks for service: what a card says about itself."""

    @property
    def iccid(self) -> str:
        """The card's identity."""
        ...

    @property
    def imsi(self) -> str:
        """The subscriber's identity."""
        ...

    @property
    def home_plmn(self) -> str:
        """MCC and MNC of the home network."""
        ...


class Stat(IntEnum):
    """Registration status, TS 27.007 clause 7.2."""

    IDLE = 0
    HOME = 1
    SEARCHING = 2
    DENIED = 3
    UNKNOWN = 4
    ROAMING = 5


@dataclass(slots=True)
class Registration:
    """One UE's registration; `on_change` is called after each visible change."""

    agenda: Agenda
    air: Air
    network: Network | AskNetwork
    random: Random
    imei: str
    on_change: Callable[[], None] = lambda: None
    radio_on: bool = False
    subscription: Subscriber | None = None
    stat: Stat = Stat.IDLE
    cell: Cell | None = None
    cause: int | None = None
    wanted_plmn: str | None = None  # +COPS=1: manual selection
    detached: bool = False  # +COPS=2 or +CGATT=0
    silenced: bool = False  # a final cause was received
    service: Service = Service.INTERNET  # what the network granted at the last attach or update
    _forbidden: set[str] = field(default_factory=set)
    _attempts: int = 0
    _serial: int = 0
    _timer: Timer | None = None

    @property
    def registered(self) -> bool:
        """Home or roaming."""
        return self.stat in {Stat.HOME, Stat.ROAMING}

    def set_radio(self, *, on: bool) -> None:
        """+CFUN: switching off forgets refusals, which is why cycling the radio helps."""
        if on != self.radio_on:
            self.radio_on = on
            self._forget_refusals()
            self._restart()

    def set_subscription(self, subscription: Subscriber | None) -> None:
        """A SIM became usable, or went."""
        if subscription != self.subscription:
            self.subscription = subscription
            self._forget_refusals()
            self._restart()

    def select(self, plmn: str | None) -> None:
        """+COPS: a PLMN by hand, even one that refused before (TS 23.122 clause 4.4.3.1.2), or None for any."""
        self.wanted_plmn, self.detached = plmn, False
        if plmn is not None:
            self._forbidden.discard(plmn)
        self._restart()

    def set_detached(self, *, detached: bool) -> None:
        """+COPS=2 and +CGATT=0: stay off the network though the radio is on; and back."""
        if detached != self.detached:
            self.detached = detached
            self._restart()

    def air_changed(self) -> None:
        """Cells or attenuation changed: keep the cell if it still serves, otherwise search."""
        usable = self.air.usable(self.agenda.now)
        if not (self.registered and self.cell in usable):
            self._restart()

    def network_detach(self, cause: int | None) -> None:
        """The network throws the UE out; with a cause as if an attach had been refused with it."""
        if self.registered:
            self._become(Stat.SEARCHING, None, None)
            self._refused(cause) if cause is not None else self._restart()

    def recheck(self) -> None:
        """A tracking area update: ask the network again without leaving the cell."""
        if self.registered and self.cell is not None:
            self._ask(self.cell)

    def _forget_refusals(self) -> None:
        self._forbidden.clear()
        self._attempts = 0
        self.silenced = False
        self.cause = None

    def _restart(self) -> None:
        self._serial += 1
        if self._timer is not None:
            self._timer.cancel()
        if not self.radio_on or self.subscription is None or self.detached:
            self._become(Stat.IDLE, None, self.cause)
        elif self.silenced:
            self._become(Stat.DENIED, None, self.cause)
        else:
            self._become(Stat.SEARCHING, None, None)
            self._plan(self.random.uniform(0.8, 3.0), self._search)

    def _plan(self, delay: float, action: Callable[[], None]) -> None:
        self._timer = self.agenda.after(delay, action)

    def _become(self, stat: Stat, cell: Cell | None, cause: int | None, service: Service = Service.INTERNET) -> None:
        changed = (stat, cell, cause, service) != (self.stat, self.cell, self.cause, self.service)
        self.stat, self.cell, self.cause, self.service = stat, cell, cause, service
        if changed:
            self.on_change()

    def _candidates(self) -> list[Cell]:
        cells = [cell for cell in self.air.usable(self.agenda.now) if cell.plmn not in self._forbidden]
        if self.wanted_plmn is not None:
            return [cell for cell in cells if cell.plmn == self.wanted_plmn]
        home = self.subscription.home_plmn if self.subscription else ""
        return sorted(cells, key=lambda cell: not is_home(cell.plmn, home))  # stable: strongest first within each group

    def _search(self) -> None:
        candidates = self._candidates()
        if candidates:
            cell = candidates[0]
            self._plan(self.random.uniform(0.2, 0.9), lambda: self._ask(cell))
        elif self._forbidden:
            self._become(Stat.DENIED, None, self.cause)
        else:
            self._become(Stat.SEARCHING, None, None)
            self._plan(SEARCH_AGAIN_S, self._search)

    def _ask(self, cell: Cell) -> None:
        assert self.subscription is not None
        self._serial += 1
        serial = self._serial
        iccid, imsi, home = self.subscription.iccid, self.subscription.imsi, self.subscription.home_plmn
        if cell.congested:
            self._answered(serial, cell, Verdict(accepted=False, cause=CONGESTION))
        elif not is_home(cell.plmn, home) and not may_roam(cell.plmn, home):
            self._answered(serial, cell, Verdict(accepted=False, cause=PLMN_NOT_ALLOWED))
        elif hasattr(self.network, "ask_attach"):
            self._plan(T3410_S, lambda: self._answered(serial, cell, Verdict(accepted=False, cause=None)))
            self.network.ask_attach(
                lambda verdict: self._answered(serial, cell, verdict), iccid=iccid, imsi=imsi, imei=self.imei
            )
        else:
            self._answered(serial, cell, self.network.may_attach(iccid=iccid, imsi=imsi, imei=self.imei))

    def _answered(self, serial: int, cell: Cell, verdict: Verdict) -> None:
        if serial != self._serial or self.subscription is None:
            return  # an answer to an attempt that was given up
        if self._timer is not None:
            self._timer.cancel()
        if verdict.accepted:
            self._attempts = 0
            home = is_home(cell.plmn, self.subscription.home_plmn)
            self._become(Stat.HOME if home else Stat.ROAMING, cell, None, verdict.service)
        else:
            self._refused(verdict.cause, cell.plmn)

    def _refused(self, cause: int | None, plmn: str | None = None) -> None:
        if cause in _FINAL_CAUSES:
            self.silenced = True
            self._become(Stat.DENIED, None, cause)
        elif cause in _NEXT_PLMN_CAUSES and plmn is not None:
            self._forbidden.add(plmn)
            self._become(Stat.DENIED, None, cause)
            self._plan(self.random.uniform(0.5, 2.0), self._search)
        else:
            self._attempts += 1
            self._become(Stat.DENIED if cause is not None else Stat.SEARCHING, None, cause)
            self._plan(T3411_S if self._attempts < 5 else T3402_S, self._search)
