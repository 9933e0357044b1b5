"""A broadband line: sync and PPP come and go, several systems see it, some late or twice.

Events have the form that the controller's API takes (`POST /v1/line-events`), outages that of `POST /v1/outages`.
Pure: time comes from an agenda, chance from the given source.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from random import Random
from typing import Final

from simulator.clock import Agenda, Timer
from simulator.scenario import LinePart, OutagePart

# The systems that see a change: the exchange's equipment sees sync, the access server sees PPP.
SYNC_SOURCE: Final = "dslam"
PPP_SOURCE: Final = "radius"
# Seconds: a lost session is noticed by missing LCP echoes; a modem trains, then the session is set up again.
PPP_NOTICED_S: Final = (1.0, 30.0)
TRAINING_S: Final = (30.0, 90.0)
PPP_SETUP_S: Final = (2.0, 10.0)
RESTART_S: Final = (60.0, 150.0)
# One drop in five loses the session alone.
PPP_ALONE: Final = 0.2


# The causes that the controller's API knows.
OUR_RESTART: Final = "our_restart"
CUSTOMER_POWER_CYCLE: Final = "customer_power_cycle"


class LineEventKind(StrEnum):
    """What changed on the line."""

    SYNC_LOST = "sync_lost"
    SYNC_GAINED = "sync_gained"
    PPP_LOST = "ppp_lost"
    PPP_GAINED = "ppp_gained"


@dataclass(frozen=True, slots=True)
class LineEvent:
    """One source saw one change. `cause` is known of restarts: ours by the order, a power cut by its dying gasp."""

    line_id: str
    kind: LineEventKind
    at: datetime
    source: str
    cause: str | None = None

    def as_api(self) -> dict[str, str]:
        """One item of `POST /v1/line-events`."""
        item = {"line_id": self.line_id, "kind": self.kind.value, "at": self.at.isoformat(), "source": self.source}
        return item if self.cause is None else {**item, "cause": self.cause}


def declare_outage(part: OutagePart, line_id: str, start: datetime) -> dict[str, object]:
    """The body of `POST /v1/outages` for an outage of a run that began at `start`; it is declared by being sent."""

    def at(seconds: float | None) -> str | None:
        return None if seconds is None else (start + timedelta(seconds=seconds)).isoformat()

    return {
        "line_ids": [line_id],
        "planned": part.planned,
        "whose": part.whose,
        "from_at": at(part.from_s),
        "until": at(part.to_s),
    }


class Line:
    """One line, in one of the patterns of a scenario; `report` gets each event when its source tells it."""

    def __init__(
        self,
        part: LinePart,
        *,
        agenda: Agenda,
        random: Random,
        utc: Callable[[], datetime],
        report: Callable[[LineEvent], None],
    ) -> None:
        self.synchronised = True
        self.connected = True
        self._part = part
        self._agenda = agenda
        self._random = random
        self._utc = utc
        self._report = report
        self._recovery: list[Timer] = []
        self.dead = False

    def start(self) -> None:
        """Begin the pattern."""
        if self._part.pattern == "flapping":
            self._plan_drop()
        elif self._part.pattern == "dead":
            self._agenda.after(self._part.dies_at_s, self.die)

    def drop(self) -> None:
        """Lose sync or only the session, and get it back after a while."""
        if self.synchronised and self.connected:
            away = self._random.uniform(*self._part.drop_s)
            self._lose(sync=self._random.random() >= PPP_ALONE, back_after_s=away, cause=None)

    def die(self) -> None:
        """Lose sync for good."""
        self.dead = True
        self._cancel_recovery()
        self._lose(sync=True, back_after_s=None, cause=None)

    def recover(self) -> None:
        """The fault is mended: sync after training, then the session."""
        self.dead = False
        self._cancel_recovery()
        self._come_back(self._random.uniform(*TRAINING_S))

    def restart_router(self, *, asked_by_us: bool) -> None:
        """The router is switched off and on, by the customer or because we asked for it."""
        if not self.dead:
            cause = OUR_RESTART if asked_by_us else CUSTOMER_POWER_CYCLE
            self._cancel_recovery()
            self._lose(sync=True, back_after_s=self._random.uniform(*RESTART_S), cause=cause)

    def _plan_drop(self) -> None:
        self._agenda.after(self._random.expovariate(self._part.drops_per_day / 86400.0), self._next_drop)

    def _next_drop(self) -> None:
        if not self.dead:
            self.drop()
            self._plan_drop()

    def _lose(self, *, sync: bool, back_after_s: float | None, cause: str | None) -> None:
        if sync and self.synchronised:
            self.synchronised = False
            self._tell(LineEventKind.SYNC_LOST, SYNC_SOURCE, cause)
        if self.connected:
            self.connected = False
            noticed = self._random.uniform(*PPP_NOTICED_S)
            self._agenda.after(noticed, lambda: self._tell(LineEventKind.PPP_LOST, PPP_SOURCE, cause))
            back_after_s = None if back_after_s is None else max(back_after_s, noticed + 1.0)
        if back_after_s is not None:
            self._come_back(back_after_s)

    def _come_back(self, after_s: float) -> None:
        setup = after_s + self._random.uniform(*PPP_SETUP_S)
        self._recovery = [self._agenda.after(after_s, self._gain_sync), self._agenda.after(setup, self._gain_session)]

    def _gain_sync(self) -> None:
        if not self.synchronised:
            self.synchronised = True
            self._tell(LineEventKind.SYNC_GAINED, SYNC_SOURCE, None)

    def _gain_session(self) -> None:
        if not self.connected:
            self.connected = True
            self._tell(LineEventKind.PPP_GAINED, PPP_SOURCE, None)

    def _cancel_recovery(self) -> None:
        for timer in self._recovery:
            timer.cancel()
        self._recovery = []

    def _tell(self, kind: LineEventKind, source: str, cause: str | None) -> None:
        event = LineEvent(self._part.line_id, kind, self._utc(), source, cause)
        late = self._random.uniform(*self._part.late_s)
        self._agenda.after(late, lambda: self._report(event))
        if self._random.random() < self._part.seen_twice:
            self._agenda.after(late + self._random.uniform(*self._part.late_s) + 1.0, lambda: self._report(event))
