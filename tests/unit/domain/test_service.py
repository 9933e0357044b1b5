"""Support, parental controls, changes, place, the hour, lateness, identity, and facts as values."""

from collections.abc import Mapping
from dataclasses import FrozenInstanceError, replace
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest

from controller.domain import facts as f
from controller.domain.allowance import Allowance, extra_speed_ended_at, own_allowance, remaining_mb
from controller.domain.backup import backup_for_account
from controller.domain.changes import SPEED_GUARANTEE, Substitution, may_publish, may_substitute, takes_away
from controller.domain.decisions import CONTEST, Basis, Outcome, Question, to_json
from controller.domain.eligibility import broadband_benefits, mobile_benefits, sims_of_account
from controller.domain.errors import DomainError, UnknownSubjectError
from controller.domain.hub_benefit import mini_hub_owed
from controller.domain.identity import identity_alarm, same_equipment
from controller.domain.lateness import Progress, Waiting, lane_done_at, lateness_of, waiting_for
from controller.domain.lookup import line_of
from controller.domain.parental import (
    ParentalSetting,
    ParentalSettingError,
    categories_of,
    change_setting,
    checked_setting,
    plain_name,
    setting_due,
)
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
from controller.domain.rule_sets import LEVEL_CATEGORIES, RULE_SETS
from controller.domain.sim import SimState, SimStep, next_step
from controller.domain.support import Team, normal_number, overflow, route_call

RULES = RULE_SETS[0]
AT = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
PLUS = f.Service(
    service_id="s", account_id="a", line_id="l", product="Superfast Fibre Plus", starts_on=date(2026, 1, 1)
)
PLAN = f.Plan(
    plan_id="p",
    account_id="a",
    purchased_at=AT - timedelta(days=99),
    allowances=(f.AllowanceFrom(effective_from=AT, allowance_mb=5),),
)
HOME = f.Facts(
    services=(PLUS,),
    lines=(f.Line(line_id="l", landline="020 7946 0001"),),
    plans=(PLAN,),
    plan_sims=(f.PlanSim(sim_id="m1", plan_id="p", msisdn="+447700900001"), f.PlanSim(sim_id="m2", plan_id="p")),
    faults=(f.Fault(fault_id="f", line_id="l", reported_at=AT),),
    observations=(f.Observation(fault_id="f", kind="line_test", result="no_sync", at=AT),),
)


# Dedicated support


@pytest.mark.parametrize(
    ("caller", "typed", "team", "by"),
    [
        ("020 7946 0001", None, Team.PLUS, "caller"),
        ("+44 20 7946 0001", None, Team.PLUS, "caller"),
        ("07700 900001", None, Team.PLUS, "caller"),
        (None, "02079460001", Team.PLUS, "typed_landline"),
        ("07700 900999", "02079460001", Team.PLUS, "typed_landline"),
        ("020 7946 0001", "020 7946 0002", Team.PLUS, "caller"),
        (None, "07700 900001", Team.GENERAL, None),
        ("07700 900999", None, Team.GENERAL, None),
        (None, None, Team.GENERAL, None),
        ("withheld", None, Team.GENERAL, None),
    ],
)
def test_where_a_call_goes(caller: str | None, typed: str | None, team: Team, by: str | None) -> None:
    route = route_call(HOME, caller, AT, RULES, typed_landline=typed)
    assert (route.team, route.recognised_by) == (team, by)
    assert route.account_ids == (("a",) if team is Team.PLUS else ())
    assert route.countries == (("GB", "IE") if team is Team.PLUS else ())
    assert route.ask_for_landline is (team is Team.GENERAL and typed is None)
    assert route.authenticates is False
    assert route.is_logged is False


def test_a_number_of_a_home_without_plus_is_not_recognised() -> None:
    without = replace(HOME, services=(replace(PLUS, product="Superfast Fibre Unlimited"),))
    assert route_call(without, "07700 900001", AT, RULES).team is Team.GENERAL
    assert route_call(without, "020 7946 0001", AT, RULES).team is Team.GENERAL


@pytest.mark.parametrize(
    ("number", "plain"),
    [("020 7946 0001", "+442079460001"), ("150", None), ("", None), (None, None), ("anonymous", None)],
)
def test_numbers(number: str | None, plain: str | None) -> None:
    assert normal_number(number) == plain


