"""Whole answers, field by field: what the tables compare only in part."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from controller.domain import facts as f
from controller.domain.aggregates import publish
from controller.domain.allowance import Allowance, allowance_due, backup_for_sim
from controller.domain.backup import backup_entitles, backup_owed
from controller.domain.brand import read_tac_table
from controller.domain.changes import Substitution, may_publish, may_substitute
from controller.domain.decisions import Basis, Decision, to_json
from controller.domain.eligibility import service_on_line
from controller.domain.errors import BadTableError
from controller.domain.exclusions import exclusions
from controller.domain.hub_benefit import mini_hub_owed
from controller.domain.parental import ParentalSetting, checked_setting
from controller.domain.price_freeze import Charge, PriceChange, freeze_on, price_change_allowed
from controller.domain.privacy import SERVICES, DisclosureRequest, VulnerableGround, may_disclose, may_mark_vulnerable
from controller.domain.promise import promise_made
from controller.domain.qualifying import qualifies
from controller.domain.rule_sets import RULE_SETS
from controller.domain.sim import Reason, ReasonKind, SimState, reasons_for_hub, state_due
from tests.unit.domain.copies import replace

RULES = RULE_SETS[0]
AT = datetime(2026, 3, 2, 12, tzinfo=UTC)
DAY = timedelta(days=1)
FAULT = f.Fault(fault_id="f", line_id="l", reported_at=AT)
TEST = f.Observation(fault_id="f", kind="line_test", result="no_sync", at=AT)
HOME = f.Facts(
    services=(
        f.Service(
            service_id="s", account_id="a", line_id="l", product="Superfast Fibre Plus", starts_on=date(2026, 1, 1)
        ),
    ),
    plans=(
        f.Plan(
            plan_id="p",
            account_id="a",
            purchased_at=AT - 99 * DAY,
            allowances=(f.AllowanceFrom(effective_from=AT - 99 * DAY, allowance_mb=500),),
            extra_speed_from=AT - 99 * DAY,
        ),
    ),
    plan_sims=(f.PlanSim(sim_id="m1", plan_id="p"),),
    add_ons=(f.DataAddOn(plan_id="p", add_on_mb=70, valid_from=AT - DAY),),
    faults=(FAULT,),
    observations=(TEST,),
    diagnostics_finished=(f.DiagnosticsFinished(fault_id="f", at=AT),),
)
HUB = f.HubAssignment(hub_id="h", line_id="l", dispatched_at=AT - 30 * DAY, delivered_at=AT - 29 * DAY)


def word(kind: f.DeterminationKind, subject: str = "f", at: datetime = AT) -> f.Determination:
    return f.Determination(determination_id=kind, kind=kind, subject_id=subject, by="Ann", reason="looked", at=at)


def lost(fate: f.HubFate) -> f.HubLoss:
    return f.HubLoss(hub_id="h", fate=fate, at=AT - 9 * DAY)


def shown(decision: Decision) -> tuple[Any, ...]:
    return decision.code, decision.clause, decision.basis.value, decision.reason, dict(decision.inputs)


STAGE_ONE = {"qualifies": "qualifies", "qualifies_by": "no_service"}


def test_a_first_hub() -> None:
    assert shown(mini_hub_owed(HOME, "f", AT, RULES)) == (
        "first_fault",
        "T§10c",
        "text",
        "This is the first fault of this line that brings a Mini Hub, so we send one.",
        STAGE_ONE,
    )


def test_a_hub_again() -> None:
    found = mini_hub_owed(HOME.adding(hub_assignments=[HUB]), "f", AT, RULES)
    assert shown(found) == (
        "reactivate",
        "T§10c",
        "text",
        "You have a Mini Hub already, so we switch it on again. Please plug it in.",
        STAGE_ONE | {"brand": "undetermined", "in_the_post": False},
    )
    post = mini_hub_owed(HOME.adding(hub_assignments=[replace(HUB, delivered_at=AT + DAY)]), "f", AT, RULES)
    assert post.inputs["in_the_post"] is True
    there = mini_hub_owed(HOME.adding(hub_assignments=[replace(HUB, delivered_at=AT)]), "f", AT, RULES)
    assert there.inputs["in_the_post"] is False


@pytest.mark.parametrize("fate", [f.HubFate.LOST_BY_CUSTOMER, f.HubFate.DAMAGED_BY_CUSTOMER])
def test_a_hub_its_customer_lost(fate: f.HubFate) -> None:
    home = HOME.adding(hub_assignments=[HUB], hub_losses=[lost(fate)])
    assert shown(mini_hub_owed(home, "f", AT, RULES)) == (
        "lost_by_customer",
        "T§10e(v)",
        "text",
        "Your Mini Hub was lost or damaged. We may agree to replace it for later faults.",
        STAGE_ONE | {"hub": "h", "fate": fate.value},
    )
    granted = home.adding(determinations=[word(f.DeterminationKind.GRANT_REPLACEMENT, "l", AT - 9 * DAY)])
    assert shown(mini_hub_owed(granted, "f", AT, RULES)) == (
        "replacement_granted",
        "T§10e(v)",
        "operator",
        "We agreed to replace your lost or damaged Mini Hub for later faults, so we send one.",
        STAGE_ONE | {"by": "Ann", "why": "looked"},
    )
    early = replace(granted, diagnostics_finished=())
    assert shown(mini_hub_owed(early, "f", AT, RULES)) == (
        "awaiting_diagnostics",
        "T§10d",
        "text",
        "We send a Mini Hub as soon as our tests have finished.",
        STAGE_ONE | {"then": "replacement_granted", "by": "Ann", "why": "looked"},
    )


def test_a_hub_that_is_gone() -> None:
    home = HOME.adding(hub_assignments=[HUB], hub_losses=[lost(f.HubFate.STOLEN)])
    assert shown(mini_hub_owed(home, "f", AT, RULES)) == (
        "hub_gone",
        "T§10c",
        "reading",
        "Your Mini Hub was lost on its way, stolen, returned, or failed by itself, so we send another.",
        STAGE_ONE,
    )


def test_a_hub_without_the_brand() -> None:
    finding = f.BrandFinding(hub_id="h", verdict=f.BrandVerdict.NOT_BT_BRANDED, found_at=AT - DAY)
    home = HOME.adding(hub_assignments=[HUB], brand_findings=[finding])
    assert shown(mini_hub_owed(home, "f", AT, RULES)) == (
        "not_bt_branded",
        "T§10c",
        "text",
        "Your Mini Hub is not BT-branded and can't be used again, so we send a new one.",
        STAGE_ONE,
    )


def test_an_exception_and_goodwill() -> None:
    home = HOME.adding(hub_assignments=[HUB])
    exception = home.adding(determinations=[word(f.DeterminationKind.SEND_NEW_HUB)])
    assert shown(mini_hub_owed(exception, "f", AT, RULES)) == (
        "exception",
        "T§10c",
        "operator",
        "We send a new Mini Hub, as we agreed with you.",
        STAGE_ONE | {"by": "Ann", "why": "looked"},
    )
    goodwill = home.adding(
        observations=[f.Observation(fault_id="f", kind="equipment", result="faulty", at=AT)],
        determinations=[word(f.DeterminationKind.GOODWILL_REACTIVATION)],
    )
    assert shown(mini_hub_owed(goodwill, "f", AT, RULES)) == (
        "goodwill",
        "T§10e(iii)",
        "operator",
        "Faulty equipment brings no Mini Hub, but we switch yours on as goodwill.",
        STAGE_ONE | {"by": "Ann", "why": "looked"},
    )


def test_what_stage_one_passes_on() -> None:
    waiting = replace(HOME, observations=(), diagnostics_finished=())
    for decided, clause in (
        (mini_hub_owed(waiting, "f", AT, RULES), "T§10d"),
        (backup_entitles(waiting, "f", AT, RULES), "T§12c"),
    ):
        assert (decided.code, decided.clause, decided.basis) == ("diagnostics_unfinished", clause, Basis.TEXT)
        assert decided.reason == "Our tests have not yet shown what the fault is."
        assert decided.inputs["qualifies"] == "not_yet_known"
        assert decided.subject == "f"
    refused = replace(HOME, observations=(TEST, replace(TEST, kind="restart", result="cured")))
    for decided in (mini_hub_owed(refused, "f", AT, RULES), backup_entitles(refused, "f", AT, RULES)):
        assert decided.reason == "Our tests with you cured the fault, so nothing needs to bridge it."
        assert decided.code == "cured"
        assert decided.basis is Basis.TEXT
    person = replace(HOME, observations=()).adding(determinations=[word(f.DeterminationKind.FAULT_DOES_NOT_QUALIFY)])
    for decided in (mini_hub_owed(person, "f", AT, RULES), backup_entitles(person, "f", AT, RULES)):
        assert decided.basis is Basis.OPERATOR
        assert decided.reason == "A person looked at this fault and determined it: looked"


def test_backup_in_words() -> None:
    assert shown(backup_owed(HOME, "f", "m1", AT, RULES)) == (
        "backup",
        "T§12a",
        "text",
        "While this fault lasts, use of this SIM in the UK is free and unlimited.",
        STAGE_ONE | {"fault": "f", "excluded_by": ()},
    )
    abroad = backup_owed(HOME.adding(sims_abroad=[f.SimAbroad(sim_id="m1", from_at=AT)]), "f", "m1", AT, RULES)
    assert abroad.reason == (
        "This SIM is outside the UK, where Broadband Backup can't be used. It works again on return."
    )
    assert (abroad.clause, abroad.subject, abroad.basis) == ("T§12d(iv)", "f", Basis.TEXT)
    stranger = backup_owed(HOME, "f", "zz", AT, RULES)
    assert stranger.reason == "This SIM is not on a live plan of the billing account that has the fault."
    none = backup_owed(replace(HOME, services=()), "f", "m1", AT, RULES)
    assert (none.code, none.clause) == ("no_plus_on_line", "T§3")
    assert none.reason == "The line with the fault has no Plus Broadband at this time."
    over = backup_owed(replace(HOME, faults=(replace(FAULT, resolved_at=AT),)), "f", "m1", AT, RULES)
    assert (over.code, over.clause, over.reason) == ("fault_resolved", "T§12e", "This fault has been resolved.")


def test_a_sims_allowance_in_full() -> None:
    quiet = replace(HOME, faults=())
    due = Allowance(
        sim_id="m1",
        allowance_mb=1070,
        tier="fastest",
        uncounted=False,
        extra_speed=False,
        plan_mb=1000,
        add_on_mb=70,
        boosted=True,
        backup_for=(),
    )
    assert allowance_due(quiet, "m1", AT, RULES) == due
    assert allowance_due(HOME, "m1", AT, RULES) == replace(due, allowance_mb=None, uncounted=True, backup_for=("f",))
    plain = allowance_due(replace(quiet, services=()), "m1", AT, RULES)
    assert plain == replace(due, allowance_mb=570, plan_mb=500, boosted=False, tier="extra", extra_speed=True)
    later = replace(quiet, services=(), plans=(replace(HOME.plans[0], extra_speed_from=AT + DAY, base_tier="basic"),))
    assert allowance_due(later, "m1", AT, RULES) == replace(plain, tier="basic", extra_speed=False)
    exact = replace(later, plans=(replace(HOME.plans[0], extra_speed_from=AT),))
    assert allowance_due(exact, "m1", AT, RULES).extra_speed is True
    two = HOME.adding(faults=[replace(FAULT, fault_id="e")], observations=[replace(TEST, fault_id="e")])
    assert backup_for_sim(two, "m1", AT, RULES) == ("e", "f")
    assert backup_for_sim(HOME, "zz", AT, RULES) == ()
    assert backup_for_sim(replace(HOME, faults=(replace(FAULT, reported_at=AT + DAY),)), "m1", AT, RULES) == ()
    with pytest.raises(Exception, match="no live SIM zz among the facts"):
        allowance_due(HOME, "zz", AT, RULES)


def test_exclusions_in_full() -> None:
    home = HOME.adding(
        bills_past_due=[f.BillPastDue(bill_id="b", account_id="a", due_on=date(2026, 3, 1), by="billing")],
        determinations=[word(f.DeterminationKind.CAUSE_IS_EQUIPMENT)],
    )
    found = exclusions(home, FAULT, AT, RULES)
    assert [(e.code, e.hub_clause, e.backup_clause, e.basis, e.evidence) for e in found] == [
        ("faulty_equipment", "T§10e(iii)", None, Basis.OPERATOR, "Ann: looked"),
        ("bill_past_due", "T§10e(iv)", "T§12d(iii)", Basis.TEXT, "bill b"),
    ]
    assert found[0].reason == "The fault is caused by faulty equipment."
    assert found[1].reason == "A bill is past its due date. The benefit comes back as soon as it is paid."
    nobody = replace(home.bills_past_due[0], by=" ")
    silent = replace(home.bills_past_due[0], grounds="")
    for bill in (nobody, silent, replace(nobody, by="billing", account_id="b")):
        assert len(exclusions(replace(home, bills_past_due=(bill,)), FAULT, AT, RULES)) == 1


def test_the_reasons_of_a_hub_in_full() -> None:
    home = HOME.adding(hub_assignments=[HUB])
    opened = Reason(reason_id="f", kind=ReasonKind.FAULT, opened_at=AT)
    assert reasons_for_hub(home, "h", AT, RULES) == (opened,)
    gone = home.adding(hub_losses=[replace(lost(f.HubFate.STOLEN), at=AT)])
    assert reasons_for_hub(gone, "h", AT, RULES) == (
        Reason(reason_id="loss:stolen", kind=ReasonKind.BAR, opened_at=AT),
    )


def test_alarms_are_parts_of_the_hour() -> None:
    made = promise_made(AT, replace(RULES, alarm_shares=(0.25,), promise=timedelta(hours=2)))
    assert (made.reported_at, made.due_at) == (AT, AT + timedelta(hours=2))
    assert made.alarms_at == (AT + timedelta(minutes=30),)


def test_a_freeze_shows_its_days_where_it_does_not_bind() -> None:
    change = PriceChange(line_id="l", charge=Charge.TV, effective_on=date(2026, 2, 1), old_pence=1, new_pence=2)
    for each in (change, replace(change, new_pence=1), replace(change, is_regrade=True)):
        frozen = replace(each, charge=Charge.LINE_RENTAL_AND_BROADBAND)
        for asked in (each, frozen):
            decision = price_change_allowed(HOME, asked, RULES)
            assert decision.inputs["frozen_from"] == "2026-01-01"
            assert decision.inputs["last_frozen_day"] == "2027-07-01"


def test_reasons_of_stage_one() -> None:
    found = qualifies(HOME, "f", AT, RULES)
    assert (found.reason, found.question, found.flags) == (
        "The line has no broadband service.",
        "qualifies",
        (),
    )


def test_what_is_missing_or_taken_away_is_listed_in_words() -> None:
    request = DisclosureRequest(request_id="d", requester=" ", scope="", approver="Ann", is_vital_interest=True)
    assert may_disclose(request, AT, RULES).reason == "Still missing: requester, scope."
    substitution = Substitution(
        benefit="Backup", equivalent="more data", necessity=" ", cause_beyond_control="", approver="Ann"
    )
    refused = may_substitute(substitution, AT, RULES)
    assert (refused.reason, refused.basis) == ("Say also: necessity, cause_beyond_control.", Basis.TEXT)
    poorer = replace(RULES, drop_threshold=9, boost_factor=1, valid_from=AT)
    assert may_publish(RULES, poorer, AT).reason == (
        "The new terms take away: drop_threshold, boost_factor. Say on what basis."
    )


def test_a_marker_of_vulnerability_rests_on_its_heading() -> None:
    decision = may_mark_vulnerable("a", VulnerableGround.PERMISSION, AT, RULES)
    assert (decision.clause, decision.basis) == (SERVICES, Basis.TEXT)


def test_a_checked_setting_keeps_what_is_denied() -> None:
    setting = ParentalSetting(level="light", deny=frozenset({"Example.ORG."}), allow=frozenset({"example.com"}))
    checked = checked_setting(setting, RULES)
    assert (checked.allow, checked.deny) == (frozenset({"example.com"}), frozenset({"example.org"}))


def test_a_closed_reason_holds_nothing() -> None:
    closed = Reason(reason_id="f", kind=ReasonKind.FAULT, opened_at=AT - DAY, closed_at=AT)
    assert state_due([closed], AT - DAY / 2).state is SimState.ACTIVE
    assert state_due([closed], AT).state is SimState.PARKED


def test_words_of_a_decision_become_plain_texts() -> None:
    assert type(to_json(Basis.TEXT)) is str


def test_a_table_error_carries_its_row_and_problem() -> None:
    with pytest.raises(BadTableError) as caught:
        read_tac_table("tac,model,bt_branded\n00100444,,yes\n")
    assert (caught.value.row, caught.value.problem) == (2, "the model is empty")


def test_cells_are_hidden_where_it_costs_the_fewest_people() -> None:
    counts = {("n", "a"): 1, ("n", "b"): 90, ("n", "c"): 20, ("s", "a"): 80, ("s", "b"): 70, ("s", "c"): 30}
    published = publish(counts, 5)
    hidden = {cell for cell, count in published.items() if count is None}
    assert hidden == {("n", "a"), ("n", "c"), ("s", "a"), ("s", "c")}


def test_the_freeze_flags_who_left_the_line_or_took_the_service_along() -> None:
    plus: dict[str, Any] = {"account_id": "a", "product": "Superfast Fibre Plus"}
    left = f.Service(service_id="s", line_id="l", starts_on=date(2024, 1, 1), last_day=date(2024, 6, 30), **plus)
    for service_id, line_id in (("s", "k"), ("t", "l")):
        anew = f.Service(service_id=service_id, line_id=line_id, starts_on=date(2026, 1, 1), **plus)
        freeze = freeze_on(f.Facts(services=(left, anew)), line_id, date(2026, 2, 1), RULES)
        assert freeze is not None
        assert (freeze.starts_on, freeze.flags) == (date(2026, 1, 1), ("returned_after_leaving",))
    other = f.Service(service_id="t", line_id="k", starts_on=date(2026, 1, 1), **plus)
    freeze = freeze_on(f.Facts(services=(left, other)), "k", date(2026, 2, 1), RULES)
    assert freeze is not None
    assert freeze.flags == ()


def test_a_stay_goes_back_to_its_first_day_over_overlapping_rows() -> None:
    plus: dict[str, Any] = {"service_id": "s", "account_id": "a", "line_id": "l"}
    rows = (
        f.Service(product="Ultrafast Fibre Plus", starts_on=date(2026, 3, 1), **plus),
        f.Service(product="Superfast Fibre Plus", starts_on=date(2026, 2, 1), last_day=date(2026, 3, 1), **plus),
        f.Service(product="Superfast Fibre Plus", starts_on=date(2026, 1, 1), last_day=date(2026, 2, 28), **plus),
    )
    for order in (rows, rows[::-1]):
        freeze = freeze_on(f.Facts(services=order), "l", date(2026, 3, 1), RULES)
        assert freeze is not None
        assert freeze.starts_on == date(2026, 1, 1)


def test_the_service_a_line_carries_is_the_latest_to_start() -> None:
    old = replace(HOME.services[0], product="Superfast Fibre Unlimited", last_day=date(2026, 3, 2))
    new = replace(old, service_id="r", starts_on=date(2026, 3, 2), last_day=None)
    for order in ((old, new), (new, old)):
        found = service_on_line(f.Facts(services=order), "l", AT)
        assert found is not None
        assert found.service_id == "r"
