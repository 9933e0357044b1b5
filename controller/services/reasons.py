"""Open reasons: what keeps a hub or a SIM on (or barred). Derived from facts anew each time, kept with their dates."""

from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Table
from sqlmodel import Session, col, select

from controller.domain.sim import Reason
from controller.services import journal, rows
from controller.services.on_record import OnRecord
from controller.tables.faults import ReasonRow

# What is on: its noun (hub or sim) and its id.
Target = tuple[str, str]


def replace_many(
    session: Session, wanted: Mapping[Target, Sequence[Reason]], found: OnRecord, now: datetime
) -> dict[Target, list[str]]:
    """Make the open reasons of each target exactly those due now: opens what is new, closes what is gone.

    Returns what is open now of each target of which something changed, for `tell` or for whoever tells of the target.
    """
    present: dict[Target, dict[tuple[str, str], str]] = {target: {} for target in wanted}
    for row in found.reasons:
        if (row.noun, row.target) in present:
            present[row.noun, row.target][row.kind, row.reason] = row.id
    closed: dict[str, dict[str, Any]] = {}
    opened: list[dict[str, Any]] = []
    changed: dict[Target, list[str]] = {}
    for target, due in wanted.items():
        keys = {(each.kind.value, each.reason_id): each for each in due}
        gone = [id_ for key, id_ in present[target].items() if key not in keys]
        new = [each for key, each in keys.items() if key not in present[target]]
        closed |= {id_: {"closed_at": now} for id_ in gone}
        opened += [_values(session, target, each, now) for each in new]
        if gone or new:
            changed[target] = sorted(f"{kind}:{reason}" for kind, reason in keys)
    rows.change(session, ReasonRow, closed)
    rows.add(session, ReasonRow, opened)
    return changed


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


def tell(session: Session, changed: Mapping[Target, Sequence[str]], fed: Container[str] = ()) -> None:
    """Say of targets which reasons are open now; the feed names those already that are `fed`."""
    for target, open_now in changed.items():
        journal.audited(session, *target, "reasons", open=list(open_now))
        if target[1] not in fed:
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


def faults_of(session: Session, targets: Collection[Target]) -> frozenset[str]:
    """Return the faults that keep any of some targets on."""
    found = rows.read(session, ReasonRow, "target", [key for _, key in targets], _is_open)
    return frozenset(row.reason for row in found if row.kind != "bar" and (row.noun, row.target) in targets)


def ever_open(session: Session, fault_id: str) -> tuple[ReasonRow, ...]:
    """Return every reason that rested on a fault, closed ones included."""
    return tuple(
        session.exec(
            select(ReasonRow).where(ReasonRow.reason == fault_id).order_by(col(ReasonRow.opened_at), ReasonRow.id)
        )
    )
