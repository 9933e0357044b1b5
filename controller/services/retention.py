"""Retention carried out: what is older than its column's statement allows is deleted, a bounded share at a time.

An owed row for each table comes due once a day (decision 10: there is no other scheduler). Telemetry ages twice before
it goes: it is rolled up every hour, and its tables age by partitions.
"""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Table, delete, select
from sqlmodel import Session, SQLModel

from controller.services import owed, partitions, telemetry, watches
from controller.services.actor import Actor
from controller.tables.alarms import Alarm, AlarmNotification
from controller.tables.faults import LineEvent, Notice
from controller.tables.hubs import HubEvent, Quarantined
from controller.tables.journal import FeedEntry
from controller.tables.sims import CarrierEvent, Operation

NOUN: Final = "retention"
ROLL_UP: Final = "telemetry_roll_up"
EVERY: Final = timedelta(days=1)
SHARE: Final = 5_000
_MONTHS_13: Final = timedelta(days=397)

# Table, the instant that counts, how long it is kept.
_RULES: Final[dict[str, tuple[type[SQLModel], str, timedelta]]] = {
    "line_events": (LineEvent, "at", _MONTHS_13),
    "hub_events": (HubEvent, "received_at", _MONTHS_13),
    "quarantine": (Quarantined, "at", timedelta(days=30)),
    "alarms": (Alarm, "cleared_at", _MONTHS_13),
    "alarm_notifications": (AlarmNotification, "at", _MONTHS_13),
    "feed": (FeedEntry, "at", _MONTHS_13),
    "notices": (Notice, "settled_at", _MONTHS_13),
    "operations": (Operation, "ended_at", _MONTHS_13),
    "carrier_events": (CarrierEvent, "received_at", timedelta(days=90)),
}


def begin(session: Session, actor: Actor, now: datetime) -> None:
    """Make sure that every table's row is owed, and the watches; harmless to repeat."""
    del actor
    watches.begin(session, now)
    keys = (*_RULES, *partitions.RULES, ROLL_UP)
    owed.mark_many(session, NOUN, [(key, None, now) for key in keys], now=now)


def age(session: Session, key: str, now: datetime) -> datetime | None:
    """Delete a share of what is too old; returns when to look again (at once while there is more)."""
    if key == ROLL_UP:
        return telemetry.roll_up(session, now)
    if key in partitions.RULES:
        return partitions.age(session, key, now)
    if key not in _RULES:
        return None
    model, column, kept = _RULES[key]
    table: Table = model.__table__  # type: ignore[attr-defined]  # SQLModel doesn't declare it
    keys = list(table.primary_key.columns)
    old = select(*keys).where(table.c[column] < now - kept).limit(SHARE)
    rows = session.connection().execute(old).all()
    for row in rows:
        statement = delete(table)
        for name, value in zip(keys, row, strict=True):
            statement = statement.where(name == value)
        session.connection().execute(statement)
    return now if len(rows) == SHARE else now + EVERY
