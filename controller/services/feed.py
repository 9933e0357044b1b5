"""The change feed (decision 16): append-only, numbered in commit order."""

from collections.abc import Sequence
from datetime import datetime

from sqlmodel import Session, col, func, select

from controller.services import rows
from controller.services.journal import Entry
from controller.tables.journal import FeedEntry


def append(session: Session, entries: Sequence[Entry], now: datetime) -> None:
    """Write the entries of a transaction; called by the journal, under its lock."""
    rows.add(
        session,
        FeedEntry,
        [{"at": now, "noun": e.noun, "key": e.key, "action": e.action, "facts": e.facts} for e in entries],
    )


def read(session: Session, *, after: int, limit: int = 200) -> tuple[FeedEntry, ...]:
    """Return the entries after a position, oldest first."""
    statement = select(FeedEntry).where(col(FeedEntry.sequence) > after).order_by(col(FeedEntry.sequence)).limit(limit)
    return tuple(session.exec(statement))


def position(session: Session) -> int:
    """Return the newest position; 0 when nothing has happened."""
    return session.exec(select(func.max(col(FeedEntry.sequence)))).one() or 0
