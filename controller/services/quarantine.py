"""Messages that could not be read: kept for a person to look at and replay, never blocking those behind them.

What is kept is bounded: a hub that sends nonsense without end fills neither the disk nor the list. Beyond the bound
messages are counted by the metrics and dropped, and the alarm says so.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlmodel import Session, col, func, select

from controller.services import alarms, journal
from controller.services.actor import Actor
from controller.services.errors import ConflictError, NotFoundError
from controller.tables.hubs import Quarantined

MOST_KEPT: Final = 10_000
# From how many on it is how bad.
GROWTH: Final = ((MOST_KEPT, "critical"), (1_000, "major"), (100, "minor"), (1, "warning"))


def put(
    session: Session, actor: Actor, now: datetime, *, messages: Sequence[tuple[str, bytes, str]]
) -> tuple[str, ...]:
    """Set messages (topic, payload, reason) aside; returns the ids of those that were kept."""
    del actor
    room = max(0, MOST_KEPT - count(session))
    rows = [
        Quarantined(
            id=journal.new_id(session), at=now, topic=topic[:300], payload=payload[: 256 * 1024], reason=reason[:300]
        )
        for topic, payload, reason in messages[:room]
    ]
    session.add_all(rows)
    session.flush()
    _alarm(session, now)
    return tuple(row.id for row in rows)


def count(session: Session) -> int:
    """Return how many messages are set aside and were not replayed."""
    statement = select(func.count(col(Quarantined.id))).where(col(Quarantined.replayed_at).is_(None))
    return session.exec(statement).one()


def newest(session: Session, actor: Actor, now: datetime, *, limit: int = 100) -> tuple[Quarantined, ...]:
    """Return the messages set aside, newest first; those that were replayed stay until they are too old.

    Nobody knows what is in them, so reading them is audited as if it were personal.
    """
    del actor, now
    order = (col(Quarantined.at).desc(), col(Quarantined.id).desc())
    found = tuple(session.exec(select(Quarantined).order_by(*order).limit(limit)))
    if found:
        journal.audited(session, "quarantine", found[0].id, "read", messages=len(found))
    return found


def get(session: Session, message_id: str) -> Quarantined:
    """Return one message to replay, held against a second one. Raises NotFoundError, ConflictError if it was done."""
    row = session.get(Quarantined, message_id, with_for_update=True)
    if row is None:
        raise NotFoundError("quarantined message", message_id)
    if row.replayed_at is not None:
        raise ConflictError("the message was replayed already", remedy="nothing is left to do")
    return row


def replayed(session: Session, row: Quarantined, now: datetime) -> None:
    """Record that a message was taken in after all."""
    row.replayed_at = now
    session.add(row)
    session.flush()
    journal.audited(session, "quarantine", row.id, "replayed")
    _alarm(session, now)


def refused(session: Session, row: Quarantined, reason: str) -> None:
    """Record why a replay changed nothing: the message stays."""
    row.reason = reason[:300]
    session.add(row)
    journal.audited(session, "quarantine", row.id, "replay_refused")


def _alarm(session: Session, now: datetime) -> None:
    waiting = count(session)
    severity = next((word for least, word in GROWTH if waiting >= least), None)
    if severity is None:
        alarms.clear(session, "quarantine", "ingest", "ingest", now=now)
        return
    least = next(least for least, word in GROWTH if word == severity)
    full = "; no more are kept" if waiting >= MOST_KEPT else ""
    message = f"{least} or more messages of hubs could not be read{full}: look at them, mend the cause, replay them"
    alarms.raise_alarm(session, "quarantine", "ingest", "ingest", severity=severity, message=message, now=now)
