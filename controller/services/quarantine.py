"""Messages that could not be read: kept for a person to look at and replay, never blocking those behind them."""

from datetime import datetime

from sqlmodel import Session, col, func, select

from controller.services import alarms, journal
from controller.services.actor import Actor
from controller.tables.hubs import Quarantined


def put(session: Session, actor: Actor, now: datetime, *, topic: str, payload: bytes, reason: str) -> str:
    """Set a message aside; returns its id."""
    del actor
    row = Quarantined(
        id=journal.new_id(session), at=now, topic=topic[:300], payload=payload[: 256 * 1024], reason=reason[:300]
    )
    session.add(row)
    session.flush()
    message = f"{count(session)} messages could not be read; the newest: {reason[:200]}"
    alarms.raise_alarm(session, "quarantine", "ingest", "ingest", severity="minor", message=message, now=now)
    return row.id


def count(session: Session) -> int:
    """Return how many messages are set aside."""
    return session.exec(select(func.count(col(Quarantined.id)))).one()


def newest(session: Session, actor: Actor, now: datetime, *, limit: int = 100) -> tuple[Quarantined, ...]:
    """Return the messages set aside, newest first."""
    del actor, now
    return tuple(session.exec(select(Quarantined).order_by(col(Quarantined.at).desc()).limit(limit)))
