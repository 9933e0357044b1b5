"""What operators put right: a service on another line, a line event that was none, a restart told twice."""

import os
from datetime import date, timedelta
from typing import Any

import pytest
from sqlmodel import select

from controller.domain.facts import LineEventKind, SuspicionKind
from controller.services import (
    accounts,
    audit,
    controls,
    decide,
    dispatch,
    faults,
    hubs,
    lines,
    notices,
    outages,
    recomputation,
)
from controller.services.errors import ConflictError, NotFoundError, UnprocessableError
from controller.tables.accounts import Account
from controller.tables.faults import LineEvent, Outage
from tests.unit.controller.household import BT_BRANDED, Household

# What the engine has no part in: on both with MINIHUB_FULL=1, for time.
ENGINES = ("sqlite", "postgresql") if os.environ.get("MINIHUB_FULL") else ("sqlite",)
quickly = pytest.mark.parametrize("database_url", ENGINES, indirect=True)
TODAY = date(2026, 11, 20)
TOMORROW = date(2026, 11, 21)


def moved(home: Household, from_day: date = TOMORROW, **where: Any) -> str:
    """Move the service and wait for its first day on the new line; returns that line."""
    row = home.run(accounts.move_service, service_id=home.service_id, from_day=from_day, **where)
    home.now = home.now.replace(day=from_day.day, hour=9)
    home.look()
    home.outside_follows()
    line_id: str = row.line_id
    return line_id


def next_household(home: Household, line_id: str) -> Account:
    """Who takes the line over tomorrow, with Plus of their own."""
    other: Account = home.run(accounts.create, holder_name="B", email="b@example.org", mobile=None)
    plus = {"product": "Superfast Fibre Plus", "starts_on": TOMORROW}
    home.run(accounts.start_service, account_id=other.id, line_id=line_id, **plus)
    return other


def sim_of(home: Household, hub_id: str) -> str:
    state: str = home.run(hubs.view, hub_id=hub_id).sims[0].intended["state"]
    return state


def recomputed(home: Household, fault_id: str) -> set[str]:
    """How every decision about a fault compares with itself as of then."""
    return {home.run(recomputation.recompute, decision_id=row.id).verdict for row in home.view(fault_id).history}


@quickly
def test_a_house_move_ends_the_old_lines_fault_and_the_hub_serves_the_new_line(broken: tuple[Household, str]) -> None:
    home, old = broken
    home.run(accounts.move_service, service_id=home.service_id, from_day=TOMORROW, postcode="CD4 5EF")
    # Until its last day there the home is entitled on the old line.
    assert home.document().internet_on
    home.now = home.now.replace(day=21)
    home.look()
    home.outside_follows()
    assert home.outcomes(old)["mini_hub"] == "refused"
    assert not home.document().internet_on
    assert [sim.due.uncounted for sim in home.mybt()] == [False]
    periods = home.run(accounts.view, account_id=home.account_id).services
    old_row, new_row = sorted(periods, key=lambda row: row.starts_on)
    assert (old_row.last_day, new_row.starts_on, new_row.service_id) == (TODAY, TOMORROW, home.service_id)
    home.drop(5, line_id=new_row.line_id)
    new = home.report(line_id=new_row.line_id)
    assert home.outcomes(new)["mini_hub"] == "reactivate"
    home.outside_follows()
    assert home.document().internet_on
    assert sim_of(home, home.hub_id) == "active"
    assert {promise.end for promise in home.view(new).promises} == {"kept"}
    assert recomputed(home, old) <= {"equal", "overtaken"}
    assert home.run(lambda session, actor, now: audit.verify(session)) is None


@quickly
def test_the_next_household_gets_neither_the_fault_nor_the_hub_and_parks_nothing(
    broken: tuple[Household, str],
) -> None:
    home, old = broken
    mine = (home.account_id, home.service_id, home.hub_id)
    new_line, old_line = moved(home, postcode="CD4 5EF"), home.line_id
    home.drop(5, line_id=new_line)
    home.report(line_id=new_line)
    home.outside_follows()
    assert sim_of(home, mine[2]) == "active"
    other = next_household(home, old_line)
    home.pass_time(minutes=1)
    home.look()
    home.run(controls.set_controls, hub_id=mine[2], controls={"level": "moderate"})
    told = home.run(notices.of_account, account_id=mine[0])
    assert {row.kind for row in home.run(notices.of_account, account_id=other.id)} == set()
    assert "controls_changed" in {row.kind for row in told}
    assert home.run(hubs.view, hub_id=mine[2]).line_id == new_line
    # Deciding for whoever lives there now leaves the hub that went away, and its fault, alone.
    assert sim_of(home, mine[2]) == "active"
    assert home.outcomes(old)["mini_hub"] == "refused"
    home.drop(5, line_id=old_line)
    theirs = home.report(line_id=old_line)
    home.diagnose(theirs)
    assert home.outcomes(theirs)["mini_hub"] == "dispatch"
    assert sim_of(home, mine[2]) == "active"
    assert [row.line_id for row in home.run(dispatch.of_account, account_id=other.id)] == [old_line]
    assert home.run(dispatch.of_account, account_id=mine[0]) == ()


