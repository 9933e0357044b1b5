"""SIMs at the carrier: intended is a fold over facts, observed is what the carrier showed; the difference is owed."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, select

from controller.services import alarms, journal, owed, promises, rows
from controller.services.actor import Actor
from controller.services.errors import NotFoundError
from controller.tables.alarms import Alarm
from controller.tables.sims import CarrierEvent, Operation, SimState

NOUN: Final = "sims"
HUB: Final = "hub"
MOBILE: Final = "mobile"
_ENDING: Final = ("id", "sim_id", "outcome", "reference", "error", "ended_at")


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationView:
    """A call whose outcome is not known yet: read what the SIM is before calling again."""

    id: str
    asked: dict[str, Any]
    begun_at: datetime
    outcome: str | None
    reference: str | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a call ended: `word` is done, accepted, refused or unknown; `reference` is the carrier's monitor."""

    word: str
    reference: str | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What the carrier showed a SIM to be, in the words of `SimWork`; `version` grows with every effect there."""

    iccid: str
    observed: dict[str, Any]
    version: int
    at: datetime
    seen_imei: str | None = None
    counted_mb: int | None = None
    uncounted_mb: int | None = None


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
    found = look_many(session, [sim_id])
    if sim_id not in found:
        raise NotFoundError("sim", sim_id)
    return found[sim_id]


def look_many(session: Session, sim_ids: Iterable[str]) -> dict[str, SimWork]:
    """Return what is owed for SIMs now; one that there is not is left out."""
    found = rows.read(session, SimState, "id", sim_ids, columns=("id", "kind", "iccid", "intended", "observed"))
    newest: dict[str, rows.Found] = {}
    for each in rows.read(session, Operation, "sim_id", [row.id for row in found], _is_open):
        known = newest.get(each.sim_id)
        if known is None or (each.begun_at, each.id) > (known.begun_at, known.id):
            newest[each.sim_id] = each
    return {
        row.id: SimWork(
            sim_id=row.id,
            kind=row.kind,
            iccid=row.iccid,
            intended=dict(row.intended),
            observed=dict(row.observed),
            open_operation=_view(newest[row.id]) if row.id in newest else None,
        )
        for row in found
    }


def begin(session: Session, actor: Actor, now: datetime, *, sim_id: str, asked: dict[str, Any]) -> str:
    """Record that a call is about to be made; returns the operation's id."""
    del actor
    return begin_many(session, now, {sim_id: asked})[sim_id]


def begin_many(session: Session, now: datetime, asked: Mapping[str, dict[str, Any]]) -> dict[str, str]:
    """Record that calls are about to be made: SIM to what is asked; returns the operations' ids."""
    begun = {sim_id: journal.new_id(session) for sim_id in asked}
    values = [{"id": id_, "sim_id": sim_id, "asked": asked[sim_id], "begun_at": now} for sim_id, id_ in begun.items()]
    rows.add(session, Operation, values)
    for sim_id, id_ in begun.items():
        journal.audited(session, "sim", sim_id, "carrier_call_begun", operation=id_, asked=asked[sim_id])
    return begun


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
    end_many(session, now, {operation_id: Outcome(outcome, reference, error)})


def end_many(session: Session, now: datetime, outcomes: Mapping[str, Outcome]) -> None:
    """Record how calls ended, see `end`: operation to outcome."""
    changes: dict[str, dict[str, Any]] = {}
    for row in rows.read(session, Operation, "id", outcomes, columns=_ENDING, for_update=True):
        given = outcomes[row.id]
        is_over = given.word in {"done", "refused"}
        values = {
            "outcome": given.word,
            "error": given.error and given.error[:300],
            "ended_at": now if is_over else None,
        }
        # Ended already: a webhook was quicker than the answer, and knows better.
        known = {"outcome": row.outcome, "error": row.error, "ended_at": row.ended_at}
        changes[row.id] = {"reference": given.reference or row.reference, **(values if row.ended_at is None else known)}
        journal.changed(session, "sim", row.sim_id, "operation", outcome=given.word)
    rows.change(session, Operation, changes)


def new_events(session: Session, now: datetime, event_ids: Iterable[str]) -> frozenset[str]:
    """Take webhooks in; returns the events that were not taken in before, or by another transaction just now."""
    # In order, so that two controllers wait for each other in one direction only.
    values = [{"id": id_, "received_at": now} for id_ in sorted(set(event_ids))]
    if not values:
        return frozenset()
    insert: Any = postgresql.insert if rows.is_postgresql(session) else sqlite.insert
    statement = insert(CarrierEvent).values(values).on_conflict_do_nothing()
    return frozenset(session.connection().execute(statement.returning(CarrierEvent.id)).scalars())


