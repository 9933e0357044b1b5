"""Open reasons: what keeps a hub or a SIM on (or barred). Derived from facts anew each time, kept with their dates."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Table
from sqlmodel import Session, col, select

from controller.domain.sim import Reason
from controller.services import journal, rows
from controller.tables.faults import ReasonRow

# What is on: its noun (hub or sim) and its id.
Target = tuple[str, str]


def replace_many(
    session: Session, wanted: Mapping[Target, Sequence[Reason]], now: datetime
) -> dict[Target, dict[str, str]]:
    """Make the open reasons of each target exactly those due now: opens what is new, closes what is gone.

    Returns what is open of each target: the reason, and its kind.
    """
    present: dict[Target, dict[tuple[str, str], str]] = {target: {} for target in wanted}
    for row in rows.read(session, ReasonRow, "target", [key for _, key in wanted], _is_open):
        if (row.noun, row.target) in present:
            present[row.noun, row.target][row.kind, row.reason] = row.id
    closed: dict[str, dict[str, Any]] = {}
    opened: list[dict[str, Any]] = []
    for target, due in wanted.items():
        keys = {(each.kind.value, each.reason_id): each for each in due}
        gone = [id_ for key, id_ in present[target].items() if key not in keys]
        new = [each for key, each in keys.items() if key not in present[target]]
        closed |= {id_: {"closed_at": now} for id_ in gone}
        opened += [_values(session, target, each, now) for each in new]
        if gone or new:
            _tell(session, target, keys)
    rows.change(session, ReasonRow, closed)
    rows.add(session, ReasonRow, opened)
    return {target: {each.reason_id: each.kind.value for each in due} for target, due in wanted.items()}


def _values(session: Session, target: Target, reason: Reason, now: datetime) -> dict[str, Any]:
    noun, key = target
    return {
        "id": journal.new_id(session),
        "noun": noun,
        "target": key,
        "kind": reason.kind.value,
        "reason": reason.reason_id,
        "opened_at": max(reason.opened_at, now),
    }


def _tell(session: Session, target: Target, keys: Iterable[tuple[str, str]]) -> None:
    journal.audited(session, *target, "reasons", open=sorted(f"{kind}:{reason}" for kind, reason in keys))
    journal.changed(session, *target, "reasons")


def _is_open(table: Table) -> ColumnElement[bool]:
    return table.c.closed_at.is_(None)


def held_by(session: Session, fault_ids: Iterable[str]) -> dict[str, set[Target]]:
    """Return what each fault keeps on."""
    found: dict[str, set[Target]] = {}
    for row in rows.read(session, ReasonRow, "reason", fault_ids, _is_open):
        if row.kind != "bar":
            found.setdefault(row.reason, set()).add((row.noun, row.target))
    return found


def open_rows(session: Session, noun: str, target: str) -> tuple[ReasonRow, ...]:
    """Return the open reasons of a target."""
    statement = (
        select(ReasonRow)
        .where(ReasonRow.target == target, ReasonRow.noun == noun, col(ReasonRow.closed_at).is_(None))
        .order_by(col(ReasonRow.opened_at), ReasonRow.id)
    )
    return tuple(session.exec(statement))


def open_faults(session: Session, noun: str, target: str) -> tuple[str, ...]:
    """Return the faults that keep a target on."""
    return tuple(row.reason for row in open_rows(session, noun, target) if row.kind != "bar")


def open_targets(session: Session, noun: str, fault_id: str) -> tuple[str, ...]:
    """Return the hubs or SIMs that a fault keeps on."""
    statement = select(ReasonRow.target).where(
        ReasonRow.reason == fault_id,
        ReasonRow.noun == noun,
        ReasonRow.kind != "bar",
        col(ReasonRow.closed_at).is_(None),
    )
    return tuple(sorted(session.exec(statement)))


def ever_open(session: Session, fault_id: str) -> tuple[ReasonRow, ...]:
    """Return every reason that rested on a fault, closed ones included."""
    return tuple(
        session.exec(
            select(ReasonRow).where(ReasonRow.reason == fault_id).order_by(col(ReasonRow.opened_at), ReasonRow.id)
        )
    )
