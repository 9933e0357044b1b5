"""Line events in bulk, those that were none, restarts we asked for; only lines with an open fault are decided again."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, col, select

from controller.domain.facts import LineEventKind
from controller.services import brakes, decide, journal, versions
from controller.services.actor import Actor
from controller.services.errors import UnprocessableError
from controller.tables.accounts import Line
from controller.tables.faults import AskedRestart, Fault, LineEvent

_EVENTS: Final[Table] = LineEvent.__table__  # type: ignore[attr-defined]  # SQLModel doesn't declare it
_BATCH: Final = 1000
_A_DAY: Final = timedelta(days=1)
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
    refuse_unknown(session, lines)
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


def withdraw(
    session: Session, actor: Actor, now: datetime, *, line_id: str, event_ids: Sequence[int], by: str, reason: str
) -> tuple[LineEvent, ...]:
    """Withdraw events of a line that were recorded wrongly: from now on they never were (T§10b). Twice is once.

    They stay, dated, with a named person and a reason: what was decided by them is computed again as of then, and a
    source that tells one again brings nothing back. Raises NotFoundError; UnprocessableError without a name or a
    reason, or for an event that is not the line's.
    """
    found = _told_wrongly(session, line_id, event_ids, by=by, reason=reason)
    standing = [row for row in found if row.superseded_at is None]
    for row in standing:
        row.superseded_at, row.withdrawn_by, row.withdrawn_why = now, by, reason
        session.add(row)
    session.flush()
    if standing:
        _corrected(session, actor, now, line_id, what="withdrawn", events=standing, by=by, reason=reason)
    return found


def restore(
    session: Session, actor: Actor, now: datetime, *, line_id: str, event_ids: Sequence[int], by: str, reason: str
) -> tuple[LineEvent, ...]:
    """Take the withdrawal of events of a line back: from now on they were, again (T§10b). Twice is once.

    Each is recorded once more, as the next edition with a number of its own; the withdrawn record stays as it was, so
    that what was decided without it is computed again as of then. Returns the records that stand, or stood. Raises
    NotFoundError; UnprocessableError without a name or a reason, or for an event that is not the line's.
    """
    found = _told_wrongly(session, line_id, event_ids, by=by, reason=reason)
    later = {row.id: _next_edition(session, row) for row in found if row.superseded_at is not None}
    made = []
    for row in (row for row in found if row.id in later and later[row.id] is None):
        again = LineEvent(
            line_id=line_id,
            kind=row.kind,
            at=row.at,
            source=row.source,
            cause=row.cause,
            recorded_at=now,
            edition=row.edition + 1,
            restored_by=by,
            restored_why=reason,
        )
        session.add(again)
        later[row.id] = again
        made.append(again)
    session.flush()
    if made:
        _corrected(session, actor, now, line_id, what="restored", events=made, by=by, reason=reason)
    return tuple(later.get(row.id) or row for row in found)


def _next_edition(session: Session, row: LineEvent) -> LineEvent | None:
    same = (LineEvent.line_id == row.line_id, LineEvent.kind == row.kind, LineEvent.at == row.at)
    statement = select(LineEvent).where(*same, LineEvent.source == row.source, LineEvent.edition == row.edition + 1)
    return session.exec(statement).first()


def _told_wrongly(
    session: Session, line_id: str, event_ids: Sequence[int], *, by: str, reason: str
) -> tuple[LineEvent, ...]:
    """Return the line's events that somebody puts right, held."""
    versions.present(session, Line, line_id)
    if not by.strip() or not reason.strip():
        raise UnprocessableError("a correction needs a named person and a reason", remedy="send both")
    wanted = sorted(set(event_ids))
    statement = select(LineEvent).where(LineEvent.line_id == line_id, col(LineEvent.id).in_(wanted))
    found = tuple(session.exec(statement.order_by(col(LineEvent.id)).with_for_update()))
    if unknown := sorted(set(wanted) - {row.id for row in found}):
        raise UnprocessableError(
            f"{len(unknown)} events are not of this line", remedy="read the line's events", events=unknown[:10]
        )
    return found


def _corrected(
    session: Session, actor: Actor, now: datetime, line_id: str, *, what: str, events: Sequence[LineEvent], **word: str
) -> None:
    """Audit a correction, tell of it, and decide again what the events bear on."""
    journal.audited(session, "line_events", line_id, what, events=[row.id for row in events], **word)
    journal.changed(session, "line", line_id, f"events_{what}")
    decide.touch_lines(session, actor, now, _with_open_fault(session, [line_id]))


def of_line(
    session: Session, actor: Actor, now: datetime, *, line_id: str, since: datetime | None = None, limit: int = 500
) -> tuple[LineEvent, ...]:
    """Return a line's events from an instant on (a day before now), newest first, withdrawn ones too."""
    del actor
    versions.present(session, Line, line_id)
    statement = select(LineEvent).where(LineEvent.line_id == line_id, LineEvent.at >= (since or now - _A_DAY))
    return tuple(session.exec(statement.order_by(col(LineEvent.at).desc(), col(LineEvent.id).desc()).limit(limit)))


def asked_restart(
    session: Session, actor: Actor, now: datetime, *, line_id: str, at: datetime, lasts_s: int
) -> AskedRestart:
    """Record that we asked for a restart: the first drop in its time is none of the line's (T§10d). Twice is once."""
    versions.present(session, Line, line_id)
    until = at + timedelta(seconds=lasts_s)
    same = (AskedRestart.line_id == line_id, AskedRestart.at == at, AskedRestart.until == until)
    known = session.exec(select(AskedRestart).where(*same)).first()
    if known is not None:
        return known
    row = AskedRestart(id=journal.new_id(session), line_id=line_id, at=at, until=until, recorded_at=now)
    session.add(row)
    session.flush()
    journal.audited(session, "line", line_id, "restart_asked")
    decide.touch_lines(session, actor, now, _with_open_fault(session, [line_id]))
    return row


def _recovered(events: Sequence[Seen]) -> dict[str, datetime]:
    """Return the first recovery of each line."""
    found: dict[str, datetime] = {}
    for each in events:
        if each.kind in _GAINS:
            found[each.line_id] = min(each.at, found.get(each.line_id, each.at))
    return found


def refuse_unknown(session: Session, line_ids: Sequence[str]) -> None:
    """Raise UnprocessableError where any of these lines is unknown."""
    table: Table = Line.__table__  # type: ignore[attr-defined]
    known: set[str] = set()
    for start in range(0, len(line_ids), _BATCH):
        chunk = line_ids[start : start + _BATCH]
        statement = select(table.c.id).where(table.c.id.in_(chunk), table.c.superseded_at.is_(None))
        known.update(session.connection().execute(statement).scalars())
    unknown = [line_id for line_id in line_ids if line_id not in known]
    if unknown:
        raise UnprocessableError(
            f"{len(unknown)} lines are unknown", remedy="send lines that have, or had, a service", lines=unknown[:10]
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
