"""Faults: reported, observed, determined about, resolved. Outcomes are the domain's alone."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlmodel import Session, col, select

from controller.domain.facts import DeterminationKind, Symptom
from controller.services import decide, decisions, dispatch, homes, journal, promises, reasons, sim_reviews, versions
from controller.services.actor import Actor
from controller.services.errors import ConflictError, NotFoundError, UnprocessableError
from controller.tables.accounts import Line
from controller.tables.faults import (
    DecisionRow,
    Determination,
    DiagnosticsFinished,
    DispatchOrder,
    Fault,
    Notice,
    Observation,
    Promise,
    ReasonRow,
)
from controller.tables.hubs import Hub


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """One result of diagnostics."""

    kind: str
    result: str
    at: datetime
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultView:
    """A fault with everything that was decided, promised and told."""

    fault: Fault
    decisions: tuple[DecisionRow, ...]
    history: tuple[DecisionRow, ...]
    promises: tuple[Promise, ...]
    reasons: tuple[ReasonRow, ...]
    observations: tuple[Observation, ...]
    finished: DiagnosticsFinished | None
    notices: tuple[Notice, ...]
    orders: tuple[DispatchOrder, ...]


def report(
    session: Session,
    actor: Actor,
    now: datetime,
    *,
    line_id: str,
    channel: str,
    reporter: str,
    symptom: Symptom,
    reported_at: datetime | None = None,
) -> Fault:
    """Take a report in: the clock starts at `reported_at`, which may lie before now, never after (T§10d, 12c)."""
    at = reported_at or now
    account_id = homes.account_of_line(session, line_id, at)
    if account_id is None:
        # Only lines of ours have services, so whether it is one is asked only now.
        versions.present(session, Line, line_id)
        raise UnprocessableError("the line has no service", remedy="start a service on it first")
    if at > now:
        raise UnprocessableError("a report can't lie in the future", remedy="send reported_at up to now")
    row = versions.send(
        session,
        Fault(
            id=journal.new_id(session),
            recorded_at=now,
            line_id=line_id,
            account_id=account_id,
            reported_at=at,
            symptom=symptom.value,
            channel=channel,
            reporter=reporter,
        ),
        action="reported",
    )
    decide.touch(session, actor, now, [account_id])
    return row


def observe(
    session: Session,
    actor: Actor,
    now: datetime,
    *,
    fault_id: str,
    observations: Sequence[Observed],
    finished: bool = False,
    engineer_booked: bool = False,
) -> Fault:
    """Take results of diagnostics in, each once; they decide again. `finished` ends the tests."""
    fault = _open(session, fault_id)
    known = {(row.kind, row.at, row.result) for row in _observations(session, fault_id)}
    new = [each for each in observations if (each.kind, each.at, each.result) not in known]
    if any(each.at > now for each in new):
        raise UnprocessableError("an observation can't lie in the future", remedy="send `at` up to now")
    for each in new:
        session.add(
            Observation(
                id=journal.new_id(session),
                fault_id=fault_id,
                kind=each.kind,
                result=each.result,
                at=each.at,
                facts=each.facts,
                recorded_at=now,
            )
        )
    session.flush()
    if finished and versions.find(session, DiagnosticsFinished, fault_id) is None:
        row = DiagnosticsFinished(id=fault_id, recorded_at=now, at=now, engineer_booked=engineer_booked)
        versions.add(session, row)
    journal.audited(session, "fault", fault_id, "observed", new=len(new), finished=finished)
    journal.changed(session, "fault", fault_id, "observed")
    decide.touch(session, actor, now, [fault.account_id])
    return fault


def determine(
    session: Session, actor: Actor, now: datetime, *, subject_id: str, kind: DeterminationKind, by: str, reason: str
) -> Determination:
    """Record a named person's discretion about a fault, a line or a hub, and decide again."""
    if not by.strip() or not reason.strip():
        raise UnprocessableError("a determination needs a person and a reason", remedy="send `by` and `reason`")
    line_ids = _lines_of(session, kind, subject_id)
    row = versions.add(
        session,
        Determination(
            id=journal.new_id(session),
            recorded_at=now,
            kind=kind.value,
            subject_id=subject_id,
            by=by,
            reason=reason,
            at=now,
        ),
        action="determined",
        kind=kind.value,
    )
    decide.touch_lines(session, actor, now, line_ids)
    if kind is DeterminationKind.RELEASE_HUB_SIM:
        sim_reviews.look(session, subject_id, now)
    return row