EXCEPTION: dict[str, Any] = {
    "country": "IN",
    "wait_here_s": 600,
    "wait_there_s": 60,
    "safeguard": "model contract",
    "circumstances": "storm",
}


def test_an_overflow_is_quicker_safeguarded_and_logged() -> None:
    route = route_call(HOME, "07700 900001", AT, RULES)
    found = overflow(route, **EXCEPTION)
    assert (found.team, found.countries, found.is_logged) == (Team.OVERFLOW, ("IN",), True)
    assert (found.safeguard, found.reason, found.account_ids) == ("model contract", "storm", ("a",))


@pytest.mark.parametrize(
    "change", [{"wait_there_s": 600}, {"wait_there_s": 601}, {"safeguard": " "}, {"circumstances": ""}]
)
def test_an_overflow_without_these_is_none(change: dict[str, Any]) -> None:
    route = route_call(HOME, "07700 900001", AT, RULES)
    assert overflow(route, **(EXCEPTION | change)) == route


def test_other_calls_do_not_overflow() -> None:
    route = route_call(HOME, None, AT, RULES)
    assert overflow(route, **EXCEPTION) == route


# Parental controls


def test_a_reactivated_hub_keeps_its_setting_and_a_new_one_starts_at_light() -> None:
    kept = ParentalSetting(level="strict", deny=frozenset({"a.example"}))
    assert setting_due(kept, RULES) == kept
    assert setting_due(None, RULES) == ParentalSetting(level="light")


def test_an_operator_changes_a_setting() -> None:
    before = ParentalSetting(level="light")
    after = ParentalSetting(level="custom", categories=frozenset({"games"}), allow=frozenset({"Bücher.Example."}))
    change = change_setting(before, after, by="J. Smith", at=AT, rules=RULES)
    assert (change.before, change.by, change.at, change.tell_account_holder) == (before, "J. Smith", AT, True)
    assert change.after.allow == {"xn--bcher-kva.example"}
    assert change.after.categories == {"games"}
    assert "may differ" in change.note
    off = change_setting(before, ParentalSetting(level="off"), by="J. Smith", at=AT, rules=RULES)
    assert off.after.level == "off"


CLASH = frozenset({"A.example", "b.example"})


@pytest.mark.parametrize(
    ("setting", "part", "problem"),
    [
        (ParentalSetting(level="none"), "level", "'none' is none of off, light, moderate, strict, custom"),
        (
            ParentalSetting(level="light", categories=frozenset({"games"})),
            "categories",
            "they go with the level custom only",
        ),
        (
            ParentalSetting(level="custom", categories=frozenset({"games", "moon", "mars"})),
            "categories",
            "there is no mars, moon",
        ),
        (
            ParentalSetting(level="light", allow=CLASH | {"c.example"}, deny=CLASH),
            "allow",
            "a.example, b.example is denied too: keep one of them",
        ),
        (
            ParentalSetting(level="light", deny=frozenset({"nonsense"})),
            "'nonsense'",
            "is no name of a site: write it like example.org",
        ),
        (
            ParentalSetting(level="light", allow=frozenset({"\udcff.example"})),
            repr("\udcff.example"),
            "is no name of a site: write it like example.org",
        ),
    ],
)
def test_a_broken_setting_names_its_part(setting: ParentalSetting, part: str, problem: str) -> None:
    with pytest.raises(ParentalSettingError) as caught:
        checked_setting(setting, RULES)
    assert caught.value.part == part
    assert str(caught.value) == f"{part}: {problem}"
    assert isinstance(caught.value, DomainError)


def test_a_change_needs_a_name() -> None:
    with pytest.raises(ParentalSettingError) as caught:
        change_setting(ParentalSetting(level="off"), ParentalSetting(level="light"), by=" ", at=AT, rules=RULES)
    assert str(caught.value) == "by: the operator's name is needed"


@pytest.mark.parametrize(
    "name",
    ["", "a", "-a.example", "a-.example", "a..example", "a_b.example", "x" * 64 + ".example", ".".join(["a" * 62] * 5)],
)
def test_names_that_are_none(name: str) -> None:
    with pytest.raises(ParentalSettingError):
        plain_name(name)


def test_names() -> None:
    assert plain_name(" WWW.Example.ORG. ") == "www.example.org"
    assert plain_name("x" * 63 + ".example") == "x" * 63 + ".example"


