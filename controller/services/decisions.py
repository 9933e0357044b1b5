"""Decisions as rows: each with the snapshot of what it rests on; a changed one takes the place of the one before."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlmodel import Session, col, select

from controller.domain.decisions import Decision, Question
from controller.services import journal, rows
from controller.services.on_record import Decided, OnRecord
from controller.tables.faults import DecisionRow


def record_many(session: Session, made: Mapping[str, Sequence[Decision]], found: OnRecord, now: datetime) -> None:
    """Keep each fault's decisions that differ from the present ones in outcome, reason, target or clause.

    An equal one is no news: the stored one goes on standing for the same facts.
    """
    present = {(row.fault_id, *_about(row.question, row.target)): row for row in found.decisions}
    superseded: dict[str, dict[str, Any]] = {}
    new: list[dict[str, Any]] = []
    for fault_id, decisions in made.items():
        changed = []
        for decision in decisions:
            row = present.get((fault_id, *_about(decision.question, decision.target)))
            if row is not None and _same(row, decision):
                continue
            if row is not None:
                superseded[row.id] = {"superseded_at": now}
            new.append(_values(session, fault_id, decision))
            changed.append(decision)
        if changed:
            _tell(session, fault_id, changed)
    rows.change(session, DecisionRow, superseded)
    rows.add(session, DecisionRow, new)


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


def of_fault(session: Session, fault_id: str, *, with_history: bool = False) -> tuple[DecisionRow, ...]:
    """Return a fault's decisions in the order they were made; superseded ones only on demand."""
    statement = select(DecisionRow).where(DecisionRow.fault_id == fault_id).order_by(DecisionRow.id)
    if not with_history:
        statement = statement.where(col(DecisionRow.superseded_at).is_(None))
    return tuple(session.exec(statement))


def _about(question: str, target: str | None) -> tuple[str, str | None]:
    """Name what a decision answers: Backup is decided for the fault and for each SIM, the hub may change."""
    return question, target if question == Question.BACKUP else None


def _same(row: Decided, decision: Decision) -> bool:
    return (
        row.outcome == decision.outcome
        and row.code == decision.code
        and row.target == decision.target
        and row.clause == decision.clause
        and row.basis == decision.basis
        and row.flags == list(decision.flags)
    )


def _values(session: Session, fault_id: str, decision: Decision) -> dict[str, Any]:
    """Return a decision's columns; its words and what it rests on are JSON as they are (`Decision.inputs`)."""
    return {
        "id": journal.new_id(session),
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
