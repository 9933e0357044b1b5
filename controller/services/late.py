"""Who is late, or will be, and why: promises that are not kept yet, with the cause and the share of the hour left."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlmodel import Session, col, func, select

from controller.domain.ending import Benefit
from controller.services import owed, promises, reasons, sims, versions
from controller.services.actor import Actor
from controller.tables.faults import DiagnosticsFinished, Fault, Notice, Promise
from controller.tables.hubs import HubState
from controller.tables.owed import Owed
from controller.tables.sims import SimState

# The carrier's manners (docs/carrier.md): five calls a second.
CALLS_PER_SECOND: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Late:
    """One open promise; `share_left` of its hour is from 1 to 0, `forecast_at` when it is expected to be kept."""

    promise: Promise
    fault: Fault
    cause: str
    share_left: float
    forecast_at: datetime | None
    will_be_late: bool


def who_is_late(session: Session, actor: Actor, now: datetime, *, limit: int = 500) -> tuple[Late, ...]:
    """Return the open promises, the nearest deadline first, each with what it waits for."""
    del actor
    found = promises.open_promises(session)[:limit]
    return tuple(_late(session, promise, now) for promise in found)


def unplugged(session: Session, actor: Actor, now: datetime, *, limit: int = 500) -> tuple[Promise, ...]:
    """Return the promises that are ready but not online: homes that wait for somebody to plug the hub in."""
    del actor, now
    statement = (
        select(Promise)
        .where(
            Promise.benefit == Benefit.MINI_HUB.value,
            col(Promise.ready_at).is_not(None),
            col(Promise.online_at).is_(None),
            Promise.end != "over",
        )
        .order_by(col(Promise.ready_at))
        .limit(limit)
    )
    return tuple(session.exec(statement))


def _late(session: Session, promise: Promise, now: datetime) -> Late:
    fault = versions.present(session, Fault, promise.fault_id)
    left = (promise.due_at - now) / (promise.due_at - promise.made_at)
    cause, ahead = _cause(session, promise, fault)
    forecast = now + timedelta(seconds=(ahead + 1) / CALLS_PER_SECOND) if ahead is not None else None
    return Late(
        promise=promise,
        fault=fault,
        cause=cause,
        share_left=max(0.0, min(1.0, left)),
        forecast_at=forecast,
        will_be_late=now > promise.due_at or (forecast is not None and forecast > promise.due_at),
    )


def _cause(session: Session, promise: Promise, fault: Fault) -> tuple[str, int | None]:
    """Name what the promise waits for, and how many calls of the carrier's lane lie before its own."""
    noun = "hub" if promise.benefit == Benefit.MINI_HUB.value else "sim"
    targets = reasons.open_targets(session, noun, fault.id)
    if not targets:
        finished = versions.find(session, DiagnosticsFinished, fault.id)
        return ("diagnostics_unfinished" if finished is None else "person_decides"), None
    waiting = [row for row in _sims(session, noun, targets) if not sims.is_as_intended(row)]
    if waiting:
        return "carrier_lane", max(_ahead(session, row.id) for row in waiting)
    if noun == "hub" and any(_is_silent(session, hub_id) for hub_id in targets):
        return "hub_silent", None
    undeliverable = session.exec(
        select(Notice).where(Notice.fault_id == fault.id, Notice.state == "undeliverable")
    ).first()
    return ("notice_undeliverable" if undeliverable is not None else "observation"), None


def _sims(session: Session, noun: str, targets: Sequence[str]) -> tuple[SimState, ...]:
    column = col(SimState.hub_id) if noun == "hub" else col(SimState.id)
    return tuple(session.exec(select(SimState).where(column.in_(targets)).order_by(SimState.id)))


def _ahead(session: Session, sim_id: str) -> int:
    """Count the owed calls that come before this SIM's."""
    mine = session.get(Owed, (sims.NOUN, sim_id))
    if mine is None or mine.deadline is None:
        return 0
    statement = select(func.count()).where(Owed.noun == sims.NOUN, col(Owed.deadline) < mine.deadline)
    return session.exec(statement).one()


def _is_silent(session: Session, hub_id: str) -> bool:
    state = session.get(HubState, hub_id)
    return state is None or not state.present


def backlog(session: Session, actor: Actor, now: datetime) -> dict[str, int]:
    """Count the due rows of each noun."""
    del actor
    return owed.backlog(session, now)
