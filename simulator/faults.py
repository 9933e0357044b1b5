"""Every fault the simulator can play: a closed list, and a board on which they are pinned while they hold.

A fault is injected at a *named point* (`modem`, `modem.port.1`, `sim`, `radio`, `host.dns`, …). A point includes what
lies under it: a fault at `modem` is met at `modem.port.0` and `modem.port.1`. The code that plays a point asks the
board (`find`, `take`) or listens to it (`subscribe`); it never rolls dice of its own. No clock here: `now` is given,
in seconds of the simulator's clock.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final

Value = int | float | str | bool


class SimulatorError(Exception):
    """The root of this room's errors: one clear line, what to do about it, and an exit code for programs."""

    exit_code = 1

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message}; {self.remedy}" if self.remedy else self.message


class FaultError(SimulatorError):
    """A fault, its point or a parameter is not one the simulator can play: correct it and inject again."""

    exit_code = 3


class Fault(StrEnum):
    """The closed list. What each does, where, and with which parameters stands in `FAULTS`."""

    HANG_PORT = "hang_port"
    HANG_ALL = "hang_all"
    LATE_REPLY = "late_reply"
    LOST_OK = "lost_ok"
    FRAGMENTS = "fragments"
    MERGED_REPLIES = "merged_replies"
    GARBAGE = "garbage"
    NUL = "nul"
    BAUD_MISMATCH = "baud_mismatch"
    URC_INSIDE_REPLY = "urc_inside_reply"
    URC_FLOOD = "urc_flood"
    REBOOT = "reboot"
    USB_DISCONNECT = "usb_disconnect"
    USB_RENUMBER = "usb_renumber"
    SIM_REMOVED = "sim_removed"
    PIN_WANTED = "pin_wanted"
    DENIED = "denied"
    ROAMING = "roaming"
    WEAK_SIGNAL = "weak_signal"
    COUNTER_RESET = "counter_reset"
    CLOCK_UNSET = "clock_unset"
    PORT_BUSY = "port_busy"
    DNS_DIES = "dns_dies"
    DISK_FULL = "disk_full"
    POWER_CUT = "power_cut"


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a fault. `low` and `high` bound a number, both included."""

    name: str
    default: Value
    meaning: str
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class FaultKind:
    """What a fault does, the point it is met at unless one is named, and its parameters.

    `momentary` faults happen once, when they are injected; the others hold until they are cleared or run out.
    """

    fault: Fault
    point: str
    meaning: str
    parameters: tuple[Parameter, ...] = ()
    momentary: bool = False


def _seconds(default: float, meaning: str) -> Parameter:
    return Parameter("seconds", default, meaning, low=0, high=86400)


_KINDS: Final = (
    FaultKind(Fault.HANG_PORT, "modem.port.0", "one port swallows what is written and answers nothing"),
    FaultKind(Fault.HANG_ALL, "modem", "every port is silent, the modem's firmware hangs"),
    FaultKind(
        Fault.LATE_REPLY, "modem", "replies come this much later", (_seconds(5.0, "added to the reply's own time"),)
    ),
    FaultKind(Fault.LOST_OK, "modem", "the final result code is not sent"),
    FaultKind(Fault.FRAGMENTS, "modem", "output comes one byte at a time"),
    FaultKind(
        Fault.MERGED_REPLIES,
        "modem",
        "output is held back and then sent in one piece with what follows",
        (_seconds(0.2, "how long output is gathered"),),
    ),
    FaultKind(
        Fault.GARBAGE,
        "modem",
        "bytes of noise before a reply",
        (Parameter("bytes", 8, "how many", low=1, high=4096),),
    ),
    FaultKind(Fault.NUL, "modem", "NUL bytes before a reply", (Parameter("bytes", 2, "how many", low=1, high=4096),)),
    FaultKind(
        Fault.BAUD_MISMATCH, "modem.port.0", "terminal and port run at different speeds: what passes is noise both ways"
    ),
    FaultKind(
        Fault.URC_INSIDE_REPLY,
        "modem",
        "an unsolicited line between the information text and its final result code",
        (Parameter("line", "", "the line; empty: one that fits the personality"),),
    ),
    FaultKind(
        Fault.URC_FLOOD,
        "modem",
        "unsolicited lines without end",
        (
            Parameter("line", "", "the line; empty: one that fits the personality"),
            Parameter("per_second", 50, "lines in a second", low=1, high=10000),
        ),
    ),
    FaultKind(Fault.REBOOT, "modem", "the modem restarts by itself; what it does not store is lost", momentary=True),
    FaultKind(Fault.USB_DISCONNECT, "modem.usb", "the device leaves the bus; its ports hang up"),
    FaultKind(
        Fault.USB_RENUMBER,
        "modem.usb",
        "the device leaves the bus and comes back under other port names",
        (_seconds(3.0, "how long it is away"),),
        momentary=True,
    ),
    FaultKind(Fault.SIM_REMOVED, "sim", "no card in the slot"),
    FaultKind(
        Fault.PIN_WANTED, "sim", "the card asks for its PIN", (Parameter("pin", "1234", "the PIN the card accepts"),)
    ),
    FaultKind(
        Fault.DENIED,
        "radio",
        "the network refuses the attach",
        (Parameter("cause", 7, "EMM cause, TS 24.301 §9.9.3.9", low=2, high=111),),
    ),
    FaultKind(Fault.ROAMING, "radio", "only a foreign network is heard", (Parameter("plmn", "27203", "MCC and MNC"),)),
    FaultKind(
        Fault.WEAK_SIGNAL, "radio", "path loss grows", (Parameter("db", 30.0, "added path loss, dB", low=0, high=90),)
    ),
    FaultKind(Fault.COUNTER_RESET, "modem", "the bearer's byte counters start again at nought", momentary=True),
    FaultKind(Fault.CLOCK_UNSET, "host.clock", "the modem's and the host's clocks know no date after a start"),
    FaultKind(Fault.PORT_BUSY, "modem.port.0", "another program holds the port exclusively"),
    FaultKind(Fault.DNS_DIES, "host.dns", "the DNS server's process dies, and dies again when it is started"),
    FaultKind(Fault.DISK_FULL, "host.disk", "writing fails for want of space"),
    FaultKind(
        Fault.POWER_CUT,
        "host.power",
        "mains power fails: agent, host and modem stop at once",
        (_seconds(10.0, "until the power comes back"),),
        momentary=True,
    ),
)
FAULTS: Final[Mapping[Fault, FaultKind]] = MappingProxyType({kind.fault: kind for kind in _KINDS})

# Every point a fault may be named at; `modem.port.N` for any port number.
POINTS: Final = (
    "modem",
    "modem.port.N",
    "modem.usb",
    "sim",
    "radio",
    "host.clock",
    "host.dns",
    "host.disk",
    "host.power",
)


@dataclass(frozen=True, slots=True)
class InjectedFault:
    """One fault, injected. Make it with `make_fault`, which checks it.

    `at_s`: when it begins, on the simulator's clock. `for_s`: how long it holds (None: until cleared). `times`: how
    often it may bite (None: whenever its point is passed).
    """

    kind: Fault
    point: str
    parameters: Mapping[str, Value]
    at_s: float = 0.0
    for_s: float | None = None
    times: int | None = None

    def number(self, name: str) -> float:
        """Return a numeric parameter. Raises KeyError for a name this fault does not have."""
        return float(self.parameters[name])

    def text(self, name: str) -> str:
        """Return a parameter as text. Raises KeyError for a name this fault does not have."""
        return str(self.parameters[name])

    def holds_at(self, now: float) -> bool:
        """Tell whether `now` lies within the fault's time."""
        return self.at_s <= now and (self.for_s is None or now < self.at_s + self.for_s)

    def covers(self, point: str) -> bool:
        """Tell whether the fault is met at `point`: the same, or one under it."""
        return point == self.point or point.startswith(self.point + ".")


