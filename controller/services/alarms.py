"""Alarms in the words of TR-181 Device.FaultMgmt: one open alarm for each (kind, noun, key), cleared only on evidence.

Raising it again changes it if it became something else, and is nothing otherwise. Each step is kept as a notification.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Final

from sqlalchemy import Table, text
from sqlalchemy.dialects import postgresql as pg
from sqlalchemy.dialects import sqlite
from sqlmodel import Session, col, func, select

from controller.services import journal, rows
from controller.services.actor import Actor
from controller.services.errors import NotFoundError
from controller.tables.alarms import Alarm, AlarmNotification

_ALARMS: Final[Table] = Alarm.__table__  # type: ignore[attr-defined]  # SQLModel doesn't declare it
# PerceivedSeverity (TR-181 FaultMgmt, after ITU-T X.733), the worst first.
SEVERITIES: Final = ("critical", "major", "minor", "warning", "indeterminate")
_OTHER: Final = ("Processing Error Alarm", "Indeterminate")

# Kind → EventType and ProbableCause (ITU-T X.733 section 8.1, X.736 section 8.1).
KINDS: Final[Mapping[str, tuple[str, str]]] = {
    "signal": ("Communications Alarm", "Degraded Signal"),
    "flapping": ("Communications Alarm", "Loss of Signal"),
    "link_down": ("Communications Alarm", "Communications Subsystem Failure"),
    "notice_undeliverable": ("Communications Alarm", "Remote Node Transmission Error"),
    "lease_near_end": ("Quality of Service Alarm", "Threshold Crossed"),
    "promise_at_risk": ("Quality of Service Alarm", "Response Time Excessive"),
    "lane_full": ("Quality of Service Alarm", "Congestion"),
    "task_overdue": ("Quality of Service Alarm", "Response Time Excessive"),
    "filter_degraded": ("Processing Error Alarm", "Configuration or Customization Error"),
    "quarantine": ("Processing Error Alarm", "Corrupt Data"),
    "work_failing": ("Processing Error Alarm", "Underlying Resource Unavailable"),
    "clock_untrusted": ("Equipment Alarm", "Timing Problem"),
    "brand_contradiction": ("Integrity Violation", "Unexpected Information"),
    "revision_absurd": ("Integrity Violation", "Information Out of Sequence"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmFilter:
    """Which alarms: open ones or all, of a kind, a severity, a thing. None leaves it open."""

    is_open: bool = True
    kind: str | None = None
    severity: str | None = None
    noun: str | None = None
    key: str | None = None


def raise_alarm(
    session: Session, kind: str, noun: str, key: str, *, severity: str, message: str, now: datetime
) -> Alarm:
    """Raise the alarm, or change the open one of the same kind and thing.

    One that became worse is nobody's again: what was acknowledged was the lesser one.
    """
    alarm = open_alarm(session, kind, noun, key)
    if alarm is None:
        facts = {"kind": kind, "noun": noun, "key": key, "severity": severity, "message": message[:500]}
        alarm = _insert(session, now, facts)
    if (alarm.severity, alarm.message) == (severity, message[:500]):
        return alarm
    if SEVERITIES.index(severity) < SEVERITIES.index(alarm.severity):
        alarm.acknowledged_by = alarm.acknowledged_at = None
    alarm.severity, alarm.message, alarm.changed_at = severity, message[:500], now
    _step(session, alarm, "changed", now)
    return alarm


def raise_many(
    session: Session, kind: str, noun: str, messages: Mapping[str, str], *, severity: str, now: datetime
) -> None:
    """Raise an alarm of one kind for each thing that has none open: key to message.

    One that another controller raised meanwhile is left as that one made it.
    """
    event_type, cause = KINDS.get(kind, _OTHER)
    shared = {"kind": kind, "noun": noun, "severity": severity, "event_type": event_type, "probable_cause": cause}
    keys = sorted(messages.keys() - open_keys(session, kind, noun))
    wanted: list[dict[str, Any]] = [
        {**shared, "id": journal.new_id(session), "key": key, "message": messages[key][:500], "raised_at": now}
        for key in keys
    ]
    ours = _make(session, [{**each, "version": 1, "changed_at": now} for each in wanted])
    made = [each for each in wanted if each["id"] in ours]
    step = {"version": 1, "at": now, "notification": "new", "severity": severity}
    rows.add(session, AlarmNotification, [{**step, "alarm_id": a["id"], "message": a["message"]} for a in made])
    for each in made:
        journal.changed(session, "alarm", each["id"], "raised", kind=kind, severity=severity)


def raise_work(session: Session, noun: str, key: str, error: str, now: datetime, *, parked: bool) -> Alarm:
    """Raise the alarm of owed work that keeps failing."""
    message = f"{noun} {key} {'was set aside' if parked else 'keeps failing'}: {error}"
    severity = "critical" if parked else "major"
    return raise_alarm(session, "work_failing", noun, key, severity=severity, message=message, now=now)


def clear(session: Session, kind: str, noun: str, key: str, *, now: datetime) -> bool:
    """Clear the open alarm of this kind and thing; True if there was one."""
    alarm = open_alarm(session, kind, noun, key)
    if alarm is None:
        return False
    alarm.cleared_at = alarm.changed_at = now
    _step(session, alarm, "cleared", now)
    return True


def acknowledge(session: Session, actor: Actor, now: datetime, *, alarm_id: str) -> Alarm:
    """Record who took the alarm on; it stays open until evidence clears it. The first who took it on stays."""
    alarm = session.get(Alarm, alarm_id, with_for_update=True)
    if alarm is None:
        raise NotFoundError("alarm", alarm_id)
    if alarm.acknowledged_by is None:
        alarm.acknowledged_by, alarm.acknowledged_at, alarm.changed_at = actor.name, now, now
        _step(session, alarm, "acknowledged", now)
        journal.audited(session, "alarm", alarm_id, "acknowledged")
    return alarm


def open_alarm(session: Session, kind: str, noun: str, key: str) -> Alarm | None:
    """Return the open alarm of this kind and thing."""
    statement = select(Alarm).where(
        Alarm.kind == kind, Alarm.noun == noun, Alarm.key == key, col(Alarm.cleared_at).is_(None)
    )
    return session.exec(statement).first()


def open_keys(session: Session, kind: str, noun: str) -> frozenset[str]:
    """Return the things that have an open alarm of this kind."""
    statement = select(Alarm.key).where(Alarm.kind == kind, Alarm.noun == noun, col(Alarm.cleared_at).is_(None))
    return frozenset(session.exec(statement))


def list_open(session: Session, actor: Actor, now: datetime, *, limit: int = 200) -> tuple[Alarm, ...]:
    """Return the open alarms, newest first."""
    return find(session, actor, now, wanted=AlarmFilter(), limit=limit)


def find(session: Session, actor: Actor, now: datetime, *, wanted: AlarmFilter, limit: int = 200) -> tuple[Alarm, ...]:
    """Return alarms, newest first."""
    del actor, now
    statement = select(Alarm).order_by(col(Alarm.raised_at).desc(), col(Alarm.id).desc()).limit(limit)
    if wanted.is_open:
        statement = statement.where(col(Alarm.cleared_at).is_(None))
    for name in ("kind", "severity", "noun", "key"):
        if (value := getattr(wanted, name)) is not None:
            statement = statement.where(_ALARMS.c[name] == value)
    return tuple(session.exec(statement))


def history(session: Session, actor: Actor, now: datetime, *, alarm_id: str) -> tuple[AlarmNotification, ...]:
    """Return what became of an alarm, oldest first. Raises NotFoundError."""
    del actor, now
    if session.get(Alarm, alarm_id) is None:
        raise NotFoundError("alarm", alarm_id)
    statement = select(AlarmNotification).where(AlarmNotification.alarm_id == alarm_id)
    return tuple(session.exec(statement.order_by(col(AlarmNotification.version))))


def count_open(session: Session) -> dict[tuple[str, str], int]:
    """Count the open alarms of each (kind, severity)."""
    statement = (
        select(Alarm.kind, Alarm.severity, func.count())
        .where(col(Alarm.cleared_at).is_(None))
        .group_by(Alarm.kind, Alarm.severity)
    )
    return {(kind, severity): count for kind, severity, count in session.exec(statement)}


def _insert(session: Session, now: datetime, facts: dict[str, str]) -> Alarm:
    """Make the alarm, unless another controller made the same one meanwhile: then that one."""
    event_type, cause = KINDS.get(facts["kind"], _OTHER)
    values = {
        "id": journal.new_id(session),
        "version": 1,
        **facts,
        "event_type": event_type,
        "probable_cause": cause,
        "raised_at": now,
        "changed_at": now,
    }
    made = _make(session, [values])
    alarm = open_alarm(session, facts["kind"], facts["noun"], facts["key"])
    assert alarm is not None, "it was made, or one that is open was in the way"
    if made:
        _note(session, alarm, "new", now)
    return alarm


def _make(session: Session, alarms: Sequence[Mapping[str, Any]]) -> frozenset[str]:
    """Insert alarms where none of the same kind and thing is open; returns the ids of those that were made.

    In the order of their keys, so that two controllers wait for each other in one direction only.
    """
    if not alarms:
        return frozenset()
    session.flush()
    statement = _making(postgresql=rows.is_postgresql(session))
    session.connection().execute(statement, sorted(alarms, key=lambda each: str(each["key"])))
    ids = [str(each["id"]) for each in alarms]
    return frozenset(row.id for row in rows.read(session, Alarm, "id", ids, columns=("id",)))


@cache
def _making(*, postgresql: bool) -> Any:
    insert: Any = pg.insert if postgresql else sqlite.insert
    only_one = {"index_elements": ["kind", "noun", "key"], "index_where": text("cleared_at IS NULL")}
    return insert(_ALARMS).on_conflict_do_nothing(**only_one)


def _step(session: Session, alarm: Alarm, notification: str, now: datetime) -> None:
    alarm.version += 1
    session.add(alarm)
    session.flush()
    _note(session, alarm, notification, now)


def _note(session: Session, alarm: Alarm, notification: str, now: datetime) -> None:
    session.add(
        AlarmNotification(
            alarm_id=alarm.id,
            version=alarm.version,
            at=now,
            notification=notification,
            severity=alarm.severity,
            message=alarm.message,
        )
    )
    action = "raised" if notification == "new" else notification
    journal.changed(session, "alarm", alarm.id, action, kind=alarm.kind, severity=alarm.severity)
