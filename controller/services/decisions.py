"""Decisions as rows: each with the snapshot of what it rests on; a changed one takes the place of the one before."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlmodel import Session, select

from controller.domain.decisions import Decision
from controller.services import journal, rows
from controller.services.on_record import Decided, OnRecord
from controller.services.standing import About, about, following, standing_among
from controller.tables.faults import DecisionRow

_STANDING: Final = ("id", "fault_id", "question", "target", "outcome", "code", "basis")


@dataclass(frozen=True, slots=True)
class Recorded:
    """A decision on record, and the instant of the one that took its place; None while it stands."""

    row: DecisionRow
    superseded_at: datetime | None


def record_many(session: Session, made: Mapping[str, Sequence[Decision]], found: OnRecord) -> None:
    """Keep each fault's decisions that differ from the standing ones in outcome, reason, target or clause.

    An equal one is no news: the stored one goes on standing for the same facts.
    """
    new: list[dict[str, Any]] = []
    for fault_id, decisions in made.items():
        changed = []
        for decision in decisions:
            row = found.decisions.get(about(fault_id, decision.question, decision.target))
            if row is None or not _same(row, decision):
                new.append({"id": _next_id(session, row), **_values(fault_id, decision)})
                changed.append(decision)
        if changed:
            _tell(session, fault_id, changed)
    rows.add(session, DecisionRow, new)


def standing_on(session: Session, fault_ids: Iterable[str]) -> dict[About, rows.Found]:
    """Return the decisions that stand about some faults, with as much of them as _STANDING names."""
    return standing_among(rows.read(session, DecisionRow, "fault_id", fault_ids, columns=_STANDING))


def _tell(session: Session, fault_id: str, changed: Sequence[Decision]) -> None:
    """Tell once a fault what was decided anew: each decision in the audit, the outcome of each question in the feed."""
    decided = [
        {
            "question": each.question,
            "outcome": each.outcome,
            "clause": each.clause,
            "code": each.code,
            "target": each.target,
        }
        for each in changed
    ]
    # Backup is decided for the fault first, then for each SIM: what is told is the fault's.
    outcomes = {str(each.question): each.outcome for each in reversed(changed)}
    journal.audited(session, "fault", fault_id, "decided", decisions=decided)
    journal.changed(session, "fault", fault_id, "decided", outcomes=outcomes)


def of_fault(session: Session, fault_id: str) -> tuple[Recorded, ...]:
    """Return every decision about a fault in the order they were made."""
    statement = select(DecisionRow).where(DecisionRow.fault_id == fault_id).order_by(DecisionRow.id)
    next_at: dict[About, datetime] = {}
    found = []
    for row in reversed(session.exec(statement).all()):
        answered = about(row.fault_id, row.question, row.target)
        found.append(Recorded(row, next_at.get(answered)))
        next_at[answered] = row.at
    return tuple(reversed(found))


def _same(row: Decided, decision: Decision) -> bool:
    return (
        row.outcome == decision.outcome
        and row.code == decision.code
        and row.target == decision.target
        and row.clause == decision.clause
        and row.basis == decision.basis
        and row.flags == list(decision.flags)
    )


def _next_id(session: Session, before: Decided | None) -> str:
    """Return an id behind that of the decision whose place is taken: a second controller's clock may be ahead."""
    id_ = journal.new_id(session)
    return id_ if before is None or before.id < id_ else following(before.id, id_)


def _values(fault_id: str, decision: Decision) -> dict[str, Any]:
    """Return a decision's columns but its id; its words and what it rests on are JSON as they are."""
    return {
        "fault_id": fault_id,
        "question": decision.question,
        "subject": decision.subject,
        "outcome": decision.outcome,
        "clause": decision.clause,
        "basis": decision.basis,
        "code": decision.code,
        "reason": decision.reason,
        "contest": decision.contest,
        "rule_set": decision.rule_set,
        "target": decision.target,
        "due_at": decision.due_at,
        "inputs": decision.inputs,
        "flags": decision.flags,
        "at": decision.at,
    }
