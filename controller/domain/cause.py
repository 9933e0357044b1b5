"""What causes a fault, as far as is known at an instant (T§10d, e i-iii; 12d i-ii)."""

from datetime import datetime
from enum import StrEnum

from msgspec import Struct

from controller.domain.decisions import Basis
from controller.domain.drops import outages_of, tally_drops, times_down
from controller.domain.facts import DeterminationKind, Facts, Fault, Observation, Outage
from controller.domain.lookup import is_open_between, latest_determination
from controller.domain.rule_sets import Bearing, RuleSet


class CauseKind(StrEnum):
    """Causes the terms tell apart."""

    UNKNOWN = "unknown"
    LINE = "line"
    OUTAGE = "outage"
    HOME = "home"
    EQUIPMENT = "equipment"


class Cause(Struct, frozen=True, gc=False):
    """The cause as known, where that comes from, and what a person should look at."""

    kind: CauseKind
    basis: Basis
    evidence: str
    flags: tuple[str, ...] = ()


_DETERMINED = {
    DeterminationKind.CAUSE_IS_LINE: CauseKind.LINE,
    DeterminationKind.CAUSE_IS_OUTAGE: CauseKind.OUTAGE,
    DeterminationKind.CAUSE_IS_HOME: CauseKind.HOME,
    DeterminationKind.CAUSE_IS_EQUIPMENT: CauseKind.EQUIPMENT,
}
_FOUND = {
    Bearing.LINE_CAUSE: CauseKind.LINE,
    Bearing.OUTAGE_CAUSE: CauseKind.OUTAGE,
    Bearing.HOME_CAUSE: CauseKind.HOME,
    Bearing.EQUIPMENT_CAUSE: CauseKind.EQUIPMENT,
}
# At one instant the finding that costs the customer least stands: equipment leaves Broadband Backup.
_MILDEST = (CauseKind.OUTAGE, CauseKind.HOME, CauseKind.EQUIPMENT)


def observations_of(facts: Facts, fault_id: str, at: datetime) -> list[Observation]:
    """Return the fault's observations made up to `at`, in order of time."""
    found = [each for each in facts.observations if each.fault_id == fault_id and each.at <= at]
    return found and sorted(found, key=lambda each: (each.at, each.kind != "engineer", each.kind, each.result))


def unread_observations(facts: Facts, fault_id: str, at: datetime, rules: RuleSet) -> tuple[str, ...]:
    """Name the observations whose (kind, result) the rule set has no meaning for."""
    found = observations_of(facts, fault_id, at)
    unread = {f"{o.kind}:{o.result}" for o in found if (o.kind, o.result) not in rules.observation_meanings}
    return tuple(sorted(unread)) if unread else ()


def _standing(facts: Facts, fault: Fault, at: datetime, rules: RuleSet) -> dict[str, tuple[datetime, CauseKind]]:
    """Fold observations into the findings that stand.

    A later result of the same kind replaces an earlier one; an engineer's visit replaces every finding before it.
    """
    standing: dict[str, tuple[datetime, CauseKind]] = {}
    for each in observations_of(facts, fault.fault_id, at):
        meaning = rules.observation_meanings.get((each.kind, each.result))
        if meaning is None:
            continue
        if each.kind == "engineer":
            standing.clear()
        if meaning in _FOUND:
            standing[each.kind] = (each.at, _FOUND[meaning])
        elif meaning in {Bearing.NOTHING_FOUND, Bearing.CURED}:
            standing.pop(each.kind, None)
    return standing


def _outage_is_over(facts: Facts, fault: Fault, found_at: datetime, at: datetime) -> bool:
    """Say whether a finding of an outage has lapsed: every known outage of the line that held then has ended since."""
    then = [each for each in outages_of(facts, fault.line_id) if is_open_between(each.from_at, each.until, found_at)]
    return bool(then) and not any(is_open_between(each.from_at, each.until, at) for each in then)


def _found_cause(facts: Facts, fault: Fault, at: datetime, rules: RuleSet) -> Cause | None:
    standing = {
        kind: (when, cause)
        for kind, (when, cause) in _standing(facts, fault, at, rules).items()
        if cause is not CauseKind.OUTAGE or not _outage_is_over(facts, fault, when, at)
    }
    if not standing:
        return None
    causes = {cause for _, cause in standing.values()}
    flags = ("conflicting_causes",) if len(causes) > 1 else ()
    if CauseKind.LINE in causes:
        # Reading (T§10e): a fault of the line itself is not *caused by* what else was found beside it.
        return Cause(CauseKind.LINE, Basis.READING if flags else Basis.TEXT, "diagnostics", flags)
    _, cause = max(standing.values(), key=lambda each: (each[0], _MILDEST.index(each[1])))
    return Cause(cause, Basis.TEXT, "diagnostics", flags)


