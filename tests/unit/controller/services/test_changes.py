"""A change of any fact decides again what it touches: outages, bills, fraud, loss, second faults, leaving, requests."""

from datetime import date, timedelta

import pytest

from controller.domain.facts import DeterminationKind, LineEventKind, SuspicionKind, Symptom
from controller.services import accounts, alarms, controls, desired, dispatch, faults, hubs, late, lines, outages, plans
from controller.services.errors import BrakeError, ConflictError, UnprocessableError, VersionConflictError
from tests.unit.controller.household import OTHER_IMEI, Household


def backups(home: Household) -> list[bool]:
    return [sim.due.uncounted for sim in home.mybt()]


def test_an_outage_known_at_the_report_brings_no_carrier_work(home: Household) -> None:
    home.move_in(allowances=(1000,))
    home.put_hub_in_drawer()
    home.outside_follows()
    home.run(outages.declare, line_ids=[home.line_id], from_at=home.now - timedelta(hours=30))
    home.drop(5)
    fault_id = home.report()
    home.diagnose(fault_id, result="outage")
    assert home.outcomes(fault_id)["mini_hub"] in {"refused", "person_decides"}
    assert home.carrier_does_as_told() == []


def test_an_outage_declared_late_cuts_nobody_without_a_person(broken: tuple[Household, str]) -> None:
    home, fault_id = broken
    home.run(outages.declare, line_ids=[home.line_id], from_at=home.now - timedelta(hours=30))
    home.diagnose(fault_id, result="outage")
    assert home.carrier_does_as_told() == []
    assert home.document().internet_on is True
    kinds = [alarm.kind for alarm in home.run(alarms.list_open)]
    assert "ending_to_confirm" in kinds
    home.pass_time(minutes=1)
    word = {"kind": DeterminationKind.WITHDRAW_DESPITE_USE, "by": "J. Reviewer", "reason": "the outage is confirmed"}
    home.run(faults.determine, subject_id=fault_id, **word)
    home.outside_follows()
    home.pass_time(minutes=1)
    home.look()
    home.outside_follows()
    assert home.document().internet_on is False
    assert backups(home) == [False]
    assert "ending_to_confirm" not in [alarm.kind for alarm in home.run(alarms.list_open)]


def test_fraud_ends_both_at_once_with_the_reason(broken: tuple[Household, str]) -> None:
    home, fault_id = broken
    suspicion = home.run(
        accounts.suspect,
        account_id=home.account_id,
        kind=SuspicionKind.FRAUD,
        grounds="three handsets",
        by="J. Reviewer",
    )
    assert {"state": "barred"} in home.carrier_does_as_told()
    assert backups(home) == [False]
    told = home.view(fault_id).notices
    assert {"switched_off", "backup_off"} <= {notice.kind for notice in told}
    home.pass_time(minutes=1)
    home.run(accounts.clear_suspicion, suspicion_id=suspicion.id)
    assert {"state": "active"} in home.carrier_does_as_told()
    assert backups(home) == [True]


def test_a_paid_bill_brings_the_benefit_back(broken: tuple[Household, str]) -> None:
    home, fault_id = broken
    bill = home.run(accounts.bill_past_due, account_id=home.account_id, due_on=date(2026, 11, 1))
    assert home.outcomes(fault_id)["mini_hub"] == "refused"
    home.run(accounts.bill_paid, bill_id=bill.id)
    assert home.outcomes(fault_id)["mini_hub"] == "reactivate"
    assert home.document().internet_on is True


def test_a_plan_that_arrives_mid_fault_gets_backup(broken: tuple[Household, str]) -> None:
    home, _ = broken
    home.run(
        plans.create,
        account_id=home.account_id,
        name="New",
        allowance_mb=0,
        purchased_at=home.now,
        sim_cards=[plans.NewSim(iccid=home.card())],
    )
    home.outside_follows()
    assert backups(home) == [True, True]
    assert all(sim.as_intended for sim in home.mybt())


