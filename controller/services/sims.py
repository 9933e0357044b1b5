"""SIMs at the carrier: intended is a fold over facts, observed is what the carrier showed; the difference is owed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, col, select

from controller.services import alarms, journal, owed, promises, rows
from controller.services.actor import Actor
from controller.services.errors import NotFoundError
from controller.tables.owed import Owed
from controller.tables.sims import CarrierEvent, Operation, SimState

NOUN: Final = "sims"
HUB: Final = "hub"
MOBILE: Final = "mobile"


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationView:
    """A call whose outcome is not known yet: read what the SIM is before calling again."""

    id: str
    asked: dict[str, Any]
    begun_at: datetime
    outcome: str | None
    reference: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SimWork:
    """What a SIM should be now and what it was last seen to be.

    `intended` of a hub's SIM: {"state": "active" | "parked" | "barred"}; of a mobile SIM: {"allowance_mb" (None is
    unlimited), "tier", "backup"}. `observed` has the same words, or is empty when nothing was observed yet.
    """

    sim_id: str
    kind: str
    iccid: str
    intended: dict[str, Any]
    observed: dict[str, Any]
    deadline: datetime | None
    open_operation: OperationView | None

    @property
    def matches(self) -> bool:
        """Tell whether the SIM is as it should be."""
        return _matches(self.intended, self.observed)

    @property
    def is_safe_direction(self) -> bool:
        """Tell whether the change takes something away: such work never parks."""
        return self.intended.get("state") in {"parked", "barred"} or self.intended.get("backup") is False


def look(session: Session, actor: Actor, now: datetime, *, sim_id: str) -> SimWork:
    """Return what is owed for this SIM now. Raises NotFoundError."""
    del actor, now
    row = _get(session, sim_id)
    work = session.get(Owed, (NOUN, sim_id))
    return SimWork(
        sim_id=row.id,
        kind=row.kind,
        iccid=row.iccid,
        intended=dict(row.intended),
        observed=dict(row.observed),
        deadline=work.deadline if work else None,
        open_operation=_open_operation(session, sim_id),
    )


def begin(session: Session, actor: Actor, now: datetime, *, sim_id: str, asked: dict[str, Any]) -> str:
    """Record that a call is about to be made; returns the operation's id."""
    del actor
    operation = Operation(id=journal.new_id(session), sim_id=sim_id, asked=asked, begun_at=now)
    session.add(operation)
    journal.audited(session, "sim", sim_id, "carrier_call_begun", operation=operation.id, asked=asked)
    return operation.id


def end(
    session: Session,
    actor: Actor,
    now: datetime,
    *,
    operation_id: str,
    outcome: str,
    reference: str | None = None,
    error: str | None = None,
) -> None:
    """Record how a call ended: done, accepted, refused or unknown; accepted and unknown stay open until observed."""
    del actor
    operation = session.get(Operation, operation_id)
    if operation is None:
        raise NotFoundError("operation", operation_id)
    operation.outcome, operation.reference, operation.error = outcome, reference, error and error[:300]
    if outcome in {"done", "refused"}:
        operation.ended_at = now
    session.add(operation)
    journal.changed(session, "sim", operation.sim_id, "operation", outcome=outcome)


def seen_event(session: Session, actor: Actor, now: datetime, *, event_id: str) -> bool:
    """Take a webhook in; False when the same event was taken in before, or by another transaction just now."""
    del actor
    insert: Any = postgresql.insert if rows.is_postgresql(session) else sqlite.insert
    statement = insert(CarrierEvent).values(id=event_id, received_at=now).on_conflict_do_nothing()
    return bool(session.connection().execute(statement.returning(CarrierEvent.id)).first())


def observe(
    session: Session,
    actor: Actor,
    now: datetime,
    *,
    iccid: str,
    observed: dict[str, Any],
    version: int,
    at: datetime,
    seen_imei: str | None = None,
    counted_mb: int | None = None,
    uncounted_mb: int | None = None,
) -> bool:
    """Record what the carrier showed a SIM to be. False for an unknown SIM or news older than what is known.

    A match ends the open operation and may make a promise ready; a mismatch owes work.
    """
    row = session.exec(select(SimState).where(SimState.iccid == iccid).with_for_update()).first()
    if row is None or version < row.observed_version:
        return False
    if seen_imei is not None and row.hub_id is not None:
        from controller.services import hubs

        hubs.sight(session, actor, now, hub_id=row.hub_id, imei=seen_imei)
    changed = row.observed != observed
    row.observed, row.observed_at, row.observed_version = dict(observed), at, version
    row.counted_mb = counted_mb if counted_mb is not None else row.counted_mb
    row.uncounted_mb = uncounted_mb if uncounted_mb is not None else row.uncounted_mb
    row.version += 1
    session.add(row)
    session.flush()
    _settle_observation(session, row, now, changed=changed)
    return True


