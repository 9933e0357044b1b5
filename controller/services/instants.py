"""When an account must be looked at again though no fact changes: facts with dates in the future, and open endings."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from controller.domain.ending import Ending, EndingState
from controller.domain.facts import Facts, LineEventKind
from controller.domain.london import day_ends, day_starts
from controller.domain.rule_sets import RuleSet
from controller.services.policy import Policy

_LOSSES: Final = frozenset({LineEventKind.SYNC_LOST, LineEventKind.PPP_LOST})


def next_look(facts: Facts, ends: Sequence[Ending], now: datetime, policy: Policy) -> datetime | None:
    """Return the earliest instant after `now` at which the outcome may differ; None when nothing is dated ahead.

    While a fault is open the account is looked at every `policy.poll` as well, so that a rule with an instant of its
    own needs no entry here.
    """
    ahead = [instant for instant in _instants(facts, ends, policy.rules_at(now)) if instant > now]
    if facts.faults:
        ahead.append(now + policy.poll)
    return min(ahead, default=None)


def _instants(facts: Facts, ends: Sequence[Ending], rules: RuleSet) -> Iterator[datetime]:
    for end in ends:
        if end.switch_off_at is not None and end.state in {EndingState.WAITING, EndingState.TELL, EndingState.HELD}:
            yield end.switch_off_at
        if end.waits_until is not None:
            yield end.waits_until
    for service in facts.services:
        yield day_starts(service.starts_on)
        if service.last_day is not None:
            yield day_ends(service.last_day)
    yield from _mobile(facts)
    for fault in facts.faults:
        yield fault.reported_at
    for bill in facts.bills_past_due:
        yield day_ends(bill.due_on)
    if facts.faults:
        # A loss that lasts becomes no service by itself (T§10b i): the hour runs meanwhile.
        yield from (each.at + rules.no_service_after for each in facts.line_events if each.kind in _LOSSES)


def _mobile(facts: Facts) -> Iterator[datetime]:
    for plan in facts.plans:
        if plan.live_from is not None:
            yield plan.live_from
        if plan.last_day is not None:
            yield day_ends(plan.last_day)
        for allowance in plan.allowances:
            yield allowance.effective_from
    for sim in facts.plan_sims:
        yield from (instant for instant in (sim.live_from, sim.live_until) if instant is not None)
    for add_on in facts.add_ons:
        yield from (instant for instant in (add_on.valid_from, add_on.valid_until) if instant is not None)
    for abroad in facts.sims_abroad:
        yield from (instant for instant in (abroad.from_at, abroad.until) if instant is not None)