def test_a_second_fault_withdraws_the_switch_off(broken: tuple[Household, str]) -> None:
    home, first = broken
    second = home.report()
    home.diagnose(second)
    home.pass_time(minutes=1)
    home.resolve(first)
    home.outside_follows()
    home.pass_time(minutes=1)
    home.look()
    assert home.document().internet_on is True
    home.resolve(second)
    home.outside_follows()
    home.pass_time(minutes=1)
    home.look()
    home.outside_follows()
    assert home.document().internet_on is False
    assert {home.view(each).fault.closed_at is not None for each in (first, second)} == {True}


def test_the_last_day_ends_benefits_at_its_midnight_without_anybody_s_doing(broken: tuple[Household, str]) -> None:
    home, _ = broken
    home.run(accounts.end_service, service_id=home.service_id, last_day=date(2026, 11, 20))
    assert home.document().internet_on is True
    home.now = home.now.replace(hour=23, minute=59)
    home.look()
    assert home.document().internet_on is True
    home.now += timedelta(minutes=1)
    home.look()
    assert home.document().internet_on is False
    assert [sim.due.allowance_mb for sim in home.mybt()] == [1000]


def test_a_hub_s_sim_in_foreign_equipment_is_barred_until_a_person_releases_it(broken: tuple[Household, str]) -> None:
    home, _ = broken
    home.hub_reports(is_open=True, identity={"imei": OTHER_IMEI})
    assert {"state": "barred"} in home.carrier_does_as_told()
    home.pass_time(minutes=1)
    word = {"kind": DeterminationKind.RELEASE_HUB_SIM, "by": "J. Reviewer", "reason": "the unit was repaired"}
    home.run(faults.determine, subject_id=home.hub_id, **word)
    assert {"state": "active"} in home.carrier_does_as_told()


def test_a_hub_lost_by_its_customer_is_switched_off_and_backup_stays(broken: tuple[Household, str]) -> None:
    home, _ = broken
    home.run(hubs.lose, hub_id=home.hub_id, fate="lost_by_customer", at=home.now)
    assert home.document().internet_on is False
    assert backups(home) == [True]
    home.pass_time(minutes=1)
    home.run(hubs.found, hub_id=home.hub_id, at=home.now)
    assert home.document().internet_on is True


def test_events_on_a_line_without_a_fault_touch_nothing(home: Household) -> None:
    home.move_in()
    home.outside_follows()
    assert home.drop(20) == 20
    assert home.drop(20) == 0
    assert home.claim("decide", 5) == ()


def test_a_late_fifth_drop_still_qualifies(home: Household) -> None:
    home.move_in(allowances=(1000,))
    home.drop(4)
    fault_id = home.report()
    assert home.outcomes(fault_id)["qualifies"] == "not_yet_known"
    home.pass_time(minutes=20)
    home.drop(1)
    assert home.outcomes(fault_id)["qualifies"] == "qualifies"


def test_a_fault_on_a_line_without_plus_entitles_nobody(home: Household) -> None:
    home.move_in(product="Unlimited Broadband", allowances=(1000,))
    home.put_hub_in_drawer()
    fault_id = home.broken()
    assert home.outcomes(fault_id)["mini_hub"] == "refused"
    assert home.document().internet_on is False
    assert backups(home) == [False]


def test_the_late_list_says_why_and_alarms_come_at_half_and_four_fifths(home: Household) -> None:
    home.move_in(allowances=(1000,))
    home.put_hub_in_drawer()
    home.outside_follows()
    home.drop(2)
    home.report()
    (hub, backup) = sorted(home.run(late.who_is_late).late, key=lambda row: row.promise.benefit, reverse=True)
    assert {hub.cause, backup.cause} == {"diagnostics_unfinished"}
    found = []
    for minutes in (29, 1, 18, 12):
        home.pass_time(minutes=minutes)
        home.look()
        found.append(sorted(a.severity for a in home.run(alarms.list_open) if a.kind == "promise_at_risk"))
    assert found == [[], ["minor"] * 2, ["major"] * 2, ["critical"] * 2]
    home.pass_time(seconds=1)
    assert all(row.will_be_late and row.share_left == 0 for row in home.run(late.who_is_late).late)


