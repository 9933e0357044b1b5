"""Alarms, in the words of TR-181 FaultMgmt."""

from datetime import datetime

from sqlalchemy import Index
from sqlmodel import SQLModel

from controller.tables.columns import ID, INSTANT, Retention, column

_HISTORY = Retention.HISTORY


class Alarm(SQLModel, table=True):
    """One condition somebody should know about: raised once, changed, acknowledged, cleared on evidence."""

    __tablename__ = "alarms"
    __table_args__ = (Index("ix_alarms_open", "cleared_at", "raised_at"), Index("ix_alarms_key", "kind", "noun", "key"))

    id: str = column("names the alarm", _HISTORY, type=ID, primary_key=True)
    version: int = column("row version", _HISTORY, default=1)
    kind: str = column("probable cause", _HISTORY, max_length=64)
    noun: str = column("kind of the thing concerned", _HISTORY, max_length=32)
    key: str = column("the thing concerned", _HISTORY, max_length=64)
    severity: str = column("perceived severity", _HISTORY, max_length=16)
    message: str = column("what to know and do, for people; no personal data", _HISTORY, max_length=500)
    raised_at: datetime = column("when it was raised", _HISTORY, type=INSTANT)
    changed_at: datetime = column("when it last changed", _HISTORY, type=INSTANT)
    cleared_at: datetime | None = column("when it ended", _HISTORY, type=INSTANT, default=None)
    acknowledged_by: str | None = column("who took it on", _HISTORY, default=None, max_length=128)