@quickly
def test_the_hub_of_the_next_household_is_not_the_movers_to_answer_for(broken: tuple[Household, str]) -> None:
    home, _ = broken
    mine, new_line, old_line = home.account_id, moved(home, postcode="CD4 5EF"), home.line_id
    other = next_household(home, old_line)
    theirs = home.run(hubs.enrol, serial="THEIRS", iccid=home.card())
    home.run(hubs.add_evidence, hub_id=theirs.id, source="depot", fields=BT_BRANDED, at=home.now)
    home.run(hubs.assign, hub_id=theirs.id, line_id=old_line, dispatched_at=home.now, delivered_at=home.now)
    word = {"kind": SuspicionKind.FRAUD, "grounds": "three handsets", "by": "J. Reviewer"}
    home.run(accounts.suspect, account_id=other.id, **word)
    assert sim_of(home, theirs.id) == "barred"
    # Whatever is decided of the account that left, which knows nothing of that.
    home.pass_time(minutes=1)
    home.run(accounts.bill_past_due, account_id=mine, due_on=date(2026, 11, 1))
    home.drop(5, line_id=new_line)
    home.report(line_id=new_line)
    assert sim_of(home, theirs.id) == "barred"


@quickly
def test_a_hub_that_was_sent_on_to_another_household_is_that_ones_to_answer_for(home: Household) -> None:
    first = home.move_in()
    hub_id = home.put_hub_in_drawer()
    home.move_in()
    sent = home.now - timedelta(days=2)
    home.run(hubs.assign, hub_id=hub_id, line_id=home.line_id, dispatched_at=sent, delivered_at=sent)
    home.broken()
    home.pass_time(minutes=5)
    home.run(decide.touch, account_ids=[first])
    assert sim_of(home, hub_id) == "active"


@quickly
def test_a_move_that_was_recorded_late_changes_what_is_and_not_what_was(broken: tuple[Household, str]) -> None:
    home, old = broken
    home.pass_time(days=3)
    home.look()
    moved(home, from_day=date(2026, 11, 22), postcode="CD4 5EF")
    home.pass_time(days=2)
    home.look()
    assert home.outcomes(old)["mini_hub"] == "refused"
    assert recomputed(home, old) <= {"equal", "overtaken"}


@quickly
def test_a_move_that_does_not_come_is_taken_back(broken: tuple[Household, str]) -> None:
    home, fault_id = broken
    moving = {"service_id": home.service_id, "from_day": TOMORROW}
    home.run(accounts.move_service, **moving, postcode="CD4 5EF")
    home.pass_time(minutes=1)
    home.run(accounts.move_service, **moving, line_id=home.line_id)
    home.pass_time(hours=20)
    home.look()
    assert home.outcomes(fault_id)["mini_hub"] == "reactivate"
    assert home.document().internet_on
    assert recomputed(home, fault_id) <= {"equal", "overtaken"}


@quickly
def test_a_move_keeps_a_last_day_and_is_refused_where_it_cannot_be(home: Household) -> None:
    home.move_in()
    there = home.run(
        accounts.start_service,
        account_id=home.run(accounts.create, holder_name="B", email=None, mobile=None).id,
        product="Superfast Fibre Plus",
        starts_on=date(2026, 1, 5),
    )
    move = {"service_id": home.service_id, "from_day": TOMORROW}
    with pytest.raises(ConflictError, match="another service"):
        home.run(accounts.move_service, **move, line_id=there.line_id)
    with pytest.raises(UnprocessableError, match="that line already"):
        home.run(accounts.move_service, **move, line_id=home.line_id)
    with pytest.raises(UnprocessableError, match="after the period"):
        home.run(accounts.move_service, service_id=home.service_id, from_day=date(2026, 1, 4))
    with pytest.raises(NotFoundError):
        home.run(accounts.move_service, **move, line_id="nowhere")
    home.run(accounts.end_service, service_id=there.service_id, last_day=TODAY)
    home.run(accounts.end_service, service_id=home.service_id, last_day=TODAY)
    with pytest.raises(ConflictError, match="ended by then"):
        home.run(accounts.move_service, **move, line_id=there.line_id)
    home.run(accounts.end_service, service_id=home.service_id, last_day=date(2026, 12, 31))
    row = home.run(accounts.move_service, **move, line_id=there.line_id)
    assert (row.line_id, row.last_day) == (there.line_id, date(2026, 12, 31))


