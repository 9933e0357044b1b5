"""Outages: declared, changed, ended. A declaration decides again every open fault it covers (T§10e i, 12d i)."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Table, insert, select
from sqlmodel import Session

from controller.services import brakes, decide, gather, journal, versions
from controller.services.actor import Actor
from controller.services.errors import UnprocessableError
from controller.services.lines import refuse_unknown
from controller.tables.faults import Outage, OutageLine

_LINES: Final[Table] = OutageLine.__table__  # type: ignore[attr-defined]  # SQLModel doesn't declare it
_BATCH: Final = 1000


def declare(
    session: Session,
    actor: Actor,
    now: datetime,
    *,
    line_ids: Sequence[str],
    from_at: datetime,
    until: datetime | None = None,
    planned: bool = False,
    whose: str = "ours",
    note: str = "",
    override: str | None = None,
) -> Outage:
    """Declare an outage over lines. Raises BrakeError when it would end too much of what is on (decision 15)."""
    if until is not None and until <= from_at:
        raise UnprocessableError("an outage ends after it begins", remedy="mend `until`")
    lines = sorted(set(line_ids))
    refuse_unknown(session, lines)
    brakes.of_lines(session, lines, what="outage").raise_if_unsafe(override)
    row = versions.add(
        session,
        Outage(
            id=journal.new_id(session),
            recorded_at=now,
            from_at=from_at,
            until=until,
            declared_at=now,
            planned=planned,
            whose=whose,
            note=note,
        ),
        action="declared",
        lines=len(lines),
        override=override,
    )
    values = [{"outage_id": row.id, "line_id": line_id} for line_id in lines]
    for start in range(0, len(values), _BATCH):
        session.connection().execute(insert(_LINES), values[start : start + _BATCH])
    decide.touch(session, actor, now, gather.accounts_with_open_faults(session, lines))
    return row


def change(
    session: Session,
    actor: Actor,
    now: datetime,
    *,
    outage_id: str,
    expected: int | None = None,
    override: str | None = None,
    **changes: Any,
) -> Outage:
    """Change an outage's times or whose it is; what it covers is decided again.

    Raises VersionConflictError, and BrakeError when it grows over too much of what is on (decision 15).
    """
    present = versions.present(session, Outage, outage_id)
    if _grows(present, changes):
        brakes.of_lines(session, lines_of(session, outage_id), what="outage").raise_if_unsafe(override)
    row = versions.revise(session, present, now, expected=expected, **changes)
    if row.until is not None and row.until <= row.from_at:
        raise UnprocessableError("an outage ends after it begins", remedy="mend `until`")
    decide.touch(session, actor, now, gather.accounts_with_open_faults(session, lines_of(session, outage_id)))
    return row


def _grows(present: Outage, changes: Mapping[str, Any]) -> bool:
    """Say whether a change excludes more than before: from earlier on, or to later, or with its end taken back."""
    from_at, until = changes.get("from_at", present.from_at), changes.get("until", present.until)
    if from_at < present.from_at:
        return True
    return present.until is not None and (until is None or until > present.until)


def lines_of(session: Session, outage_id: str) -> list[str]:
    """Return the lines an outage covers, in order."""
    statement = select(_LINES.c.line_id).where(_LINES.c.outage_id == outage_id).order_by(_LINES.c.line_id)
    return list(session.connection().execute(statement).scalars())
