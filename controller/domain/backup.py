"""Stage two for Broadband Backup, SIM by SIM (T§12)."""

from datetime import datetime

from msgspec.structs import replace

from controller.domain.decisions import Basis, Decision, Outcome, Question
from controller.domain.eligibility import broadband_benefits, has_ended, live_sim, mobile_benefits, sims_of_account
from controller.domain.exclusions import account_of_fault, beside_other_causes, exclusions
from controller.domain.facts import Facts, Fault, utc
from controller.domain.lookup import fault_of, is_open_between
from controller.domain.memory import remembered
from controller.domain.qualifying import qualifies
from controller.domain.rule_sets import RuleSet
from controller.domain.stage_two import decide_stage_two, undecided

_REASONS = {
    "backup": "While this fault lasts, use of this SIM in the UK is free and unlimited.",
    "abroad": "This SIM is outside the UK, where Broadband Backup can't be used. It works again on return.",
    "no_plus_on_line": "The line with the fault has no Plus Broadband at this time.",
    "no_mobile_plan": "There is no BT Mobile plan on the billing account of this line at this time.",
    "sim_not_on_account": "This SIM is not on a live plan of the billing account that has the fault.",
    "fault_resolved": "This fault has been resolved.",
}


def is_abroad(facts: Facts, sim_id: str, at: datetime) -> bool:
    """Say whether the SIM is outside the UK at `at` (T§12d iv)."""
    return any(each.sim_id == sim_id and is_open_between(each.from_at, each.until, at) for each in facts.sims_abroad)


@remembered
def backup_entitles(facts: Facts, fault_id: str, at: datetime, rules: RuleSet) -> Decision:
    """Decide whether the fault brings its account Backup at all, before looking at any SIM (T§12b, d).

    T§12b cites a paragraph 9.b that isn't there; read as 10.b. Faulty equipment and a lost hub take nothing away here.
    """
    at = utc(at)
    fault = fault_of(facts, fault_id)
    stage_one = qualifies(facts, fault_id, at, rules)
    account_id = account_of_fault(facts, fault, at, rules)
    if account_id is None:
        # Plus that has ended takes Mobile Benefits with it (T§6); where it never was, they never were (T§3).
        plus = broadband_benefits(facts, fault.line_id, at, rules)
        # Plus that runs there now, and is not of this fault, is the next household's.
        clause = "T§6" if plus.clause == "T§6" or plus.outcome is Outcome.ENTITLED else "T§3"
        return _decide(stage_one, Outcome.NOT_OWED, "no_plus_on_line", clause)
    if fault.resolved_at is not None and fault.resolved_at <= at:
        return _decide(stage_one, Outcome.NOT_OWED, "fault_resolved", "T§12e")
    if stage_one.outcome is Outcome.DOES_NOT_QUALIFY:
        return _pass_on(stage_one, Outcome.NOT_OWED)
    nobody = _no_plan_entitled(facts, account_id, at, rules, stage_one)
    if nobody is not None:
        return nobody
    excluded = _excluded(facts, fault, at, rules, stage_one)
    if excluded is not None:
        return excluded
    if stage_one.outcome is Outcome.QUALIFIES:
        owed = _decide(stage_one, Outcome.OWED, "backup", "T§12a")
        return beside_other_causes(owed, facts, fault, rules)
    return _pass_on(stage_one, undecided(stage_one))


def _no_plan_entitled(
    facts: Facts, account_id: str, at: datetime, rules: RuleSet, stage_one: Decision
) -> Decision | None:
    """Return the decision where no SIM of the account has Mobile Benefits: there is nothing to bring (T§3, 5, 6)."""
    plans = [live[1].plan_id for sim in sims_of_account(facts, account_id, at) if (live := live_sim(facts, sim, at))]
    if not plans:
        had = any(each.account_id == account_id and has_ended(each, at) for each in facts.plans)
        return _decide(stage_one, Outcome.NOT_OWED, "no_mobile_plan", "T§5" if had else "T§3")
    benefits = [mobile_benefits(facts, plan_id, at, rules) for plan_id in plans]
    if any(each.outcome is Outcome.ENTITLED for each in benefits):
        return None
    why = benefits[0]
    return _decide(stage_one, Outcome.NOT_OWED, why.code, why.clause, reason=why.reason)


