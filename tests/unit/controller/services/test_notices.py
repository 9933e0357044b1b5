"""Notices whose way is not smooth: undeliverable, in doubt, withdrawn while they leave."""

from typing import Any

import pytest

from controller.services import alarms, notices, owed, tasks
from controller.services.errors import ConflictError, NotFoundError
from controller.tables.faults import Notice
from controller.work import notices as work
from tests.unit.controller.household import ACTOR, Household


def fixed(home: Household) -> str:
    """A fault that was fixed; its switch-off is to be told."""
    home.move_in()
    home.put_hub_in_drawer()
    fault_id = home.broken()
    home.outside_follows()
    home.look()
    home.pass_time(hours=3)
    home.resolve(fault_id)
    return fault_id


def breaks_again(home: Household) -> str:
    home.pass_time(minutes=5)
    home.drop(5)
    fault_id = home.report()
    home.diagnose(fault_id)
    return fault_id


def of_kind(home: Household, fault_id: str, kind: str) -> list[Notice]:
    return [each for each in home.view(fault_id).notices if each.kind == kind]


def claims(home: Household) -> dict[str, owed.Claim]:
    """Claim what is owed, by notice."""
    return {claim.key: claim for claim in home.claim("notices", 50)}


def fails(home: Household, claim: owed.Claim, outcome: str = "undeliverable", **more: Any) -> None:
    told = {"reference": None, "error": "refused with 550", **more}
    home.run(work.record, claim=claim, outcome=outcome, **told)


def open_tasks(home: Household) -> list[Any]:
    return list(home.run(tasks.list_open))


def test_a_notice_that_no_channel_delivers_is_a_persons_task(home: Household) -> None:
    fault_id = fixed(home)
    held = claims(home)
    for row in of_kind(home, fault_id, "switch_off"):
        assert not open_tasks(home)
        fails(home, held[row.id], error=f"{row.channel} refused")
    [task] = open_tasks(home)
    assert (task.kind, task.fault_id, task.account_id) == (tasks.TELL_CUSTOMER, fault_id, home.account_id)
    assert "email: email refused" in task.reason
    assert "sms: sms refused" in task.reason
    assert task.reason.startswith("tell the customer switch_off")


def test_one_channel_is_enough(home: Household) -> None:
    fault_id = fixed(home)
    held = claims(home)
    email, sms = sorted(of_kind(home, fault_id, "switch_off"), key=lambda row: row.channel)
    fails(home, held[email.id])
    home.run(work.record, claim=held[sms.id], outcome="delivered", reference="m-1", error=None)
    assert not open_tasks(home)


def test_a_person_who_told_the_customer_lets_the_switch_off_go_on(home: Household) -> None:
    fault_id = fixed(home)
    held = claims(home)
    for row in of_kind(home, fault_id, "switch_off"):
        fails(home, held[row.id])
    home.look()
    assert home.view(fault_id).fault.closed_at is None
    [task] = open_tasks(home)
    closed = home.run(tasks.close, task_id=task.id, outcome="done", note="called")
    assert (closed.closed_by, closed.outcome, closed.note) == (ACTOR.name, "done", "called")
    assert {row.state for row in of_kind(home, fault_id, "switch_off")} == {"delivered"}
    assert not [each for each in home.run(alarms.list_open) if each.kind == "notice_undeliverable"]
    home.look()
    assert home.document().internet_on is False


def test_without_anybody_told_the_switch_off_waits_a_bounded_time_only(home: Household) -> None:
    fault_id = fixed(home)
    held = claims(home)
    for row in of_kind(home, fault_id, "switch_off"):
        fails(home, held[row.id])
    home.look()
    home.pass_time(hours=23)
    home.look()
    assert home.view(fault_id).fault.closed_at is None
    assert home.document().internet_on
    home.pass_time(hours=2)
    home.look()
    home.pass_time(days=1)
    home.look()
    assert home.document().internet_on is False


def test_closing_is_once_and_by_somebody(home: Household) -> None:
    fault_id = fixed(home)
    held = claims(home)
    for row in of_kind(home, fault_id, "switch_off"):
        fails(home, held[row.id])
    [task] = open_tasks(home)
    home.run(tasks.close, task_id=task.id, outcome="not_needed")
    home.run(tasks.close, task_id=task.id, outcome="not_needed")
    with pytest.raises(ConflictError):
        home.run(tasks.close, task_id=task.id, outcome="done")
    with pytest.raises(NotFoundError):
        home.run(tasks.close, task_id="none", outcome="done")
    # Not needed is not told.
    assert {row.state for row in of_kind(home, fault_id, "switch_off")} == {"undeliverable"}


