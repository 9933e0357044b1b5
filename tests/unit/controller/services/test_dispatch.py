"""What becomes of a parcel, and what that causes."""

import os
from datetime import date
from typing import Any

import pytest
from sqlmodel import Session, select

from controller.api import views
from controller.services import accounts, audit, dispatch, homes, hubs, notices, owed, recomputation, tasks
from controller.services.actor import Actor
from controller.services.errors import UnprocessableError
from controller.tables.faults import DispatchOrder
from controller.tables.hubs import HubLoss
from controller.work import dispatch as work
from tests.unit.controller.conftest import MakeDatabase
from tests.unit.controller.household import Household
from tests.unit.controller.services.test_crash import CrashError, Switch

# What the engine has no part in: on both with MINIHUB_FULL=1, for time.
ENGINES = ("sqlite", "postgresql") if os.environ.get("MINIHUB_FULL") else ("sqlite",)
quickly = pytest.mark.parametrize("database_url", ENGINES, indirect=True)


def ordered(home: Household) -> DispatchOrder:
    """A first fault whose hub is ordered and not told yet."""
    home.move_in()
    home.broken()
    [order] = home.run(dispatch.of_account, account_id=home.account_id)
    assert isinstance(order, DispatchOrder)
    return order


def claimed(home: Household) -> owed.Claim:
    [claim] = home.claim("dispatch", 5)
    return claim


def open_kinds(home: Household) -> list[str]:
    return [row.kind for row in home.run(tasks.list_open)]


def sent(home: Household) -> tuple[DispatchOrder, Any]:
    order = ordered(home)
    hub = home.run(hubs.enrol, serial="NEW", iccid=home.card())
    home.run(dispatch.record, order_id=order.id, state="dispatched", hub_id=hub.id)
    return order, hub


def fates(session: Session, actor: Actor, now: Any, *, hub_id: str) -> list[str]:
    return [row.fate for row in session.exec(select(HubLoss).where(HubLoss.hub_id == hub_id))]


@quickly
def test_the_courier_is_told_name_address_and_reference_once(home: Household) -> None:
    order = ordered(home)
    claim = claimed(home)
    told = home.run(work.look, claims=[claim])[0]
    assert (told.reference, told.holder_name, told.postcode) == (order.id, "A. Customer", "AB1 2CD")
    home.run(work.record_taken, claim=claim, courier_reference="C-7")
    assert not home.claim("dispatch", 5)
    [row] = home.run(dispatch.of_account, account_id=home.account_id)
    assert (row.courier_reference, row.state) == ("C-7", "ordered")


@quickly
def test_an_order_that_nobody_was_told_of_is_cancelled_in_silence(home: Household) -> None:
    order = ordered(home)
    home.run(lambda session, actor, now: dispatch.cancel(session, order.fault_id, now))
    assert not home.claim("dispatch", 5)
    assert not open_kinds(home)


@quickly
def test_an_order_that_the_courier_may_have_is_stopped_by_a_person(home: Household) -> None:
    """A crash after the courier was told and before that was recorded."""
    order = ordered(home)
    assert home.run(work.look, claims=[claimed(home)])[0] is not None
    home.run(lambda session, actor, now: dispatch.cancel(session, order.fault_id, now))
    assert open_kinds(home) == [tasks.STOP_PARCEL]


@quickly
def test_an_order_taken_while_it_was_cancelled_is_stopped_too(home: Household) -> None:
    order = ordered(home)
    claim = claimed(home)
    home.run(lambda session, actor, now: dispatch.cancel(session, order.fault_id, now))
    home.run(work.record_taken, claim=claim, courier_reference="C-7")
    [task] = home.run(tasks.list_open)
    assert (task.kind, "C-7" in task.reason) == (tasks.STOP_PARCEL, True)


def orders(home: Household) -> list[DispatchOrder]:
    return list(home.run(dispatch.of_account, account_id=home.account_id))


def states(home: Household) -> list[tuple[int, str]]:
    return [(row.sequence, row.state) for row in orders(home)]


def told(home: Household, kind: str) -> list[dict[str, Any]]:
    """What the customer was told by e-mail, and still is."""
    found = home.run(notices.of_account, account_id=home.account_id)
    return [
        row.facts for row in found if (row.kind, row.channel) == (kind, "email") and row.state in {"owed", "delivered"}
    ]


def test_a_lost_parcel_is_a_lost_hub_and_another_order_with_its_own_estimate(home: Household) -> None:
    order, hub = sent(home)
    home.pass_time(days=3)
    home.run(dispatch.record, order_id=order.id, state="lost")
    assert home.run(fates, hub_id=hub.id) == ["lost_in_post"]
    first, second = orders(home)
    assert (first.sequence, first.state, second.sequence, second.state) == (1, "lost", 2, "ordered")
    # Ordered on a Monday after a report of Friday: the estimate counts from the new order.
    assert (first.estimate, second.estimate) == ("by Monday 23 November", "by Tuesday 24 November")
    [said] = told(home, "hub_ordered_again")
    assert (said["estimate"], said["reason"]) == (second.estimate, "The Mini Hub we sent you was lost on its way.")
    assert open_kinds(home) == []
    newest = home.claim("dispatch", 5)[-1]
    assert home.run(work.look, claims=[newest])[0].reference == second.id != first.id