def resolve(
    session: Session,
    actor: Actor,
    now: datetime,
    *,
    fault_id: str,
    resolved_at: datetime | None = None,
    note: str = "",
) -> Fault:
    """Record that a fault was fixed; the benefits end as the rules say (T§10f, 12e). Twice is once."""
    fault = versions.present(session, Fault, fault_id)
    if fault.resolved_at is not None:
        return fault
    at = resolved_at or now
    if at > now or at < fault.reported_at:
        raise UnprocessableError("a fault is resolved after its report, and by now", remedy="mend resolved_at")
    row = versions.revise(session, fault, now, resolved_at=at, note=note or fault.note, action="resolved")
    decide.touch(session, actor, now, [row.account_id])
    return versions.present(session, Fault, fault_id)


def reopen(session: Session, actor: Actor, now: datetime, *, fault_id: str) -> Fault:
    """Take a resolution back: the fault was not fixed. Raises ConflictError once it is closed."""
    fault = versions.present(session, Fault, fault_id)
    if fault.closed_at is not None:
        raise ConflictError("the fault is closed", remedy="report it anew")
    row = versions.revise(session, fault, now, resolved_at=None, action="reopened")
    decide.touch(session, actor, now, [row.account_id])
    return row


def viewed(session: Session, actor: Actor, now: datetime, *, act: Callable[..., Fault], **arguments: Any) -> FaultView:
    """Do something to a fault and return it as it then is: one transaction, where two would wait for the disk twice."""
    fault = act(session, actor, now, **arguments)
    return view(session, actor, now, fault_id=fault.id)


def view(session: Session, actor: Actor, now: datetime, *, fault_id: str) -> FaultView:
    """Return a fault with everything that was decided, promised and told; audited. Raises NotFoundError."""
    del actor, now
    fault = versions.present(session, Fault, fault_id)
    journal.audited(session, "fault", fault_id, "read")
    history = decisions.of_fault(session, fault_id)
    told = session.exec(select(Notice).where(Notice.fault_id == fault_id).order_by(col(Notice.owed_at), Notice.id))
    return FaultView(
        fault=fault,
        decisions=tuple(each.row for each in history if each.superseded_at is None),
        history=tuple(each.row for each in history),
        promises=promises.all_of_fault(session, fault_id),
        reasons=reasons.ever_open(session, fault_id),
        observations=_observations(session, fault_id),
        finished=versions.find(session, DiagnosticsFinished, fault_id),
        notices=tuple(told),
        orders=dispatch.all_of_fault(session, fault_id),
    )


def open_on_line(session: Session, line_id: str) -> tuple[Fault, ...]:
    """Return the faults of a line that are not closed, oldest first."""
    statement = select(Fault).where(
        Fault.line_id == line_id, col(Fault.superseded_at).is_(None), col(Fault.closed_at).is_(None)
    )
    return tuple(session.exec(statement.order_by(col(Fault.reported_at), Fault.id)))


def _open(session: Session, fault_id: str) -> Fault:
    fault = versions.present(session, Fault, fault_id)
    if fault.resolved_at is not None:
        raise ConflictError("the fault is resolved", remedy="report it anew, or take the resolution back")
    return fault


def _observations(session: Session, fault_id: str) -> tuple[Observation, ...]:
    statement = (
        select(Observation).where(Observation.fault_id == fault_id).order_by(col(Observation.at), Observation.id)
    )
    return tuple(session.exec(statement))


def _lines_of(session: Session, kind: DeterminationKind, subject_id: str) -> list[str]:
    if kind is DeterminationKind.GRANT_REPLACEMENT:
        return [versions.present(session, Line, subject_id).id]
    if kind is DeterminationKind.RELEASE_HUB_SIM:
        versions.present(session, Hub, subject_id)
        found = homes.assignment_of(session, subject_id)
        return [found.line_id] if found else []
    fault = versions.find(session, Fault, subject_id)
    if fault is None:
        raise NotFoundError("fault", subject_id)
    return [fault.line_id]
