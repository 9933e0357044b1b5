import os
import random
from datetime import datetime, timedelta
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from msgspec.structs import fields

from controller.domain import facts as f
from controller.domain.allowance import allowance_due, boosted_allowance, own_allowance
from controller.domain.backup import backup_entitles, backup_for_account
from controller.domain.decisions import Decision, Outcome, to_json
from controller.domain.drops import count_drops, drops_on, most_drops, times_down
from controller.domain.eligibility import live_sim, mobile_benefits
from controller.domain.ending import Benefit, ending_of, switch_off_instant
from controller.domain.hub_benefit import mini_hub_owed
from controller.domain.london import LONDON, add_months
from controller.domain.promise import promise_made
from controller.domain.qualifying import qualifies
from controller.domain.sim import Reason, ReasonKind, SimState, hub_sim_due, state_due
from tests.unit.domain.copies import replace

from .homes import HUBS, RULES, START, homes, line_events, moments

GOOD = {Outcome.DISPATCH, Outcome.REACTIVATE, Outcome.OWED, Outcome.ENTITLED}
instants = st.integers(0, 60 * 70).map(lambda minutes: START + timedelta(minutes=minutes))
SOAK = int(os.environ.get("DOMAIN_SOAK", "0"))
# The same examples every time, so that a build never fails by luck; DOMAIN_SOAK=5000 looks for new ones.
many = settings(max_examples=SOAK or 40, deadline=None, derandomize=not SOAK)
calm = settings(deadline=None)


def reported(facts: f.Facts, at: datetime) -> list[str]:
    return sorted(fault.fault_id for fault in facts.faults if fault.reported_at <= at)


def everything(facts: f.Facts, at: datetime) -> list[Any]:
    """Every answer the domain gives about a home at an instant."""
    known = facts.as_known(at)
    answers: list[Any] = []
    for fault_id in reported(known, at):
        answers += [qualifies(known, fault_id, at, RULES), mini_hub_owed(known, fault_id, at, RULES)]
        answers += backup_for_account(known, fault_id, at, RULES)
        answers += [ending_of(facts, fault_id, benefit, at, RULES) for benefit in Benefit]
    answers += [
        mobile_benefits(known, plan.plan_id, at, RULES) for plan in sorted(known.plans, key=lambda p: p.plan_id)
    ]
    answers += [allowance_due(facts, s.sim_id, at, RULES) for s in known.plan_sims if live_sim(known, s.sim_id, at)]
    return [*answers, *(hub_sim_due(facts, hub_id, at, RULES) for hub_id in HUBS)]


@many
@given(homes, line_events, st.booleans(), instants)
def test_one_more_drop_never_turns_qualifying_into_not(
    home: f.Facts, more: f.LineEvent, comes_back: bool, at: datetime
) -> None:
    loss = replace(more, kind=f.LineEventKind.PPP_LOST)
    back = replace(more, kind=f.LineEventKind.PPP_GAINED, at=more.at + timedelta(seconds=20))
    # A recovery inside a time without service is other evidence than one more drop.
    spans = times_down(home, more.line_id, at)
    assume(not comes_back or not any(s.began_at <= back.at and (s.ended_at or at) >= loss.at for s in spans))
    worse = home.adding(line_events=[loss, back] if comes_back else [loss])
    for fault_id in reported(home, at):
        if qualifies(home, fault_id, at, RULES).outcome is Outcome.QUALIFIES:
            assert qualifies(worse, fault_id, at, RULES).outcome is Outcome.QUALIFIES


@many
@given(st.lists(line_events, max_size=25), line_events, moments)
def test_one_more_loss_never_lowers_the_count(events: list[f.LineEvent], more: f.LineEvent, at: datetime) -> None:
    same_line = [replace(each, line_id="l") for each in events]
    before = f.Facts(line_events=tuple(same_line))
    after = before.adding(line_events=[replace(more, line_id="l", kind=f.LineEventKind.SYNC_LOST)])
    counts = [count_drops(drops_on(each, "l", at, RULES), at, RULES) for each in (before, after)]
    assert counts[0] <= counts[1] <= counts[0] + 2


