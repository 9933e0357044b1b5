"""Alarms, in the words of TR-181 Device.FaultMgmt (CurrentAlarm and HistoryEvent)."""

from datetime import datetime

from sqlalchemy import Index, text
from sqlmodel import SQLModel

from controller.tables.columns import ID, INSTANT, Retention, column

_HISTORY = Retention.HISTORY


class Alarm(SQLModel, table=True):
    """One condition somebody should know about: raised once, changed, acknowledged, cleared on evidence."""

    __tablename__ = "alarms"
    __table_args__ = (
        Index("ix_alarms_open", "cleared_at", "raised_at"),
        Index("ix_alarms_key", "kind", "noun", "key"),
        # One open alarm for each condition of each thing, also when two controllers raise it at once.
        Index(
            "uq_alarms_open",
            "kind",
            "noun",
            "key",
            unique=True,
            sqlite_where=text("cleared_at IS NULL"),
            postgresql_where=text("cleared_at IS NULL"),
        ),
    )

    id: str = column("names the alarm", _HISTORY, type=ID, primary_key=True)
    version: int = column("row version", _HISTORY, default=1)
    kind: str = column("which condition: our name for it", _HISTORY, max_length=64)
    event_type: str = column("EventType: which family of alarms", _HISTORY, max_length=32)
    probable_cause: str = column("ProbableCause: what is behind it", _HISTORY, max_length=64)
    noun: str = column("kind of the thing concerned", _HISTORY, max_length=32)
    key: str = column("the thing concerned", _HISTORY, max_length=64)
    severity: str = column("PerceivedSeverity: how bad", _HISTORY, max_length=16)
    message: str = column("AdditionalText: what to know and do; no personal data", _HISTORY, max_length=500)
    raised_at: datetime = column("when it was raised", _HISTORY, type=INSTANT)
    changed_at: datetime = column("when it last changed", _HISTORY, type=INSTANT)
    cleared_at: datetime | None = column("when it ended", _HISTORY, type=INSTANT, default=None)
    acknowledged_by: str | None = column("who took it on", _HISTORY, default=None, max_length=128)
    acknowledged_at: datetime | None = column("when somebody took it on", _HISTORY, type=INSTANT, default=None)


class AlarmNotification(SQLModel, table=True):
    """What became of an alarm, in order: new, changed, acknowledged, cleared (HistoryEvent)."""

    __tablename__ = "alarm_notifications"
    __table_args__ = (Index("ix_alarm_notifications_at", "at"),)

    alarm_id: str = column("which alarm", _HISTORY, type=ID, primary_key=True)
    version: int = column("the alarm's row version by then", _HISTORY, primary_key=True)
    at: datetime = column("when it happened", _HISTORY, type=INSTANT)
    notification: str = column("NotificationType: what happened", _HISTORY, max_length=16)
    severity: str = column("PerceivedSeverity by then", _HISTORY, max_length=16)
    message: str = column("AdditionalText by then; no personal data", _HISTORY, max_length=500)