def _drops_stand_alone(facts: Facts, fault: Fault, at: datetime, rules: RuleSet) -> bool:
    """Say whether drops outside every outage make the number by themselves, at some instant of the fault."""
    _, outside = tally_drops(facts, fault.line_id, fault.reported_at, at, rules)
    return outside.most >= rules.drop_threshold


def cause_of(facts: Facts, fault: Fault, at: datetime, rules: RuleSet) -> Cause:
    """Return the cause of a fault as known at `at`: a person's word, then diagnostics, then an outage around it."""
    determined = latest_determination(facts, fault.fault_id, frozenset(_DETERMINED), at)
    if determined is not None:
        return Cause(_DETERMINED[determined.kind], Basis.OPERATOR, f"{determined.by}: {determined.reason}")
    return _found_cause(facts, fault, at, rules) or _cause_around(facts, fault, at, rules)


def trouble_began_at(facts: Facts, fault: Fault, at: datetime) -> datetime:
    """Return since when the line is known to be in trouble: the loss it was in when reported, else the report."""
    spans = times_down(facts, fault.line_id, at)
    around = [each.began_at for each in spans if is_open_between(each.began_at, each.ended_at, fault.reported_at)]
    return min([*around, fault.reported_at])


def _stretch_around(outages: tuple[Outage, ...], instant: datetime) -> tuple[Outage, ...]:
    """Return the outages that follow on each other without a gap around `instant`; none where none was on then."""
    on = [each for each in outages if is_open_between(each.from_at, each.until, instant)]
    if not on or len(outages) == 1:
        return tuple(on)
    found = set(on)
    while True:
        joined = {each for each in outages if each not in found and any(_touch(each, other) for other in found)}
        if not joined:
            return tuple(sorted(found, key=lambda each: (each.from_at, each.outage_id)))
        found |= joined


def _touch(one: Outage, other: Outage) -> bool:
    return (one.until is None or other.from_at <= one.until) and (other.until is None or one.from_at <= other.until)


def _came_back(
    facts: Facts, fault: Fault, ended_at: datetime, at: datetime, rules: RuleSet, *, outages: tuple[Outage, ...]
) -> bool:
    """Say whether there is evidence that the line came back with the end of an outage, and none against it.

    For it: a recovery seen since the report, or a later test that shows service. Against it, where no other outage
    explains it: down for longer than the time that makes a loss *no service*, a new loss, or a test without service.
    """
    spans = times_down(facts, fault.line_id, at)
    tests = [
        (each.at, meaning)
        for each in observations_of(facts, fault.fault_id, at)
        if (meaning := rules.observation_meanings.get((each.kind, each.result)))
        in {Bearing.NO_SERVICE, Bearing.SERVICE_PRESENT}
        and each.at >= ended_at
    ]
    seen_back = any(each.ended_at is not None and each.ended_at >= fault.reported_at for each in spans)
    losses = [each.began_at for each in spans if each.began_at >= ended_at]
    losses += [when for when, meaning in tests if meaning is Bearing.NO_SERVICE]
    losses += [at for each in spans if each.ended_at is None]
    late = ended_at + rules.no_service_after
    losses += [late for each in spans if each.began_at < ended_at and late < (each.ended_at or at)]
    against = [each for each in losses if not _stretch_around(outages, each)]
    return not against and (seen_back or [meaning for _, meaning in tests[-1:]] == [Bearing.SERVICE_PRESENT])


def _is_accepted(facts: Facts, fault: Fault, stretch: tuple[Outage, ...], at: datetime) -> bool:
    """Say whether a person, with the outage declared, has determined that this fault qualifies all the same."""
    word = latest_determination(facts, fault.fault_id, frozenset({DeterminationKind.FAULT_QUALIFIES}), at)
    return word is not None and all(each.declared_at <= word.at for each in stretch)


def _cause_around(facts: Facts, fault: Fault, at: datetime, rules: RuleSet) -> Cause:
    """Attribute a fault to the outage of its line that was on when the trouble began.

    Reading (T§10e i, 12d i): trouble that began before the outage is not caused by it. Trouble that outlasts it isn't
    either, unless there is evidence that the line came back with its end.
    """
    outages = tuple(each for each in outages_of(facts, fault.line_id) if each.from_at <= at)
    stretch = _stretch_around(outages, trouble_began_at(facts, fault, at))
    nothing = Cause(CauseKind.UNKNOWN, Basis.TEXT, "nothing found")
    if not stretch or _drops_stand_alone(facts, fault, at, rules) or _is_accepted(facts, fault, stretch, at):
        return nothing
    names = f"outage {', '.join(each.outage_id for each in stretch)}"
    if any(each.until is None or at < each.until for each in stretch):
        return Cause(CauseKind.OUTAGE, Basis.TEXT, names)
    ended_at = max(each.until for each in stretch if each.until is not None)
    if _came_back(facts, fault, ended_at, at, rules, outages=outages):
        return Cause(CauseKind.OUTAGE, Basis.READING, f"{names}, and the line came back with its end")
    return nothing
