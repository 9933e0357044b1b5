"""One household's hardware and surroundings on one clock and one seed.

Sans-io, like the modem it holds: `settle` does what is due and returns when it wants to be called again; `on_trace` is
told what happened. Everything random comes from sources that are derived from the seed in a fixed order.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from random import Random
from typing import Any, Final

from simulator.carrier import Platform, SimOrder, load_manners
from simulator.carrier.services import RequestRefusedError
from simulator.clock import Agenda, Clock
from simulator.control.trace import TraceLine
from simulator.faults import FAULTS, BoardChange, FaultBoard, InjectedFault
from simulator.line import Line, LineEvent, declare_outage
from simulator.modem import SimulatedModem, load
from simulator.radio import AskNetwork, Network, Service, Verdict
from simulator.scenario import Event, OutagePart, Scenario, SwapSim
from simulator.uicc import PinState, Subscription, Uicc

# How often whoever wants a SIM state asks again when the platform has not done it.
CARRIER_RETRY_S: Final = 60.0


class WorldClock:
    """A clock whose time of day can jump while its seconds go on."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._jumped = timedelta()

    def now(self) -> float:
        """Seconds since the run began."""
        return self._clock.now()

    def utc(self) -> datetime:
        """The time of day, jumps included."""
        return self._clock.utc() + self._jumped

    def jump(self, seconds: float) -> None:
        """Move the time of day."""
        self._jumped += timedelta(seconds=seconds)


