"""What happened: the audit chain and the change feed, both append-only and in commit order."""

from datetime import datetime
from typing import Any

from sqlalchemy import Index
from sqlmodel import SQLModel

from controller.tables.columns import BIG_KEY, INSTANT, JSON_DOCUMENT, Retention, column

_AUDIT = Retention.AUDIT
_HISTORY = Retention.HISTORY


class AuditEntry(SQLModel, table=True):
    """One mutation or one read of personal data; `digest` chains over the entry before it."""

    __tablename__ = "audit"
    # A number is never given twice, whatever is deleted.
    __table_args__ = (Index("ix_audit_subject", "noun", "pseudonym"), {"sqlite_autoincrement": True})

    sequence: int | None = column("order of the chain", _AUDIT, type=BIG_KEY, primary_key=True, default=None)
    at: datetime = column("when it was done", _AUDIT, type=INSTANT)
    actor: str = column("the key or loop that did it", _AUDIT, max_length=128)
    noun: str = column("what kind of thing it was done to", _AUDIT, max_length=32)
    pseudonym: str = column("the thing, under its subject's key", _AUDIT, max_length=64)
    action: str = column("what was done", _AUDIT, max_length=64)
    facts: dict[str, Any] = column("what a reviewer needs; no personal data", _AUDIT, type=JSON_DOCUMENT)
    digest: str = column("SHA-256 over this entry and the digest before it", _AUDIT, max_length=64)


class Pseudonym(SQLModel, table=True):
    """The key under which a thing stands in the audit chain; erasing the row makes its entries nobody's."""

    __tablename__ = "pseudonyms"

    noun: str = column("kind of the thing", _AUDIT, primary_key=True, max_length=32)
    key: str = column("the thing", _AUDIT, primary_key=True, max_length=64)
    secret: str = column("key of the keyed hash", _AUDIT, max_length=64)


class FeedEntry(SQLModel, table=True):
    """One change, for readers that follow (SSE, webhooks, other processes)."""

    __tablename__ = "feed"
    __table_args__ = ({"sqlite_autoincrement": True},)

    sequence: int | None = column("position in the feed", _HISTORY, type=BIG_KEY, primary_key=True, default=None)
    at: datetime = column("when the change was made", _HISTORY, type=INSTANT)
    noun: str = column("what changed", _HISTORY, max_length=32)
    key: str = column("which one", _HISTORY, max_length=64)
    action: str = column("how it changed", _HISTORY, max_length=64)
    facts: dict[str, Any] = column("small facts of the change; no personal data", _HISTORY, type=JSON_DOCUMENT)
