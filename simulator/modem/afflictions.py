"""Faults that touch the modem as a whole, hooked to its card, radio, USB and network.

Faults that deform a port's bytes are asked for where the bytes pass (`port`, `spout`); the others are told here by the
fault board when they begin and end.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from simulator.faults import BoardChange, Fault, InjectedFault
from simulator.radio import AskNetwork, Network, Verdict, cells_of

if TYPE_CHECKING:
    from simulator.modem.device import SimulatedModem
    from simulator.radio import Cell

_OURS = ("modem", "sim", "radio", "host.power", "host.clock")


class Afflictions:
    """Listens to the fault board on behalf of one modem, and stands between its radio and the network."""

    def __init__(self, modem: SimulatedModem, network: Network | AskNetwork) -> None:
        self._modem = modem
        self._network = network
        self._home_cells: tuple[Cell, ...] = ()
        self._pin_enabled_before = False
        self._floods: dict[int, bool] = {}
        self.sim_gone = False
        self.unplugged = False
        modem.faulty = bool(modem.faults.pinned())
        self._unsubscribe = modem.faults.subscribe(self._changed)

    def close(self) -> None:
        """Stop listening."""
        self._unsubscribe()

    def ask_attach(self, answer: Callable[[Verdict], None], *, iccid: str, imsi: str, imei: str) -> None:
        """The network's verdict, unless a fault refuses first."""
        modem = self._modem
        denied = modem.faults.take(Fault.DENIED, "radio", modem.agenda.now)
        network = self._network
        if denied is not None:
            answer(Verdict(accepted=False, cause=int(denied.number("cause"))))
        elif hasattr(network, "ask_attach"):
            network.ask_attach(self._attended(answer), iccid=iccid, imsi=imsi, imei=imei)
        else:
            answer(network.may_attach(iccid=iccid, imsi=imsi, imei=imei))

    def _attended(self, answer: Callable[[Verdict], None]) -> Callable[[Verdict], None]:
        """An answer that comes from outside makes the modem do what follows from it."""

        def attended(verdict: Verdict) -> None:
            self._modem.agenda.run_due()
            answer(verdict)
            self._modem.settle()

        return attended

    def _changed(self, change: BoardChange) -> None:
        self._modem.faulty = bool(self._modem.faults.pinned())
        if not change.fault.point.startswith(_OURS):
            return
        self._modem.agenda.run_due()
        if change.injected and change.fault.for_s is not None:
            self._modem.agenda.at(change.fault.at_s + change.fault.for_s, self._expire)
        self._play(change)
        self._modem.settle()

    def _expire(self) -> None:
        self._modem.faults.expire(self._modem.agenda.now)

    def _play(self, change: BoardChange) -> None:
        fault, begins = change.fault, change.injected
        momentary = {
            Fault.REBOOT: lambda: self._modem.reboot(),
            Fault.USB_RENUMBER: lambda: self._renumber(fault.number("seconds")),
            Fault.COUNTER_RESET: lambda: self._modem.bearers.traffic.reset(self._modem.agenda.now),
            Fault.POWER_CUT: lambda: self._power_cut(fault.number("seconds")),
        }
        holding: dict[Fault, Callable[[InjectedFault, bool], None]] = {
            Fault.USB_DISCONNECT: self._usb,
            Fault.SIM_REMOVED: self._sim,
            Fault.PIN_WANTED: self._pin,
            Fault.DENIED: self._denied,
            Fault.ROAMING: self._roaming,
            Fault.WEAK_SIGNAL: self._weak,
        }
        if fault.kind in momentary:
            momentary[fault.kind]()
        elif fault.kind in holding:
            holding[fault.kind](fault, begins)
        elif fault.kind is Fault.URC_FLOOD:
            self._flood(change)

    def _renumber(self, seconds: float) -> None:
        modem = self._modem
        modem.renumbered += max(1, len(modem.ports))
        modem.set_usb(attached=False)
        modem.plan(seconds, lambda: modem.set_usb(attached=True))

    def _power_cut(self, seconds: float) -> None:
        modem = self._modem
        if modem.powered:
            modem.power_off()
            modem.plan(seconds, modem.power_on)

    def _usb(self, _fault: InjectedFault, begins: bool) -> None:
        self.unplugged = begins
        self._modem.set_usb(attached=not begins)

    def _sim(self, _fault: InjectedFault, begins: bool) -> None:
        self.sim_gone = begins
        self._modem.card_changed()

    def _pin(self, fault: InjectedFault, begins: bool) -> None:
        card = self._modem.slot
        if card is None:
            return
        if begins:
            self._pin_enabled_before = card.pin1.enabled
            card.pin1.code, card.pin1.enabled = fault.text("pin"), True
        else:
            card.pin1.enabled = self._pin_enabled_before
        self._modem.card_changed()

    def _denied(self, fault: InjectedFault, begins: bool) -> None:
        if begins:
            self._modem.registration.network_detach(int(fault.number("cause")))

    def _roaming(self, fault: InjectedFault, begins: bool) -> None:
        air = self._modem.air
        if begins:
            self._home_cells, air.cells = air.cells, cells_of(fault.text("plmn"))
        elif self._home_cells:
            air.cells, self._home_cells = self._home_cells, ()
        self._modem.registration.air_changed()

    def _weak(self, fault: InjectedFault, begins: bool) -> None:
        self._modem.air.attenuation_db += fault.number("db") * (1 if begins else -1)
        self._modem.registration.air_changed()

    def _flood(self, change: BoardChange) -> None:
        if not change.injected:
            self._floods.pop(change.id, None)
            return
        line = change.fault.text("line") or self._modem.habitual_urc()
        gap = 1.0 / change.fault.number("per_second")
        self._floods[change.id] = True

        def pour() -> None:
            if change.id in self._floods:
                self._modem.urc(line, everywhere=True)
                self._modem.agenda.after(gap, pour)

        pour()