class World:
    """One scenario, ready to play. `network` None: the scenario's own platform decides about attaches.

    `on_event` carries out the scenario's events (`commands.perform`).
    """

    def __init__(
        self,
        scenario: Scenario,
        *,
        clock: Clock,
        seed: int,
        network: Network | AskNetwork | None = None,
        on_event: Callable[["World", Event], object],
        on_trace: Callable[[TraceLine], None] = lambda _line: None,
    ) -> None:
        source = Random(seed)
        self.scenario = scenario
        self.clock = WorldClock(clock)
        self.agenda = Agenda(clock)
        self.board = FaultBoard()
        self.on_event = partial(_tell_nothing, on_event, self)
        self.on_trace = on_trace
        self.on_line_event: Callable[[LineEvent], None] = lambda _event: None
        self.on_outage: Callable[[dict[str, object]], None] = lambda _outage: None
        self.start = clock.utc()
        self.platform = self._make_platform(Random(source.getrandbits(64)))
        self.modem = SimulatedModem(
            load(scenario.modem.personality),
            clock=self.clock,
            random=Random(source.getrandbits(64)),
            card=_card(scenario),
            network=network or self,
            faults=self.board,
        )
        self.line = Line(
            scenario.line,
            agenda=self.agenda,
            random=Random(source.getrandbits(64)),
            utc=self.clock.utc,
            report=self._line_reported,
        )
        self.board.subscribe(self._board_changed)
        if network is None:
            self.platform.subscription_listeners.append(self._subscription_changed)

    # Playing.

    def begin(self) -> None:
        """Start everything and plan the scenario; call it once."""
        for fault in self.scenario.faults():
            self.agenda.at(fault.at_s, partial(self._inject_planned, fault))
        for event in self.scenario.event:
            self.agenda.at(event.at_s, partial(self.on_event, event))
        for outage in self.scenario.outage:
            self.agenda.at(outage.declared_at_s, partial(self._declare, outage))
        self.modem.usb_listeners.append(self._usb_changed)
        self.line.start()
        self.modem.power_on(boot=self.scenario.modem.boots)

    def settle(self) -> float | None:
        """Do what is due; returns when to call again, in seconds of the run."""
        self.agenda.run_due()
        self.board.expire(self.agenda.now)
        deadlines = [self.agenda.next_deadline(), self.modem.settle(), *self._fault_ends()]
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    def trace(self, what: str, **facts: Any) -> None:
        """Tell that something happened."""
        self.on_trace(TraceLine(round(self.agenda.now, 3), what, facts))

    # Meddling.

    def inject(self, fault: InjectedFault) -> int:
        """Let a fault begin now, whatever time it was planned for."""
        return self.board.inject(replace(fault, at_s=self.agenda.now))

    def press_power_button(self) -> bool:
        """The hub's button; returns whether the hub is on afterwards."""
        if self.modem.powered:
            self.modem.power_off()
        else:
            self.modem.power_on()
        self.trace("power_button", on=self.modem.powered)
        return self.modem.powered

    def swap_sim(self, event: SwapSim) -> None:
        """Take the card out, or put one in."""
        card = None
        if event.inserted:
            part = self.scenario.modem
            iccid, imsi = event.iccid or part.iccid, event.imsi or part.imsi
            self.platform.provision(SimOrder(iccid=iccid, imsi=imsi, state="active"), self._unix())
            card = Uicc(Subscription(iccid=iccid, imsi=imsi, msisdn=part.msisdn))
        self.modem.insert_card(card)
        self.trace("sim", inserted=event.inserted)

    def want_sim_state(self, state: str) -> None:
        """Have the platform bring the card's SIM into a state, again until it is there."""
        iccid = self.scenario.modem.iccid
        service = self.platform.services[iccid]
        if service.state == state:
            self.trace("carrier_effect", state=state)
            return
        try:
            self.platform.change_service(service.id, {"state": state}, self._unix())
        except RequestRefusedError:
            self.trace("carrier_busy", state=state)
        due = self.platform.next_due_s()
        wait = CARRIER_RETRY_S if due is None else max(0.0, due - self._unix())
        self.agenda.after(wait, lambda: self._look_at_sim(state))

    def _look_at_sim(self, state: str) -> None:
        self.platform.advance(self._unix())
        self.want_sim_state(state)

    def _subscription_changed(self, iccid: str) -> None:
        """The platform's effect reaches the network, and the network the modem that is attached with this SIM."""
        service, card = self.platform.services[iccid], self.modem.card
        self.trace("network", state=service.state)
        if card is not None and card.subscription.iccid == iccid:
            self.modem.subscription_changed()

    # The network port of the modem.

    def may_attach(self, *, iccid: str, imsi: str, imei: str) -> Verdict:
        """Ask the scenario's own platform."""
        del imsi
        answer = self.platform.attach(iccid, imei, self._unix())
        self.trace("attach", accepted=answer.accepted, cause=answer.cause, bearer=answer.bearer)
        service = Service(answer.bearer or Service.INTERNET)
        return Verdict(accepted=answer.accepted, cause=answer.cause, service=service)

    # Inside.

    def _inject_planned(self, fault: InjectedFault) -> None:
        self.inject(fault)

    def _make_platform(self, random: Random) -> Platform:
        part, modem = self.scenario.carrier, self.scenario.modem
        unix = self.start.timestamp()
        platform = Platform(manners=load_manners(part.manners), random=random, base="http://carrier", started_s=unix)
        order = SimOrder(iccid=modem.iccid, imsi=modem.imsi, state=part.state, management_bearer=part.management_bearer)
        platform.provision(order, unix)
        return platform

    def _unix(self) -> float:
        return self.start.timestamp() + self.clock.now()

    def _fault_ends(self) -> list[float]:
        return [fault.at_s + fault.for_s for _, fault in self.board.pinned() if fault.for_s is not None]

    def _board_changed(self, change: BoardChange) -> None:
        fault = change.fault
        word = "fault" if change.injected else "fault_over"
        self.trace(word, kind=fault.kind.value, point=fault.point, momentary=FAULTS[fault.kind].momentary)

    def _usb_changed(self, attached: bool, shift: int) -> None:  # noqa: FBT001 - the listeners' signature
        self.trace("usb", attached=attached, renumbered=shift)

    def _line_reported(self, event: LineEvent) -> None:
        self.trace("line_event", **event.as_api())
        self.on_line_event(event)

    def _declare(self, part: OutagePart) -> None:
        outage = declare_outage(part, self.scenario.line.line_id, self.start)
        self.trace("outage_declared", **outage)
        self.on_outage(outage)


def _tell_nothing(act: Callable[[World, Event], object], world: World, event: Event) -> None:
    act(world, event)


def _card(scenario: Scenario) -> Uicc:
    part = scenario.modem
    card = Uicc(Subscription(iccid=part.iccid, imsi=part.imsi, msisdn=part.msisdn))
    if part.pin is not None:
        card.pin1 = PinState(part.pin, card.pin1.puk, enabled=True)
    return card