@many
@given(homes, instants, st.integers(0, 600))
def test_a_qualifying_fault_stays_one_unless_cured(home: f.Facts, at: datetime, minutes: int) -> None:
    assume(not home.outages and not home.determinations)
    then = at + timedelta(minutes=minutes)
    for fault_id in reported(home, at):
        if qualifies(home, fault_id, at, RULES).outcome is Outcome.QUALIFIES:
            after = qualifies(home, fault_id, then, RULES)
            assert after.outcome is Outcome.QUALIFIES or after.code in {"cured", "service_present"}


@many
@given(homes, st.integers(-5, 5), moments, st.booleans(), instants)
def test_leaving_never_gives_a_benefit(home: f.Facts, day: int, asked: datetime, asks: bool, at: datetime) -> None:
    stays = replace(home, leave_requests=(), services=tuple(replace(s, last_day=None) for s in home.services))
    left = tuple(
        replace(s, last_day=START.date() + timedelta(days=day)) if s.service_id == "s" else s for s in stays.services
    )
    leaves = replace(stays, services=left)
    if asks:
        leaves = replace(stays, leave_requests=(f.LeaveRequest(service_id="s", requested_at=asked),))
    for before, after in zip(benefits(stays, at), benefits(leaves, at), strict=True):
        assert after.outcome not in GOOD or before.outcome in GOOD


def benefits(facts: f.Facts, at: datetime) -> list[Decision]:
    plans = [mobile_benefits(facts, plan.plan_id, at, RULES) for plan in facts.plans]
    owed = [d(facts, x, at, RULES) for x in reported(facts, at) for d in (mini_hub_owed, backup_entitles)]
    return plans + owed


@many
@given(homes, st.integers(0, 10**6), instants)
def test_the_order_of_facts_does_not_matter(home: f.Facts, seed: int, at: datetime) -> None:
    draw = random.Random(seed)
    shuffled = {each.name: list(getattr(home, each.name)) for each in fields(home)}
    for rows in shuffled.values():
        draw.shuffle(rows)
    # The homes' SIMs are asked about in the order they stand in, so only their answers are compared.
    other = f.Facts(**{name: tuple(rows) for name, rows in shuffled.items()})
    assert sorted(map(repr, everything(home, at))) == sorted(map(repr, everything(other, at)))


_TOLD = ("line_events", "asked_restarts", "outages", "leave_requests", "hub_losses", "brand_findings", "sims_abroad")


@many
@given(homes, instants)
def test_a_fact_told_twice_is_one(home: f.Facts, at: datetime) -> None:
    twice = replace(home, **{name: getattr(home, name) * 2 for name in _TOLD})
    assert everything(twice, at) == everything(home, at)


@many
@given(homes, homes, instants, st.integers(1, 600))
def test_recomputing_as_of_then_gives_what_was_decided(
    home: f.Facts, news: f.Facts, at: datetime, minutes: int
) -> None:
    decided = everything(home, at)
    learnt_at = at + timedelta(minutes=minutes)
    late = {
        each.name: [replace(fact, recorded_at=learnt_at) for fact in getattr(news, each.name)] for each in fields(news)
    }
    resolved = [
        replace(fault, resolved_at=learnt_at - timedelta(minutes=1), recorded_at=learnt_at) for fault in home.faults
    ]
    past = replace(home, faults=tuple(replace(fault, superseded_at=learnt_at) for fault in home.faults))
    now = past.adding(**(late | {"faults": resolved}))
    assert everything(now, at) == decided


@many
@given(homes, st.integers(0, 600))
def test_after_all_reasons_close_every_sim_has_what_its_plan_gives(home: f.Facts, minutes: int) -> None:
    ended = START + timedelta(minutes=700 + minutes)
    told = tuple(
        f.EndingNotice(
            fault_id=fault.fault_id, sent_at=START + timedelta(days=4), delivered_at=START + timedelta(days=4)
        )
        for fault in home.faults
    )
    closed = replace(
        home, faults=tuple(replace(fault, resolved_at=ended) for fault in home.faults), ending_notices=told
    )
    at = START + timedelta(days=9)
    for sim in closed.plan_sims:
        live = live_sim(closed, sim.sim_id, at)
        if live is not None:
            due = allowance_due(closed, sim.sim_id, at, RULES)
            entitled = mobile_benefits(closed, sim.plan_id, at, RULES).outcome is Outcome.ENTITLED
            own = own_allowance(live[1], at)
            assert (due.allowance_mb, due.uncounted) == (boosted_allowance(own, RULES) if entitled else own, False)
            assert (due.tier == RULES.fastest_tier) is entitled
    for hub_id in HUBS:
        assert hub_sim_due(closed, hub_id, at, RULES).state is not SimState.ACTIVE


