"""Telemetry ages by time: whole partitions on PostgreSQL, ranges of a hub's clustered rows on SQLite.

On PostgreSQL partitions are made a while ahead; what came for none of them is in the default partition, from which it
is moved when its own is made. Dropping a partition costs nothing, whatever it held.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import text
from sqlmodel import Session

from controller.services import samples

SCHEMA: Final = "telemetry_partitions"
EVERY: Final = timedelta(hours=12)
SHARE: Final = 20_000
_EPOCH: Final = datetime(2024, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """How long a table's rows are kept, and how much time one partition holds."""

    kept: timedelta
    width: timedelta


RULES: Final = {
    "telemetry": Rule(kept=samples.KEPT, width=timedelta(days=1)),
    "telemetry_five_minutes": Rule(kept=timedelta(days=60), width=timedelta(days=7)),
    "telemetry_hours": Rule(kept=timedelta(days=397), width=timedelta(days=28)),
}


def age(session: Session, table: str, now: datetime) -> datetime:
    """Let go of what is too old and make room ahead; returns when to look again. Raises KeyError for another table."""
    rule = RULES[table]
    if session.get_bind().dialect.name == "postgresql":
        _drop(session, table, rule, now)
        _make(session, table, rule, now)
        return now + min(EVERY, rule.width)
    return now if _delete(session, table, now - rule.kept) else now + EVERY


def _delete(session: Session, table: str, before: datetime) -> bool:
    """Delete hub after hub; True if there may be more."""
    gone = 0
    for hub_id in session.connection().execute(text("SELECT hub_id FROM hub_states")).scalars().all():
        statement = text(f"DELETE FROM {table} WHERE hub_id = :hub AND at < :before")  # noqa: S608  # a key of RULES
        bound = {"hub": hub_id, "before": before.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")}
        gone += session.connection().execute(statement, bound).rowcount
        if gone >= SHARE:
            return True
    return False


def _drop(session: Session, table: str, rule: Rule, now: datetime) -> None:
    for start in sorted(_made(session, table)):
        if start + rule.width <= now - rule.kept:
            session.connection().execute(text(f"DROP TABLE {SCHEMA}.{_name(table, start)}"))
    old = text(f"DELETE FROM {SCHEMA}.{table}_default WHERE at < :before")  # noqa: S608  # a key of RULES
    session.connection().execute(old, {"before": now - rule.kept})


def _make(session: Session, table: str, rule: Rule, now: datetime) -> None:
    wanted = {*_wanted(rule, now), *_strays(session, table, rule)}
    for start in sorted(wanted - _made(session, table)):
        _attach(session, table, start, start + rule.width)


def _attach(session: Session, table: str, start: datetime, end: datetime) -> None:
    name, default = f"{SCHEMA}.{_name(table, start)}", f"{SCHEMA}.{table}_default"
    held = f"at >= '{start.isoformat()}' AND at < '{end.isoformat()}'"
    for statement in (
        # Nobody puts a row into the default partition between the move and the attachment.
        f"LOCK TABLE {default} IN ACCESS EXCLUSIVE MODE",
        f"CREATE TABLE {name} (LIKE {table} INCLUDING ALL)",
        f"WITH moved AS (DELETE FROM {default} WHERE {held} RETURNING *) INSERT INTO {name} SELECT * FROM moved",  # noqa: S608  # names and times of ours
        f"ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES FROM ('{start.isoformat()}') TO ('{end.isoformat()}')",
    ):
        session.connection().exec_driver_sql(statement)


def _wanted(rule: Rule, now: datetime) -> Iterator[datetime]:
    start = _start(rule, now)
    for ahead in range(4):
        yield start + ahead * rule.width


def _strays(session: Session, table: str, rule: Rule) -> set[datetime]:
    """Return the partitions that rows of the default one belong to."""
    statement = text(
        f"SELECT DISTINCT floor(extract(epoch FROM at - :epoch) / :width) FROM {SCHEMA}.{table}_default"  # noqa: S608  # a key of RULES
    )
    bound = {"epoch": _EPOCH, "width": rule.width.total_seconds()}
    found = session.connection().execute(statement, bound).scalars()
    return {_EPOCH + int(number) * rule.width for number in found}


def _made(session: Session, table: str) -> set[datetime]:
    statement = text("SELECT tablename FROM pg_tables WHERE schemaname = :schema AND tablename ~ :shape")
    bound = {"schema": SCHEMA, "shape": f"^{table}_[0-9]{{8}}$"}
    names = session.connection().execute(statement, bound).scalars()
    return {datetime.strptime(name[-8:], "%Y%m%d").replace(tzinfo=UTC) for name in names}


def _start(rule: Rule, at: datetime) -> datetime:
    return _EPOCH + (at - _EPOCH) // rule.width * rule.width


def _name(table: str, start: datetime) -> str:
    return f"{table}_{start:%Y%m%d}"
