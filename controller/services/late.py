"""Who is late, or will be, and why: promises that are not kept yet, with the cause and the share of the hour left."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from sqlalchemy import ColumnElement, Table
from sqlmodel import Session, col, func, select

from controller.domain.decisions import Outcome
from controller.domain.ending import Benefit
from controller.services import decisions, lane_forecast, owed, reasons, rows, sims
from controller.services.actor import Actor
from controller.services.lane_forecast import LaneForecast, Pace
from controller.services.rows import Found
from controller.tables.faults import DiagnosticsFinished, Fault, Notice, Promise, ReasonRow
from controller.tables.hubs import HubState
from controller.tables.sims import Operation, SimState

# As in decision 4 of the hub's hourly report, with half an hour to spare.
PRESENT_FOR: Final = timedelta(minutes=90)


class Cause(StrEnum):
    """What a promise waits for, in the order in which it is looked for."""

    DIAGNOSTICS = "diagnostics_unfinished"
    PERSON = "person_decides"
    LANE = "carrier_lane"
    EFFECT = "carrier_effect"
    SET_ASIDE = "carrier_refuses"
    HUB_SILENT = "hub_silent"
    HUB_CLOSED = "hub_closed"
    NOTICE = "notice_undeliverable"
    NOTHING = "observation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Late:
    """One open promise; `share_left` of its hour is from 1 to 0, `forecast_at` when the lane will have come to it."""

    promise: Promise
    fault: Found
    cause: Cause
    share_left: float
    forecast_at: datetime | None
    is_late: bool
    will_be_late: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Lateness:
    """The open promises, those that the lane will miss included, and the homes that only wait for their hub."""

    late: tuple[Late, ...]
    unplugged: tuple[Late, ...]
    open: int
    lane: LaneForecast


def who_is_late(
    session: Session, actor: Actor, now: datetime, *, limit: int = 500, pace: Pace | None = None
) -> Lateness:
    """Return the open promises, the nearest deadline first, and every one that the lane will come to too late.

    At most `limit` of the first and as many of the second kind; `lane` counts all of them.
    """
    del actor
    lane = lane_forecast.forecast(session, now, pace or Pace())
    running = col(Promise.ended_at).is_(None) & col(Promise.ready_at).is_(None)
    count = session.exec(select(func.count(col(Promise.id))).where(running)).one()
    nearest = select(Promise.id).where(running).order_by(col(Promise.due_at), col(Promise.id)).limit(limit)
    ids = {*session.exec(nearest), *_missed(session, lane.late[:limit])}
    found = sorted(rows.read(session, Promise, "id", ids), key=lambda row: (row.due_at, row.id))
    return Lateness(
        late=_View(session, found, lane, now).rows(),
        unplugged=_View(session, _unplugged(session, limit), lane, now).rows(),
        open=count,
        lane=lane,
    )


def _missed(session: Session, sim_ids: Iterable[str]) -> set[str]:
    """Return the running promises that SIMs hold up."""
    states = rows.read(session, SimState, "id", sim_ids, columns=("id", "hub_id"))
    targets = [row.hub_id or row.id for row in states]
    held = rows.read(session, ReasonRow, "target", targets, _is_open)
    benefits = {"hub": Benefit.MINI_HUB.value, "sim": Benefit.BACKUP.value}
    wanted = {(row.reason, benefits[row.noun]) for row in held if row.kind != "bar"}
    found = rows.read(session, Promise, "fault_id", {fault_id for fault_id, _ in wanted})
    running = (row for row in found if row.ended_at is None and row.ready_at is None)
    return {row.id for row in running if (row.fault_id, row.benefit) in wanted}


def _unplugged(session: Session, limit: int) -> list[Found]:
    """Return the promises that are ready but not online: homes that wait for somebody to plug the hub in."""
    statement = (
        select(Promise.id)
        .where(
            Promise.benefit == Benefit.MINI_HUB.value,
            col(Promise.ready_at).is_not(None),
            col(Promise.online_at).is_(None),
            Promise.end != "over",
        )
        .order_by(col(Promise.ready_at), col(Promise.id))
        .limit(limit)
    )
    return sorted(rows.read(session, Promise, "id", session.exec(statement)), key=lambda row: (row.ready_at, row.id))


class _View:
    """Everything that says what some promises wait for, read at once."""

    def __init__(self, session: Session, promises: list[Found], lane: LaneForecast, now: datetime) -> None:
        fault_ids = {row.fault_id for row in promises}
        self._promises, self._lane, self._now = promises, lane, now
        self._faults = {row.id: row for row in rows.read(session, Fault, "id", fault_ids, rows.present)}
        self._held = reasons.held_by(session, fault_ids)
        self._finished = {
            row.id for row in rows.read(session, DiagnosticsFinished, "id", fault_ids, rows.present, columns=("id",))
        }
        self._decided = _outcomes(session, fault_ids)
        self._untold = {
            row.fault_id for row in rows.read(session, Notice, "fault_id", fault_ids, state="undeliverable")
        }
        targets = {key for held in self._held.values() for _, key in held}
        self._sims = _sims_of(session, targets)
        ids = [row.id for found in self._sims.values() for row in found]
        self._asked = {row.sim_id for row in rows.read(session, Operation, "sim_id", ids, _is_running)}
        self._hubs = {row.hub_id: row for row in rows.read(session, HubState, "hub_id", targets)}

    def rows(self) -> tuple[Late, ...]:
        return tuple(self._row(promise) for promise in self._promises)

    def _row(self, promise: Found) -> Late:
        left = (promise.due_at - (promise.ready_at or self._now)) / (promise.due_at - promise.made_at)
        cause, waiting = self._cause(promise)
        turns = [self._lane.turns[row.id] for row in waiting if row.id in self._lane.turns]
        forecast_at = max(turns) if cause is Cause.LANE and turns else None
        is_open = promise.ready_at is None and not promise.goodwill
        is_late = is_open and self._now > promise.due_at
        return Late(
            promise=Promise(**promise._asdict()),
            fault=self._faults[promise.fault_id],
            cause=cause,
            share_left=max(0.0, min(1.0, left)),
            forecast_at=forecast_at,
            is_late=is_late,
            will_be_late=is_late or (is_open and forecast_at is not None and forecast_at > promise.due_at),
        )

    def _cause(self, promise: Found) -> tuple[Cause, list[Found]]:
        """Name what the promise waits for, and the SIMs that are not as they should be."""
        noun = "hub" if promise.benefit == Benefit.MINI_HUB.value else "sim"
        targets = sorted(key for of, key in self._held.get(promise.fault_id, ()) if of == noun)
        if not targets:
            outcome = self._decided.get((promise.fault_id, promise.benefit))
            person = outcome == Outcome.PERSON_DECIDES.value or promise.fault_id in self._finished
            return (Cause.PERSON if person else Cause.DIAGNOSTICS), []
        waiting = [row for key in targets for row in self._sims.get(key, ()) if not sims.is_as_intended(row)]
        if waiting:
            return self._at_carrier(waiting), waiting
        if noun == "hub" and promise.online_at is None and promise.ready_at is not None:
            return self._at_hub(targets), []
        return (Cause.NOTICE if promise.fault_id in self._untold else Cause.NOTHING), []

    def _at_carrier(self, waiting: list[Found]) -> Cause:
        if any(row.id not in self._lane.turns and row.id not in self._asked for row in waiting):
            return Cause.SET_ASIDE
        return Cause.EFFECT if all(row.id in self._asked for row in waiting) else Cause.LANE

    def _at_hub(self, hub_ids: list[str]) -> Cause:
        is_present = any(_is_present(self._hubs.get(hub_id), self._now) for hub_id in hub_ids)
        return Cause.HUB_CLOSED if is_present else Cause.HUB_SILENT


def _is_present(state: Found | None, now: datetime) -> bool:
    if state is None or not state.present or state.last_seen_at is None:
        return False
    return bool(now - state.last_seen_at <= PRESENT_FOR)


def _outcomes(session: Session, fault_ids: Iterable[str]) -> Mapping[tuple[str, str], str]:
    """Return the present outcome of each question about faults, that of single SIMs left out."""
    standing = decisions.standing_on(session, fault_ids)
    return {(fault_id, question): row.outcome for (fault_id, question, sim_id), row in standing.items() if not sim_id}


def _sims_of(session: Session, targets: Iterable[str]) -> dict[str, list[Found]]:
    """Return the SIMs behind hubs and SIMs, by the id of either."""
    own = {row.id: [row] for row in rows.read(session, SimState, "id", targets)}
    return own | rows.grouped(rows.read(session, SimState, "hub_id", targets), "hub_id")


def _is_open(table: Table) -> ColumnElement[bool]:
    return table.c.closed_at.is_(None)


def _is_running(table: Table) -> ColumnElement[bool]:
    return table.c.ended_at.is_(None)


def backlog(session: Session, actor: Actor, now: datetime) -> dict[str, int]:
    """Count the due rows of each noun."""
    del actor
    return owed.backlog(session, now)