def intend(session: Session, now: datetime, row: SimState, intended: dict[str, Any], deadline: datetime | None) -> bool:
    """Set what a SIM should be; a change owes work by `deadline`. True when it changed."""
    return bool(intend_many(session, now, [(row, intended, deadline)]))


def intend_many(
    session: Session,
    now: datetime,
    wanted: Sequence[tuple[Any, dict[str, Any], datetime | None]],
    reasons: Mapping[str, Sequence[str]] | None = None,
) -> frozenset[str]:
    """Set what SIMs should be: (row, intended, deadline) of each; returns the ids of those that changed.

    `reasons` are those that are open of SIMs since just now: one entry tells of both.
    """
    changed = {row.id: (row, intended, deadline) for row, intended, deadline in wanted if row.intended != intended}
    values = {
        id_: {"intended": intended, "intended_at": now, "version": row.version + 1}
        for id_, (row, intended, _) in changed.items()
    }
    rows.change(session, SimState, values)
    owed.mark_many(session, NOUN, [(id_, deadline, now) for id_, (_, _, deadline) in changed.items()], now=now)
    for id_, (_, intended, _) in changed.items():
        why = {"open": list(reasons[id_])} if reasons and id_ in reasons else {}
        journal.audited(session, "sim", id_, "intended", intended=intended, **why)
        journal.changed(session, "sim", id_, "intended")
    return frozenset(changed)


def enrol(
    session: Session,
    sim_id: str,
    *,
    kind: str,
    iccid: str,
    hub_id: str | None = None,
    plan_id: str | None = None,
    account_id: str | None = None,
) -> SimState:
    """Take a SIM under control; nothing is intended yet."""
    row = SimState(
        id=sim_id,
        kind=kind,
        iccid=iccid,
        hub_id=hub_id,
        plan_id=plan_id,
        account_id=account_id,
        intended={},
        observed={},
    )
    session.add(row)
    session.flush()
    return row


def pass_on(session: Session, iccid: str, hub_id: str) -> SimState | None:
    """Give a SIM that is known already (of a hub that was revoked) to another hub; None: nobody knows it."""
    row = session.exec(select(SimState).where(SimState.iccid == iccid)).first()
    if row is not None:
        row.hub_id = hub_id
        session.add(row)
        session.flush()
        journal.audited(session, "sim", row.id, "passed_on", hub=hub_id)
    return row


def of_hub(session: Session, hub_id: str) -> tuple[SimState, ...]:
    """Return the SIMs in a hub's name, in order of id."""
    return tuple(session.exec(select(SimState).where(SimState.hub_id == hub_id).order_by(SimState.id)))


def of_account(session: Session, account_id: str) -> tuple[SimState, ...]:
    """Return the mobile SIMs of an account, in order of id."""
    return tuple(session.exec(select(SimState).where(SimState.account_id == account_id).order_by(SimState.id)))


def is_as_intended(row: SimState | rows.Found) -> bool:
    """Tell whether the carrier showed the SIM to be what it should be."""
    return _matches(row.intended, row.observed)


def _settle_observation(session: Session, row: SimState, now: datetime, *, changed: bool) -> None:
    if not _matches(row.intended, row.observed):
        owed.mark(session, NOUN, row.id, now=now)
    else:
        # One that asked for something else may still take effect: it stays open until its own end is seen.
        for operation in _open_operations(session, row.id):
            if _matches(operation.asked, row.observed):
                operation.ended_at, operation.outcome = now, "done"
                session.add(operation)
        alarms.clear(session, "work_failing", NOUN, row.id, now=now)
    promises.observe_sim(session, row, now)
    if changed:
        journal.audited(session, "sim", row.id, "observed", observed=row.observed)
        journal.changed(session, "sim", row.id, "observed")


def _matches(intended: dict[str, Any], observed: dict[str, Any]) -> bool:
    return all(name in observed and observed[name] == value for name, value in intended.items())


def _get(session: Session, sim_id: str) -> SimState:
    row = session.get(SimState, sim_id)
    if row is None:
        raise NotFoundError("sim", sim_id)
    return row


def _open_operations(session: Session, sim_id: str) -> tuple[Operation, ...]:
    statement = (
        select(Operation)
        .where(Operation.sim_id == sim_id, col(Operation.ended_at).is_(None))
        .order_by(col(Operation.begun_at).desc(), col(Operation.id).desc())
    )
    return tuple(session.exec(statement))


def _open_operation(session: Session, sim_id: str) -> OperationView | None:
    for row in _open_operations(session, sim_id):
        return OperationView(
            id=row.id, asked=dict(row.asked), begun_at=row.begun_at, outcome=row.outcome, reference=row.reference
        )
    return None
