"""Dispatch orders: one for each fault that is owed a first, or a new, hub (T§10c-d)."""

from collections.abc import Container
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlmodel import Session, col, select

from controller.domain.facts import Fault
from controller.services import journal, notices, owed, tasks, versions
from controller.services.actor import Actor
from controller.services.errors import ConflictError, NotFoundError
from controller.tables.accounts import Account, Line
from controller.tables.faults import DispatchOrder
from controller.tables.faults import Fault as FaultRow

NOUN: Final = "dispatch"
STATES: Final = {
    "ordered": frozenset({"dispatched", "cancelled"}),
    "dispatched": frozenset({"delivered", "lost", "returned"}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderWork:
    """What a courier is told: name, address, reference, and nothing else (P, minimisation)."""

    id: str
    state: str
    holder_name: str
    postcode: str | None
    reference: str


def attempt(session: Session, actor: Actor, now: datetime, *, order_id: str) -> OrderWork | None:
    """Return what the courier is to be told, and write that from now on they may have it; None when nothing is owed.

    Written before the courier is told: a crash in between must not let a cancelled parcel leave unnoticed.
    """
    row = _get(session, order_id)
    if row.state != "ordered":
        return None
    work = look(session, actor, now, order_id=order_id)
    if work.postcode:
        row.handed_at = row.handed_at or now
        session.add(row)
    return work


def record_taken(session: Session, actor: Actor, now: datetime, *, order_id: str, courier_reference: str) -> None:
    """Record the courier's own reference."""
    del actor
    row = _get(session, order_id)
    row.courier_reference = courier_reference[:100] or row.courier_reference
    row.version += 1
    session.add(row)
    journal.audited(session, "dispatch_order", row.id, "taken")
    journal.changed(session, "dispatch_order", row.id, "taken")
    if row.state == "cancelled":
        _stop_parcel(session, row, now)


def order(
    session: Session,
    fault: Fault,
    account_id: str,
    now: datetime,
    *,
    estimate: str | None = None,
    spare: Container[str] = (),
) -> None:
    """Order a hub for a fault, once.

    One that is on order for another fault of the line serves both, since a home has one hub (T§10c); it is taken over
    where that fault is `spare`, needing none any more. An order that was cancelled is taken up again.
    """
    waiting = _waiting_on_line(session, fault.line_id)
    row = of_fault(session, fault.fault_id)
    if waiting is not None:
        if waiting.fault_id in spare and row is None:
            _change(session, waiting, "taken_over", fault_id=fault.fault_id)
        return
    if row is not None:
        if row.state == "cancelled":
            _take_up(session, row, now, estimate)
        return
    row = DispatchOrder(
        id=journal.new_id(session),
        account_id=account_id,
        line_id=fault.line_id,
        fault_id=fault.fault_id,
        state="ordered",
        ordered_at=now,
        estimate=estimate,
    )
    session.add(row)
    session.flush()
    owed.mark(session, NOUN, row.id, now=now)
    journal.audited(session, "dispatch_order", row.id, "ordered", fault=fault.fault_id)
    journal.changed(session, "dispatch_order", row.id, "ordered")


def _waiting_on_line(session: Session, line_id: str) -> DispatchOrder | None:
    """Return the order of a line that has not left yet."""
    statement = select(DispatchOrder).where(DispatchOrder.line_id == line_id, DispatchOrder.state == "ordered")
    return session.exec(statement.order_by(col(DispatchOrder.ordered_at), DispatchOrder.id)).first()


def _take_up(session: Session, row: DispatchOrder, now: datetime, estimate: str | None) -> None:
    """Order again what was cancelled and is owed after all; a parcel that was stopped is a person's to send anew."""
    if row.handed_at is not None and tasks.of_thing(session, tasks.STOP_PARCEL, row.id) is None:
        reason = "owed again after its parcel was stopped: send another under a new reference"
        about = {"account_id": row.account_id, "fault_id": row.fault_id}
        tasks.open_task(session, tasks.PARCEL_FAILED, row.id, now, **about, reason=reason)
        return
    tasks.withdraw(session, tasks.STOP_PARCEL, row.id, now)
    _change(session, row, "ordered", state="ordered", settled_at=None, estimate=estimate or row.estimate)
    owed.mark(session, NOUN, row.id, now=now)


def _change(session: Session, row: DispatchOrder, what: str, **values: Any) -> None:
    for name, value in values.items():
        setattr(row, name, value)
    row.version += 1
    session.add(row)
    session.flush()
    journal.audited(session, "dispatch_order", row.id, what, fault=row.fault_id)
    journal.changed(session, "dispatch_order", row.id, what)


def cancel(session: Session, fault_id: str, now: datetime) -> None:
    """Cancel an order that has not left: its fault is no longer owed a hub."""
    row = of_fault(session, fault_id)
    if row is not None and row.state == "ordered":
        row.state, row.settled_at = "cancelled", now
        row.version += 1
        session.add(row)
        owed.withdraw(session, NOUN, row.id)
        journal.audited(session, "dispatch_order", row.id, "cancelled")
        journal.changed(session, "dispatch_order", row.id, "cancelled")
        if versions.present(session, FaultRow, fault_id).resolved_at is not None:
            notices.owe(session, fault_id, "order_cancelled", now, since=now)
        if row.handed_at is not None:
            _stop_parcel(session, row, now)


def look(session: Session, actor: Actor, now: datetime, *, order_id: str) -> OrderWork:
    """Return what the courier is to be told. Raises NotFoundError."""
    del actor, now
    row = _get(session, order_id)
    account = versions.present(session, Account, row.account_id)
    line = versions.present(session, Line, row.line_id)
    return OrderWork(
        id=row.id, state=row.state, holder_name=account.holder_name, postcode=line.postcode, reference=row.id
    )


def record(
    session: Session,
    actor: Actor,
    now: datetime,
    *,
    order_id: str,
    state: str,
    hub_id: str | None = None,
    courier_reference: str | None = None,
) -> DispatchOrder:
    """Record what happened to an order; a step that is known, or was overtaken by a later one, changes nothing.

    Raises ConflictError for a step that can't follow.
    """
    row = _get(session, order_id)
    if state == row.state or (state == "dispatched" and row.state in STATES["dispatched"]):
        return row
    if state not in STATES.get(row.state, frozenset()):
        raise ConflictError(f"a {row.state} order can't become {state}", remedy="read the order again")
    row.state = state
    row.hub_id = hub_id or row.hub_id
    row.courier_reference = courier_reference or row.courier_reference
    if state == "dispatched":
        row.dispatched_at = now
        notices.owe(session, row.fault_id, "hub_dispatched", now, estimate=row.estimate)
    else:
        row.settled_at = now
    row.version += 1
    session.add(row)
    session.flush()
    _follow(session, actor, now, row)
    journal.audited(session, "dispatch_order", row.id, state)
    journal.changed(session, "dispatch_order", row.id, state)
    return row


def of_fault(session: Session, fault_id: str) -> DispatchOrder | None:
    """Return the order of a fault."""
    return session.exec(select(DispatchOrder).where(DispatchOrder.fault_id == fault_id)).first()


def of_account(session: Session, actor: Actor, now: datetime, *, account_id: str) -> tuple[DispatchOrder, ...]:
    """Return an account's orders, oldest first; reading them is audited."""
    del actor, now
    statement = (
        select(DispatchOrder)
        .where(DispatchOrder.account_id == account_id)
        .order_by(col(DispatchOrder.ordered_at), DispatchOrder.id)
    )
    found = tuple(session.exec(statement))
    if found:
        journal.audited(session, "account", account_id, "read_dispatch_orders")
    return found


def _follow(session: Session, actor: Actor, now: datetime, row: DispatchOrder) -> None:
    """What happened to the parcel happened to the hub; one that did not arrive leaves a home for a person to see to."""
    if row.state in {"lost", "returned"}:
        tasks.open_task(
            session,
            tasks.PARCEL_FAILED,
            row.id,
            now,
            account_id=row.account_id,
            fault_id=row.fault_id,
            reason=f"the parcel was {row.state}: see to the address, and how the home gets a hub",
        )
    if row.hub_id is None:
        return
    from controller.services import hubs

    if row.state == "dispatched":
        hubs.assign(
            session, actor, now, hub_id=row.hub_id, line_id=row.line_id, dispatched_at=now, for_fault_id=row.fault_id
        )
    elif row.state == "delivered":
        hubs.delivered(session, actor, now, hub_id=row.hub_id, at=now)
    elif row.state == "lost":
        hubs.lose(session, actor, now, hub_id=row.hub_id, fate="lost_in_post", at=now)
    elif row.state == "returned":
        _end_assignment(session, actor, now, row.hub_id, row.line_id)


def _end_assignment(session: Session, actor: Actor, now: datetime, hub_id: str, line_id: str) -> None:
    """A hub that came back to the depot is no home's any more."""
    from controller.services import decide, hubs

    present = hubs.assignment_of(session, hub_id)
    if present is not None and present.line_id == line_id:
        versions.revise(session, present, now, ended_at=now, action="ended")
        decide.touch_lines(session, actor, now, [line_id])


def _stop_parcel(session: Session, row: DispatchOrder, now: datetime) -> None:
    tasks.open_task(
        session,
        tasks.STOP_PARCEL,
        row.id,
        now,
        account_id=row.account_id,
        fault_id=row.fault_id,
        reason=f"cancelled after the courier was told: stop the parcel {row.courier_reference or row.id}",
    )


def _get(session: Session, order_id: str) -> DispatchOrder:
    row = session.get(DispatchOrder, order_id, with_for_update=True)
    if row is None:
        raise NotFoundError("dispatch order", order_id)
    return row
