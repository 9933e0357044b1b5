"""Drops and losses of one line, from the events of any number of sources (T§10b ii).

A *drop* is one loss, counted once however many sources or layers saw it. Strategy: fold the line's events in order of
time. A loss while the line is up is a new drop; within `same_loss` of the last drop's start (clocks of sources differ,
PPP follows sync), or while no recovery was reported since, it is another sighting of it. The latter holds for
`late_sighting` only, since a source may report no recoveries; and a source that reports the same layer lost twice has
missed one. Both count anew (reading: the customer's side).
"""

from collections.abc import Iterable
from datetime import datetime

from msgspec import Struct

from controller.domain.facts import OUR_RESTART, Facts, LineEvent, LineEventKind, Outage
from controller.domain.lookup import is_open_between
from controller.domain.memory import remembered
from controller.domain.rule_sets import RuleSet

_GAINS = frozenset({LineEventKind.SYNC_GAINED, LineEventKind.PPP_GAINED})
_NO_CAUSES: frozenset[str] = frozenset()
_LAYERS = {
    LineEventKind.SYNC_LOST: "sync",
    LineEventKind.SYNC_GAINED: "sync",
    LineEventKind.PPP_LOST: "ppp",
    LineEventKind.PPP_GAINED: "ppp",
}


class Drop(Struct, frozen=True, gc=False):
    """One loss: every instant it was seen at (first one first), by whom, and the causes that were reported."""

    seen_at: tuple[datetime, ...]
    seen_by: frozenset[tuple[str, str]]
    causes: frozenset[str]

    @property
    def began_at(self) -> datetime:
        """The first sighting."""
        return self.seen_at[0]

    def is_within(self, start: datetime, end: datetime) -> bool:
        """Say whether it was seen in the window, both ends included (reading: any sighting inside counts)."""
        for each in self.seen_at:  # noqa: SIM110  # asked of every drop, and a generator costs more than the answer
            if start <= each <= end:
                return True
        return False


class Down(Struct, frozen=True, gc=False):
    """A time without broadband: from the first loss until every layer lost has come back (None: not yet)."""

    began_at: datetime
    ended_at: datetime | None
    recovery_is_reported: bool


@remembered
def _ordered(facts: Facts, line_id: str, until: datetime) -> list[LineEvent]:
    """Return the line's events up to `until`; at one instant recoveries come before losses."""
    found = {
        (each.at, each.kind not in _GAINS, each.kind, each.source, each.cause or ""): each
        for each in facts.line_events
        if each.line_id == line_id and each.at <= until
    }
    return [found[key] for key in sorted(found)]


@remembered
def drops_on(facts: Facts, line_id: str, until: datetime, rules: RuleSet) -> tuple[Drop, ...]:
    """Return the line's drops up to `until`, in order, without the restarts we asked for (T§10b ii)."""
    drops: list[Drop] = []
    is_down = False
    for event in _ordered(facts, line_id, until):
        if event.kind in _GAINS:
            is_down = False
        elif drops and _is_same_loss(drops[-1], event, is_down=is_down, rules=rules):
            drops[-1] = _seen_again(drops[-1], event)
        else:
            drops.append(Drop((event.at,), frozenset((_eye(event),)), _causes(event)))
            is_down = True
    return _without_restarts(drops, facts, line_id)


def _eye(event: LineEvent) -> tuple[str, str]:
    return event.source, _LAYERS[event.kind]


def _causes(event: LineEvent) -> frozenset[str]:
    return frozenset((event.cause,)) if event.cause else _NO_CAUSES


def _is_same_loss(drop: Drop, event: LineEvent, *, is_down: bool, rules: RuleSet) -> bool:
    longest = rules.late_sighting if is_down else rules.same_loss
    return event.at - drop.seen_at[0] <= longest and _eye(event) not in drop.seen_by


def _seen_again(drop: Drop, event: LineEvent) -> Drop:
    return Drop((*drop.seen_at, event.at), drop.seen_by | {_eye(event)}, drop.causes | _causes(event))


