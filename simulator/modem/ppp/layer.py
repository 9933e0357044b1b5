"""One control protocol of a call: the automaton, its identifiers, its restart timer."""

from collections.abc import Callable
from typing import Final, Protocol

from simulator.modem.ppp.automaton import Action, Event, State, step
from simulator.modem.ppp.packets import Code, Option, Packet, read_options, write_options

# RFC 1661 clause 4.6: the restart timer and its counters; and how often a Nak is said before it becomes a Reject.
RESTART_S: Final = 3.0
MAX_CONFIGURE: Final = 10
MAX_TERMINATE: Final = 2
MAX_FAILURE: Final = 5


class Rules(Protocol):
    """What one protocol makes of options."""

    def wishes(self) -> tuple[Option, ...]:
        """What our Configure-Request asks for now."""
        ...

    def nakked(self, options: tuple[Option, ...]) -> None:
        """The peer wants these of ours otherwise."""
        ...

    def rejected(self, options: tuple[Option, ...]) -> None:
        """The peer does not want these of ours at all."""
        ...

    def unwanted(self, option: Option) -> bool:
        """Whether we don't know the peer's option, or won't have it: it is rejected."""
        ...

    def hint(self, option: Option) -> Option | None:
        """What we want instead of the peer's option; None when it is acceptable."""
        ...

    def settled(self, options: tuple[Option, ...]) -> None:
        """The peer's options are acknowledged."""
        ...


class Layer:
    """A control protocol. `send` takes its packets; `on_up`, `on_down` and `on_finished` are the layer's own words."""

    def __init__(
        self,
        rules: Rules,
        send: Callable[[Packet], None],
        *,
        on_up: Callable[[], None],
        on_finished: Callable[[], None],
        on_down: Callable[[], None] = lambda: None,
    ) -> None:
        self.state = State.STOPPED
        self.deadline: float | None = None
        self._rules = rules
        self._send = send
        self._tell = {Action.UP: on_up, Action.DOWN: on_down, Action.FINISHED: on_finished}
        self._count = 0
        self._failures = 0
        self._identifier = 0
        self._requested: tuple[Option, ...] = ()
        self._now = 0.0

    def open(self, now: float) -> None:
        """Begin to negotiate, without waiting for the peer to."""
        self._now, self.state = now, State.CLOSED
        self._happen(Event.OPEN)

    def close(self, now: float) -> None:
        """Ask the peer to end."""
        self._now = now
        self._happen(Event.CLOSE)

    def due(self, now: float) -> None:
        """The restart timer, if its time has come."""
        if self.deadline is not None and self.deadline <= now:
            self._now = now
            self._happen(Event.TIMEOUT if self._count > 0 else Event.GIVE_UP)

    def protocol_rejected(self, now: float) -> None:
        """The peer does not speak this protocol."""
        self._now = now
        self._happen(Event.FATAL_REJECT)

    def receive(self, packet: Packet, now: float) -> bool:
        """Take a packet; False for one that only the protocol itself knows (an echo, a rejected protocol)."""
        self._now = now
        match packet.code:
            case Code.CONFIGURE_REQUEST:
                self._take_request(packet)
            case Code.CONFIGURE_ACK | Code.CONFIGURE_NAK | Code.CONFIGURE_REJECT:
                self._take_answer(packet)
            case Code.TERMINATE_REQUEST:
                self._happen(Event.TERMINATE, packet)
            case Code.TERMINATE_ACK:
                self._happen(Event.TERMINATED)
            case Code.CODE_REJECT:  # every code we send is one that must be known
                self._happen(
                    Event.FATAL_REJECT if packet.data[:1] <= bytes((Code.CODE_REJECT,)) else Event.HARMLESS_REJECT
                )
            case _:
                return False
        return True

    def refuse_code(self, packet: Packet, now: float) -> None:
        """A code that this protocol does not have."""
        self._now = now
        self._happen(Event.UNKNOWN_CODE, packet)

    def _take_request(self, packet: Packet) -> None:
        options = read_options(packet.data)
        if options is None:
            return
        answer = self._judged(packet.identifier, options)
        good = answer.code == Code.CONFIGURE_ACK
        if good:
            self._rules.settled(options)
        self._happen(Event.GOOD_REQUEST if good else Event.BAD_REQUEST, packet, answer)

    def _judged(self, identifier: int, options: tuple[Option, ...]) -> Packet:
        """Acknowledge all, or name what is unknown, or else what is wanted otherwise (RFC 1661 clauses 5.2 to 5.4)."""
        unwanted = [option for option in options if self._rules.unwanted(option)]
        hints = [(option, hint) for option in options if (hint := self._rules.hint(option)) is not None]
        if not unwanted and hints and self._failures >= MAX_FAILURE:
            unwanted = [option for option, _ in hints]
        if unwanted:
            return Packet(Code.CONFIGURE_REJECT, identifier, write_options(unwanted))
        if hints:
            self._failures += 1
            return Packet(Code.CONFIGURE_NAK, identifier, write_options(hint for _, hint in hints))
        self._failures = 0
        return Packet(Code.CONFIGURE_ACK, identifier, write_options(options))

    def _take_answer(self, packet: Packet) -> None:
        """Only an answer to the last request counts; an Ack must repeat it (RFC 1661 clauses 5.2 to 5.4)."""
        options = read_options(packet.data)
        if packet.identifier != self._identifier or options is None:
            return
        if packet.code == Code.CONFIGURE_ACK:
            if options == self._requested:
                self._happen(Event.ACK)
            return
        if packet.code == Code.CONFIGURE_NAK:
            self._rules.nakked(options)
        else:
            self._rules.rejected(options)
        self._happen(Event.NAK)

    def _happen(self, event: Event, packet: Packet | None = None, answer: Packet | None = None) -> None:
        actions, self.state = step(event, self.state)
        for action in actions:
            self._act(action, packet, answer)
        if self.state in {State.CLOSED, State.STOPPED, State.OPENED}:
            self.deadline = None

    def _act(self, action: Action, packet: Packet | None, answer: Packet | None) -> None:
        if action in self._tell:
            self._tell[action]()
        elif action is Action.INITIALISE_COUNT:
            self._count = MAX_TERMINATE if self.state in {State.CLOSING, State.STOPPING} else MAX_CONFIGURE
        elif action is Action.ZERO_COUNT:
            self._count, self.deadline = 0, self._now + RESTART_S
        elif action in {Action.SEND_REQUEST, Action.SEND_TERMINATE}:
            self._send_own(action)
        elif action in {Action.SEND_ACK, Action.SEND_NAK} and answer is not None:
            self._send(answer)
        elif action is Action.SEND_TERMINATE_ACK:
            self._send(Packet(Code.TERMINATE_ACK, packet.identifier if packet else self._identifier))
        elif action is Action.SEND_CODE_REJECT and packet is not None:
            self._identifier = self._identifier % 255 + 1
            self._send(Packet(Code.CODE_REJECT, self._identifier, packet.encoded()))

    def _send_own(self, action: Action) -> None:
        self._identifier = self._identifier % 255 + 1
        self._count -= 1
        self.deadline = self._now + RESTART_S
        if action is Action.SEND_REQUEST:
            self._requested = self._rules.wishes()
            self._send(Packet(Code.CONFIGURE_REQUEST, self._identifier, write_options(self._requested)))
        else:
            self._send(Packet(Code.TERMINATE_REQUEST, self._identifier))
