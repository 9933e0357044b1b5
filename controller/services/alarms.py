"""Alarms: one open alarm for each (kind, noun, key); raising it again changes it, clearing needs evidence."""

from datetime import datetime

from sqlmodel import Session, col, select

from controller.services import journal
from controller.services.actor import Actor
from controller.services.errors import NotFoundError
from controller.tables.alarms import Alarm


def raise_alarm(
    session: Session, kind: str, noun: str, key: str, *, severity: str, message: str, now: datetime
) -> Alarm:
    """Raise the alarm, or change the open one of the same kind and thing. Severity is TR-181's PerceivedSeverity."""
    alarm = open_alarm(session, kind, noun, key)
    if alarm is not None and (alarm.severity, alarm.message) == (severity, message[:500]):
        return alarm
    if alarm is None:
        alarm = Alarm(
            id=journal.new_id(session),
            kind=kind,
            noun=noun,
            key=key,
            severity=severity,
            message=message[:500],
            raised_at=now,
            changed_at=now,
        )
    else:
        alarm.severity, alarm.message, alarm.changed_at = severity, message[:500], now
        alarm.version += 1
    session.add(alarm)
    journal.changed(session, "alarm", alarm.id, "raised", kind=kind)
    return alarm


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
    alarm.version += 1
    session.add(alarm)
    journal.changed(session, "alarm", alarm.id, "cleared", kind=kind)
    return True


def acknowledge(session: Session, actor: Actor, now: datetime, *, alarm_id: str) -> Alarm:
    """Record who took the alarm on; it stays open until evidence clears it."""
    alarm = session.get(Alarm, alarm_id)
    if alarm is None:
        raise NotFoundError("alarm", alarm_id)
    alarm.acknowledged_by, alarm.changed_at = actor.name, now
    alarm.version += 1
    session.add(alarm)
    journal.audited(session, "alarm", alarm_id, "acknowledged")
    return alarm


def open_alarm(session: Session, kind: str, noun: str, key: str) -> Alarm | None:
    """Return the open alarm of this kind and thing."""
    statement = select(Alarm).where(
        Alarm.kind == kind, Alarm.noun == noun, Alarm.key == key, col(Alarm.cleared_at).is_(None)
    )
    return session.exec(statement).first()


def list_open(session: Session, actor: Actor, now: datetime, *, limit: int = 200) -> tuple[Alarm, ...]:
    """Return the open alarms, newest first."""
    del actor, now
    statement = select(Alarm).where(col(Alarm.cleared_at).is_(None)).order_by(col(Alarm.raised_at).desc()).limit(limit)
    return tuple(session.exec(statement))