def _without_restarts(drops: Iterable[Drop], facts: Facts, line_id: str) -> tuple[Drop, ...]:
    """Leave out the restarts we asked for: those marked so, and the first drop in the time of each asked restart.

    Reading: one restart excuses one drop, however often it was told: by several requests whose times meet, or by a
    request and by the source that saw it and knew why.
    """
    kept: list[Drop] = []
    marked: list[Drop] = []
    for each in drops:
        (marked if OUR_RESTART in each.causes else kept).append(each)
    for start, end in _times_asked(facts, line_id):
        if any(start <= each.began_at <= end for each in marked):
            continue
        asked = next((each for each in kept if start <= each.began_at <= end), None)
        if asked is not None:
            kept.remove(asked)
    return tuple(kept)


def _times_asked(facts: Facts, line_id: str) -> list[tuple[datetime, datetime]]:
    """Return the times of the restarts we asked for, in order; those that meet are one restart told twice."""
    found: list[tuple[datetime, datetime]] = []
    for start, end in sorted((each.at, each.until) for each in facts.asked_restarts if each.line_id == line_id):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found


def most_drops(drops: Iterable[Drop], start: datetime, end: datetime, rules: RuleSet) -> int:
    """Return the highest number of drops in the window before any instant from `start` to `end` (T§10b ii).

    Reading: the condition may hold at the report or at any later instant, so neither a late drop nor slowness costs the
    customer. The number can only rise where the window's end meets a sighting, so those instants are enough.
    """
    found = tuple(drops)
    ends = {start, *[seen for drop in found for seen in drop.seen_at if start < seen <= end]}
    return max([count_drops(found, each, rules) for each in ends])


def count_drops(drops: Iterable[Drop], at: datetime, rules: RuleSet) -> int:
    """Count the drops in the window that ends at `at`: elapsed hours, both ends included (T§10b ii)."""
    start = at - rules.drop_window
    return sum([each.is_within(start, at) for each in drops])


class Tally(Struct, frozen=True, gc=False):
    """How many drops count towards the threshold (T§10b ii): at the report, and at most at any instant up to now."""

    at_report: int
    most: int


@remembered
def tally_drops(facts: Facts, line_id: str, reported_at: datetime, at: datetime, rules: RuleSet) -> tuple[Tally, Tally]:
    """Return the tally of all of the line's drops, and that of those outside every outage of it."""
    drops, outages = drops_on(facts, line_id, at, rules), outages_of(facts, line_id)
    whole = Tally(count_drops(drops, reported_at, rules), most_drops(drops, reported_at, at, rules))
    outside = tuple([each for each in drops if not is_in_outage(each, outages)]) if outages else drops
    if len(outside) == len(drops):
        return whole, whole
    return whole, Tally(count_drops(outside, reported_at, rules), most_drops(outside, reported_at, at, rules))


def outages_of(facts: Facts, line_id: str) -> tuple[Outage, ...]:
    """Return the outages whose scope holds the line, earliest first."""
    found = [each for each in facts.outages if line_id in each.line_ids]
    if len(found) > 1:
        found.sort(key=lambda each: (each.from_at, each.outage_id))
    return tuple(found)


def is_in_outage(drop: Drop, outages: Iterable[Outage]) -> bool:
    """Say whether every sighting of the drop lies inside an outage of its line."""
    covering = tuple(outages)
    return all(_is_covered(seen, covering) for seen in drop.seen_at)


def _is_covered(instant: datetime, outages: tuple[Outage, ...]) -> bool:
    for each in outages:  # noqa: SIM110  # asked of every sighting, and a generator costs more than the answer
        if is_open_between(each.from_at, each.until, instant):
            return True
    return False


@remembered
def times_down(facts: Facts, line_id: str, until: datetime) -> tuple[Down, ...]:
    """Return the line's times without broadband up to `until`, in order (T§10b i).

    PPP that is back proves that sync is; sync that is back proves nothing of PPP.
    """
    events = _ordered(facts, line_id, until)
    reporting = {_LAYERS[each.kind] for each in events if each.kind in _GAINS}
    found: list[Down] = []
    lost: set[str] = set()
    began_at, is_reported = None, False
    for event in events:
        layer = _LAYERS[event.kind]
        if event.kind not in _GAINS:
            if began_at is None:
                began_at, is_reported = event.at, False
            lost.add(layer)
            is_reported = is_reported or layer in reporting
        elif began_at is not None:
            lost -= {"sync", "ppp"} if layer == "ppp" else {"sync"}
            if not lost:
                found.append(Down(began_at, event.at, recovery_is_reported=is_reported))
                began_at = None
    if began_at is not None:
        found.append(Down(began_at, None, recovery_is_reported=is_reported))
    return tuple(found)
