"""What the rules give for one account at one instant, as a value: computed from facts alone before anything is written.

The same facts give the same outcome, so that a decision can be computed again as of then.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from msgspec import Struct

from controller.domain import allowance, backup, hub_benefit, qualifying, sim
from controller.domain.decisions import Decision, Outcome
from controller.domain.eligibility import live_sim
from controller.domain.ending import Benefit, Ending, ending_of
from controller.domain.exclusions import account_of_fault
from controller.domain.facts import Facts, Fault
from controller.domain.hub_owner import answers_for_hub
from controller.domain.london import day_ends
from controller.domain.lookup import line_of
from controller.domain.promise import promise_made
from controller.domain.rule_sets import RuleSet
from controller.services import instants
from controller.services.policy import Policy

_BENEFITS: Final = tuple(Benefit)
_PROMISED: Final = frozenset({Outcome.HOLD, Outcome.PERSON_DECIDES, Outcome.REACTIVATE, Outcome.OWED})


class Order(StrEnum):
    """What a dispatch order of a fault should be."""

    SEND = "send"
    KEEP = "keep"
    CANCEL = "cancel"


class Hour(Struct, frozen=True, kw_only=True, gc=False):
    """A promise that is due: the hour from the report and when its alarms ring; goodwill breaks nothing."""

    made_at: datetime
    due_at: datetime
    alarm_shares: tuple[float, ...]
    goodwill: bool = False


class Refusal(Struct, frozen=True, kw_only=True, gc=False):
    """What a customer is told of a refusal (T§15); final once the tests are done."""

    is_final: bool
    reason: str
    contest: str


class FaultOutcome(Struct, frozen=True, kw_only=True, gc=False):
    """One fault: `decisions` and `hours` are empty once it is resolved; an hour of None is not owed."""

    fault: Fault
    decisions: tuple[Decision, ...] = ()
    hours: Mapping[Benefit, Hour | None]
    order: Order = Order.KEEP
    estimate: str | None = None
    refusal: Refusal | None = None
    endings: tuple[Ending, ...] = ()


class HubOutcome(Struct, frozen=True, kw_only=True, gc=False):
    """What a hub should be, and by when the change should be done."""

    reasons: tuple[sim.Reason, ...]
    state: sim.SimState
    deadline: datetime | None


class SimOutcome(Struct, frozen=True, kw_only=True, gc=False):
    """What a mobile SIM should be, and by when; `is_live` is False once it is on no plan of the account."""

    reasons: tuple[sim.Reason, ...]
    intended: dict[str, Any]
    deadline: datetime | None
    is_live: bool = True


class AccountOutcome(Struct, frozen=True, kw_only=True, gc=False):
    """Everything the rules give for one account."""

    account_id: str
    faults: tuple[FaultOutcome, ...]
    hubs: Mapping[str, HubOutcome]
    sims: Mapping[str, SimOutcome]
    next_look: datetime | None


def outcome_of(account_id: str, facts: Facts, now: datetime, policy: Policy) -> AccountOutcome:
    """Decide one account at `now`; `facts` hold every version."""
    known = facts.as_known(now)
    reported = sorted(
        (
            fault
            for fault in known.faults
            if fault.reported_at <= now and _is_ours(known, fault, account_id, now, policy)
        ),
        key=lambda fault: (fault.reported_at, fault.fault_id),
    )
    faults = tuple([_fault(facts, known, fault, now, policy.rules_at(fault.reported_at)) for fault in reported])
    deadlines = _deadlines(faults)
    rules = policy.rules_at(now)
    ends = [end for each in faults for end in each.endings]
    return AccountOutcome(
        account_id=account_id,
        faults=faults,
        hubs=_hubs(account_id, facts, now, rules, deadlines),
        sims=_sims(account_id, facts, now, rules, deadlines),
        next_look=instants.next_look(known, ends, now, policy),
    )


def _is_ours(known: Facts, fault: Fault, account_id: str, now: datetime, policy: Policy) -> bool:
    """Say whether an account answers for a fault: its service is on the line now, or nobody's Plus is."""
    owner = account_of_fault(known, fault, now, policy.rules_at(fault.reported_at))
    return owner in {None, account_id}


def decisions_of(known: Facts, fault_id: str, at: datetime, rules: RuleSet) -> tuple[Decision, ...]:
    """Answer every question about a fault at an instant, from what was known then."""
    return (
        qualifying.qualifies(known, fault_id, at, rules),
        hub_benefit.mini_hub_owed(known, fault_id, at, rules),
        backup.backup_entitles(known, fault_id, at, rules),
        *backup.backup_for_account(known, fault_id, at, rules),
    )


def _fault(facts: Facts, known: Facts, fault: Fault, now: datetime, rules: RuleSet) -> FaultOutcome:
    endings = tuple([ending_of(facts, fault.fault_id, benefit, now, rules) for benefit in _BENEFITS])
    if fault.resolved_at is not None:
        return FaultOutcome(fault=fault, hours={}, order=Order.CANCEL, endings=endings)
    decisions = decisions_of(known, fault.fault_id, now, rules)
    _, hub, whole, *each = decisions
    order = _order(hub.outcome)
    return FaultOutcome(
        fault=fault,
        decisions=decisions,
        hours={
            Benefit.MINI_HUB: _hub_hour(known, fault, hub, now, rules),
            Benefit.BACKUP: _hour(fault, rules) if whole.outcome in _PROMISED and each else None,
        },
        order=order,
        estimate=_estimate(known, fault, now, rules) if order is Order.SEND else None,
        refusal=_refusal(known, fault, hub, now),
        endings=endings,
    )


