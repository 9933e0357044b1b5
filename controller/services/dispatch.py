"""Dispatch orders: one for each fault that is owed a first, or a new, hub (T§10c-d), and another where that failed.

Of a fault's orders the newest counts. What the courier lost or brought back, what was stopped, and what arrived and
does not serve any more stays on record as it ended; while a hub is still owed, the next order follows it by itself.
"""

from collections.abc import Container
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlmodel import Session, col, select

from controller.domain import facts as domain
from controller.domain.decisions import Outcome, Question
from controller.domain.facts import Fault
from controller.services import decisions, homes, journal, moved_parcels, notices, owed, tasks, versions
from controller.services.actor import Actor
from controller.services.errors import ConflictError, NotFoundError, UnprocessableError
from controller.services.on_record import Ordered
from controller.services.rows import Found
from controller.tables.accounts import Account, Line
from controller.tables.faults import DispatchOrder, ReasonRow
from controller.tables.faults import Fault as FaultRow

NOUN: Final = "dispatch"
STATES: Final = {
    "ordered": frozenset({"dispatched", "cancelled"}),
    "dispatched": frozenset({"delivered", "lost", "returned"}),
    # The courier finds a parcel that was given up.
    "lost": frozenset({"delivered", "returned"}),
}
FAILED: Final = frozenset({"lost", "returned"})
# So many parcels of a fault fail before a person must look: a wrong address would be sent to for ever (policy).
FAILURES_MOST: Final = 3
# What a customer is told of the order before.
_WHY: Final = {
    "lost": "The Mini Hub we sent you was lost on its way.",
    "returned": "The Mini Hub we sent you came back to us. If your address has changed, please tell us.",
    "cancelled": "You still need a Mini Hub, so we have ordered it again.",
    "dispatched": "You need another Mini Hub than the one we sent you.",
    "delivered": "You need another Mini Hub than the one we sent you.",
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
    """Order a hub for a fault that is owed one and has none on its way.

    One that is on order for another fault of the line serves both, since a home has one hub (T§10c); it is taken over
    where that fault is `spare`, needing none any more. What was cancelled before a courier knew is taken up again;
    what failed is followed by another order.
    """
    waiting, row = _waiting_on_line(session, fault.line_id), of_fault(session, fault.fault_id)
    if waiting is not None:
        if waiting.fault_id in spare and is_wanting(row):
            sequence = row.sequence + 1 if row else 1
            _change(session, waiting, "taken_over", fault_id=fault.fault_id, sequence=sequence)
    elif row is None:
        _place(session, fault, account_id, now, estimate=estimate, sequence=1)
    elif row.state == "cancelled" and not _was_stopped(session, row):
        _take_up(session, row, now)
    elif is_wanting(row) and not _waits_for_a_person(session, row):
        _order_again(session, row, fault, account_id, now)


def is_wanting(newest: DispatchOrder | Ordered | None) -> bool:
    """Say whether a fault that is owed the dispatch of a hub needs an order: nothing of its newest one is to come.

    A hub that left and is known serves the fault, unless the decision to dispatch says that it does not.
    """
    if newest is None or newest.state in FAILED | {"cancelled"}:
        return True
    return newest.state in {"dispatched", "delivered"} and newest.hub_id is not None


def _place(
    session: Session, fault: Fault, account_id: str, now: datetime, *, estimate: str | None, sequence: int
) -> DispatchOrder:
    row = DispatchOrder(
        id=journal.new_id(session),
        account_id=account_id,
        line_id=fault.line_id,
        fault_id=fault.fault_id,
        sequence=sequence,
        state="ordered",
        ordered_at=now,
        estimate=estimate,
    )
    session.add(row)
    session.flush()
    owed.mark(session, NOUN, row.id, now=now)
    journal.audited(session, "dispatch_order", row.id, "ordered", fault=fault.fault_id, sequence=sequence)
    journal.changed(session, "dispatch_order", row.id, "ordered")
    return row


def _order_again(session: Session, before: DispatchOrder, fault: Fault, account_id: str, now: datetime) -> None:
    """Follow an order that did not bring a hub that serves, and tell the customer, with a new estimate (T§10d)."""
    estimate = _estimate_anew(session, before, now)
    _place(session, fault, account_id, now, estimate=estimate, sequence=before.sequence + 1)
    _tell_again(session, fault.fault_id, now, reason=_WHY[before.state], estimate=estimate)


def _tell_again(session: Session, fault_id: str, now: datetime, *, reason: str, estimate: str) -> None:
    notices.withdraw(session, fault_id, "order_cancelled", now)
    notices.owe(session, fault_id, "hub_ordered_again", now, since=now, reason=reason, estimate=estimate)


def _estimate_anew(session: Session, row: DispatchOrder, now: datetime) -> str:
    """Estimate the delivery of what is ordered now: the tests are over, and the day counts as it does for a report."""
    # The bank holidays' tables are large: only a dispatch needs them.
    from controller.domain.delivery import delivery_estimate

    line = versions.present(session, Line, row.line_id)
    place = domain.Line(line_id=line.id, jurisdiction=domain.Jurisdiction(line.jurisdiction), remote=line.remote)
    return delivery_estimate(place, now, now, journal.policy_of(session).rules_at(now)).by_day


def _waiting_on_line(session: Session, line_id: str) -> DispatchOrder | None:
    """Return the order of a line that has not left yet."""
    statement = select(DispatchOrder).where(DispatchOrder.line_id == line_id, DispatchOrder.state == "ordered")
    return session.exec(statement.order_by(col(DispatchOrder.ordered_at), DispatchOrder.id)).first()


def _was_stopped(session: Session, row: DispatchOrder) -> bool:
    """Say whether a cancelled parcel surely does not come though the courier knew: a person or the courier stopped it.

    A person who left it alone lets the same parcel serve: the courier knows it by its reference.
    """
    if row.handed_at is None:
        return False
    task = tasks.newest(session, tasks.STOP_PARCEL, row.id)
    return task is None or (task.closed_at is not None and task.outcome == tasks.DONE)


def _waits_for_a_person(session: Session, row: DispatchOrder) -> bool:
    """Say whether so many parcels failed that the next one goes when somebody has seen to the address."""
    failures = sum(each.state in FAILED for each in all_of_fault(session, row.fault_id))
    return failures >= FAILURES_MOST and tasks.of_thing(session, tasks.PARCEL_FAILED, row.id) is not None


def _take_up(session: Session, row: DispatchOrder, now: datetime) -> None:
    """Order again, under its own reference, what was cancelled and is owed after all; the customer heard otherwise."""
    tasks.withdraw(session, tasks.STOP_PARCEL, row.id, now)
    estimate = _estimate_anew(session, row, now)
    _change(session, row, "ordered", state="ordered", settled_at=None, estimate=estimate)
    owed.mark(session, NOUN, row.id, now=now)
    _tell_again(session, row.fault_id, now, reason=_WHY["cancelled"], estimate=estimate)


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
        notices.withdraw(session, fault_id, "hub_ordered_again", now)
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

    Raises ConflictError for a step that can't follow, UnprocessableError for a dispatch without the hub that went.
    """
    row = _get(session, order_id)
    if state == row.state or (state == "dispatched" and row.state in STATES["dispatched"]):
        return row
    if state not in STATES.get(row.state, frozenset()):
        raise ConflictError(f"a {row.state} order can't become {state}", remedy="read the order again")
    before, row.hub_id = row.state, hub_id or row.hub_id
    if state == "dispatched" and row.hub_id is None:
        # Nobody would switch on what nobody knows to be in the home.
        raise UnprocessableError("a parcel that left holds a hub", remedy="send the hub_id of the unit in it")
    row.state = state
    row.courier_reference = courier_reference or row.courier_reference
    if state == "dispatched":
        row.dispatched_at = now
        # Each parcel of a fault is told.
        since = {"since": now} if row.sequence > 1 else {}
        notices.owe(session, row.fault_id, "hub_dispatched", now, estimate=row.estimate, **since)
    else:
        row.settled_at = now
    row.version += 1
    session.add(row)
    session.flush()
    journal.audited(session, "dispatch_order", row.id, state)
    journal.changed(session, "dispatch_order", row.id, state)
    _follow(session, actor, now, row, before)
    moved_parcels.look(session, row, now)
    return row


def of_fault(session: Session, fault_id: str) -> DispatchOrder | None:
    """Return the order of a fault that counts: its newest."""
    return next(reversed(all_of_fault(session, fault_id)), None)


def all_of_fault(session: Session, fault_id: str) -> tuple[DispatchOrder, ...]:
    """Return the orders of a fault, in their order."""
    statement = select(DispatchOrder).where(DispatchOrder.fault_id == fault_id)
    return tuple(session.exec(statement.order_by(col(DispatchOrder.sequence))))


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


def _follow(session: Session, actor: Actor, now: datetime, row: DispatchOrder, before: str) -> None:
    """What happened to the parcel happened to the hub; what its home is owed is decided again, another order too."""
    from controller.services import decide, hubs

    if row.state in FAILED:
        _ask_for_the_address(session, row, now)
    if row.hub_id is None or row.state == "cancelled":
        owed.withdraw(session, NOUN, row.id)
        decide.touch_lines(session, actor, now, [row.line_id])
        return
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
    if before == "lost":
        hubs.found(session, actor, now, hub_id=row.hub_id, at=now)


def _ask_for_the_address(session: Session, row: DispatchOrder, now: datetime) -> None:
    """A parcel that came back may have gone to a wrong address; after several, the next one waits for a person."""
    failures = sum(each.state in FAILED for each in all_of_fault(session, row.fault_id))
    if row.state == "lost" and failures < FAILURES_MOST:
        return
    then = "the next one goes when this is closed" if failures >= FAILURES_MOST else "another one goes by itself"
    reason = f"the parcel was {row.state}, {failures} of this fault failed: see to the address; {then}"
    _ask_a_person(session, row, now, tasks.PARCEL_FAILED, reason)


def spare(session: Session, hub_id: str, now: datetime) -> None:
    """Cancel what is on order for the faults that a hub serves after all, and say so: a home has one (T§10c)."""
    held = select(ReasonRow.reason).where(
        ReasonRow.target == hub_id, ReasonRow.noun == "hub", col(ReasonRow.closed_at).is_(None)
    )
    standing = decisions.standing_on(session, session.exec(held)).values()
    served = [row.fault_id for row in standing if _reactivates(row)]
    waiting = select(DispatchOrder).where(col(DispatchOrder.fault_id).in_(served), DispatchOrder.state == "ordered")
    for row in session.exec(waiting.order_by(DispatchOrder.id)).all():
        cancel(session, row.fault_id, now)
        notices.owe(session, row.fault_id, "order_spare", now, since=now)


def _reactivates(decision: Found) -> bool:
    return bool(decision.question == Question.MINI_HUB and decision.outcome == Outcome.REACTIVATE)


def _end_assignment(session: Session, actor: Actor, now: datetime, hub_id: str, line_id: str) -> None:
    """A hub that came back to the depot is no home's any more."""
    from controller.services import decide

    present = homes.assignment_of(session, hub_id)
    if present is not None and present.line_id == line_id:
        versions.revise(session, present, now, ended_at=now, action="ended")
        decide.touch_lines(session, actor, now, [line_id])


def _stop_parcel(session: Session, row: DispatchOrder, now: datetime) -> None:
    reason = f"cancelled after the courier was told: stop the parcel {row.courier_reference or row.id}"
    _ask_a_person(session, row, now, tasks.STOP_PARCEL, reason)


def _ask_a_person(session: Session, row: DispatchOrder, now: datetime, kind: str, reason: str) -> None:
    tasks.open_task(session, kind, row.id, now, account_id=row.account_id, fault_id=row.fault_id, reason=reason)


def _get(session: Session, order_id: str) -> DispatchOrder:
    row = session.get(DispatchOrder, order_id, with_for_update=True)
    if row is None:
        raise NotFoundError("dispatch order", order_id)
    return row
