"""Place, the hour, lateness, identity, allowances, and facts and decisions as values."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from controller.domain import facts as f
from controller.domain.allowance import Allowance, extra_speed_ended_at, own_allowance, remaining_mb
from controller.domain.backup import backup_for_account
from controller.domain.decisions import CONTEST, Basis, Outcome, Question, to_json
from controller.domain.eligibility import broadband_benefits, mobile_benefits, sims_of_account
from controller.domain.errors import UnknownSubjectError
from controller.domain.hub_benefit import mini_hub_owed
from controller.domain.identity import identity_alarm, same_equipment
from controller.domain.lateness import Progress, Waiting, lane_done_at, lateness_of, waiting_for
from controller.domain.lookup import line_of
from controller.domain.place import coverage_shown, is_uk_network
from controller.domain.promise import (
    Standing,
    backup_ready_at,
    promise_made,
    ready_at,
    share_left,
    standing_of,
    took,
)
from controller.domain.qualifying import qualifies
from controller.domain.sim import SimState, SimStep, next_step
from tests.unit.domain.copies import replace
from tests.unit.domain.plain_home import AT, HOME, HOUR, PLAN, PLUS, RULES

# Place


@pytest.mark.parametrize(
    ("plmn", "is_uk"),
    [
        ("23430", True),
        ("234-30", True),
        ("23591", True),
        ("23455", False),
        ("23450", False),
        ("23403", False),
        ("23436", False),
        ("23458", False),
        ("27201", False),
        ("20801", False),
        ("234", False),
        ("2343", False),
        ("2343000", False),
        ("", False),
        ("2343x", False),
        ("234³0", False),
    ],
)
def test_networks_of_the_united_kingdom(plmn: str, is_uk: bool) -> None:
    assert is_uk_network(plmn) is is_uk


def test_coverage_is_shown_and_refuses_nothing() -> None:
    assert coverage_shown("good", "poor").refuses is False
    shown = coverage_shown(None, None)
    assert (shown.expected, shown.reported) == ("not known", "not reported yet")
    assert (coverage_shown("good", "poor").expected, coverage_shown("good", "poor").reported) == ("good", "poor")


# The hour


@pytest.mark.parametrize(
    ("ready", "at", "standing"),
    [
        (None, HOUR, Standing.RUNNING),
        (None, HOUR + timedelta(microseconds=1), Standing.MISSED),
        (HOUR, HOUR, Standing.KEPT),
        (HOUR, 9 * HOUR, Standing.KEPT),
        (HOUR + timedelta(microseconds=1), 9 * HOUR, Standing.MISSED),
        (HOUR, HOUR / 2, Standing.RUNNING),
    ],
)
def test_how_the_hour_stands(ready: timedelta | None, at: timedelta, standing: Standing) -> None:
    promise = promise_made(AT, RULES)
    when = None if ready is None else AT + ready
    assert standing_of(promise, when, AT + at) is standing
    assert standing_of(promise, when, AT + at, is_goodwill=True) is Standing.GOODWILL


def test_the_share_that_is_left() -> None:
    promise = promise_made(AT, RULES)
    assert [share_left(promise, AT + x * HOUR) for x in (-1, 0, 0.25, 1, 2)] == [1.0, 1.0, 0.75, 0.0, 0.0]
    assert took(promise, AT + HOUR / 2) == timedelta(minutes=30)
    assert promise.reported_at == AT


def test_ready_is_the_last_of_both() -> None:
    assert ready_at(AT, AT + HOUR) == AT + HOUR
    assert ready_at(AT + HOUR, AT) == AT + HOUR
    assert ready_at(None, AT) is None
    assert ready_at(AT, None) is None
    assert backup_ready_at((AT, AT + HOUR)) == AT + HOUR
    assert backup_ready_at((AT, None)) is None
    assert backup_ready_at(()) is None


@pytest.mark.parametrize(
    ("progress", "waits"),
    [
        (Progress(decided=False), Waiting.DIAGNOSTICS),
        (Progress(decided=False, needs_person=True), Waiting.PERSON),
        (Progress(decided=True), Waiting.CARRIER_LANE),
        (Progress(decided=True, asked_carrier_at=AT), Waiting.CARRIER_EFFECT),
        (Progress(decided=True, asked_carrier_at=AT, carrier_active_at=AT), Waiting.HUB_SILENT),
        (Progress(decided=True, asked_carrier_at=AT, carrier_active_at=AT, notice_failed=True), Waiting.NOTICE),
        (Progress(decided=True, asked_carrier_at=AT, carrier_active_at=AT, hub_online_at=AT), Waiting.NOTHING),
    ],
)
def test_what_a_promise_waits_for(progress: Progress, waits: Waiting) -> None:
    assert waiting_for(progress) is waits
    promise = promise_made(AT, RULES)
    late = lateness_of(promise, progress, AT + 2 * HOUR)
    assert (late.waiting_for, late.share_left, late.due_at) == (waits, 0.0, AT + HOUR)
    assert late.is_late is (progress.carrier_active_at is None)
    assert not lateness_of(promise, progress, AT + HOUR).is_late


def test_the_lanes_forecast() -> None:
    assert lane_done_at(45_000, 5, AT) == AT + timedelta(minutes=150)


# SIMs and identity


def test_the_next_step_at_the_carrier() -> None:
    assert next_step(SimState.ACTIVE, SimState.PARKED) is SimStep.ACTIVATE
    assert next_step(SimState.PARKED, SimState.ACTIVE) is SimStep.PARK
    assert next_step(SimState.BARRED, None) is SimStep.BAR
    assert all(next_step(each, each) is None for each in SimState)


def test_the_identity_alarm_has_a_deadline() -> None:
    seen = (f.SimSighting(hub_id="h", imei="002222222222222", at=AT), f.SimSighting(hub_id="g", imei="1", at=AT))
    own = (f.EquipmentAssignment(hub_id="h", imei="001111111111111", from_at=AT - HOUR),)
    facts = f.Facts(sim_sightings=seen, equipment=own)
    alarm = identity_alarm(facts, "h", AT, RULES)
    assert alarm is not None
    assert (alarm.hub_id, alarm.imei, alarm.seen_at) == ("h", "002222222222222", AT)
    assert alarm.expected == ("001111111111111",)
    assert alarm.review_due_at == AT + RULES.identity_review
    assert alarm.reason == "The hub's SIM was seen in equipment it is not assigned to."
    assert identity_alarm(facts, "h", AT - timedelta(seconds=1), RULES) is None
    ended = replace(facts, equipment=(replace(own[0], until=AT),))
    late = identity_alarm(ended, "h", AT, RULES)
    assert late is not None
    assert late.expected == ("none",)
    assert same_equipment("001111111111111", " 00111111111111901")


# Facts and decisions as values


def test_instants_are_kept_in_utc_and_naive_ones_refused() -> None:
    zone = timezone(timedelta(hours=5))
    fault = f.Fault(fault_id="f", line_id="l", reported_at=datetime(2026, 3, 2, 17, tzinfo=zone))
    assert fault.reported_at.tzinfo is UTC
    assert fault.reported_at == AT
    with pytest.raises(f.NaiveInstantError, match="has no time zone"):
        f.Fault(fault_id="f", line_id="l", reported_at=AT.replace(tzinfo=None))
    with pytest.raises(AttributeError):
        fault.line_id = "k"  # type: ignore[misc]  # that it can't be set is the point


def test_versions_are_known_from_their_recording_to_their_successor() -> None:
    fault = f.Fault(fault_id="f", line_id="l", reported_at=AT, recorded_at=AT, superseded_at=AT + HOUR)
    facts = f.Facts(faults=(fault,))
    assert facts.as_known(AT).faults == (fault,)
    assert facts.as_known(AT - timedelta(microseconds=1)).faults == ()
    assert facts.as_known(AT + HOUR).faults == ()
    assert facts.as_known(AT + HOUR - timedelta(microseconds=1)).faults == (fault,)


def test_a_decision_is_json() -> None:
    decision = qualifies(HOME, "f", AT, RULES)
    shown = to_json(decision)
    assert isinstance(shown, dict)
    assert shown["outcome"] == "qualifies"
    assert shown["at"] == "2026-03-02T12:00:00+00:00"
    assert shown["contest"] == CONTEST
    assert shown["rule_set"] == RULES.version
    assert shown["inputs"] == {
        "reported_at": "2026-03-02T12:00:00+00:00",
        "symptom": "other",
        "drops_at_report": 0,
        "most_drops": 0,
        "most_drops_outside_outages": 0,
        "drop_threshold": 5,
        "diagnostics_finished": False,
        "observations": ["line_test:no_sync"],
    }
    assert to_json({"a": frozenset({"y", "x"}), "b": timedelta(minutes=1), "c": None, "d": 1.5, "e": True}) == {
        "a": ["x", "y"],
        "b": 60.0,
        "c": None,
        "d": 1.5,
        "e": True,
    }
    assert to_json((date(2026, 1, 2), ["x"])) == ["2026-01-02", ["x"]]
    with pytest.raises(TypeError, match="object has no JSON form"):
        to_json(object())


def test_a_decision_carries_everything() -> None:
    decision = mini_hub_owed(HOME, "f", AT, RULES)
    assert (decision.question, decision.subject, decision.at) == (Question.MINI_HUB, "f", AT)
    assert decision.basis is Basis.TEXT
    assert decision.inputs == {"qualifies": "qualifies", "qualifies_by": "no_service", "then": "first_fault"}


def test_an_exclusion_shows_its_evidence() -> None:
    bill = f.BillPastDue(bill_id="b7", account_id="a", due_on=date(2026, 1, 1), by="billing")
    doubt = f.Suspicion(
        suspicion_id="x",
        account_id="a",
        kind=f.SuspicionKind.FRAUD,
        grounds="two reports",
        by="Ann",
        raised_at=AT,
    )
    facts = HOME.adding(bills_past_due=[bill], suspicions=[doubt])
    decision = mini_hub_owed(facts, "f", AT, RULES)
    assert decision.inputs["excluded_by"] == ("fraud: Ann: two reports", "bill_past_due: bill b7")
    assert decision.basis is Basis.OPERATOR
    (first, second) = backup_for_account(facts, "f", AT, RULES)
    assert (first.target, second.target) == ("m1", "m2")
    assert first.inputs == {
        "qualifies": "qualifies",
        "qualifies_by": "no_service",
        "fault": "f",
        "excluded_by": ("fraud: Ann: two reports", "bill_past_due: bill b7"),
    }


def test_unknown_subjects_say_so() -> None:
    with pytest.raises(UnknownSubjectError, match="no fault g among the facts") as caught:
        qualifies(HOME, "g", AT, RULES)
    assert (caught.value.noun, caught.value.subject) == ("fault", "g")
    with pytest.raises(UnknownSubjectError, match="no reported fault f"):
        qualifies(HOME, "f", AT - timedelta(microseconds=1), RULES)
    with pytest.raises(UnknownSubjectError, match="no plan q"):
        mobile_benefits(HOME, "q", AT, RULES)


def test_broadband_benefits_name_their_service() -> None:
    decision = broadband_benefits(HOME, "l", AT, RULES)
    assert (decision.outcome, decision.code, decision.clause) == (Outcome.ENTITLED, "plus_is_live", "T§2")
    assert decision.inputs == {"service": "s", "product": "Superfast Fibre Plus"}
    assert decision.reason == "This line has Plus Broadband."
    none = broadband_benefits(HOME, "k", AT, RULES)
    assert (none.outcome, none.code, none.clause) == (Outcome.NOT_ENTITLED, "no_live_plus", "T§2")
    assert none.inputs == {"service": None, "product": None}
    assert mobile_benefits(HOME, "p", AT, RULES).inputs == {"service": "s"}


def test_lines_and_sims_are_found() -> None:
    assert line_of(HOME, "l").landline == "020 7946 0001"
    assert line_of(HOME, "k") == f.Line(line_id="k")
    assert sims_of_account(HOME, "a", AT) == ("m1", "m2")
    assert sims_of_account(HOME, "b", AT) == ()


# Allowances


def test_what_is_left() -> None:
    due = Allowance(
        sim_id="m",
        allowance_mb=100,
        tier="standard",
        uncounted=False,
        extra_speed=False,
        plan_mb=100,
        add_on_mb=0,
        boosted=False,
        backup_for=(),
    )
    assert [remaining_mb(due, used) for used in (0, 40, 100, 101)] == [100, 60, 0, 0]
    assert remaining_mb(replace(due, allowance_mb=None), 5) is None


def test_a_plans_own_allowance() -> None:
    assert own_allowance(PLAN, AT - HOUR) == 5
    assert own_allowance(replace(PLAN, allowances=()), AT) is None


def test_when_extra_speed_and_its_charge_stop() -> None:
    bought = AT - timedelta(days=30)
    plan = replace(PLAN, extra_speed_from=bought)
    home = replace(HOME, plans=(plan,))
    assert extra_speed_ended_at(HOME, "p", AT, RULES) is None
    assert extra_speed_ended_at(home, "p", AT, RULES) == bought
    later = replace(home, services=(replace(PLUS, starts_on=date(2026, 2, 20)),))
    assert extra_speed_ended_at(later, "p", AT, RULES) == datetime(2026, 2, 20, tzinfo=UTC)
    joins = replace(home, plans=(replace(plan, live_from=AT - HOUR),))
    assert extra_speed_ended_at(joins, "p", AT, RULES) == AT - HOUR
    held = replace(
        home,
        plans=(replace(plan, purchased_at=bought),),
        leave_requests=(f.LeaveRequest(service_id="s", requested_at=bought - HOUR, withdrawn_at=AT - HOUR),),
    )
    assert extra_speed_ended_at(held, "p", AT, RULES) == AT - HOUR
    assert extra_speed_ended_at(held, "p", AT - 2 * HOUR, RULES) is None
