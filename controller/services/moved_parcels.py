"""Parcels whose customer moves house meanwhile (T§10c): a person redirects each, or answers for its hub.

A hub that was sent counts as there for every later fault of its service (T§10c), so one that lies where nobody of that
household lives must not stay unnoticed. What had not left is none of this: its order is cancelled with its fault, and a
parcel the courier may have by then is stopped (`stop_parcel`).
"""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement
from sqlmodel import Session, col, select

from controller.domain.hub_owner import leaves_on
from controller.domain.london import day_starts, local_day
from controller.services import homes, tasks
from controller.tables.faults import DispatchOrder
from controller.tables.hubs import HubLoss

# Policy, as for a SIM in foreign equipment; never sooner than the move.
ANSWER_WITHIN: Final = timedelta(hours=4)
_SENT: Final = ("dispatched", "delivered")
_SYSTEM: Final = "system"


def look_at_lines(session: Session, line_ids: Iterable[str], now: datetime) -> None:
    """Ask a person, anew for this move, about each parcel to lines whose customers move; no more where they don't."""
    for row in _sent(session, col(DispatchOrder.line_id).in_(sorted(set(line_ids)))):
        look(session, row, now, is_new_move=True)


def look_at_hub(session: Session, hub_id: str, now: datetime) -> None:
    """Ask a person about the parcel that a hub is in, or no more once somebody said what became of the hub."""
    for row in _sent(session, col(DispatchOrder.hub_id) == hub_id):
        look(session, row, now)


def _sent(session: Session, *which: ColumnElement[bool]) -> Sequence[DispatchOrder]:
    statement = select(DispatchOrder).where(*which, col(DispatchOrder.hub_id).is_not(None))
    return session.exec(statement.order_by(DispatchOrder.id)).all()


def look(session: Session, row: DispatchOrder, now: datetime, *, is_new_move: bool = False) -> None:
    """Open the task of a parcel that goes, or went, to where its household does not live; else withdraw it."""
    left_on = _left_on(session, row)
    if left_on is None or _is_answered_for(session, row):
        tasks.withdraw(session, tasks.REDIRECT_PARCEL, row.id, now)
    elif is_new_move or not _was_answered(session, row):
        tasks.open_task(
            session,
            tasks.REDIRECT_PARCEL,
            row.id,
            now,
            account_id=row.account_id,
            fault_id=row.fault_id,
            reason=_reason(row, left_on),
            due_at=max(day_starts(left_on), now + ANSWER_WITHIN),
        )


def _left_on(session: Session, row: DispatchOrder) -> date | None:
    """Return the day from which on the household is elsewhere, if the parcel was not in its hands before."""
    if row.state not in _SENT:
        return None
    left_on = leaves_on(homes.periods_around(session, row.line_id), row.account_id, row.line_id, row.ordered_at)
    if left_on is None or row.state == "dispatched" or row.settled_at is None:
        return left_on
    return None if local_day(row.settled_at) < left_on else left_on


def _is_answered_for(session: Session, row: DispatchOrder) -> bool:
    """Say whether it is known what became of the hub: gone, or for another line by now."""
    lost = select(HubLoss.row_id).where(
        HubLoss.hub_id == row.hub_id, col(HubLoss.superseded_at).is_(None), col(HubLoss.undone_at).is_(None)
    )
    present = homes.assignment_of(session, row.hub_id or "")
    is_here = present is not None and present.line_id == row.line_id
    return not is_here or session.exec(lost.limit(1)).first() is not None


def _was_answered(session: Session, row: DispatchOrder) -> bool:
    """Say whether a person closed the task; what the system withdrew can be asked again."""
    before = tasks.newest(session, tasks.REDIRECT_PARCEL, row.id)
    return before is not None and before.closed_at is not None and before.closed_by != _SYSTEM


def _reason(row: DispatchOrder, left_on: date) -> str:
    parcel = row.courier_reference or row.id
    if row.state == "delivered":
        return (
            f"parcel {parcel} was delivered where the household has not lived since {left_on}: "
            "close this as done if they have the hub, else record that it is lost_in_post or returned"
        )
    return (
        f"parcel {parcel} is on its way to an address that the household leaves by {left_on}: have it redirected, "
        "or stop it and record the order as returned"
    )
