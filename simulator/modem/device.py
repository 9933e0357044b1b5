"""A simulated modem: one device with several ports, a card slot, a radio and what it remembers.

No I/O and no clock of its own: bytes come through `feed`, time through the injected clock, chance through the injected
`random.Random`. Shells call `feed`, listen to `Port.sink` and `on_usb`, and call `settle` when `arm`'s deadline comes.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from random import Random

from simulator.clock import Agenda, Clock
from simulator.faults import FaultBoard
from simulator.modem.afflictions import Afflictions
from simulator.modem.commands import habits_for, table_for
from simulator.modem.memory import Stored, Volatile
from simulator.modem.messages import Messages
from simulator.modem.personality import Personality
from simulator.modem.port import Port, PortSettings
from simulator.modem.registration_reports import RegistrationReports
from simulator.modem.results import NOT_SUBSCRIBED, Cme
from simulator.modem.timekeeping import ModemTime
from simulator.radio import Air, AskNetwork, Bearers, Network, OpenNetwork, Registration, Service, cells_of, operator_of
from simulator.scenario import ModemPart
from simulator.uicc import Subscription, Uicc, luhn_digit

HOUSEHOLD_TX_RATE, HOUSEHOLD_RX_RATE = 2_500.0, 40_000.0  # octets a second of a quiet home, when nothing else is said
RECHECK_S = 3240.0  # T3412, 54 minutes: the periodic tracking area update


def default_card() -> Uicc:
    """A card of the home network for whoever brings none."""
    part = ModemPart()
    return Uicc(Subscription(iccid=part.iccid, imsi=part.imsi, msisdn=part.msisdn))


def make_imei(tac: str, serial: int) -> str:
    """A type allocation code, a six-digit serial number and the check digit (TS 23.003 clause 6.2.1)."""
    body = f"{tac}{serial % 1_000_000:06d}"
    return body + luhn_digit(body)


class SimulatedModem:
    """The modem. `latency=False` answers at once, for measuring the code instead of the personality."""

    def __init__(
        self,
        personality: Personality,
        *,
        clock: Clock,
        random: Random,
        card: Uicc | None = None,
        air: Air | None = None,
        network: Network | AskNetwork | None = None,
        imei: str | None = None,
        faults: FaultBoard | None = None,
        latency: bool = True,
        recheck_s: float = RECHECK_S,
    ) -> None:
        self.personality = personality
        self.clock = clock
        self.random = random
        self.agenda = Agenda(clock)
        self.faults = faults or FaultBoard()
        self.imei = imei or make_imei(personality.imei_tac, random.randrange(1_000_000))
        self.air = air or Air(cells_of(), seed=random.getrandbits(32))
        self.slot: Uicc | None = card  # what is in the slot; `card` is what the modem sees of it
        self.latencies = latency
        self.arm: Callable[[float | None], None] | None = None
        self.usb_listeners: list[Callable[[bool, int], None]] = []  # (attached, shift of port numbers)
        self.bearer_listeners: list[Callable[[int, bool], None]] = []  # (cid, up)
        self.registration_listeners: list[Callable[[], None]] = []
        self.ports: dict[str, Port] = {}
        self.stored = Stored()
        self.volatile = Volatile()
        self.table = table_for(personality)
        self.bearers = Bearers(random, contexts=self.stored.contexts)
        self.bearers.traffic.tx_rate, self.bearers.traffic.rx_rate = HOUSEHOLD_TX_RATE, HOUSEHOLD_RX_RATE
        self.powered = False
        self.listening = False  # ports are there and the firmware reads them
        self.sim_ready = False  # the card has been initialised
        self.generation = 0  # counts starts, so that what a former life planned is forgotten
        self.renumbered = 0  # how many port numbers the next USB appearance is shifted by
        self.faulty = False  # some fault is pinned up, so bytes take the slow way; kept by the afflictions
        self.afflictions = Afflictions(self, network or OpenNetwork())
        self.registration = Registration(self.agenda, self.air, self.afflictions, random, self.imei)
        self.registration.on_change = self._registration_changed
        self.reports = RegistrationReports(self)
        self.time = ModemTime(self)
        self.messages = Messages(self)
        self.habits = habits_for(self)
        self._recheck_s = recheck_s
        self._settling = False

    # -- ports

    def open_port(self, name: str, *, role: str = "at") -> Port:
        """Add a port; `role` is at, modem, diag or nmea. Raises ValueError for a name in use."""
        if name in self.ports:
            raise ValueError(f"port {name} is open already")
        port = self.ports[name] = Port(self, name, len(self.ports), role)
        return port

    def feed(self, port: str, data: bytes) -> bytes:
        """Bytes from the terminal of a port; returns what that port has to say now (empty if it has a sink)."""
        self.agenda.run_due()
        held = self.ports[port]
        held.receive(data)
        self._flush()
        return held.take() if held.sink is None else b""

    def settle(self) -> float | None:
        """Do what is due, hand output to the sinks, and return the next deadline in simulated seconds."""
        self.agenda.run_due()
        self._flush()
        return self.agenda.next_deadline()

    def _flush(self) -> None:
        for port in self.ports.values():
            if port.sink is not None and (data := port.spout.take()):
                port.sink(data)
        if self.arm is not None:
            self.arm(self.agenda.next_deadline())

    def at_ports(self) -> Iterable[Port]:
        """Ports that speak AT."""
        return (port for port in self.ports.values() if port.role in {"at", "modem"})

    def urc(self, line: str, *, everywhere: bool = False) -> None:
        """An unsolicited line, on the ports this make uses for them."""
        if not self.listening:
            return
        for port in self.at_ports():
            port.urc(line)
            if not everywhere and self.personality.quirk("urc_on_first_port"):
                return

    def habitual_urc(self) -> str:
        """A line of the sort this make sends now and then."""
        return self.habits.sample()

    def noise(self, octets: int) -> bytes:
        """What a disturbed line carries: none of it is a character of a command."""
        return bytes(self.random.randrange(0x80, 0x100) for _ in range(octets))

    def latency(self, pace: str) -> float:
        """Seconds a command of this class takes."""
        if not self.latencies:
            return 0.0
        low, high = self.personality.latency_s[pace]
        return self.random.uniform(low, high)

    def fresh_port_settings(self) -> PortSettings:
        """Settings of a port after a start: the stored profile, or the factory's."""
        stored = self.stored.profile_copy()
        return stored or PortSettings(cmee=int(self.personality.quirk("factory_cmee", 0)))

    def unknown_command(self, port: Port) -> str:
        """The final result for a command this make does not know."""
        word = self.personality.quirk("unknown_command", "ERROR")
        if word == "CME":
            return Cme(100).final(port.settings.cmee)
        return str(word)

    # -- life

    def power_on(self, *, boot: bool = True) -> None:
        """Start. With `boot=False` the modem is at once up, its boot script over."""
        if self.powered:
            return
        self.powered = True
        if boot:
            self._plan(self.random.uniform(*self.personality.ports_after_s), lambda: self._appear(script=True))
        else:
            self._appear(script=False)
        self.settle()

    def power_off(self) -> None:
        """Orderly or not: all at once."""
        self._stop()
        self.powered = False
        self.settle()

    def reboot(self, *, after_s: float = 0.0) -> None:
        """Go away, lose what is not stored, and come back after the personality's gap."""
        self._plan(after_s, self._restart)

    def _restart(self) -> None:
        self._stop()
        gap = self.personality.reboot_gap_s
        self._plan(gap * self.random.uniform(0.9, 1.2), lambda: self._appear(script=True))

    def _plan(self, delay: float, action: Callable[[], None]) -> None:
        """Plan for this life only: a stop in between cancels it."""
        generation = self.generation
        self.agenda.after(delay, lambda: action() if generation == self.generation else None)

    plan = _plan

    def _stop(self) -> None:
        self.generation += 1
        self.listening = self.sim_ready = False
        now = self.agenda.now
        self.bearers.deactivate_all(now)
        self.bearers.traffic.reset(now)
        self.registration.set_radio(on=False)
        self.registration.set_subscription(None)
        self.registration.detached, self.registration.wanted_plmn = False, None
        self.volatile = Volatile()
        self.time.forget()
        for port in self.ports.values():
            port.reset()
        self._tell_usb(attached=False)

    def _appear(self, *, script: bool) -> None:
        self.listening = True
        if self.slot is not None:
            self.slot.reset()
        for port in self.ports.values():
            port.reset()
            port.swallow = self.personality.swallowed if script else 0
        self._tell_usb(attached=not self.afflictions.unplugged)
        self.habits.started()
        self._plan(self.personality.ready_after_s if script else 0.0, self._sim_initialised)
        if script:
            self._play_script()
        else:
            self.agenda.run_due()

    def _play_script(self) -> None:
        for entry in self.personality.boot:
            self._plan(entry.after_s, lambda entry=entry: self._boot_line(entry.line, entry.when))  # type: ignore[misc]

    def _boot_line(self, line: str, when: str) -> None:
        status = self.sim_status()
        holds = {"always": True, "ready": status == "READY", "locked": status in {"SIM PIN", "SIM PUK"}}
        if holds.get(when, status == "ABSENT"):
            self.urc(line.format(sim=status))

    def _sim_initialised(self) -> None:
        self.sim_ready = True
        self._plan(self._recheck_s, self._periodic_update)
        self.registration.set_radio(on=self.volatile.functionality == 1)
        self.refresh_subscription()

    def _periodic_update(self) -> None:
        self.registration.recheck()
        self._plan(self._recheck_s, self._periodic_update)

    def _tell_usb(self, *, attached: bool) -> None:
        shift, self.renumbered = (self.renumbered, 0) if attached else (0, self.renumbered)
        for listener in list(self.usb_listeners):
            listener(attached, shift)

    def set_usb(self, *, attached: bool) -> None:
        """The cable: ports hang up, or come back, while the modem itself lives on."""
        for port in self.ports.values():
            port.terminal_gone()
        self._tell_usb(attached=attached and self.listening)

    # -- card

    @property
    def card(self) -> Uicc | None:
        """The card the modem sees: none while +CFUN=0 has its power off or a fault took it out."""
        gone = self.volatile.functionality == 0 or self.afflictions.sim_gone
        return None if gone else self.slot

    def sim_status(self) -> str:
        """READY, SIM PIN, SIM PUK or ABSENT."""
        return self.card.status if self.card is not None else "ABSENT"

    def require(self, need: str) -> None:
        """Raise the error a command gives that needs a card (`present`), an open one (`sim`) or service (`service`)."""
        if self.volatile.functionality == 0:
            raise Cme(13)
        card = self.card
        if card is None:
            raise Cme(int(self.personality.quirk("sim_absent_cme", 10)))
        if card.dead:
            raise Cme(13)
        if not self.sim_ready:
            raise Cme(14)
        if need != "present" and card.status != "READY":
            raise Cme(11 if card.status == "SIM PIN" else 12)
        if need == "service" and not self.registration.registered:
            raise Cme(30)

    def insert_card(self, card: Uicc | None) -> None:
        """Hot swap: put another card in, or take it out with None."""
        self.slot = card
        self.card_changed()

    def card_changed(self) -> None:
        """The modem notices its slot."""
        if self.card is not None:
            self.card.reset()
        if self.listening:
            self.habits.sim_changed()
        self.refresh_subscription()
        self.settle()

    def refresh_subscription(self) -> None:
        """Registration follows the card: usable, or not."""
        card = self.card
        usable = card is not None and self.sim_ready and card.status == "READY"
        self.registration.set_subscription(card.subscription if usable and card is not None else None)

    # -- radio and packet data

    def set_functionality(self, level: int) -> None:
        """+CFUN: 0 minimum (card off too), 1 full, 4 radio off."""
        former, self.volatile.functionality = self.volatile.functionality, level
        if level != 1:
            self.drop_bearers()
        if 0 in {former, level} and former != level and self.slot is not None:
            self.slot.reset()
        self.refresh_subscription()
        self.registration.set_radio(on=level == 1 and self.sim_ready)

    def _registration_changed(self) -> None:
        self._end_ungranted_bearers()
        self.reports.send()
        self.habits.registration_changed()
        if self.registration.registered and self.registration.cell is not None:
            country = operator_of(self.registration.cell.plmn).country
            self._plan(self.random.uniform(0.5, 2.5), lambda: self.time.receive(country))
            self.messages.deliver_waiting()
        for listener in list(self.registration_listeners):
            listener()

    def _end_ungranted_bearers(self) -> None:
        """The network takes down what it grants no more: everything without service, the internet of a parked SIM."""
        registration = self.registration
        for cid, bearer in list(self.bearers.active.items()):
            if not (registration.registered and registration.service.allows(bearer.apn)):
                self.release_bearer(cid, by_network=True)

    def renew_service(self) -> None:
        """A bearer is wanted: where only management was granted, ask the network whether it is more by now."""
        if self.registration.service is Service.MANAGEMENT:
            self.registration.recheck()

    def subscription_changed(self) -> None:
        """The network has new subscriber data: it looks at once whom it serves, and for what."""
        self.agenda.run_due()
        self.registration.recheck()
        self.settle()

    def activate(self, cid: int) -> None:
        """Bring a context up. Raises Cme as a network without service, an unknown context or a refused APN does."""
        cell = self.registration.cell
        if cell is None or not self.registration.registered:
            raise Cme(30 if self.registration.cause is None else 148)
        if cid not in self.bearers.contexts:
            raise Cme(50)
        if not self.registration.service.allows(self.bearers.contexts[cid].apn):
            raise Cme(NOT_SUBSCRIBED)
        if cid not in self.bearers.active:
            self.bearers.activate(cid, plmn=cell.plmn, now=self.agenda.now)
            self._bearer_changed(cid, up=True)

    def release_bearer(self, cid: int, *, by_network: bool = False) -> None:
        """Take a context down; a data call on it ends with NO CARRIER."""
        if self.bearers.deactivate(cid, self.agenda.now):
            for port in self.at_ports():
                if port.data_cid == cid:
                    port.drop_call(announce=True)
            if self.volatile.packet_events:
                self.urc(f"+CGEV: {'NW' if by_network else 'ME'} PDN DEACT {cid}")
            self._bearer_changed(cid, up=False, by_network=by_network)

    def _bearer_changed(self, cid: int, *, up: bool, by_network: bool = False) -> None:
        self.habits.bearer_changed(cid, up=up, by_network=by_network)
        for listener in list(self.bearer_listeners):
            listener(cid, up)

    def drop_bearers(self) -> None:
        """All contexts go down."""
        for cid in list(self.bearers.active):
            self.release_bearer(cid)

    def deliver_sms(self, sender: str, text: str) -> None:
        """Somebody sends this subscriber a short message; out of reach it waits in the network."""
        self.agenda.run_due()
        self.messages.deliver(sender, text)
        self.settle()

    def detach(self, cause: int | None) -> None:
        """The network ends the service, with an EMM cause if it gives one."""
        self.agenda.run_due()
        self.registration.network_detach(cause)
        self.settle()

    def move_cells(self, path_loss_db: float) -> None:
        """Put every cell at this path loss."""
        self.air.cells = tuple(replace(cell, path_loss_db=path_loss_db) for cell in self.air.cells)
        self.registration.air_changed()
        self.settle()
