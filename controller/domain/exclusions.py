"""What takes a benefit away at an instant (T§10e, 12d), each ground with its clause in both lists."""

from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from controller.domain.cause import Cause, CauseKind, cause_of
from controller.domain.decisions import Basis, Decision
from controller.domain.eligibility import plus_of_fault
from controller.domain.facts import BillPastDue, Facts, Fault, Suspicion, SuspicionKind
from controller.domain.london import day_ends
from controller.domain.lookup import fault_of, is_open_between
from controller.domain.memory import remembered
from controller.domain.rule_sets import RuleSet


class Exclusion(Struct, frozen=True, gc=False):
    """One ground; a clause of None means that it does not touch that benefit."""

    code: str
    hub_clause: str | None
    backup_clause: str | None
    basis: Basis
    reason: str
    evidence: str
    flags: tuple[str, ...] = ()


_BY_CAUSE = {
    CauseKind.OUTAGE: ("outage", "T§10e(i)", "T§12d(i)", "The fault is caused by an outage, not by your line."),
    CauseKind.HOME: ("home_environment", "T§10e(ii)", "T§12d(ii)", "The fault is caused by something in the home."),
    CauseKind.EQUIPMENT: ("faulty_equipment", "T§10e(iii)", None, "The fault is caused by faulty equipment."),
}
_BY_SUSPICION = {
    SuspicionKind.NOT_GENUINE: ("not_genuine", "We have recorded grounds to suspect that the fault is not genuine."),
    SuspicionKind.FRAUD: ("fraud", "We have recorded grounds to suspect fraud."),
    SuspicionKind.TERMS_BROKEN: ("terms_broken", "The terms of the service are not being kept."),
}


def account_of_fault(facts: Facts, fault: Fault, at: datetime, rules: RuleSet) -> str | None:
    """Return the billing account of the live Plus service that the fault is of at `at`, if any."""
    service = plus_of_fault(facts, fault, at, rules)
    return service.account_id if service else None


def holds_suspicion(suspicion: Suspicion, account_id: str, fault_id: str, at: datetime) -> bool:
    """Say whether a suspicion excludes this fault at `at` (T§10e iv).

    Reading: *reasonably* asks for recorded grounds and a named person. Suspicion of one fault says nothing of another.
    """
    return (
        suspicion.account_id == account_id
        and suspicion.fault_id in {None, fault_id}
        and bool(suspicion.grounds.strip())
        and bool(suspicion.by.strip())
        and is_open_between(suspicion.raised_at, suspicion.cleared_at, at)
    )


def is_past_due(bill: BillPastDue, account_id: str, at: datetime) -> bool:
    """Say whether a bill is unpaid past its due day at `at`: from that day's end, local time, until it is paid."""
    return (
        bill.account_id == account_id
        and bool(bill.by.strip())
        and bool(bill.grounds.strip())
        and is_open_between(day_ends(bill.due_on), bill.paid_at, at)
    )


def exclusions(facts: Facts, fault: Fault, at: datetime, rules: RuleSet) -> tuple[Exclusion, ...]:
    """Return every ground that excludes something for this fault at `at`, in a fixed order (T§10e, 12d)."""
    return _exclusions(facts, fault.fault_id, at, rules)


@remembered
def _exclusions(facts: Facts, fault_id: str, at: datetime, rules: RuleSet) -> tuple[Exclusion, ...]:
    fault = fault_of(facts, fault_id)
    account_id = account_of_fault(facts, fault, at, rules)
    grounds = [*_of_cause(cause_of(facts, fault, at, rules))]
    if account_id is not None:
        held = [each for each in facts.suspicions if holds_suspicion(each, account_id, fault.fault_id, at)]
        grounds += [_of_suspicion(each) for each in sorted(held, key=lambda each: (each.raised_at, each.suspicion_id))]
        owing = [each for each in facts.bills_past_due if is_past_due(each, account_id, at)]
        grounds += [_of_bill(each) for each in sorted(owing, key=lambda each: (each.due_on, each.bill_id))]
    return tuple(grounds)


def beside_other_causes(decision: Decision, facts: Facts, fault: Fault, rules: RuleSet) -> Decision:
    """Mark what is owed although diagnostics found another cause beside the line's: a reading, and a person looks."""
    cause = cause_of(facts, fault, decision.at, rules)
    if not cause.flags:
        return decision
    basis = cause.basis if decision.basis is Basis.TEXT else decision.basis
    return replace(decision, basis=basis, flags=(*decision.flags, *cause.flags))


def _of_cause(cause: Cause) -> tuple[Exclusion, ...]:
    if cause.kind not in _BY_CAUSE:
        return ()
    code, hub_clause, backup_clause, reason = _BY_CAUSE[cause.kind]
    return (Exclusion(code, hub_clause, backup_clause, cause.basis, reason, cause.evidence, cause.flags),)


def _of_suspicion(suspicion: Suspicion) -> Exclusion:
    code, reason = _BY_SUSPICION[suspicion.kind]
    evidence = f"{suspicion.by}: {suspicion.grounds}"
    return Exclusion(code, "T§10e(iv)", "T§12d(iii)", Basis.OPERATOR, reason, evidence)


def _of_bill(bill: BillPastDue) -> Exclusion:
    reason = "A bill is past its due date. The benefit comes back as soon as it is paid."
    return Exclusion("bill_past_due", "T§10e(iv)", "T§12d(iii)", Basis.TEXT, reason, f"bill {bill.bill_id}")