def _decide(
    stage_one: Decision,
    outcome: Outcome,
    code: str,
    clause: str,
    *,
    basis: Basis = Basis.TEXT,
    reason: str | None = None,
    excluded_by: tuple[str, ...] = (),
) -> Decision:
    return decide_stage_two(
        Question.BACKUP,
        stage_one,
        outcome,
        code,
        clause,
        reason=_REASONS[code] if reason is None else reason,
        basis=basis,
        inputs={"fault": stage_one.subject, "excluded_by": excluded_by},
    )


def _pass_on(stage_one: Decision, outcome: Outcome) -> Decision:
    clause = stage_one.clause.replace("T§10d", "T§12c")
    return _decide(stage_one, outcome, stage_one.code, clause, basis=stage_one.basis, reason=stage_one.reason)


def _excluded(facts: Facts, fault: Fault, at: datetime, rules: RuleSet, stage_one: Decision) -> Decision | None:
    grounds = [each for each in exclusions(facts, fault, at, rules) if each.backup_clause]
    if not grounds:
        return None
    first = grounds[0]
    return _decide(
        stage_one,
        Outcome.NOT_OWED,
        first.code,
        first.backup_clause or "T§12d",
        basis=first.basis,
        reason=first.reason,
        excluded_by=tuple(f"{each.code}: {each.evidence}" for each in grounds),
    )


@remembered
def backup_owed(facts: Facts, fault_id: str, sim_id: str, at: datetime, rules: RuleSet) -> Decision:
    """Decide at `at` whether this fault brings this SIM Backup (T§12).

    Outcomes: owed; not_usable_abroad; hold or person_decides while the fault is; not_owed. `target` is the SIM.
    """
    of_fault = backup_entitles(facts, fault_id, at, rules)
    own = _of_sim(facts, fault_of(facts, fault_id), sim_id, rules, of_fault)
    return own if own is not None else of_fault.aimed_at(sim_id)


def _about(of_fault: Decision, sim_id: str, outcome: Outcome, *, code: str, clause: str, reason: str) -> Decision:
    """Put a decision about the SIM itself in the place of the fault's."""
    return replace(of_fault, target=sim_id, outcome=outcome, code=code, clause=clause, reason=reason, basis=Basis.TEXT)


def _of_sim(facts: Facts, fault: Fault, sim_id: str, rules: RuleSet, of_fault: Decision) -> Decision | None:
    """Return the decision where the SIM itself stands against Backup, else None."""
    at = of_fault.at
    live = live_sim(facts, sim_id, at)
    account_id = account_of_fault(facts, fault, at, rules)
    if account_id is None:
        return None
    if live is None or live[1].account_id != account_id:
        code = "sim_not_on_account"
        return _about(of_fault, sim_id, Outcome.NOT_OWED, code=code, clause="T§3", reason=_REASONS[code])
    benefits = mobile_benefits(facts, live[1].plan_id, at, rules)
    if benefits.outcome is not Outcome.ENTITLED:
        return _about(
            of_fault, sim_id, Outcome.NOT_OWED, code=benefits.code, clause=benefits.clause, reason=benefits.reason
        )
    if of_fault.outcome is Outcome.OWED and is_abroad(facts, sim_id, at):
        return _about(
            of_fault, sim_id, Outcome.NOT_USABLE_ABROAD, code="abroad", clause="T§12d(iv)", reason=_REASONS["abroad"]
        )
    return None


def backup_for_account(facts: Facts, fault_id: str, at: datetime, rules: RuleSet) -> tuple[Decision, ...]:
    """Decide `backup_owed` for every live SIM of the fault's account, in order of SIM id (T§12c: all SIMs)."""
    at = utc(at)
    account_id = account_of_fault(facts, fault_of(facts, fault_id), at, rules)
    sims = () if account_id is None else sims_of_account(facts, account_id, at)
    return tuple(backup_owed(facts, fault_id, sim_id, at, rules) for sim_id in sims)
