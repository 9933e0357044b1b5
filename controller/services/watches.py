"""Alarms about what does not happen: no message brings them, so owed rows look (decision 10)."""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import func
from sqlmodel import Session, col, select

from controller.services import alarms, journal, owed, sims, tasks
from controller.tables.hubs import HubState
from controller.tables.owed import Owed

NOUN: Final = "watch"
LEASES: Final = "leases"
LANE: Final = "lane"
TASKS: Final = "tasks"
EVERY: Final = {LEASES: timedelta(minutes=10), LANE: timedelta(minutes=1), TASKS: timedelta(minutes=5)}
# Of the lease: a renewal is tried at two thirds, so with a sixth left it has failed for half a lease.
NEAR_END: Final = 1 / 6
FULL_AFTER: Final = timedelta(minutes=5)
FREE_WITHIN: Final = timedelta(minutes=1)


def begin(session: Session, now: datetime) -> None:
    """Make sure that all are owed; harmless to repeat."""
    owed.mark_many(session, NOUN, [(key, None, now) for key in EVERY], now=now)


def look(session: Session, key: str, now: datetime) -> datetime | None:
    """Look once; returns when to look again."""
    if key == LEASES:
        _look_at_leases(session, now)
    elif key == LANE:
        _look_at_lane(session, now)
    elif key == TASKS:
        _look_at_tasks(session, now)
    return now + EVERY[key] if key in EVERY else None


def _look_at_leases(session: Session, now: datetime) -> None:
    """A home that is online and whose hub has not taken a longer lease will go dark."""
    near = now + journal.policy_of(session).lease * NEAR_END
    statement = select(HubState.hub_id, HubState.lease_until).where(
        col(HubState.forwarding_open), col(HubState.lease_until) < near
    )
    ending = {hub_id: until for hub_id, until in session.exec(statement) if until is not None}
    for hub_id, until in sorted(ending.items()):
        message = f"hub {hub_id} forwards until {until.isoformat(timespec='minutes')} and has taken no longer lease"
        severity = "major" if until > now else "critical"
        alarms.raise_alarm(session, "lease_near_end", "hub", hub_id, severity=severity, message=message, now=now)
    for hub_id in sorted(alarms.open_keys(session, "lease_near_end", "hub") - ending.keys()):
        alarms.clear(session, "lease_near_end", "hub", hub_id, now=now)


def _look_at_lane(session: Session, now: datetime) -> None:
    """Calls to the carrier that are due and not made show that its lane is full, or closed."""
    waiting = (Owed.noun == sims.NOUN, col(Owed.parked_at).is_(None), col(Owed.due) <= now)
    found = session.exec(select(func.min(Owed.due), func.count()).where(*waiting)).one()
    oldest: datetime | None = found[0]
    count = found[1]
    if oldest is not None and oldest <= now - FULL_AFTER:
        message = f"{count} changes of SIMs wait for the carrier, the oldest since {oldest:%H:%M} UTC: see who is late"
        alarms.raise_alarm(session, "lane_full", "lane", "carrier", severity="major", message=message, now=now)
    elif oldest is None or oldest > now - FREE_WITHIN:
        alarms.clear(session, "lane_full", "lane", "carrier", now=now)


def _look_at_tasks(session: Session, now: datetime) -> None:
    """A task that nobody saw to in time: a hub lies where nobody lives, a SIM waits for its review."""
    late = {row.id: row for row in tasks.overdue(session, now)}
    for task_id, row in late.items():
        message = f"task {row.kind} was due {row.due_at:%Y-%m-%d %H:%M} UTC: {row.reason}"
        alarms.raise_alarm(session, "task_overdue", "task", task_id, severity="major", message=message, now=now)
    for task_id in sorted(alarms.open_keys(session, "task_overdue", "task") - late.keys()):
        alarms.clear(session, "task_overdue", "task", task_id, now=now)