def test_an_order_that_has_not_left_is_cancelled_by_the_move(home: Household) -> None:
    home.move_in()
    home.broken()
    moved(home, postcode="CD4 5EF")
    assert [row.state for row in home.run(dispatch.of_account, account_id=home.account_id)] == ["cancelled"]


def events(home: Household) -> list[LineEvent]:
    return list(home.run(lines.of_line, line_id=home.line_id))


def withdraw(home: Household, numbers: list[int | None], **more: Any) -> tuple[LineEvent, ...]:
    word = {"by": "J. Reviewer", "reason": "the port was tested at the exchange", **more}
    found: tuple[LineEvent, ...] = home.run(lines.withdraw, line_id=home.line_id, event_ids=numbers, **word)
    return found


def test_a_drop_that_was_none_is_withdrawn_and_what_was_decided_stays(broken: tuple[Household, str]) -> None:
    home, fault_id = broken
    wrong = events(home)[2]
    withdraw(home, [wrong.id])
    assert home.outcomes(fault_id)["qualifies"] == "does_not_qualify"
    # What is on for it is not cut: its customer is told first.
    assert home.document().internet_on
    assert "switch_off" in {row.kind for row in home.view(fault_id).notices}
    assert recomputed(home, fault_id) <= {"equal", "overtaken"}
    [row] = [row for row in events(home) if row.superseded_at is not None]
    assert (row.id, row.superseded_at, row.withdrawn_by) == (wrong.id, home.now, "J. Reviewer")
    # Its source tells it again.
    home.pass_time(minutes=1)
    seen = lines.Seen(line_id=home.line_id, kind=LineEventKind(wrong.kind), at=wrong.at, source=wrong.source)
    assert home.run(lines.record, events=[seen]) == 0
    assert home.outcomes(fault_id)["qualifies"] == "does_not_qualify"
    assert home.run(lambda session, actor, now: audit.verify(session)) is None


@quickly
def test_a_withdrawal_is_once_and_needs_a_name_a_reason_and_the_lines_own_events(home: Household) -> None:
    home.move_in()
    home.drop(2)
    [first, second] = events(home)
    withdraw(home, [first.id])
    home.pass_time(minutes=1)
    [again] = withdraw(home, [first.id], by="Somebody Else")
    assert (again.withdrawn_by, again.superseded_at) == ("J. Reviewer", home.now - timedelta(minutes=1))
    for lacking in ({"by": " "}, {"reason": " "}):
        with pytest.raises(UnprocessableError, match="named person"):
            withdraw(home, [second.id], **lacking)
    with pytest.raises(UnprocessableError, match="not of this line"):
        withdraw(home, [second.id, 999])
    with pytest.raises(NotFoundError):
        home.run(lines.withdraw, line_id="nowhere", event_ids=[1], by="J", reason="r")
    assert [row.superseded_at is None for row in events(home)] == [False, True]


def restore(home: Household, numbers: list[int | None], **more: Any) -> tuple[LineEvent, ...]:
    word = {"by": "K. Reviewer", "reason": "the test was of another port", **more}
    found: tuple[LineEvent, ...] = home.run(lines.restore, line_id=home.line_id, event_ids=numbers, **word)
    return found


def test_a_withdrawal_in_error_is_taken_back_and_each_decision_holds_as_of_then(broken: tuple[Household, str]) -> None:
    home, fault_id = broken
    wrong = events(home)[2]
    for round_ in (1, 2):
        withdraw(home, [row.id for row in events(home) if row.superseded_at is None and row.at == wrong.at])
        assert home.outcomes(fault_id)["qualifies"] == "does_not_qualify"
        home.pass_time(minutes=1)
        [newest] = restore(home, [max(row.id or 0 for row in events(home) if row.at == wrong.at)])
        assert (newest.edition, newest.recorded_at, newest.restored_by) == (round_ + 1, home.now, "K. Reviewer")
        assert home.outcomes(fault_id)["qualifies"] == "qualifies"
        home.pass_time(minutes=1)
    assert [row.edition for row in events(home) if row.superseded_at is None and row.at == wrong.at] == [3]
    # A switch-off and a refusal that were not sent yet are not told any more.
    waiting = {row.kind: row.state for row in home.view(fault_id).notices if row.state != "delivered"}
    assert waiting == {"switch_off": "withdrawn", "refused": "withdrawn"}
    assert home.document().internet_on
    assert recomputed(home, fault_id) <= {"equal", "overtaken"}
    # Its source tells it again: it counts once.
    seen = lines.Seen(line_id=home.line_id, kind=LineEventKind(wrong.kind), at=wrong.at, source=wrong.source)
    assert home.run(lines.record, events=[seen]) == 0
    assert home.run(lambda session, actor, now: audit.verify(session)) is None


