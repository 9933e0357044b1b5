"""Endings carried out: told first, withdrawn when another fault holds the benefit, closed when nothing is left on."""

from collections.abc import Sequence
from datetime import datetime

from sqlmodel import Session

from controller.domain.ending import Benefit, Ending, EndingState
from controller.domain.facts import Fault
from controller.services import alarms, journal, notices, promises, versions
from controller.services import reasons as reason_rows
from controller.tables import faults


def follow(session: Session, fault: Fault, found: Sequence[Ending], now: datetime) -> None:
    """Owe, withdraw or hold what the endings of one fault ask for."""
    _tell(session, fault, found, now)
    is_held = any(end.state is EndingState.HELD for end in found) and not _is_ending(found)
    if is_held and notices.withdraw(session, fault.fault_id, "switch_off", now):
        notices.owe(session, fault.fault_id, "switch_off_withdrawn", now, since=now)
    confirm = [end for end in found if end.state is EndingState.CONFIRM]
    for end in confirm:
        message = f"{end.benefit.value} of fault {fault.fault_id} waits for a person's confirmation: {end.reason}"
        alarms.raise_alarm(
            session, "ending_to_confirm", "fault", fault.fault_id, severity="major", message=message, now=now
        )
    if not confirm:
        alarms.clear(session, "ending_to_confirm", "fault", fault.fault_id, now=now)


def close(session: Session, known: Sequence[Fault], found: Sequence[Ending], now: datetime) -> None:
    """Close the resolved faults for which nothing is on any more."""
    lasting = {end.fault_id for end in found if end.state not in {EndingState.NOT_ENDING, EndingState.OFF}}
    for fault in known:
        if fault.resolved_at is None or fault.resolved_at > now or fault.fault_id in lasting:
            continue
        if any(row.closed_at is None for row in reason_rows.ever_open(session, fault.fault_id)):
            continue
        for promise in promises.all_of_fault(session, fault.fault_id):
            promises.end(session, fault.fault_id, Benefit(promise.benefit), "over", now)
        row = versions.present(session, faults.Fault, fault.fault_id)
        versions.revise(session, row, now, closed_at=now, action="closed")
        journal.changed(session, "fault", fault.fault_id, "closed")


def _tell(session: Session, fault: Fault, found: Sequence[Ending], now: datetime) -> None:
    """Name the time beforehand; where a benefit ends at once, say so with the reason (T§10f, 12e)."""
    to_tell = [end for end in found if end.state is EndingState.TELL]
    if to_tell:
        at = max((end.switch_off_at for end in to_tell if end.switch_off_at is not None), default=now)
        since = min((end.ceased_at for end in to_tell if end.ceased_at is not None), default=now)
        notices.owe(
            session, fault.fault_id, "switch_off", now, since=since, at=at.isoformat(), reason=to_tell[0].reason
        )
    for end in found:
        is_at_once = end.state is EndingState.OFF and end.ceased_at is not None and end.switch_off_at == end.ceased_at
        if is_at_once and end.ceased_at != fault.resolved_at:
            notices.owe(
                session,
                fault.fault_id,
                "switched_off" if end.benefit is Benefit.MINI_HUB else "backup_off",
                now,
                since=end.ceased_at,
                at=now.isoformat(),
                benefit=end.benefit.value,
                reason=end.reason,
            )


def _is_ending(found: Sequence[Ending]) -> bool:
    return any(end.state in {EndingState.TELL, EndingState.WAITING} for end in found)