def make_fault(
    kind: str,
    *,
    point: str | None = None,
    parameters: Mapping[str, Value] | None = None,
    at_s: float = 0.0,
    for_s: float | None = None,
    times: int | None = None,
) -> InjectedFault:
    """Check and complete a fault; parameters left out take their defaults. Raises FaultError with the remedy."""
    known = _kind_of(kind)
    given = dict(parameters or {})
    names = [parameter.name for parameter in known.parameters]
    unknown = sorted(set(given) - set(names))
    if unknown:
        raise FaultError(
            f"fault {kind!r} has no parameter {unknown[0]!r}", remedy=f"it takes {', '.join(names) or 'none'}"
        )
    values = {parameter.name: _checked(known, parameter, given) for parameter in known.parameters}
    _check_time(kind, at_s=at_s, for_s=for_s, times=times)
    return InjectedFault(
        kind=known.fault,
        point=_checked_point(known, point),
        parameters=MappingProxyType(values),
        at_s=at_s,
        for_s=for_s,
        times=times,
    )


def _kind_of(kind: str) -> FaultKind:
    try:
        return FAULTS[Fault(kind)]
    except ValueError:
        raise FaultError(f"no fault is called {kind!r}", remedy=f"one of {', '.join(Fault)}") from None


def _checked(kind: FaultKind, parameter: Parameter, given: Mapping[str, Value]) -> Value:
    value = given.get(parameter.name, parameter.default)
    if isinstance(parameter.default, str):
        return str(value)
    try:
        number = float(value)
    except ValueError:
        raise FaultError(f"{kind.fault}.{parameter.name} is {value!r}", remedy="it must be a number") from None
    low, high = parameter.low, parameter.high
    if (low is not None and not number >= low) or (high is not None and not number <= high):
        raise FaultError(f"{kind.fault}.{parameter.name} is {value!r}", remedy=f"it must lie within {low:g}..{high:g}")
    return int(number) if isinstance(parameter.default, int) else number


