"""The recovery ladder as a pure machine: evidence in, the next rung and a wake-up out.

Rungs from the mildest: find the place again, reopen the port, use a second AT port, cycle the radio (CFUN=4/1),
restart the modem (CFUN=1,1), cut its power. A rung is climbed only when the milder ones were tried and the modem is
still silent on every port: resetting a modem that another channel shows healthy makes things worse. A network that is
away is no evidence against the modem, so it never climbs.

`advance(now)` gives the step that is due; the caller does it and reports with `hear`. Times are seconds on the caller's
monotonic clock; waiting is the caller's.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, IntEnum, auto


class Rung(IntEnum):
    """What may be done about a silent modem, the mildest first."""

    RESYNC = 0
    REOPEN = 1
    OTHER_PORT = 2
    RADIO_CYCLE = 3
    MODEM_RESTART = 4
    POWER_CUT = 5


class Evidence(Enum):
    """What was seen on a channel."""

    ANSWERED = auto()
    """A command or probe was answered, be it with an error: the modem is alive."""
    TIMED_OUT = auto()
    """One command was not answered; the channel finds its place by itself."""
    SILENT = auto()
    """Not even the probe was answered (ModemSilentError)."""
    PORT_LOST = auto()
    """The port hung up (PortLostError)."""
    PORT_BUSY = auto()
    """Another program holds the port: no fault of the modem, nothing to climb for."""
    NETWORK_AWAY = auto()
    """Not registered, no signal, denied: the modem works, the network does not serve it."""
    REBOOTED = auto()
    """The modem has just started: it gets the time to come up."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How patient the ladder is, seconds.

    A rung is given `wait_s` to show its effect, tried `tries` times; from the top it starts again after a back-off
    that doubles up to `longest_s`. An answer counts as recovery after `stable_s` without new trouble.
    """

    wait_s: Mapping[Rung, float] = field(
        default_factory=lambda: {
            Rung.RESYNC: 5.0,
            Rung.REOPEN: 5.0,
            Rung.OTHER_PORT: 5.0,
            Rung.RADIO_CYCLE: 30.0,
            Rung.MODEM_RESTART: 60.0,
            Rung.POWER_CUT: 90.0,
        }
    )
    tries: Mapping[Rung, int] = field(
        default_factory=lambda: {
            Rung.RESYNC: 2,
            Rung.REOPEN: 2,
            Rung.OTHER_PORT: 1,
            Rung.RADIO_CYCLE: 1,
            Rung.MODEM_RESTART: 2,
            Rung.POWER_CUT: 1,
        }
    )
    healthy_s: float = 30.0  # how long an answer on another channel speaks for the modem
    boot_s: float = 30.0  # what a modem that has just said RDY is given
    stable_s: float = 60.0
    first_backoff_s: float = 30.0
    longest_s: float = 1800.0


@dataclass(frozen=True, slots=True)
class Step:
    """What to do now (`rung`, None for nothing) and when to ask again at the latest (`wake_at`, None: on evidence)."""

    rung: Rung | None = None
    wake_at: float | None = None


class Ladder:
    """One modem's ladder. `rungs` are those this hub has (second port, power line); `jitter(seconds)` spreads waits.

    `hear(channel, evidence, now)` and `advance(now) -> Step`, in any order and as often as wanted: asking twice at the
    same time gives the same rung only once.
    """

    def __init__(
        self,
        rungs: frozenset[Rung] = frozenset(Rung),
        *,
        pace: Pace | None = None,
        jitter: Callable[[float], float] = lambda seconds: seconds,
    ) -> None:
        self._rungs = tuple(sorted(rungs))
        self._pace = pace or Pace()
        self._jitter = jitter
        self._trouble: dict[str, Evidence] = {}
        self._answered: dict[str, float] = {}
        self._place = 0
        self._tries = 0
        self._rounds = 0
        self._not_before = 0.0

    @property
    def climbing(self) -> bool:
        """Whether some channel is in trouble."""
        return bool(self._trouble)

    @property
    def next_rung(self) -> Rung | None:
        """The rung that would be tried next."""
        return self._rungs[self._place] if self._rungs else None

    def hear(self, channel: str, evidence: Evidence, now: float) -> None:
        """Take note of what a channel shows."""
        if evidence in {Evidence.SILENT, Evidence.PORT_LOST, Evidence.TIMED_OUT}:
            self._worse(channel, evidence, now)
        elif evidence is Evidence.ANSWERED or evidence is Evidence.NETWORK_AWAY:
            # A modem that can say that the network is away has answered.
            self._trouble.pop(channel, None)
            self._answered[channel] = now
        elif evidence is Evidence.REBOOTED:
            self._not_before = max(self._not_before, now + self._pace.boot_s)

    def _worse(self, channel: str, evidence: Evidence, now: float) -> None:
        if not self._trouble and now - max(self._answered.values(), default=now) >= self._pace.stable_s:
            self._start_over()
        if self._trouble.get(channel) is not Evidence.PORT_LOST or evidence is Evidence.PORT_LOST:
            self._trouble[channel] = evidence
        self._answered.pop(channel, None)

    def _start_over(self) -> None:
        self._place = self._tries = self._rounds = 0
        self._not_before = 0.0

    def forget(self, channel: str) -> None:
        """The channel was given up or replaced: its evidence counts no more."""
        self._trouble.pop(channel, None)
        self._answered.pop(channel, None)

    def advance(self, now: float) -> Step:
        """The step that is due. Calling it is a promise to do the rung it names."""
        if not self._trouble or not self._rungs:
            return Step()
        if now < self._not_before:
            return Step(None, self._not_before)
        self._skip_what_cannot_help()
        rung = self._rungs[self._place]
        if rung > Rung.OTHER_PORT and (healthy_until := self._healthy_until()) > now:
            return Step(None, healthy_until)
        return self._climb(rung, now)

    def _skip_what_cannot_help(self) -> None:
        """A port that is gone has no place to find: it must be opened anew."""
        gone = all(evidence is Evidence.PORT_LOST for evidence in self._trouble.values())
        if gone and self._rungs[self._place] is Rung.RESYNC and len(self._rungs) > 1:
            self._place, self._tries = 1, 0

    def _healthy_until(self) -> float:
        """Until when another channel's answer speaks for the modem."""
        return max(self._answered.values(), default=float("-inf")) + self._pace.healthy_s

    def _climb(self, rung: Rung, now: float) -> Step:
        self._tries += 1
        wait = self._jitter(self._pace.wait_s[rung])
        if self._tries >= self._pace.tries[rung]:
            self._tries = 0
            self._place += 1
        if self._place >= len(self._rungs):
            self._place = 0
            wait += self._jitter(min(self._pace.longest_s, self._pace.first_backoff_s * 2.0 ** min(self._rounds, 16)))
            self._rounds += 1
        self._not_before = now + wait
        return Step(rung, self._not_before)
