"""Stage one: does the reported fault qualify (T§10b)?

Two rules qualify: no broadband service, or the threshold number of drops in the window before the report or before any
instant up to the determination. The list is open: a named person may determine that another fault qualifies.
"""

from datetime import datetime

from msgspec import Struct

from controller.domain.cause import observations_of, unread_observations
from controller.domain.decisions import Basis, Decision, InputValue, Outcome, Question
from controller.domain.drops import Down, Drop, drops_on, tally_drops, times_down
from controller.domain.errors import UnknownSubjectError
from controller.domain.facts import (
    CUSTOMER_POWER_CYCLE,
    Determination,
    DeterminationKind,
    DiagnosticsFinished,
    Facts,
    Fault,
    Symptom,
    utc,
)
from controller.domain.lookup import fault_of, latest_determination
from controller.domain.memory import remembered
from controller.domain.rule_sets import Bearing, RuleSet

_WORD = frozenset({DeterminationKind.FAULT_QUALIFIES, DeterminationKind.FAULT_DOES_NOT_QUALIFY})


class Finding(Struct, frozen=True, gc=False):
    """An outcome before it is put into words; `inputs` are what it rests on."""

    outcome: Outcome
    basis: Basis
    code: str
    clause: str = "T§10b"
    detail: str = ""


_REASONS = {
    "no_service": "The line has no broadband service.",
    "drops": "The connection dropped at least as often as the terms ask within their window.",
    "unresolved_by_diagnostics": "You reported no service, and our tests neither cured it nor showed that it works.",
    "operator": "A person looked at this fault and determined it: {detail}",
    "only_drops_in_outage": "Only with drops inside an outage are there enough of them, so a person decides.",
    "cured": "Our tests with you cured the fault, so nothing needs to bridge it.",
    "diagnostics_unfinished": "Our tests have not yet shown what the fault is.",
    "fewer_than_threshold": "The connection dropped fewer times than the terms ask within their window.",
    "service_present": "Our tests show that the line has broadband service.",
    "not_determined": "What we found so far is not one of the faults the terms name.",
}


def diagnostics_end(facts: Facts, fault_id: str, at: datetime) -> DiagnosticsFinished | None:
    """Return the first end of the fault's diagnostics up to `at` (T§10d)."""
    ended = [each for each in facts.diagnostics_finished if each.fault_id == fault_id and each.at <= at]
    return min(ended, key=lambda each: each.at) if ended else None


def was_down(fault: Fault, spans: tuple[Down, ...], at: datetime, rules: RuleSet) -> bool:
    """Say whether line events alone show that there was no service at the report or at an instant up to `at` (T§10b i).

    Reading: a customer who reports no service while the line is down is right at once. Otherwise a loss counts as no
    service only once it has lasted, where its source also reports recoveries: a short one is a drop.
    """
    for span in spans:
        end = span.ended_at or at
        if end < fault.reported_at:
            continue
        if fault.symptom is Symptom.NO_SERVICE and span.began_at <= fault.reported_at:
            return True
        if span.recovery_is_reported and end - span.began_at >= rules.no_service_after:
            return True
    return False


def is_cured(facts: Facts, fault: Fault, at: datetime, rules: RuleSet) -> bool:
    """Say whether diagnostics cured the fault and nothing since says otherwise (T§10d).

    Reading: a drop after the cure, or a later finding that the service is gone or the line faulty, means it was none. A
    late sighting of a loss from before the cure doesn't, nor does a restart we asked for.
    """
    cured_at: datetime | None = None
    for each in observations_of(facts, fault.fault_id, at):
        meaning = rules.observation_meanings.get((each.kind, each.result))
        if meaning is Bearing.CURED:
            cured_at = each.at
        elif meaning in {Bearing.NO_SERVICE, Bearing.LINE_CAUSE}:
            cured_at = None
    return cured_at is not None and not any(
        cured_at < seen and (cured_at < drop.began_at or seen - drop.began_at > rules.same_loss)
        for drop in drops_on(facts, fault.line_id, at, rules)
        for seen in drop.seen_at
    )


def _tested(facts: Facts, fault: Fault, at: datetime, rules: RuleSet, bearing: Bearing) -> bool:
    """Say whether a test of the line showed this; for the present state the latest test counts."""
    about_service = [
        meaning
        for each in observations_of(facts, fault.fault_id, at)
        if (meaning := rules.observation_meanings.get((each.kind, each.result)))
        in {Bearing.NO_SERVICE, Bearing.SERVICE_PRESENT}
    ]
    return bearing in about_service if bearing is Bearing.NO_SERVICE else about_service[-1:] == [bearing]