def test_the_lease_renews_while_a_reason_is_open_and_the_revision_only_grows(broken: tuple[Household, str]) -> None:
    home, _ = broken
    first = home.document()
    assert first.until is not None
    assert first.renew_at is not None
    home.now = first.renew_at
    second = home.document()
    assert second.until is not None
    assert second.until > first.until
    assert second.revision > first.revision
    assert home.document() == second
    home.now -= timedelta(days=1)
    home.run(desired.ask, hub_id=home.hub_id, kind="diagnose", lasts=timedelta(days=2))
    assert home.document().revision == second.revision + 1


def test_a_request_is_answered_once_and_leaves_the_document(broken: tuple[Household, str]) -> None:
    from controller.services.reported import RequestAnswer

    home, _ = broken
    request = home.run(desired.ask, hub_id=home.hub_id, kind="restart_modem", lasts=timedelta(hours=1))
    assert [each.id for each in home.document().requests] == [request.id]
    home.hub_reports(is_open=True, requests=(RequestAnswer(id=request.id, state="done"),))
    assert home.document().requests == ()


def test_controls_set_by_phone_stay_over_reactivations(broken: tuple[Household, str]) -> None:
    home, fault_id = broken
    assert home.document().controls.level == "light"
    home.run(controls.set_controls, hub_id=home.hub_id, controls={"level": "strict", "deny": ["example.net"]})
    home.resolve(fault_id)
    home.outside_follows()
    home.pass_time(minutes=1)
    home.look()
    home.broken()
    kept = home.document().controls
    assert (kept.level, kept.deny) == ("strict", ("example.net",))
    assert {"gambling", "weapons"} <= {each.category for each in kept.lists}


def test_an_edit_that_touches_too_much_needs_a_name(home: Household) -> None:
    line_ids = []
    for _ in range(25):
        home.move_in()
        line_ids.append(home.line_id)
        home.report(Symptom.NO_SERVICE)
    with pytest.raises(BrakeError) as caught:
        home.run(outages.declare, line_ids=line_ids, from_at=home.now)
    assert (caught.value.details["touches"], caught.value.details["of"]) == (25, 25)
    home.run(outages.declare, line_ids=line_ids, from_at=home.now, override="J. Reviewer")
    assert len(home.claim("decide", 100)) >= 25


def test_what_contradicts_itself_is_refused(broken: tuple[Household, str]) -> None:
    home, fault_id = broken
    with pytest.raises(UnprocessableError):
        home.run(
            faults.report,
            line_id=home.line_id,
            channel="c",
            reporter="r",
            symptom=Symptom.OTHER,
            reported_at=home.now + timedelta(seconds=1),
        )
    with pytest.raises(UnprocessableError):
        home.run(faults.determine, subject_id=fault_id, kind=DeterminationKind.FAULT_QUALIFIES, by=" ", reason="x")
    with pytest.raises(VersionConflictError):
        home.run(accounts.change, account_id=home.account_id, expected=7, email=None)
    with pytest.raises(ConflictError):
        home.run(hubs.enrol, serial="S1", iccid=home.document().iccids[0])
    seen = lines.Seen(line_id="nowhere", kind=LineEventKind.SYNC_LOST, at=home.now, source="x")
    with pytest.raises(UnprocessableError):
        home.run(lines.record, events=[seen])


def test_a_parcel_arrives_only_after_it_left(broken: tuple[Household, str]) -> None:
    home, fault_id = broken
    home.run(hubs.lose, hub_id=home.hub_id, fate="dead", at=home.now)
    order = home.run(dispatch.of_account, account_id=home.account_id)[0]
    assert order.fault_id == fault_id
    with pytest.raises(ConflictError):
        home.run(dispatch.record, order_id=order.id, state="delivered")