@quickly
def test_the_second_parcel_is_told_and_serves_as_the_first_would_have(home: Household) -> None:
    order, _ = sent(home)
    home.pass_time(days=3)
    home.run(dispatch.record, order_id=order.id, state="lost")
    hub = home.run(hubs.enrol, serial="NEWER", iccid=home.card())
    home.run(dispatch.record, order_id=orders(home)[1].id, state="dispatched", hub_id=hub.id)
    assert states(home) == [(1, "lost"), (2, "dispatched")]
    assert [said["estimate"] for said in told(home, "hub_dispatched")] == [
        "by Monday 23 November",
        "by Tuesday 24 November",
    ]
    home.hub_id = hub.id
    assert home.document().internet_on
    home.look()
    home.diagnose(order.fault_id)
    assert states(home) == [(1, "lost"), (2, "dispatched")]


@quickly
def test_a_lost_parcel_of_a_fault_that_is_owed_nothing_any_more_is_not_followed(home: Household) -> None:
    order, _ = sent(home)
    home.resolve(order.fault_id)
    home.run(dispatch.record, order_id=order.id, state="lost")
    home.look()
    assert states(home) == [(1, "lost")]
    assert told(home, "hub_ordered_again") == []


@quickly
def test_a_returned_parcel_ends_the_assignment_and_another_goes_while_a_person_sees_to_the_address(
    home: Household,
) -> None:
    order, hub = sent(home)
    home.hub_id = hub.id
    assert home.document().internet_on
    home.run(dispatch.record, order_id=order.id, state="returned")
    home.look()
    assert open_kinds(home) == [tasks.PARCEL_FAILED]
    assert states(home) == [(1, "returned"), (2, "ordered")]
    assert home.run(lambda session, actor, now: homes.assignment_of(session, hub.id)) is None
    # Nobody is left to use it.
    assert not home.document().internet_on


@quickly
def test_after_the_third_parcel_that_failed_the_next_one_waits_for_a_person(home: Household) -> None:
    order, _ = sent(home)
    for number in range(dispatch.FAILURES_MOST):
        home.run(dispatch.record, order_id=order.id, state="returned")
        home.look()
        order = orders(home)[-1]
        if number < dispatch.FAILURES_MOST - 1:
            hub = home.run(hubs.enrol, serial=f"N{number}", iccid=home.card())
            home.run(dispatch.record, order_id=order.id, state="dispatched", hub_id=hub.id)
    assert states(home) == [(1, "returned"), (2, "returned"), (3, "returned")]
    home.pass_time(hours=1)
    home.diagnose(order.fault_id)
    assert len(states(home)) == 3
    waiting = next(row for row in home.run(tasks.list_open) if row.key == order.id)
    home.run(tasks.close, task_id=waiting.id, outcome="done", note="the flat number was missing")
    home.look()
    assert states(home)[3:] == [(4, "ordered")]


def excluded(home: Household) -> tuple[DispatchOrder, str]:
    """An order that the courier has and a bill past due cancelled; returns it and the bill."""
    order = ordered(home)
    home.run(work.look, claims=[claimed(home)])
    bill = home.run(accounts.bill_past_due, account_id=home.account_id, due_on=date(2026, 11, 1))
    assert states(home) == [(1, "cancelled")]
    home.pass_time(days=3)
    return order, bill.id


def test_a_parcel_that_was_stopped_and_is_owed_again_is_ordered_anew_and_told(home: Household) -> None:
    _, bill_id = excluded(home)
    [task] = home.run(tasks.list_open)
    home.run(tasks.close, task_id=task.id, outcome="done")
    home.run(accounts.bill_paid, bill_id=bill_id)
    assert states(home) == [(1, "cancelled"), (2, "ordered")]
    assert open_kinds(home) == []
    [said] = told(home, "hub_ordered_again")
    assert said["reason"] == "You still need a Mini Hub, so we have ordered it again."
    assert said["estimate"] == orders(home)[1].estimate == "by Tuesday 24 November"


@quickly
@pytest.mark.parametrize("outcome", [None, "not_needed"])
def test_a_parcel_that_nobody_stopped_is_let_go_on_its_way(home: Household, outcome: str | None) -> None:
    _, bill_id = excluded(home)
    [task] = home.run(tasks.list_open)
    if outcome is not None:
        home.run(tasks.close, task_id=task.id, outcome=outcome)
    home.run(accounts.bill_paid, bill_id=bill_id)
    assert states(home) == [(1, "ordered")]
    assert open_kinds(home) == []
    # Days later the first estimate would be of the past.
    assert [said["estimate"] for said in told(home, "hub_ordered_again")] == ["by Tuesday 24 November"]
    home.pass_time(minutes=1)
    home.run(accounts.bill_past_due, account_id=home.account_id, due_on=date(2026, 11, 1))
    assert (states(home), open_kinds(home)) == ([(1, "cancelled")], [tasks.STOP_PARCEL])
    assert told(home, "hub_ordered_again") == []