def _checked_point(kind: FaultKind, point: str | None) -> str:
    named = kind.point if point is None else point
    general = ".".join("N" if part.isdecimal() else part for part in named.split("."))
    family = kind.point.split(".")[0]
    if general not in POINTS or named.split(".")[0] != family:
        fitting = [known for known in POINTS if known.split(".")[0] == family]
        raise FaultError(f"fault {kind.fault} cannot be met at {named!r}", remedy=f"one of {', '.join(fitting)}")
    return named


def _check_time(kind: str, *, at_s: float, for_s: float | None, times: int | None) -> None:
    if not at_s >= 0:
        raise FaultError(f"{kind}: at is {at_s}", remedy="it must be nought or more seconds")
    if for_s is not None and not for_s > 0:
        raise FaultError(f"{kind}: for is {for_s}", remedy="it must be more than nought seconds")
    if times is not None and times < 1:
        raise FaultError(f"{kind}: times is {times}", remedy="it must be 1 or more")


@dataclass(frozen=True, slots=True)
class BoardChange:
    """What a listener is told: a fault was pinned up (`injected`) or taken down."""

    id: int
    fault: InjectedFault
    injected: bool


@dataclass(slots=True)
class _Pinned:
    fault: InjectedFault
    left: int | None


@dataclass(slots=True)
class FaultBoard:
    """The faults that are pinned up. Not for several threads; everything happens on the event loop.

    A fault whose time is over or whose `times` are used up is no longer found; `expire` takes it down and tells the
    listeners, so call it when the clock moves (the stage does).
    """

    _pinned: dict[int, _Pinned] = field(default_factory=dict)
    _listeners: list[Callable[[BoardChange], None]] = field(default_factory=list)
    _last_id: int = 0

    def subscribe(self, listener: Callable[[BoardChange], None]) -> Callable[[], None]:
        """Call `listener` on every change from now on; returns what ends that (idempotent)."""
        self._listeners.append(listener)

        def unsubscribe() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return unsubscribe

    def inject(self, fault: InjectedFault) -> int:
        """Pin a fault up and return its number; call it when the fault begins.

        A momentary fault is told to the listeners and not kept.
        """
        self._last_id += 1
        if not FAULTS[fault.kind].momentary:
            self._pinned[self._last_id] = _Pinned(fault, fault.times)
        self._tell(BoardChange(self._last_id, fault, injected=True))
        return self._last_id

    def clear(self, number: int) -> bool:
        """Take a fault down; False if it was not there (any more)."""
        pinned = self._pinned.pop(number, None)
        if pinned is None:
            return False
        self._tell(BoardChange(number, pinned.fault, injected=False))
        return True

    def clear_all(self) -> int:
        """Take every fault down and return how many there were."""
        return sum(self.clear(number) for number in list(self._pinned))

    def expire(self, now: float) -> None:
        """Take down what is over at `now`."""
        for number, pinned in list(self._pinned.items()):
            fault = pinned.fault
            if pinned.left == 0 or (fault.for_s is not None and now >= fault.at_s + fault.for_s):
                self.clear(number)

    def active(self, now: float) -> tuple[tuple[int, InjectedFault], ...]:
        """List (number, fault) of what holds at `now`, oldest first."""
        return tuple((number, p.fault) for number, p in self._pinned.items() if p.left != 0 and p.fault.holds_at(now))

    def pinned(self) -> tuple[tuple[int, InjectedFault], ...]:
        """List (number, fault) of everything pinned up, what has not begun included."""
        return tuple((number, p.fault) for number, p in self._pinned.items())

    def find(self, kind: Fault, point: str, now: float) -> InjectedFault | None:
        """Return the oldest fault of this kind that is met at `point` now, without using it up."""
        found = self._lookup(kind, point, now)
        return found.fault if found else None

    def take(self, kind: Fault, point: str, now: float) -> InjectedFault | None:
        """Like `find`, and count it as one bite against the fault's `times`."""
        found = self._lookup(kind, point, now)
        if found is None:
            return None
        if found.left is not None:
            found.left -= 1
        return found.fault

    def _lookup(self, kind: Fault, point: str, now: float) -> _Pinned | None:
        for pinned in self._pinned.values():
            fault = pinned.fault
            if fault.kind is kind and pinned.left != 0 and fault.covers(point) and fault.holds_at(now):
                return pinned
        return None

    def _tell(self, change: BoardChange) -> None:
        for listener in list(self._listeners):
            listener(change)