def test_what_a_level_refuses() -> None:
    assert categories_of(ParentalSetting(level="off"), RULES) == frozenset()
    light, moderate, strict = (categories_of(ParentalSetting(level=x), RULES) for x in ("light", "moderate", "strict"))
    assert light < moderate < strict
    assert light >= {"pornography", "obscene_and_tasteless", "hate_and_self_harm"}
    assert categories_of(ParentalSetting(level="custom", categories=frozenset({"games"})), RULES) == {"games"}
    assert set(LEVEL_CATEGORIES) == {"off", "light", "moderate", "strict"}
    with pytest.raises(ParentalSettingError, match=r"^level: 'none' is no level$"):
        categories_of(ParentalSetting(level="none"), RULES)


# Changes

WORSE: Mapping[str, Any] = {
    "plus_products": frozenset({"Superfast Fibre Plus"}),
    "drop_threshold": 6,
    "drop_window": timedelta(hours=23),
    "same_loss": timedelta(seconds=61),
    "no_service_after": timedelta(minutes=16),
    "promise": timedelta(minutes=61),
    "freeze_months": 17,
    "boost_factor": 1,
}
BETTER: Mapping[str, Any] = {
    "plus_products": RULES.plus_products | {"More Plus"},
    "drop_threshold": 4,
    "drop_window": timedelta(hours=25),
    "same_loss": timedelta(seconds=59),
    "no_service_after": timedelta(minutes=14),
    "promise": timedelta(minutes=59),
    "freeze_months": 19,
    "boost_factor": 3,
}
NEXT = replace(RULES, version="next", valid_from=AT)


@pytest.mark.parametrize("name", WORSE)
def test_terms_that_take_away_need_a_basis(name: str) -> None:
    change = {name: WORSE[name]}
    worse = replace(NEXT, **change)
    assert takes_away(RULES, worse) == (name,)
    refused = may_publish(RULES, worse, AT)
    assert (refused.outcome, refused.code) == (Outcome.FORBIDDEN, "takes_away")
    assert name in refused.reason
    based = may_publish(RULES, worse, AT, other_basis="a change of the law")
    assert (based.outcome, based.code) == (Outcome.PERMITTED, "other_basis")
    assert "a change of the law" in based.reason


@pytest.mark.parametrize("name", BETTER)
def test_terms_that_add_may_follow(name: str) -> None:
    change = {name: BETTER[name]}
    better = replace(NEXT, **change)
    decision = may_publish(RULES, better, AT)
    assert (decision.outcome, decision.code) == (Outcome.PERMITTED, "adds_only")
    assert (decision.subject, decision.rule_set, decision.clause, decision.at) == ("next", "next", "T§17", AT)
    assert decision.reason == "The new terms only add to the benefits."
    assert decision.question is Question.CHANGE


def test_terms_follow_in_time() -> None:
    same = may_publish(RULES, replace(NEXT, valid_from=RULES.valid_from), AT, other_basis="any")
    assert (same.outcome, same.code) == (Outcome.FORBIDDEN, "not_later")
    assert same.reason == "The new terms must be valid from a later time than the old ones."


SUBSTITUTE = Substitution(
    benefit="Mini Hub", equivalent="a dongle", necessity="none are made", cause_beyond_control="a fire", approver="Ann"
)


def test_a_substitute_records_why() -> None:
    decision = may_substitute(SUBSTITUTE, AT, RULES)
    assert (decision.outcome, decision.code, decision.clause) == (Outcome.PERMITTED, "substituted", "T§16")
    assert decision.reason == "Mini Hub is replaced by a dongle, because none are made."
    assert decision.subject == "Mini Hub"


@pytest.mark.parametrize("name", ["equivalent", "necessity", "cause_beyond_control", "approver"])
def test_a_substitute_lacks_nothing(name: str) -> None:
    change = {name: " "}
    decision = may_substitute(replace(SUBSTITUTE, **change), AT, RULES)
    assert (decision.outcome, decision.code) == (Outcome.FORBIDDEN, "incomplete")
    assert decision.reason == f"Say also: {name}."


def test_the_speed_guarantee_is_elsewhere() -> None:
    assert SPEED_GUARANTEE == "https://www.bt.com/fasterspeeds"


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
    with pytest.raises(FrozenInstanceError):
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
