"""What the API gives out: plain documents made from rows, with nothing a caller has no need of."""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any

from sqlmodel import SQLModel

from controller.domain.decisions import to_json
from controller.services.accounts import MyBtSim
from controller.services.faults import FaultView
from controller.services.hubs import HubView
from controller.services.late import Late, Lateness
from controller.services.recomputation import Recomputed
from controller.services.sims import is_as_intended
from controller.tables.faults import DecisionRow, DispatchOrder, Notice, Promise
from controller.tables.hubs import HubState
from controller.tables.sims import SimState

Document = dict[str, Any]

_HIDDEN = frozenset({"row_id", "superseded_at", "recorded_at"})


def plain(row: SQLModel, *, without: Iterable[str] = ()) -> Document:
    """Return a row's fields but the bookkeeping of its versions."""
    hidden = _HIDDEN | set(without)
    return {name: value(getattr(row, name)) for name in type(row).model_fields if name not in hidden}


def value(item: Any) -> Any:
    """Return an instant or a day as text, anything else as it is."""
    return item.isoformat() if isinstance(item, datetime | date) else item


def decision(row: DecisionRow, superseded_at: datetime | None = None) -> Document:
    """Return a decision as it was made; `superseded_at` is None while it stands."""
    return plain(row, without=("fault_id",)) | {"superseded_at": value(superseded_at)}


def recomputed(found: Recomputed) -> Document:
    """Return a stored decision beside the same computed again."""
    return {
        "decision": decision(found.stored, found.superseded_at),
        "verdict": found.verdict.value,
        "again": to_json(found.again),
        "differences": {name: {"stored": old, "again": new} for name, (old, new) in found.differences.items()},
    }


def promise(row: Promise, now: datetime) -> Document:
    """Return a promise with the share of its hour that is left, or was left when it was kept."""
    at = row.ready_at or now
    left = (row.due_at - at) / (row.due_at - row.made_at)
    return plain(row) | {"share_left": round(max(0.0, min(1.0, left)), 4)}


def notice(row: Notice) -> Document:
    """Return a notice without the name under which it is told once."""
    return plain(row, without=("dedup",))


def fault(view: FaultView, now: datetime) -> Document:
    """Return a fault with everything that was decided, promised and told, and its timeline."""
    return plain(view.fault) | {
        "decisions": [decision(row) for row in view.decisions],
        "promises": [promise(row, now) for row in view.promises],
        "reasons": [plain(row) for row in view.reasons],
        "observations": [plain(row) for row in view.observations],
        "diagnostics_finished_at": value(view.finished.at) if view.finished else None,
        "notices": [notice(row) for row in view.notices],
        "dispatch_orders": [plain(row) for row in view.orders],
        "timeline": timeline(view),
    }


def timeline(view: FaultView) -> list[Document]:
    """Return what happened about a fault, in order."""
    found: list[tuple[datetime, str, Document]] = [
        (view.fault.reported_at, "reported", {"symptom": view.fault.symptom})
    ]
    found += [(row.at, "observed", {"kind": row.kind, "result": row.result}) for row in view.observations]
    found += [
        (row.at, "decided", {"question": row.question, "outcome": row.outcome, "clause": row.clause, "code": row.code})
        for row in view.history
    ]
    found += [(row.opened_at, "reason_opened", {row.noun: row.target}) for row in view.reasons]
    found += [(row.closed_at, "reason_closed", {row.noun: row.target}) for row in view.reasons if row.closed_at]
    found += [(row.ready_at, "ready", {"benefit": row.benefit}) for row in view.promises if row.ready_at]
    found += [(row.online_at, "online", {"benefit": row.benefit}) for row in view.promises if row.online_at]
    for row in view.orders:
        found += [(at, what, {"sequence": row.sequence}) for what, at in _steps(row)]
    found += [(row.sent_at, "told", {"kind": row.kind, "channel": row.channel}) for row in view.notices if row.sent_at]
    if view.fault.resolved_at is not None:
        found.append((view.fault.resolved_at, "resolved", {}))
    if view.fault.closed_at is not None:
        found.append((view.fault.closed_at, "closed", {}))
    found.sort(key=lambda entry: entry[0])
    return [{"at": value(at), "what": what, **facts} for at, what, facts in found]


def _steps(row: DispatchOrder) -> list[tuple[str, datetime]]:
    """Return what happened to an order, and when."""
    steps = [
        ("hub_ordered", row.ordered_at),
        ("hub_dispatched", row.dispatched_at),
        (f"hub_{row.state}", row.settled_at),
    ]
    return [(what, at) for what, at in steps if at is not None]


def sim(row: SimState) -> Document:
    """Return a SIM: intended, observed, and whether they agree."""
    return plain(row) | {"as_intended": is_as_intended(row)}


def hub(view: HubView) -> Document:
    """Return a hub: desired against reported, presence, verdict with evidence, SIMs and open reasons."""
    return plain(view.hub) | {
        "line_id": view.line_id,
        "assignment": plain(view.assignment) if view.assignment else None,
        "presence": _presence(view.state, present=view.present),
        "desired": {"revision": view.state.revision, **view.state.desired},
        "reported": {"observed_revision": view.state.observed_revision, **view.state.reported}
        if view.state.reported
        else None,
        "converged": view.converged,
        "forwarding_open": view.state.forwarding_open and view.present,
        "brand": plain(view.finding, without=("id",)) if view.finding else None,
        "sims": [sim(row) for row in view.sims],
        "reasons": [plain(row) for row in view.reasons],
    }


def _presence(state: HubState, *, present: bool) -> Document:
    return {
        "online": present,
        "last_seen_at": value(state.last_seen_at),
        "reported_at": value(state.reported_at),
        "boot": state.boot,
    }


def mybt(row: MyBtSim) -> Document:
    """Return a SIM as MyBT shows it: allowance null and `unlimited` true when there is no limit."""
    return {
        "sim_id": row.sim_id,
        "plan_id": row.plan_id,
        "plan_name": row.plan_name,
        "msisdn": row.msisdn,
        "allowance_mb": row.due.allowance_mb,
        "unlimited": row.due.allowance_mb is None,
        "shown": "unlimited" if row.due.allowance_mb is None else f"{row.due.allowance_mb} MB",
        "backup": row.due.uncounted,
        "boosted": row.due.boosted,
        "plan_mb": row.due.plan_mb,
        "add_on_mb": row.due.add_on_mb,
        "tier": row.due.tier,
        "counted_mb": row.counted_mb,
        "uncounted_mb": row.uncounted_mb,
        "remaining_mb": row.remaining_mb,
        "observed": row.observed,
        "as_intended": row.as_intended,
    }


def lateness(found: Lateness, now: datetime) -> Document:
    """Return who is late, or will be, and how far the carrier's lane is behind."""
    return {
        "open": found.open,
        "late": [late(row, now) for row in found.late],
        "ready_not_online": [promise(row.promise, now) | {"cause": row.cause.value} for row in found.unplugged],
        "lane": {
            "calls": found.lane.calls,
            "calls_per_s": found.lane.calls_per_s,
            "empty_at": value(found.lane.empty_at),
            "calls_too_late": len(found.lane.late),
        },
    }


def late(row: Late, now: datetime) -> Document:
    """Return an open promise with what it waits for."""
    return {
        "fault_id": row.fault.id,
        "line_id": row.fault.line_id,
        "account_id": row.fault.account_id,
        "promise": promise(row.promise, now),
        "cause": row.cause.value,
        "share_left": round(row.share_left, 4),
        "late": row.is_late,
        "forecast_at": value(row.forecast_at),
        "will_be_late": row.will_be_late,
    }