def test_a_withdrawn_notice_needs_nobody(home: Household) -> None:
    fault_id = fixed(home)
    held = claims(home)
    for row in of_kind(home, fault_id, "switch_off"):
        fails(home, held[row.id])
    breaks_again(home)
    assert {row.state for row in of_kind(home, fault_id, "switch_off")} == {"withdrawn"}
    assert not open_tasks(home)


def test_what_was_never_tried_is_withdrawn_in_silence(home: Household) -> None:
    fault_id = fixed(home)
    breaks_again(home)
    assert {row.state for row in of_kind(home, fault_id, "switch_off")} == {"withdrawn"}
    assert not of_kind(home, fault_id, "switch_off_withdrawn")


def test_what_may_have_left_is_followed_by_its_withdrawal(home: Household) -> None:
    """A crash after the message left and before that was recorded."""
    fault_id = fixed(home)
    row = of_kind(home, fault_id, "switch_off")[0]
    assert home.run(work.look, claims=[claims(home)[row.id]])[0] is not None
    breaks_again(home)
    assert len(of_kind(home, fault_id, "switch_off_withdrawn")) == 2


def test_what_certainly_did_not_leave_is_not(home: Household) -> None:
    fault_id = fixed(home)
    row = of_kind(home, fault_id, "switch_off")[0]
    claim = claims(home)[row.id]
    attempt = home.run(work.look, claims=[claim])[0]
    assert attempt is not None
    assert not attempt.may_have_left
    home.run(work.record_failure, claim=claim, error="no connection", sure=True)
    breaks_again(home)
    assert not of_kind(home, fault_id, "switch_off_withdrawn")


def test_an_attempt_in_doubt_is_not_undone_by_a_later_failure(home: Household) -> None:
    fault_id = fixed(home)
    row = of_kind(home, fault_id, "switch_off")[0]
    claim = claims(home)[row.id]
    home.run(work.look, claims=[claim])[0]
    home.run(work.record_failure, claim=claim, error="answer lost", sure=False)
    home.pass_time(minutes=1)
    again = home.run(work.look, claims=[claims(home)[row.id]])[0]
    assert again is not None
    assert again.may_have_left
    breaks_again(home)
    assert len(of_kind(home, fault_id, "switch_off_withdrawn")) == 2


def test_one_that_leaves_while_it_is_withdrawn_is_followed_too(home: Household) -> None:
    fault_id = fixed(home)
    held = claims(home)
    rows = of_kind(home, fault_id, "switch_off")
    breaks_again(home)
    assert not of_kind(home, fault_id, "switch_off_withdrawn")
    for row in rows:
        home.run(work.record, claim=held[row.id], outcome="delivered", reference=None, error=None)
    told = of_kind(home, fault_id, "switch_off_withdrawn")
    assert sorted(row.channel for row in told) == ["email", "sms"]
    assert {row.state for row in of_kind(home, fault_id, "switch_off")} == {"withdrawn"}


def test_a_notice_that_keeps_failing_is_undeliverable_after_a_bounded_number_of_attempts(home: Household) -> None:
    fault_id = fixed(home)
    [row, _] = of_kind(home, fault_id, "switch_off")
    for attempt in range(work.MOST_ATTEMPTS):
        claim = claims(home)[row.id]
        assert claim.attempts == attempt
        home.run(work.look, claims=[claim])[0]
        home.run(work.record_failure, claim=claim, error="no connection", sure=True)
        home.pass_time(minutes=6)
    assert row.id not in claims(home)
    [row] = [each for each in of_kind(home, fault_id, "switch_off") if each.id == row.id]
    assert (row.state, row.error) == ("undeliverable", "no connection")


def test_a_second_look_at_a_settled_notice_sends_nothing(home: Household) -> None:
    fault_id = fixed(home)
    row = of_kind(home, fault_id, "switch_off")[0]
    claim = claims(home)[row.id]
    home.run(notices.record, notice_id=row.id, outcome="delivered")
    assert home.run(work.look, claims=[claim])[0] is None
    assert row.id not in claims(home)
