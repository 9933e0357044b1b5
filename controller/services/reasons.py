"""Open reasons: what keeps a hub or a SIM on (or barred). Derived from facts anew each time, kept with their dates."""

from collections.abc import Iterable
from datetime import datetime

from sqlmodel import Session, col, select

from controller.domain.sim import Reason
from controller.services import journal
from controller.tables.faults import ReasonRow


def replace(session: Session, noun: str, target: str, due: Iterable[Reason], now: datetime) -> bool:
    """Make the open reasons of a target exactly those due now: opens what is new, closes what is gone. True if any."""
    wanted = {(each.kind.value, each.reason_id): each for each in due}
    present = {(row.kind, row.reason): row for row in open_rows(session, noun, target)}
    for key, row in present.items():
        if key not in wanted:
            row.closed_at = now
            session.add(row)
    for (kind, reason), each in wanted.items():
        if (kind, reason) not in present:
            row = ReasonRow(
                id=journal.new_id(session),
                noun=noun,
                target=target,
                kind=kind,
                reason=reason,
                opened_at=max(each.opened_at, now),
            )
            session.add(row)
    if wanted.keys() == present.keys():
        return False
    session.flush()
    journal.audited(session, noun, target, "reasons", open=sorted(f"{kind}:{reason}" for kind, reason in wanted))
    journal.changed(session, noun, target, "reasons")
    return True


def open_rows(session: Session, noun: str, target: str) -> tuple[ReasonRow, ...]:
    """Return the open reasons of a target."""
    statement = (
        select(ReasonRow)
        .where(ReasonRow.target == target, ReasonRow.noun == noun, col(ReasonRow.closed_at).is_(None))
        .order_by(col(ReasonRow.opened_at), ReasonRow.id)
    )
    return tuple(session.exec(statement))


def open_faults(session: Session, noun: str, target: str) -> tuple[str, ...]:
    """Return the faults that keep a target on."""
    return tuple(row.reason for row in open_rows(session, noun, target) if row.kind != "bar")


def open_targets(session: Session, noun: str, fault_id: str) -> tuple[str, ...]:
    """Return the hubs or SIMs that a fault keeps on."""
    statement = select(ReasonRow.target).where(
        ReasonRow.reason == fault_id,
        ReasonRow.noun == noun,
        ReasonRow.kind != "bar",
        col(ReasonRow.closed_at).is_(None),
    )
    return tuple(sorted(session.exec(statement)))


def ever_open(session: Session, fault_id: str) -> tuple[ReasonRow, ...]:
    """Return every reason that rested on a fault, closed ones included."""
    return tuple(
        session.exec(
            select(ReasonRow).where(ReasonRow.reason == fault_id).order_by(col(ReasonRow.opened_at), ReasonRow.id)
        )
    )
