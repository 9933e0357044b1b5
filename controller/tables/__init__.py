"""Tables: purpose and retention stand in every column."""

from typing import Final

from sqlalchemy import MetaData
from sqlmodel import SQLModel

from controller.tables.alarms import Alarm
from controller.tables.journal import AuditEntry, FeedEntry, Pseudonym
from controller.tables.owed import Owed

METADATA: Final[MetaData] = SQLModel.metadata

__all__ = ["METADATA", "Alarm", "AuditEntry", "FeedEntry", "Owed", "Pseudonym"]
