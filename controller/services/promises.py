"""Promises: the hour from the report, what was observed of it, and its alarms (T§10d, 12c)."""

from datetime import datetime
from typing import Any, Final

from sqlmodel import Session, col, select

from controller.domain.ending import Benefit
from controller.domain.facts import Fault
from controller.domain.promise import promise_made
from controller.services import alarms, journal, notices, owed, reasons
from controller.tables.faults import Promise
from controller.tables.hubs import HubState
from controller.tables.sims import SimState

NOUN: Final = "promises"


def owe(session: Session, fault: Fault, benefit: Benefit, *, goodwill: bool, now: datetime) -> Promise:
    """Make the promise of one benefit, or take an ended one up again; its alarms are owed rows."""
    rules = journal.policy_of(session).rules_at(fault.reported_at)
    made = promise_made(fault.reported_at, rules)
    row = of_fault(session, fault.fault_id, benefit)
    if row is None:
        row = Promise(
            id=journal.new_id(session),
            fault_id=fault.fault_id,
            benefit=benefit.value,
            made_at=made.reported_at,
            due_at=made.due_at,
            goodwill=goodwill,
        )
    elif row.ended_at is None or row.end == "kept":
        return row
    row.ended_at, row.end, row.goodwill = None, None, goodwill
    session.add(row)
    session.flush()
    owed.mark(session, NOUN, row.id, now=now, deadline=made.due_at, due=next_alarm(row, now, rules.alarm_shares))
    journal.changed(session, "fault", fault.fault_id, "promised", benefit=benefit.value)
    return row


def end(session: Session, fault_id: str, benefit: Benefit, how: str, now: datetime) -> None:
    """End an open promise: not_owed, over."""
    row = of_fault(session, fault_id, benefit)
    if row is not None and row.ended_at is None:
        _end(session, row, how, now)


def of_fault(session: Session, fault_id: str, benefit: Benefit) -> Promise | None:
    """Return the promise of one benefit of a fault."""
    return session.exec(select(Promise).where(Promise.fault_id == fault_id, Promise.benefit == benefit.value)).first()


def all_of_fault(session: Session, fault_id: str) -> tuple[Promise, ...]:
    """Return every promise of a fault."""
    return tuple(session.exec(select(Promise).where(Promise.fault_id == fault_id).order_by(Promise.benefit)))


def observe_sim(session: Session, sim: SimState, now: datetime) -> None:
    """Look whether what was observed of a SIM makes a promise ready."""
    noun, target = ("hub", sim.hub_id) if sim.hub_id else ("sim", sim.id)
    for fault_id in reasons.open_faults(session, noun, target or sim.id):
        observe(session, fault_id, now)


def observe(session: Session, fault_id: str, now: datetime) -> None:
    """Look whether the promises of a fault are ready now, and tell the customer once each is."""
    made = {row.benefit: row for row in all_of_fault(session, fault_id)}
    hub, backup = made.get(Benefit.MINI_HUB.value), made.get(Benefit.BACKUP.value)
    if hub is not None and hub.ready_at is None and _is_hub_ready(session, fault_id):
        _set_ready(session, hub, now)
        notices.owe(session, fault_id, "ready_plug_in", now, due_at=hub.due_at, at=now.isoformat())
    if backup is not None and backup.ready_at is None and _is_backup_ready(session, fault_id):
        _set_ready(session, backup, now)
        notices.owe(session, fault_id, "backup_on", now, due_at=backup.due_at, at=now.isoformat())


def observe_online(session: Session, hub_id: str, now: datetime) -> None:
    """The hub reported that forwarding is open: the homes that wait for it are online."""
    for fault_id in reasons.open_faults(session, "hub", hub_id):
        observe(session, fault_id, now)
        row = of_fault(session, fault_id, Benefit.MINI_HUB)
        if row is not None and row.online_at is None:
            row.online_at = now
            row.version += 1
            session.add(row)
            journal.changed(session, "fault", fault_id, "online")
            notices.owe(session, fault_id, "online", now, at=now.isoformat())


def warn(session: Session, promise_id: str, now: datetime) -> datetime | None:
    """Raise the alarm that is due for an open promise; returns when to look next, or None when it needs no more."""
    row = session.get(Promise, promise_id)
    if row is None or row.ended_at is not None or row.ready_at is not None:
        return None
    rules = journal.policy_of(session).rules_at(row.made_at)
    share = (now - row.made_at) / (row.due_at - row.made_at)
    passed = [each for each in (*rules.alarm_shares, 1.0) if share >= each]
    if passed:
        severity = {0: "warning", 1: "minor", 2: "major"}.get(len(passed), "critical")
        message = f"{row.benefit} of fault {row.fault_id} is not ready, {min(share, 9.99):.0%} of its hour is gone"
        alarms.raise_alarm(session, "promise_at_risk", "promise", row.id, severity=severity, message=message, now=now)
    return next_alarm(row, now, rules.alarm_shares) if share < 1 else None


def next_alarm(row: Promise, now: datetime, shares: tuple[float, ...]) -> datetime:
    """Return the next instant at which somebody should be warned, the end of the hour included."""
    whole = row.due_at - row.made_at
    instants = [row.made_at + whole * share for share in (*shares, 1.0)]
    return next((instant for instant in instants if instant > now), row.due_at)


def open_promises(session: Session) -> tuple[Promise, ...]:
    """Return the promises that are neither ready nor ended, the nearest deadline first."""
    statement = (
        select(Promise)
        .where(col(Promise.ended_at).is_(None), col(Promise.ready_at).is_(None))
        .order_by(col(Promise.due_at), col(Promise.id))
    )
    return tuple(session.exec(statement))


def _is_hub_ready(session: Session, fault_id: str) -> bool:
    targets = reasons.open_targets(session, "hub", fault_id)
    return bool(targets) and all(_is_on(session, hub_id) for hub_id in targets)


def _is_on(session: Session, hub_id: str) -> bool:
    state = session.get(HubState, hub_id)
    sims = session.exec(select(SimState).where(SimState.hub_id == hub_id)).all()
    active = any(sim.observed.get("state") == "active" for sim in sims)
    return active and state is not None and bool(state.desired.get("internet_on"))


def _is_backup_ready(session: Session, fault_id: str) -> bool:
    targets = reasons.open_targets(session, "sim", fault_id)
    sims: list[Any] = [session.get(SimState, target) for target in targets]
    return bool(sims) and all(sim is not None and sim.observed.get("backup") is True for sim in sims)


def _set_ready(session: Session, row: Promise, now: datetime) -> None:
    row.ready_at = now
    _end(session, row, "kept" if now <= row.due_at or row.goodwill else "late", now)
    journal.audited(session, "fault", row.fault_id, "ready", benefit=row.benefit)
    journal.changed(session, "fault", row.fault_id, "ready", benefit=row.benefit)


def _end(session: Session, row: Promise, how: str, now: datetime) -> None:
    row.ended_at, row.end = now, how
    row.version += 1
    session.add(row)
    owed.withdraw(session, NOUN, row.id)
    alarms.clear(session, "promise_at_risk", "promise", row.id, now=now)