@quickly
def test_what_the_courier_cancels_is_ordered_under_a_new_reference(home: Household) -> None:
    order = ordered(home)
    home.run(work.look, claims=[claimed(home)])
    home.run(dispatch.record, order_id=order.id, state="cancelled")
    assert states(home) == [(1, "cancelled"), (2, "ordered")]


def test_a_parcel_that_turns_up_makes_the_other_one_needless(home: Household) -> None:
    order, hub = sent(home)
    home.hub_id = hub.id
    home.run(dispatch.record, order_id=order.id, state="lost")
    home.pass_time(days=1)
    home.run(dispatch.record, order_id=order.id, state="delivered")
    assert states(home) == [(1, "delivered"), (2, "cancelled")]
    assert len(told(home, "order_spare")) == 1
    assert told(home, "hub_ordered_again") == []
    assert home.document().internet_on


@quickly
def test_a_lost_parcel_that_comes_back_to_the_depot_changes_nothing_for_the_home(home: Household) -> None:
    order, hub = sent(home)
    home.run(dispatch.record, order_id=order.id, state="lost")
    home.pass_time(days=1)
    home.run(dispatch.record, order_id=order.id, state="returned")
    assert states(home) == [(1, "returned"), (2, "ordered")]
    assert home.run(lambda session, actor, now: homes.assignment_of(session, hub.id)) is None
    assert told(home, "order_spare") == []


@quickly
def test_a_hub_that_dies_in_the_home_during_its_fault_is_followed_by_another(home: Household) -> None:
    order, hub = sent(home)
    home.run(dispatch.record, order_id=order.id, state="delivered")
    home.pass_time(hours=2)
    home.run(hubs.lose, hub_id=hub.id, fate="dead", at=home.now)
    assert states(home) == [(1, "delivered"), (2, "ordered")]


@quickly
def test_a_hub_lost_by_its_customer_is_not(home: Household) -> None:
    order, hub = sent(home)
    home.run(dispatch.record, order_id=order.id, state="delivered")
    home.pass_time(hours=2)
    home.run(hubs.lose, hub_id=hub.id, fate="lost_by_customer", at=home.now)
    assert states(home) == [(1, "delivered")]


@quickly
def test_a_parcel_cannot_leave_without_a_hub_in_it(home: Household) -> None:
    order = ordered(home)
    with pytest.raises(UnprocessableError, match="holds a hub"):
        home.run(dispatch.record, order_id=order.id, state="dispatched")


@quickly
def test_a_fault_shows_all_its_orders_and_its_decisions_are_the_same_as_of_then(home: Household) -> None:
    order, _ = sent(home)
    home.pass_time(days=3)
    home.run(dispatch.record, order_id=order.id, state="lost")
    view = home.view(order.fault_id)
    assert [row.sequence for row in view.orders] == [1, 2]
    steps = [entry for entry in views.timeline(view) if entry["what"].startswith("hub_")]
    assert [(entry["what"], entry["sequence"]) for entry in steps] == [
        ("hub_ordered", 1),
        ("hub_dispatched", 1),
        ("hub_lost", 1),
        ("hub_ordered", 2),
    ]
    verdicts = {home.run(recomputation.recompute, decision_id=row.id).verdict for row in view.history}
    assert verdicts <= {"equal", "overtaken"}
    assert home.run(lambda session, actor, now: audit.verify(session)) is None


def test_a_crash_between_the_loss_and_the_next_order_is_none(make_database: MakeDatabase, home: Household) -> None:
    """Both are one transaction: nothing is lost before the commit, and nothing is ordered twice after it."""
    order, hub = sent(home)
    switch = Switch()
    failing = make_database(policy=home.database.policy, session_type=switch.session_type())
    fresh, home.database = home.database, failing
    for boundary, expected in ((1, [(1, "dispatched")]), (2, [(1, "lost"), (2, "ordered")])):
        switch.passed, switch.crash_at = 0, boundary
        with pytest.raises(CrashError):
            home.run(dispatch.record, order_id=order.id, state="lost")
        switch.crash_at, home.database = None, fresh
        assert states(home) == expected
        home.database = failing
    home.run(dispatch.record, order_id=order.id, state="lost")
    assert states(home) == [(1, "lost"), (2, "ordered")]
    assert home.run(fates, hub_id=hub.id) == ["lost_in_post"]


@quickly
def test_news_that_comes_twice_or_too_late_changes_nothing(home: Household) -> None:
    order, hub = sent(home)
    home.run(dispatch.record, order_id=order.id, state="delivered")
    before = home.run(dispatch.of_account, account_id=home.account_id)[0].version
    for state in ("delivered", "dispatched"):
        assert home.run(dispatch.record, order_id=order.id, state=state, hub_id=hub.id).state == "delivered"
    assert home.run(dispatch.of_account, account_id=home.account_id)[0].version == before
