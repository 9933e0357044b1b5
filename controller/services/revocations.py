"""The revocation list: what it must say, when it must be signed anew, and the alarm when nobody does.

Mosquitto refuses every hub once a list's nextUpdate has passed, so a list lives four weeks and is renewed after one;
a timer of its own, which needs no authority, raises the alarm a week before the end.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlmodel import Session, col, func, select

from controller.services import alarms, journal, owed
from controller.services.actor import Actor
from controller.services.errors import NotFoundError
from controller.tables.enrolment import Certificate, RevocationList

NOUN: Final = "crl"
WATCH: Final = "crl_watch"
KEY: Final = "hubs"
LIVES: Final = timedelta(days=28)
RENEW_AFTER: Final = timedelta(days=7)
ALARM_BEFORE: Final = timedelta(days=7)
# RFC 5280 3.3: a certificate stays on the list until one that was signed after its end.
_KEPT: Final = timedelta(days=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A list that has to be signed: its number, and (serial, since when) of what it refuses."""

    number: int
    revoked: tuple[tuple[str, datetime], ...]
    next_update: datetime


def owe(session: Session, now: datetime) -> None:
    """Owe a look at the list: a certificate was revoked, or a controller with an authority started."""
    owed.mark(session, NOUN, KEY, now=now)


def begin(session: Session, actor: Actor, now: datetime) -> None:
    """Owe the first look, and the watch over it; harmless to repeat."""
    del actor
    owe(session, now)
    owed.mark(session, WATCH, KEY, now=now)


def look(session: Session, actor: Actor, now: datetime) -> Wanted | datetime:
    """Return the list that has to be signed now, or when to look again."""
    del actor
    row = session.get(RevocationList, KEY)
    if row is not None and now < row.this_update + RENEW_AFTER and not _has_news(session, row):
        return row.this_update + RENEW_AFTER
    statement = (
        select(Certificate.serial, Certificate.revoked_at)
        .where(col(Certificate.revoked_at).is_not(None), Certificate.not_after > now - _KEPT)
        .order_by(Certificate.serial)
    )
    revoked = tuple((serial, at) for serial, at in session.exec(statement) if at is not None)
    # It still grows after the database was restored from an older backup.
    number = max((row.number if row else 0) + 1, int(now.timestamp()))
    return Wanted(number=number, revoked=revoked, next_update=now + LIVES)


def record(session: Session, actor: Actor, now: datetime, *, wanted: Wanted, pem: bytes) -> datetime:
    """Record a signed list; returns when to renew it."""
    del actor
    row = session.get(RevocationList, KEY) or RevocationList(
        id=KEY, number=0, this_update=now, next_update=now, entries=0, pem=b""
    )
    row.number, row.this_update, row.next_update = wanted.number, now, wanted.next_update
    row.entries, row.pem = len(wanted.revoked), pem
    session.add(row)
    session.flush()
    journal.audited(session, "crl", KEY, "signed", number=wanted.number, entries=len(wanted.revoked))
    journal.changed(session, "crl", KEY, "signed", number=wanted.number)
    alarms.clear(session, "work_failing", NOUN, KEY, now=now)
    owed.mark(session, WATCH, KEY, now=now)
    return now + RENEW_AFTER


def watch(session: Session, key: str, now: datetime) -> datetime | None:
    """Raise the alarm when the list nears its end, clear it once it was renewed; returns when to look again."""
    row = session.get(RevocationList, key)
    if row is None:
        return None
    if now < row.next_update - ALARM_BEFORE:
        alarms.clear(session, "crl_ending", NOUN, key, now=now)
        return row.next_update - ALARM_BEFORE
    ended = now >= row.next_update
    message = (
        "the hubs' revocation list has ended: brokers refuse every hub"
        if ended
        else f"the hubs' revocation list is not renewed and ends at {row.next_update.isoformat(timespec='minutes')}"
    )
    severity = "critical" if ended else "major"
    alarms.raise_alarm(session, "crl_ending", NOUN, key, severity=severity, message=message, now=now)
    return now + timedelta(days=1) if ended else min(now + timedelta(days=1), row.next_update)


def in_force(session: Session, actor: Actor, now: datetime) -> RevocationList:
    """Return the newest signed list. Raises NotFoundError."""
    del actor, now
    row = session.get(RevocationList, KEY)
    if row is None:
        raise NotFoundError("revocation list", KEY)
    return row


def _has_news(session: Session, row: RevocationList) -> bool:
    newest = session.exec(select(func.max(Certificate.revoked_at))).one()
    return newest is not None and newest >= row.this_update