@quickly
def test_a_restoration_is_once_and_needs_a_name_a_reason_and_the_lines_own_events(home: Household) -> None:
    home.move_in()
    home.drop(2)
    first, second = events(home)
    assert [row.id for row in restore(home, [first.id])] == [first.id], "it stands already"
    withdraw(home, [first.id])
    home.pass_time(minutes=1)
    [again] = restore(home, [first.id])
    home.pass_time(minutes=1)
    assert [row.id for row in restore(home, [first.id], by="Somebody Else")] == [again.id]
    # Withdrawn anew, that first number is no way to bring it back unasked.
    withdraw(home, [again.id])
    assert [row.superseded_at for row in restore(home, [first.id])] == [home.now]
    for lacking in ({"by": " "}, {"reason": " "}):
        with pytest.raises(UnprocessableError, match="named person"):
            restore(home, [second.id], **lacking)
    with pytest.raises(UnprocessableError, match="not of this line"):
        restore(home, [second.id, 999])
    with pytest.raises(NotFoundError):
        home.run(lines.restore, line_id="nowhere", event_ids=[1], by="J", reason="r")


@quickly
def test_a_recovery_that_was_none_leaves_the_line_down(home: Household) -> None:
    home.move_in()
    home.drop(1)
    home.pass_time(minutes=10)
    back = lines.Seen(line_id=home.line_id, kind=LineEventKind.SYNC_GAINED, at=home.now, source="dslam")
    home.run(lines.record, events=[back])
    home.pass_time(minutes=30)
    fault_id = home.report()
    assert home.outcomes(fault_id)["qualifies"] == "not_yet_known"
    other = lines.Seen(line_id=home.line_id, kind=LineEventKind.SYNC_GAINED, at=home.now, source="dslam")
    home.pass_time(seconds=1)
    withdraw(home, [next(row.id for row in events(home) if row.kind == "sync_gained")])
    home.run(lines.record, events=[other])
    assert home.outcomes(fault_id)["qualifies"] == "qualifies"


@quickly
def test_one_restart_told_by_two_sources_excuses_one_drop(home: Household) -> None:
    home.move_in()
    home.drop(4)
    fault_id = home.report()
    asked = home.now
    for later in (0, 0, 40):
        home.run(lines.asked_restart, line_id=home.line_id, at=asked + timedelta(seconds=later), lasts_s=600)
    for minutes, source in ((2, "dslam"), (2, "radius"), (5, "dslam")):
        at = asked + timedelta(minutes=minutes)
        seen = lines.Seen(line_id=home.line_id, kind=LineEventKind.SYNC_LOST, at=at, source=source)
        home.now = max(home.now, at)
        home.run(lines.record, events=[seen])
        assert home.outcomes(fault_id)["qualifies"] == ("not_yet_known" if minutes == 2 else "qualifies")


@quickly
def test_one_outage_told_by_two_sources_is_decided_and_told_once(broken: tuple[Household, str]) -> None:
    home, fault_id = broken
    scope = {"line_ids": [home.line_id], "from_at": home.now - timedelta(hours=30)}
    told, standing = [], []
    for whose in ("ours", "a third party's"):
        home.run(outages.declare, **scope, whose=whose)
        home.pass_time(minutes=1)
        home.look()
        standing.append(home.outcomes(fault_id))
        told.append(sorted((row.kind, row.channel) for row in home.view(fault_id).notices))
    assert standing[0] == standing[1]
    assert told[0] == told[1]
    # One of the two is taken back: the other still covers it.
    first = home.run(lambda session, actor, now: session.exec(select(Outage)).first())
    home.run(outages.change, outage_id=first.id, until=home.now - timedelta(hours=29))
    assert home.outcomes(fault_id) == standing[0]
    assert home.run(lambda session, actor, now: faults.open_on_line(session, home.line_id))