def _order(outcome: Outcome) -> Order:
    if outcome is Outcome.DISPATCH:
        return Order.SEND
    return Order.CANCEL if outcome in {Outcome.REFUSED, Outcome.NOT_OWED} else Order.KEEP


def _hour(fault: Fault, rules: RuleSet, *, goodwill: bool = False) -> Hour:
    made = promise_made(fault.reported_at, rules)
    return Hour(made_at=made.reported_at, due_at=made.due_at, alarm_shares=rules.alarm_shares, goodwill=goodwill)


def _hub_hour(known: Facts, fault: Fault, decision: Decision, now: datetime, rules: RuleSet) -> Hour | None:
    """Return the hour of a reactivation; a dispatch has none (T§10d)."""
    if decision.outcome not in _PROMISED or not hub_benefit.hubs_of_line(known, fault.line_id, now):
        return None
    return _hour(fault, rules, goodwill=decision.code == "goodwill")


def _refusal(known: Facts, fault: Fault, decision: Decision, now: datetime) -> Refusal | None:
    if decision.outcome is not Outcome.REFUSED:
        return None
    finished = qualifying.diagnostics_end(known, fault.fault_id, now)
    return Refusal(is_final=finished is not None, reason=decision.reason, contest=decision.contest)


def _estimate(known: Facts, fault: Fault, now: datetime, rules: RuleSet) -> str | None:
    finished = qualifying.diagnostics_end(known, fault.fault_id, now)
    if finished is None:
        return None
    # The bank holidays' tables are large: only a dispatch needs them.
    from controller.domain.delivery import delivery_estimate

    return delivery_estimate(line_of(known, fault.line_id), fault.reported_at, finished.at, rules).by_day


def _deadlines(faults: tuple[FaultOutcome, ...]) -> dict[str, datetime]:
    """Return by when each hub or SIM that a decision acts on should be done; the nearest where there are several."""
    found: dict[str, datetime] = {}
    for each in faults:
        due = {str(benefit): hour for benefit, hour in each.hours.items() if hour is not None}
        for decision in each.decisions if due else ():
            hour = due.get(str(decision.question)) if decision.target else None
            if hour is not None and decision.target is not None:
                found[decision.target] = min(hour.due_at, found.get(decision.target, hour.due_at))
    return found


def _hubs(
    account_id: str, facts: Facts, now: datetime, rules: RuleSet, deadlines: Mapping[str, datetime]
) -> dict[str, HubOutcome]:
    """Decide the account's hubs; one that another household has, or had on this line, is that one's."""
    found, known = {}, facts.as_known(now)
    for hub_id in sorted({each.hub_id for each in known.hub_assignments}):
        if not answers_for_hub(known, account_id, hub_id, now):
            continue
        due = sim.reasons_for_hub(facts, hub_id, now, rules)
        state = sim.state_due(due, now).state
        found[hub_id] = HubOutcome(reasons=due, state=state, deadline=deadlines.get(hub_id))
    return found


def _sims(
    account_id: str, facts: Facts, now: datetime, rules: RuleSet, deadlines: Mapping[str, datetime]
) -> dict[str, SimOutcome]:
    known = facts.as_known(now)
    opened = {fault.fault_id: fault.reported_at for fault in facts.faults}
    found = {}
    for sim_id in sorted({each.sim_id for each in known.plan_sims}):
        live = live_sim(known, sim_id, now)
        if live is None and (ended := _ended_sim(known, sim_id, now)) is not None:
            found[sim_id] = ended
        elif live is not None and live[1].account_id == account_id:
            due = allowance.allowance_due(facts, sim_id, now, rules)
            fold = tuple(
                sim.Reason(reason_id=fault_id, kind=sim.ReasonKind.FAULT, opened_at=opened[fault_id])
                for fault_id in due.backup_for
            )
            intended = {"allowance_mb": due.allowance_mb, "tier": due.tier, "backup": due.uncounted}
            found[sim_id] = SimOutcome(reasons=fold, intended=intended, deadline=deadlines.get(sim_id))
    return found


def _ended_sim(known: Facts, sim_id: str, now: datetime) -> SimOutcome | None:
    """Return what is left of a SIM that has ended, or whose plan has: the plan's own terms, nothing of Plus (T§5)."""
    sims = [each for each in known.plan_sims if each.sim_id == sim_id]
    plans = [each for each in known.plans if each.plan_id in {sim.plan_id for sim in sims}]
    plan = max(plans, key=lambda each: each.live_from or each.purchased_at, default=None)
    sim_is_over = all(each.live_until is not None and each.live_until <= now for each in sims)
    if plan is None or not (sim_is_over or (plan.last_day is not None and day_ends(plan.last_day) <= now)):
        return None
    own = {"allowance_mb": allowance.own_allowance(plan, now), "tier": plan.base_tier, "backup": False}
    return SimOutcome(reasons=(), intended=own, deadline=None, is_live=False)
