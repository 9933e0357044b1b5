"""What becomes of a parcel, and what that causes."""

from typing import Any

from sqlmodel import Session, select

from controller.services import dispatch, hubs, owed, tasks
from controller.services.actor import Actor
from controller.tables.faults import DispatchOrder
from controller.tables.hubs import HubLoss
from controller.work import dispatch as work
from tests.unit.controller.household import Household


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


def test_the_courier_is_told_name_address_and_reference_once(home: Household) -> None:
    order = ordered(home)
    claim = claimed(home)
    told = home.run(work.look, claims=[claim])[0]
    assert (told.reference, told.holder_name, told.postcode) == (order.id, "A. Customer", "AB1 2CD")
    home.run(work.record_taken, claim=claim, courier_reference="C-7")
    assert not home.claim("dispatch", 5)
    [row] = home.run(dispatch.of_account, account_id=home.account_id)
    assert (row.courier_reference, row.state) == ("C-7", "ordered")


def test_an_order_that_nobody_was_told_of_is_cancelled_in_silence(home: Household) -> None:
    order = ordered(home)
    home.run(lambda session, actor, now: dispatch.cancel(session, order.fault_id, now))
    assert not home.claim("dispatch", 5)
    assert not open_kinds(home)


def test_an_order_that_the_courier_may_have_is_stopped_by_a_person(home: Household) -> None:
    """A crash after the courier was told and before that was recorded."""
    order = ordered(home)
    assert home.run(work.look, claims=[claimed(home)])[0] is not None
    home.run(lambda session, actor, now: dispatch.cancel(session, order.fault_id, now))
    assert open_kinds(home) == [tasks.STOP_PARCEL]


def test_an_order_taken_while_it_was_cancelled_is_stopped_too(home: Household) -> None:
    order = ordered(home)
    claim = claimed(home)
    home.run(lambda session, actor, now: dispatch.cancel(session, order.fault_id, now))
    home.run(work.record_taken, claim=claim, courier_reference="C-7")
    [task] = home.run(tasks.list_open)
    assert (task.kind, "C-7" in task.reason) == (tasks.STOP_PARCEL, True)


def test_a_lost_parcel_is_a_lost_hub_and_a_persons_task(home: Household) -> None:
    order, hub = sent(home)
    home.run(dispatch.record, order_id=order.id, state="lost")
    assert home.run(fates, hub_id=hub.id) == ["lost_in_post"]
    assert open_kinds(home) == [tasks.PARCEL_FAILED]


def test_a_returned_parcel_ends_the_assignment_and_is_a_persons_task(home: Household) -> None:
    order, hub = sent(home)
    home.hub_id = hub.id
    assert home.document().internet_on
    home.run(dispatch.record, order_id=order.id, state="returned")
    home.look()
    assert open_kinds(home) == [tasks.PARCEL_FAILED]
    assert home.run(lambda session, actor, now: hubs.assignment_of(session, hub.id)) is None
    # Nobody is left to use it.
    assert not home.document().internet_on


def test_news_that_comes_twice_or_too_late_changes_nothing(home: Household) -> None:
    order, hub = sent(home)
    home.run(dispatch.record, order_id=order.id, state="delivered")
    before = home.run(dispatch.of_account, account_id=home.account_id)[0].version
    for state in ("delivered", "dispatched"):
        assert home.run(dispatch.record, order_id=order.id, state=state, hub_id=hub.id).state == "delivered"
    assert home.run(dispatch.of_account, account_id=home.account_id)[0].version == before
