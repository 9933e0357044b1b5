"""Line events in bulk, and what they touch: only lines with an open fault are decided again."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Table, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session

from controller.domain.facts import LineEventKind
from controller.services import brakes, decide, journal
from controller.services.actor import Actor
from controller.services.errors import UnprocessableError
from controller.tables.accounts import Line
from controller.tables.faults import Fault, LineEvent

_EVENTS: Final[Table] = LineEvent.__table__  # type: ignore[attr-defined]  # SQLModel doesn't declare it
_BATCH: Final = 1000
_GAINS: Final = frozenset({LineEventKind.SYNC_GAINED, LineEventKind.PPP_GAINED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One source saw one change on one line."""

    line_id: str
    kind: LineEventKind
    at: datetime
    source: str
    cause: str | None = None


def record(
    session: Session, actor: Actor, now: datetime, *, events: Sequence[Seen], override: str | None = None
) -> int:
    """Record line events, each once under (line, kind, at, source); returns how many were new.

    Raises, recording nothing, UnprocessableError when a line is unknown, and BrakeError when recoveries from before the
    reports contradict too many open faults at once (decision 15).
    """
    lines = sorted({event.line_id for event in events})
    _refuse_unknown(session, lines)
    brakes.of_recoveries(session, _recovered(events), what="batch of recoveries").raise_if_unsafe(override)
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    new = 0
    for start in range(0, len(events), _BATCH):
        rows = [
            {**asdict(event), "kind": event.kind.value, "recorded_at": now} for event in events[start : start + _BATCH]
        ]
        statement = insert(_EVENTS).values(rows).on_conflict_do_nothing().returning(_EVENTS.c.id)
        new += len(session.connection().execute(statement).all())
    if new:
        journal.audited(
            session, "line_events", lines[0] if len(lines) == 1 else "many", "recorded", new=new, override=override
        )
        decide.touch_lines(session, actor, now, _with_open_fault(session, lines))
    return new


def _recovered(events: Sequence[Seen]) -> dict[str, datetime]:
    """Return the first recovery of each line."""
    found: dict[str, datetime] = {}
    for each in events:
        if each.kind in _GAINS:
            found[each.line_id] = min(each.at, found.get(each.line_id, each.at))
    return found


def _refuse_unknown(session: Session, line_ids: Sequence[str]) -> None:
    table: Table = Line.__table__  # type: ignore[attr-defined]
    known: set[str] = set()
    for start in range(0, len(line_ids), _BATCH):
        chunk = line_ids[start : start + _BATCH]
        statement = select(table.c.id).where(table.c.id.in_(chunk), table.c.superseded_at.is_(None))
        known.update(session.connection().execute(statement).scalars())
    unknown = [line_id for line_id in line_ids if line_id not in known]
    if unknown:
        raise UnprocessableError(
            f"{len(unknown)} lines are unknown", remedy="create the service first", lines=unknown[:10]
        )


def _with_open_fault(session: Session, line_ids: Sequence[str]) -> list[str]:
    table: Table = Fault.__table__  # type: ignore[attr-defined]
    found: list[str] = []
    for start in range(0, len(line_ids), _BATCH):
        statement = select(table.c.line_id).where(
            table.c.line_id.in_(line_ids[start : start + _BATCH]),
            table.c.closed_at.is_(None),
            table.c.superseded_at.is_(None),
        )
        found.extend(session.connection().execute(statement.distinct()).scalars())
    return found
