"""What only a person can do: opened with a reason, once for each thing, and closed by somebody or by events."""

from datetime import datetime
from typing import Final

from sqlmodel import Session, col, select

from controller.services import journal, owed
from controller.services.actor import Actor
from controller.services.errors import ConflictError, NotFoundError
from controller.tables.tasks import OperatorTask

TELL_CUSTOMER: Final = "tell_customer"
STOP_PARCEL: Final = "stop_parcel"
PARCEL_FAILED: Final = "parcel_failed"
REDIRECT_PARCEL: Final = "redirect_parcel"
REVIEW_SIM: Final = "review_sim"
DONE: Final = "done"
NOT_NEEDED: Final = "not_needed"


def open_task(
    session: Session,
    kind: str,
    key: str,
    now: datetime,
    *,
    account_id: str,
    fault_id: str | None,
    reason: str,
    due_at: datetime | None = None,
) -> OperatorTask:
    """Open the task, or return the open one of this kind and thing, with the reason and deadline of now."""
    row = of_thing(session, kind, key)
    if row is not None:
        if due_at is not None and row.reason != reason[:500]:
            row.reason, row.due_at = reason[:500], due_at
            row.version += 1
            session.add(row)
            journal.changed(session, "task", row.id, "changed", kind=kind)
        return row
    row = OperatorTask(
        id=journal.new_id(session),
        kind=kind,
        key=key,
        account_id=account_id,
        fault_id=fault_id,
        reason=reason[:500],
        opened_at=now,
        due_at=due_at,
    )
    session.add(row)
    session.flush()
    journal.audited(session, "task", row.id, "opened", kind=kind)
    journal.changed(session, "task", row.id, "opened", kind=kind)
    return row


def close(session: Session, actor: Actor, now: datetime, *, task_id: str, outcome: str, note: str = "") -> OperatorTask:
    """Close a task; the same again is once. `done` of telling a customer is as good as a delivered notice.

    A failed parcel that was seen to is decided again: the next order may have waited for it. Raises NotFoundError, and
    ConflictError for one that was closed with another outcome.
    """
    row = session.get(OperatorTask, task_id, with_for_update=True)
    if row is None:
        raise NotFoundError("task", task_id)
    if row.closed_at is not None:
        if row.outcome == outcome:
            return row
        raise ConflictError(f"the task was closed as {row.outcome}", remedy="read it again")
    _close(session, row, now, by=actor.name, outcome=outcome, note=note)
    if row.kind == TELL_CUSTOMER and outcome == DONE:
        from controller.services import notices

        notices.told_by_a_person(session, row.key, now)
    if row.kind == PARCEL_FAILED:
        owed.mark(session, "decide", row.account_id, now=now)
    return row


def withdraw(session: Session, kind: str, key: str, now: datetime) -> None:
    """Close a task that events made needless."""
    row = of_thing(session, kind, key)
    if row is not None:
        _close(session, row, now, by="system", outcome=NOT_NEEDED, note="")


def of_thing(session: Session, kind: str, key: str) -> OperatorTask | None:
    """Return the open task of this kind about a thing."""
    statement = select(OperatorTask).where(
        OperatorTask.kind == kind, OperatorTask.key == key, col(OperatorTask.closed_at).is_(None)
    )
    return session.exec(statement).first()


def newest(session: Session, kind: str, key: str) -> OperatorTask | None:
    """Return the newest task of this kind about a thing, open or closed."""
    statement = select(OperatorTask).where(OperatorTask.kind == kind, OperatorTask.key == key)
    return session.exec(statement.order_by(col(OperatorTask.opened_at).desc(), col(OperatorTask.id).desc())).first()


def list_open(session: Session, actor: Actor, now: datetime, *, limit: int = 500) -> tuple[OperatorTask, ...]:
    """Return the open tasks, by deadline, then the oldest first; reading them is audited, once under each account."""
    del actor, now
    by = (col(OperatorTask.due_at).is_(None), col(OperatorTask.due_at), col(OperatorTask.opened_at), OperatorTask.id)
    statement = select(OperatorTask).where(col(OperatorTask.closed_at).is_(None))
    found = tuple(session.exec(statement.order_by(*by).limit(limit)))
    for account_id in sorted({row.account_id for row in found}):
        journal.audited(session, "account", account_id, "read_tasks")
    return found


def overdue(session: Session, now: datetime) -> tuple[OperatorTask, ...]:
    """Return the open tasks whose deadline has passed, the first that did first."""
    statement = select(OperatorTask).where(col(OperatorTask.closed_at).is_(None), col(OperatorTask.due_at) <= now)
    return tuple(session.exec(statement.order_by(col(OperatorTask.due_at), OperatorTask.id)))


def _close(session: Session, row: OperatorTask, now: datetime, *, by: str, outcome: str, note: str) -> None:
    row.closed_at, row.closed_by, row.outcome, row.note = now, by, outcome, note[:500]
    row.version += 1
    session.add(row)
    session.flush()
    journal.audited(session, "task", row.id, "closed", kind=row.kind, outcome=outcome)
    journal.changed(session, "task", row.id, "closed", kind=row.kind)
