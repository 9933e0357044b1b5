"""What causes a fault, as far as is known at an instant (T§10d, e i-iii; 12d i-ii)."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from controller.domain.decisions import Basis
from controller.domain.drops import drops_on, is_in_outage, most_drops, outages_of, times_down
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


@dataclass(frozen=True, slots=True)
class Cause:
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
    return sorted(found, key=lambda each: (each.at, each.kind != "engineer", each.kind, each.result))


def unread_observations(facts: Facts, fault_id: str, at: datetime, rules: RuleSet) -> tuple[str, ...]:
    """Name the observations whose (kind, result) the rule set has no meaning for."""
    found = observations_of(facts, fault_id, at)
    unread = {f"{o.kind}:{o.result}" for o in found if (o.kind, o.result) not in rules.observation_meanings}
    return tuple(sorted(unread))


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


def _drops_stand_alone(facts: Facts, fault: Fault, at: datetime, rules: RuleSet, outages: tuple[Outage, ...]) -> bool:
    """Say whether drops outside every outage make the number by themselves, at some instant of the fault."""
    outside = [each for each in drops_on(facts, fault.line_id, at, rules) if not is_in_outage(each, outages)]
    return most_drops(outside, fault.reported_at, at, rules) >= rules.drop_threshold


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


def _covered_since(outages: tuple[Outage, ...], at: datetime) -> datetime | None:
    """Return since when outages have covered the line without a gap up to `at`, or None when none is on."""
    on = [each.from_at for each in outages if is_open_between(each.from_at, each.until, at)]
    if not on:
        return None
    start = min(on)
    before = [
        each.from_at for each in outages if each.from_at < start and each.until is not None and each.until >= start
    ]
    return _covered_since(tuple(each for each in outages if each.from_at < start), min(before)) if before else start


def _is_accepted(facts: Facts, fault: Fault, outages: tuple[Outage, ...], at: datetime) -> bool:
    """Say whether a person, with the outage declared, has determined that this fault qualifies all the same."""
    word = latest_determination(facts, fault.fault_id, frozenset({DeterminationKind.FAULT_QUALIFIES}), at)
    on = [each.declared_at for each in outages if is_open_between(each.from_at, each.until, at)]
    return word is not None and all(declared <= word.at for declared in on)


def _cause_around(facts: Facts, fault: Fault, at: datetime, rules: RuleSet) -> Cause:
    """Attribute a fault to an outage of its line that is on at `at` and was on when the trouble began.

    Reading (T§10e i, 12d i): trouble that began before the outage, or outlasts it, is not caused by it.
    """
    outages = outages_of(facts, fault.line_id)
    since = _covered_since(outages, at)
    nothing = Cause(CauseKind.UNKNOWN, Basis.TEXT, "nothing found")
    if since is None or trouble_began_at(facts, fault, at) < since:
        return nothing
    if _drops_stand_alone(facts, fault, at, rules, outages) or _is_accepted(facts, fault, outages, at):
        return nothing
    on = [each.outage_id for each in outages if is_open_between(each.from_at, each.until, at)]
    return Cause(CauseKind.OUTAGE, Basis.TEXT, f"outage {', '.join(on)}")