def _by_rule(facts: Facts, fault: Fault, at: datetime, rules: RuleSet) -> Finding:
    """Apply T§10b(i) and (ii), without anybody's discretion."""
    if _tested(facts, fault, at, rules, Bearing.NO_SERVICE):
        return Finding(Outcome.QUALIFIES, Basis.TEXT, "no_service", "T§10b(i)")
    if was_down(fault, times_down(facts, fault.line_id, at), at, rules):
        return Finding(Outcome.QUALIFIES, Basis.READING, "no_service", "T§10b(i)")
    whole, outside = tally_drops(facts, fault.line_id, fault.reported_at, at, rules)
    if outside.most >= rules.drop_threshold:
        at_report = outside.at_report >= rules.drop_threshold
        return Finding(Outcome.QUALIFIES, Basis.TEXT if at_report else Basis.READING, "drops", "T§10b(ii)")
    found = _by_diagnostics(facts, fault, at, rules)
    if found.outcome is not Outcome.QUALIFIES and whole.most >= rules.drop_threshold:
        return Finding(Outcome.PERSON_DECIDES, Basis.READING, "only_drops_in_outage", "T§10b(ii)")
    return found


def _by_diagnostics(facts: Facts, fault: Fault, at: datetime, rules: RuleSet) -> Finding:
    """Say what the end of diagnostics makes of a fault that neither rule has caught."""
    if diagnostics_end(facts, fault.fault_id, at) is None:
        return Finding(Outcome.NOT_YET_KNOWN, Basis.TEXT, "diagnostics_unfinished", "T§10d")
    if _tested(facts, fault, at, rules, Bearing.SERVICE_PRESENT):
        code = "fewer_than_threshold" if fault.symptom is Symptom.DROPPING else "service_present"
        return Finding(Outcome.DOES_NOT_QUALIFY, Basis.TEXT, code)
    if fault.symptom is Symptom.NO_SERVICE:
        # Reading: what diagnostics can't resolve brings the benefit (T§10d), and nobody has shown the report wrong.
        return Finding(Outcome.QUALIFIES, Basis.READING, "unresolved_by_diagnostics", "T§10d")
    code = "fewer_than_threshold" if fault.symptom is Symptom.DROPPING else "not_determined"
    return Finding(Outcome.DOES_NOT_QUALIFY, Basis.TEXT, code)


def _with_discretion(found: Finding, word: Determination | None) -> Finding:
    """Let a person's word widen what the rules give; it never takes away what the text gives."""
    if word is None or found.outcome is Outcome.QUALIFIES:
        return found
    outcome = Outcome.QUALIFIES if word.kind is DeterminationKind.FAULT_QUALIFIES else Outcome.DOES_NOT_QUALIFY
    return Finding(outcome, Basis.OPERATOR, "operator", "T§10b", word.reason)


def _find(facts: Facts, fault: Fault, at: datetime, rules: RuleSet) -> Finding:
    if is_cured(facts, fault, at, rules):
        return Finding(Outcome.DOES_NOT_QUALIFY, Basis.TEXT, "cured", "T§10d")
    word = latest_determination(facts, fault.fault_id, _WORD, at)
    return _with_discretion(_by_rule(facts, fault, at, rules), word)


def _flags(facts: Facts, fault: Fault, at: datetime, rules: RuleSet, drops: tuple[Drop, ...]) -> tuple[str, ...]:
    start = fault.reported_at - rules.drop_window
    own = [each for each in drops if CUSTOMER_POWER_CYCLE in each.causes and each.is_within(start, at)]
    unread = unread_observations(facts, fault.fault_id, at, rules)
    if not own and not unread:
        return ()
    return (*(("customer_power_cycles",) if own else ()), *(f"unread_observation:{each}" for each in unread))


@remembered
def qualifies(facts: Facts, fault_id: str, at: datetime, rules: RuleSet) -> Decision:
    """Decide at `at` whether the fault qualifies (T§10b).

    Outcomes: qualifies, does_not_qualify, not_yet_known (diagnostics go on), person_decides. A qualifying fault stays
    one until it is cured or resolved. Raises UnknownSubjectError before the report or without the fault.
    """
    at = utc(at)
    fault = fault_of(facts, fault_id)
    if at < fault.reported_at:
        raise UnknownSubjectError("reported fault", fault_id)
    drops = drops_on(facts, fault.line_id, at, rules)
    found = _find(facts, fault, at, rules)
    return Decision(
        question=Question.QUALIFIES,
        subject=fault_id,
        outcome=found.outcome,
        clause=found.clause,
        basis=found.basis,
        code=found.code,
        reason=_REASONS[found.code].format(detail=found.detail),
        at=at,
        rule_set=rules.version,
        flags=_flags(facts, fault, at, rules, drops),
        inputs=_inputs(facts, fault, at, rules),
    )


def _inputs(facts: Facts, fault: Fault, at: datetime, rules: RuleSet) -> dict[str, InputValue]:
    whole, outside = tally_drops(facts, fault.line_id, fault.reported_at, at, rules)
    return {
        "reported_at": fault.reported_at.isoformat(),
        "symptom": str(fault.symptom),
        "drops_at_report": whole.at_report,
        "most_drops": whole.most,
        "most_drops_outside_outages": outside.most,
        "drop_threshold": rules.drop_threshold,
        "diagnostics_finished": diagnostics_end(facts, fault.fault_id, at) is not None,
        "observations": tuple(f"{o.kind}:{o.result}" for o in observations_of(facts, fault.fault_id, at)),
    }
