"""Promises: the hour from the report, what was observed of it, and its alarms (T§10d, 12c)."""

from collections.abc import Container, Iterable, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Table, and_
from sqlmodel import Session, select

from controller.domain import promise
from controller.domain.ending import Benefit
from controller.services import alarms, journal, notices, owed, reasons, rows
from controller.services.on_record import AT_RISK, OnRecord, Promised
from controller.services.outcome import FaultOutcome, Hour
from controller.services.reasons import Target
from controller.services.rows import Found
from controller.services.telling import Telling, owe_many
from controller.tables.alarms import Alarm
from controller.tables.faults import Promise
from controller.tables.hubs import HubState
from controller.tables.sims import SimState

NOUN: Final = "promises"
_READY_NOTICES: Final = {Benefit.MINI_HUB.value: "ready_plug_in", Benefit.BACKUP.value: "backup_on"}


def follow(session: Session, outcomes: Sequence[FaultOutcome], found: OnRecord, now: datetime) -> frozenset[str]:
    """Make the promises that are due, take ended ones up again, and end those that are not owed any more.

    Returns the faults of which a promise was withdrawn.
    """
    present = {(row.fault_id, row.benefit): row for row in found.promises}
    made: list[dict[str, Any]] = []
    again: dict[str, dict[str, Any]] = {}
    marks: list[tuple[str, datetime | None, datetime]] = []
    ended: list[Promised] = []
    for outcome in outcomes:
        for benefit, hour in outcome.hours.items():
            fault_id = outcome.fault.fault_id
            row = present.get((fault_id, benefit.value))
            if hour is None:
                ended += [row] if row is not None and row.ended_at is None else []
                continue
            if row is not None and (row.ended_at is None or row.end == "kept"):
                continue
            id_ = journal.new_id(session) if row is None else row.id
            if row is None:
                made.append(_values(id_, fault_id, benefit, hour))
            else:
                again[id_] = {"ended_at": None, "end": None, "goodwill": hour.goodwill}
            marks.append((id_, hour.due_at, next_alarm(hour.made_at, hour.due_at, now, hour.alarm_shares)))
            journal.changed(session, "fault", fault_id, "promised", benefit=benefit.value)
    rows.add(session, Promise, made)
    rows.change(session, Promise, again)
    owed.mark_many(session, NOUN, marks, now=now)
    _end(session, ended, "not_owed", now)
    _clear_alarms(session, [row.id for row in ended if row.id in found.at_risk], now)
    return frozenset(row.fault_id for row in ended)


def _values(id_: str, fault_id: str, benefit: Benefit, hour: Hour) -> dict[str, Any]:
    return {
        "id": id_,
        "fault_id": fault_id,
        "benefit": benefit.value,
        "made_at": hour.made_at,
        "due_at": hour.due_at,
        "goodwill": hour.goodwill,
    }


def end_many(session: Session, which: Iterable[tuple[str, Benefit]], how: str, now: datetime) -> None:
    """End open promises: not_owed, over."""
    wanted = {(fault_id, benefit.value) for fault_id, benefit in which}
    present = _present(session, {fault_id for fault_id, _ in wanted})
    ended = [row for key, row in present.items() if key in wanted and row.ended_at is None]
    _end(session, ended, how, now)
    _clear_alarms(session, _at_risk(session, ended), now)


def _end(session: Session, ended: Sequence[Found | Promised], how: str | None, now: datetime, **more: Any) -> None:
    """End promises, whose alarms are to be cleared with them; `how` None: kept, or late."""
    rows.change(
        session,
        Promise,
        {row.id: {"ended_at": now, "end": how or _how(row, now), "version": row.version + 1, **more} for row in ended},
    )
    owed.withdraw_many(session, NOUN, [row.id for row in ended])


def _at_risk(session: Session, ended: Sequence[Found]) -> list[str]:
    ids = [row.id for row in ended]
    return [each.key for each in rows.read(session, Alarm, "key", ids, _is_uncleared, kind=AT_RISK, noun="promise")]


def _clear_alarms(session: Session, promise_ids: Sequence[str], now: datetime) -> None:
    for promise_id in promise_ids:
        alarms.clear(session, AT_RISK, "promise", promise_id, now=now)


def _how(row: Found | Promised, now: datetime) -> str:
    """Name the end of a promise that is ready at `now`."""
    hour = promise.Promise(reported_at=row.made_at, due_at=row.due_at, alarms_at=())
    standing = promise.standing_of(hour, now, now, is_goodwill=row.goodwill)
    return "late" if standing is promise.Standing.MISSED else "kept"


