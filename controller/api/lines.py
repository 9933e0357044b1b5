"""One line: what was seen on it, what of that was none, and the restarts we asked for."""

from typing import Any

from fastapi import APIRouter

from controller.api import schemas, views
from controller.api.doors import OperatorDep, ServicesDep, ViewerDep
from controller.services import lines
from controller.tables.faults import LineEvent

router = APIRouter(prefix="/v1/lines", tags=["lines"])


@router.get("/{line_id}/events")
async def list_events(
    line_id: schemas.Id, door: ServicesDep, actor: ViewerDep, since: schemas.Instant | None = None
) -> dict[str, Any]:
    """Return a line's events from an instant on (the last day by default), newest first, withdrawn ones too."""
    found = await door.run(lines.of_line, actor, line_id=line_id, since=since)
    return {"events": [_event(row) for row in found]}


@router.post("/{line_id}/event-withdrawals")
async def withdraw_events(
    line_id: schemas.Id, body: schemas.EventWithdrawal, door: ServicesDep, actor: OperatorDep
) -> dict[str, Any]:
    """Withdraw events that were recorded wrongly; what they bear on is decided again, what was decided stays."""
    found = await door.run(lines.withdraw, actor, line_id=line_id, **body.model_dump())
    return {"events": [_event(row) for row in found]}


@router.post("/{line_id}/event-restorations")
async def restore_events(
    line_id: schemas.Id, body: schemas.EventWithdrawal, door: ServicesDep, actor: OperatorDep
) -> dict[str, Any]:
    """Take withdrawals back: the events are recorded once more under new numbers, and decided by from now on."""
    found = await door.run(lines.restore, actor, line_id=line_id, **body.model_dump())
    return {"events": [_event(row) for row in found]}


@router.post("/{line_id}/restarts", status_code=201)
async def ask_restart(
    line_id: schemas.Id, body: schemas.NewRestart, door: ServicesDep, actor: OperatorDep
) -> dict[str, Any]:
    """Record a restart that we asked for: the drop it causes is none (T§10d)."""
    return views.plain(await door.run(lines.asked_restart, actor, line_id=line_id, **body.model_dump()))


def _event(row: LineEvent) -> dict[str, Any]:
    return views.plain(row) | {
        "recorded_at": views.value(row.recorded_at),
        "withdrawn_at": views.value(row.superseded_at),
    }