def observe(session: Session, actor: Actor, now: datetime, **shown: Any) -> bool:
    """Record what the carrier showed a SIM to be (`Seen`). False for an unknown SIM or news older than what is known.

    A match ends the open operation and may make a promise ready; a mismatch owes work.
    """
    return bool(observe_many(session, actor, now, [Seen(**shown)]))


def observe_many(session: Session, actor: Actor, now: datetime, seen: Sequence[Seen]) -> frozenset[str]:
    """Record what the carrier showed SIMs to be, one after the other where it is the same SIM; returns what was news.

    As many statements as for one: what comes together is recorded together.
    """
    taken: set[str] = set()
    left = list(seen)
    while left:
        round_: dict[str, Seen] = {}
        rest: list[Seen] = []
        for each in left:
            if each.iccid in round_:
                rest.append(each)
            else:
                round_[each.iccid] = each
        taken |= _observe(session, actor, now, round_)
        left = rest
    return frozenset(taken)


def _observe(session: Session, actor: Actor, now: datetime, seen: Mapping[str, Seen]) -> set[str]:
    found = rows.read(session, SimState, "iccid", seen, for_update=True)
    news = [(row, seen[row.iccid]) for row in found if seen[row.iccid].version >= row.observed_version]
    for row, each in news:
        if each.seen_imei is not None and row.hub_id is not None:
            from controller.services import hubs

            hubs.sight(session, actor, now, hub_id=row.hub_id, imei=each.seen_imei)
    rows.change(session, SimState, {row.id: _shown(row, each) for row, each in news})
    _settle_observations(session, news, now)
    return {row.iccid for row, _ in news}


def _shown(row: rows.Found, seen: Seen) -> dict[str, Any]:
    return {
        "observed": dict(seen.observed),
        "observed_at": seen.at,
        "observed_version": seen.version,
        "counted_mb": seen.counted_mb if seen.counted_mb is not None else row.counted_mb,
        "uncounted_mb": seen.uncounted_mb if seen.uncounted_mb is not None else row.uncounted_mb,
        "version": row.version + 1,
    }


def doubt(session: Session, now: datetime, iccids: Iterable[str]) -> None:
    """Owe a look at SIMs of which something is said to have ended, unless they are as they should be."""
    found = rows.read(session, SimState, "iccid", iccids, columns=("id", "intended", "observed"))
    owed.mark_many(session, NOUN, [(row.id, None, now) for row in found if not is_as_intended(row)], now=now)


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


def _settle_observations(session: Session, news: Sequence[tuple[rows.Found, Seen]], now: datetime) -> None:
    """Owe a look at SIMs that are not as they should be, and nothing for those that are."""
    owed.mark_many(
        session, NOUN, [(row.id, None, now) for row, seen in news if not _matches(row.intended, seen.observed)], now=now
    )
    as_intended = {row.id: seen.observed for row, seen in news if _matches(row.intended, seen.observed)}
    waited_for = _end_operations(session, as_intended, now)
    # A change that is not seen to have ended is looked at in its time; else nothing is left to look at.
    owed.withdraw_many(session, NOUN, as_intended.keys() - waited_for)
    for alarm in rows.read(session, Alarm, "key", as_intended, _is_uncleared, kind="work_failing", noun=NOUN):
        alarms.clear(session, "work_failing", NOUN, alarm.key, now=now)
    promises.observe_sims(session, [row for row, _ in news], now)
    for row, seen in news:
        if row.observed != seen.observed:
            journal.audited(session, "sim", row.id, "observed", observed=seen.observed)
            journal.changed(session, "sim", row.id, "observed")


def _end_operations(session: Session, observed: Mapping[str, dict[str, Any]], now: datetime) -> frozenset[str]:
    """End the operations that asked for what is observed; returns the SIMs that have others.

    One that asked for something else may still take effect: it stays open until its own end is seen.
    """
    found = rows.read(session, Operation, "sim_id", observed, _is_open, columns=("id", "sim_id", "asked"))
    ended = [each for each in found if _matches(each.asked, observed[each.sim_id])]
    rows.change(session, Operation, {each.id: {"ended_at": now, "outcome": "done"} for each in ended})
    return frozenset(each.sim_id for each in found if each not in ended)


def _is_open(table: Table) -> ColumnElement[bool]:
    return table.c.ended_at.is_(None)


def _is_uncleared(table: Table) -> ColumnElement[bool]:
    return table.c.cleared_at.is_(None)


def _matches(intended: dict[str, Any], observed: dict[str, Any]) -> bool:
    return all(name in observed and observed[name] == value for name, value in intended.items())


def _view(row: rows.Found) -> OperationView:
    return OperationView(
        id=row.id, asked=dict(row.asked), begun_at=row.begun_at, outcome=row.outcome, reference=row.reference
    )