def _is_uncleared(table: Table) -> ColumnElement[bool]:
    return table.c.cleared_at.is_(None)


def _present(session: Session, fault_ids: Iterable[str]) -> dict[tuple[str, str], Found]:
    return {(row.fault_id, row.benefit): row for row in rows.read(session, Promise, "fault_id", fault_ids)}


def of_fault(session: Session, fault_id: str, benefit: Benefit) -> Promise | None:
    """Return the promise of one benefit of a fault."""
    return session.exec(select(Promise).where(Promise.fault_id == fault_id, Promise.benefit == benefit.value)).first()


def all_of_fault(session: Session, fault_id: str) -> tuple[Promise, ...]:
    """Return every promise of a fault."""
    return tuple(session.exec(select(Promise).where(Promise.fault_id == fault_id).order_by(Promise.benefit)))


def observe_sims(session: Session, sims: Iterable[Found], now: datetime) -> None:
    """Look whether what was observed of SIMs makes promises ready."""
    targets = {("hub", sim.hub_id) if sim.hub_id else ("sim", sim.id) for sim in sims}
    observe(session, reasons.faults_of(session, targets), now)


def observe(session: Session, fault_ids: Iterable[str], now: datetime) -> None:
    """Look whether the promises of faults are ready now, and tell the customers once each is (decision 2)."""
    waiting = [
        row for row in rows.read(session, Promise, "fault_id", fault_ids, _is_running) if row.benefit in _READY_NOTICES
    ]
    if not waiting:
        return
    held = reasons.held_by(session, {row.fault_id for row in waiting})
    on = _on(session, {target for targets in held.values() for target in targets})
    ready = [row for row in waiting if _is_ready(held.get(row.fault_id, set()), row.benefit, on)]
    _end(session, ready, None, now, ready_at=now)
    _clear_alarms(session, _at_risk(session, ready), now)
    for row in ready:
        journal.audited(session, "fault", row.fault_id, "ready", benefit=row.benefit)
        journal.changed(session, "fault", row.fault_id, "ready", benefit=row.benefit)
    told = [
        Telling(
            fault_id=row.fault_id,
            kind=_READY_NOTICES[row.benefit],
            due_at=row.due_at,
            facts={"at": now.isoformat()},
        )
        for row in ready
    ]
    owe_many(session, told, now)


def _is_running(table: Table) -> ColumnElement[bool]:
    return and_(table.c.ready_at.is_(None), table.c.ended_at.is_(None))


def _is_ready(held: Iterable[Target], benefit: str, on: Container[Target]) -> bool:
    """Say whether everything that a fault keeps on for a benefit is on; with the last SIM for Backup (T§12c)."""
    noun = "hub" if benefit == Benefit.MINI_HUB.value else "sim"
    targets = [target for target in held if target[0] == noun]
    return bool(targets) and all(target in on for target in targets)


def _on(session: Session, targets: Iterable[Target]) -> frozenset[Target]:
    """Return which hubs and SIMs are on: the carrier showed it, and for a hub its document is committed as well."""
    hub_ids = [key for noun, key in targets if noun == "hub"]
    sim_ids = [key for noun, key in targets if noun == "sim"]
    found = rows.read(session, SimState, "id", sim_ids, columns=("id", "observed"))
    backup = {("sim", row.id) for row in found if row.observed.get("backup") is True}
    found = rows.read(session, SimState, "hub_id", hub_ids, columns=("hub_id", "observed"))
    active = {row.hub_id for row in found if row.observed.get("state") == "active"}
    composed = rows.read(session, HubState, "hub_id", active, columns=("hub_id", "desired"))
    return frozenset(backup | {("hub", row.hub_id) for row in composed if row.desired.get("internet_on")})


def observe_online(session: Session, hub_id: str, now: datetime) -> None:
    """The hub reported that forwarding is open: the homes that wait for it are online."""
    fault_ids = reasons.open_faults(session, "hub", hub_id)
    observe(session, fault_ids, now)
    for fault_id in fault_ids:
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
        alarms.raise_alarm(session, AT_RISK, "promise", row.id, severity=severity, message=message, now=now)
    return next_alarm(row.made_at, row.due_at, now, rules.alarm_shares) if share < 1 else None


def next_alarm(made_at: datetime, due_at: datetime, now: datetime, shares: tuple[float, ...]) -> datetime:
    """Return the next instant at which somebody should be warned, the end of the hour included."""
    instants = [made_at + (due_at - made_at) * share for share in (*shares, 1.0)]
    return next((instant for instant in instants if instant > now), due_at)
