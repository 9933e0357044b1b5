"""What a mobile SIM has at an instant: allowance, tier, counted or not (T§12-14)."""

from datetime import datetime

from msgspec import Struct

from controller.domain.backup import backup_owed, is_abroad
from controller.domain.decisions import Outcome
from controller.domain.eligibility import live_sim, mobile_benefits
from controller.domain.ending import Benefit, EndingState, ending_of
from controller.domain.errors import UnknownSubjectError
from controller.domain.exclusions import account_of_fault
from controller.domain.facts import Facts, Fault, Plan, utc
from controller.domain.london import day_starts
from controller.domain.lookup import is_open_between
from controller.domain.rule_sets import RuleSet


class Allowance(Struct, frozen=True, kw_only=True, gc=False):
    """What is due to a SIM.

    `allowance_mb` is the total with add-ons, None unlimited; it is what MyBT shows. `plan_mb` is the plan's due without
    Backup and add-ons (boosted where `boosted`), `add_on_mb` the add-ons beside it. `uncounted`: use is neither charged
    nor counted, because of the faults in `backup_for`. `extra_speed`: the paid add-on is still the plan's.
    """

    sim_id: str
    allowance_mb: int | None
    tier: str
    uncounted: bool
    extra_speed: bool
    plan_mb: int | None
    add_on_mb: int
    boosted: bool
    backup_for: tuple[str, ...]


def own_allowance(plan: Plan, at: datetime) -> int | None:
    """Return the plan's own monthly allowance in effect at `at` (None: unlimited); before the first, the first."""
    ordered = sorted(plan.allowances, key=lambda each: each.effective_from)
    if not ordered:
        return None
    in_effect = [each for each in ordered if each.effective_from <= at]
    return (in_effect[-1] if in_effect else ordered[0]).allowance_mb


def add_ons(facts: Facts, plan_id: str, at: datetime) -> int:
    """Return the data bought on top that is valid at `at`; it is never doubled (T§14)."""
    return sum(
        each.add_on_mb
        for each in facts.add_ons
        if each.plan_id == plan_id and is_open_between(each.valid_from, each.valid_until, at)
    )


def boosted_allowance(own_mb: int | None, rules: RuleSet) -> int | None:
    """Double a monthly allowance; nothing stays nothing and unlimited stays unlimited (T§14)."""
    return None if own_mb is None else own_mb * rules.boost_factor


def extra_speed_ended_at(facts: Facts, plan_id: str, at: datetime, rules: RuleSet) -> datetime | None:
    """Return when the Extra Speed add-on, and its charge, stopped because of Fastest 4G, or None (T§13).

    That is the Plus start, or for a plan that joins or buys the add-on later the moment its benefit is there. It is not
    added again on leaving.
    """
    bought = [p.extra_speed_from for p in facts.plans if p.plan_id == plan_id and p.extra_speed_from is not None]
    if not bought:
        return None
    rows = [each for each in facts.plans if each.plan_id == plan_id]
    starts = {
        *bought,
        *(each.live_from or each.purchased_at for each in rows),
        *(day_starts(each.starts_on) for each in facts.services),
        *(each.withdrawn_at for each in facts.leave_requests if each.withdrawn_at is not None),
    }
    for instant in sorted(starts):
        if max(bought) <= instant <= at and mobile_benefits(facts, plan_id, instant, rules).outcome is Outcome.ENTITLED:
            return instant
    return None


def allowance_due(facts: Facts, sim_id: str, at: datetime, rules: RuleSet) -> Allowance:
    """Compute what is due to the SIM at `at`; takes every version of the facts (T§12-14).

    From present facts alone: present plan, boost and eligibility; nothing is put back from a snapshot. Raises
    UnknownSubjectError where the SIM is on no live plan.
    """
    at = utc(at)
    known = facts.as_known(at)
    live = live_sim(known, sim_id, at)
    if live is None:
        raise UnknownSubjectError("live SIM", sim_id)
    plan = live[1]
    entitled = mobile_benefits(known, plan.plan_id, at, rules).outcome is Outcome.ENTITLED
    plan_mb = own_allowance(plan, at)
    if entitled:
        plan_mb = boosted_allowance(plan_mb, rules)
    extra = _has_extra_speed(known, plan, at, rules)
    extra_mb = add_ons(known, plan.plan_id, at)
    backup = backup_for_sim(facts, sim_id, at, rules)
    return Allowance(
        sim_id=sim_id,
        allowance_mb=None if backup or plan_mb is None else plan_mb + extra_mb,
        tier=rules.fastest_tier if entitled else "extra" if extra else plan.base_tier,
        uncounted=bool(backup),
        extra_speed=extra,
        plan_mb=plan_mb,
        add_on_mb=extra_mb,
        boosted=entitled,
        backup_for=backup,
    )


def _has_extra_speed(known: Facts, plan: Plan, at: datetime, rules: RuleSet) -> bool:
    return (
        plan.extra_speed_from is not None
        and plan.extra_speed_from <= at
        and extra_speed_ended_at(known, plan.plan_id, at, rules) is None
    )


def backup_for_sim(facts: Facts, sim_id: str, at: datetime, rules: RuleSet) -> tuple[str, ...]:
    """Return the faults for which Backup is on for this SIM at `at`, sorted; takes every version of the facts (T§12).

    Owed now, or ending and not yet off. A SIM that itself has no Mobile Benefits any more, or is abroad, has none.
    """
    at = utc(at)
    known = facts.as_known(at)
    live = live_sim(known, sim_id, at)
    if live is None or is_abroad(known, sim_id, at):
        return ()
    if mobile_benefits(known, live[1].plan_id, at, rules).outcome is not Outcome.ENTITLED:
        return ()
    of_account = [
        each
        for each in known.faults
        if each.reported_at <= at and account_of_fault(known, each, at, rules) == live[1].account_id
    ]
    return tuple(
        sorted(each.fault_id for each in of_account if _is_on(facts, known, each, sim_id=sim_id, at=at, rules=rules))
    )


def _is_on(facts: Facts, known: Facts, fault: Fault, *, sim_id: str, at: datetime, rules: RuleSet) -> bool:
    if backup_owed(known, fault.fault_id, sim_id, at, rules).outcome is Outcome.OWED:
        return True
    ending = ending_of(facts, fault.fault_id, Benefit.BACKUP, at, rules)
    return ending.is_on and ending.state is not EndingState.NOT_ENDING


def remaining_mb(due: Allowance, counted_use_mb: int) -> int | None:
    """Return what is left of the allowance after the use outside Backup; None is unlimited (T§12e)."""
    return None if due.allowance_mb is None else max(0, due.allowance_mb - counted_use_mb)
