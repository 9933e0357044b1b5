"""Owed work: one row for each thing that somebody must still look at (decision 10)."""

from datetime import datetime

from sqlalchemy import BigInteger, Index
from sqlmodel import SQLModel

from controller.tables.columns import INSTANT, Retention, column

_WORK = Retention.WORK


class Owed(SQLModel, table=True):
    """Work owed for one key of one noun. Level-triggered: the row says "look", never what to do."""

    __tablename__ = "owed"
    __table_args__ = (Index("ix_owed_due", "noun", "due"),)

    noun: str = column("which loop looks", _WORK, primary_key=True, max_length=32)
    key: str = column("what it looks at", _WORK, primary_key=True, max_length=64)
    version: int = column("grows with each mark; settling removes only what was claimed", _WORK, type=BigInteger)
    deadline: datetime | None = column("when it must have happened; orders the work", _WORK, type=INSTANT, default=None)
    due: datetime = column("not before this instant", _WORK, type=INSTANT)
    attempts: int = column("how often it was postponed since it last succeeded", _WORK, default=0)
    claimed_until: datetime | None = column("who holds it lets go by then", _WORK, type=INSTANT, default=None)
    parked_at: datetime | None = column("when it was set aside as poison", _WORK, type=INSTANT, default=None)
    last_error: str | None = column("why it was postponed, for people", _WORK, default=None, max_length=500)