@many
@given(homes, instants)
def test_a_hub_is_switched_on_only_where_something_is_owed_or_ending(home: f.Facts, at: datetime) -> None:
    for hub_id in HUBS:
        due = hub_sim_due(home, hub_id, at, RULES)
        if due.state is SimState.ACTIVE:
            endings = [ending_of(home, fault_id, Benefit.MINI_HUB, at, RULES) for fault_id in due.reasons]
            assert all(each.is_on for each in endings)
            assert set(due.reasons) <= set(reported(home, at))


@many
@given(homes, instants)
def test_what_is_owed_names_its_hub_and_every_decision_is_json(home: f.Facts, at: datetime) -> None:
    for fault_id in reported(home, at):
        decision = mini_hub_owed(home, fault_id, at, RULES)
        assert (decision.target is not None) == (decision.outcome is Outcome.REACTIVATE)
        assert isinstance(to_json(decision), dict)
        assert decision.clause.startswith("T§")
        if decision.outcome in {Outcome.REACTIVATE, Outcome.DISPATCH} and decision.code != "goodwill":
            assert qualifies(home, fault_id, at, RULES).outcome is Outcome.QUALIFIES
            if decision.outcome is Outcome.REACTIVATE and decision.target is not None:
                state = hub_sim_due(home, decision.target, at, RULES).state
                assert state is not SimState.PARKED


reasons = st.builds(
    lambda name, kind, start, end: Reason(reason_id=name, kind=kind, opened_at=start, closed_at=end),
    st.sampled_from("abc"),
    st.sampled_from(ReasonKind),
    moments,
    st.none() | moments,
)


@calm
@given(st.lists(reasons, max_size=6), st.integers(0, 10**6), moments)
def test_the_fold_of_reasons_is_a_set(found: list[Reason], seed: int, at: datetime) -> None:
    shuffled = found * 2
    random.Random(seed).shuffle(shuffled)
    assert state_due(found, at) == state_due(shuffled, at)
    assert state_due([], at).state is SimState.PARKED


@calm
@given(moments)
def test_a_switch_off_lies_in_the_quiet_window_and_not_before(at: datetime) -> None:
    off = switch_off_instant(at, RULES)
    local = off.astimezone(LONDON).time()
    assert off >= at
    assert off - at <= timedelta(hours=25)
    assert RULES.quiet_window.opens <= local < RULES.quiet_window.closes


@calm
@given(moments)
def test_the_hour_is_sixty_elapsed_minutes(at: datetime) -> None:
    promise = promise_made(at.astimezone(LONDON), RULES)
    assert promise.due_at - at == timedelta(minutes=60)
    assert [each - at for each in promise.alarms_at] == [timedelta(minutes=30), timedelta(minutes=48)]


@calm
@given(st.dates(), st.integers(0, 40))
def test_months_are_clamped_and_never_overshoot(day: Any, months: int) -> None:
    assume(day.year < 9990)
    found = add_months(day, months)
    assert (found.year * 12 + found.month) - (day.year * 12 + day.month) == months
    assert found.day == day.day or (found.day < day.day and (found + timedelta(days=1)).day == 1)


@calm
@given(st.lists(line_events, max_size=20), moments)
def test_most_drops_is_at_least_those_at_the_report(events: list[f.LineEvent], at: datetime) -> None:
    facts = f.Facts(line_events=tuple(events))
    drops = drops_on(facts, "l", at + timedelta(hours=3), RULES)
    assert most_drops(drops, at, at + timedelta(hours=3), RULES) >= count_drops(drops, at, RULES)
