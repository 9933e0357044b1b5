"""Line events, outages and faults."""

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter

from controller.api import schemas, views
from controller.api.doors import OperatorDep, Services, ServicesDep, ViewerDep
from controller.services import faults, lines, outages, recomputation
from controller.services.actor import Actor
from controller.tables.faults import Fault

router = APIRouter(prefix="/v1", tags=["faults"])


@router.post("/line-events")
async def record_line_events(body: schemas.LineEvents, door: ServicesDep, actor: OperatorDep) -> dict[str, Any]:
    """Record line events in bulk, each once under (line, kind, at, source)."""
    events = [lines.Seen(**event.model_dump()) for event in body.events]
    new = await door.run(lines.record, actor, events=events, override=body.override)
    return {"received": len(events), "new": new}


@router.post("/outages", status_code=201)
async def declare_outage(body: schemas.NewOutage, door: ServicesDep, actor: OperatorDep) -> dict[str, Any]:
    """Declare an outage: it excludes both benefits; one that would end too much needs a named override."""
    return views.plain(await door.run(outages.declare, actor, **body.model_dump()))


@router.patch("/outages/{outage_id}")
async def change_outage(
    outage_id: schemas.Id, body: schemas.ChangedOutage, door: ServicesDep, actor: OperatorDep
) -> dict[str, Any]:
    """Change an outage; what it covers is decided again."""
    required = ("from_at", "planned", "whose", "note")
    given = body.model_dump(exclude={"version", "override"}, exclude_unset=True)
    changes = {name: value for name, value in given.items() if value is not None or name not in required}
    row = await door.run(
        outages.change, actor, outage_id=outage_id, expected=body.version, override=body.override, **changes
    )
    return views.plain(row)


@router.get("/decisions/{decision_id}/recomputation")
async def recompute(decision_id: schemas.Id, door: ServicesDep, actor: ViewerDep) -> dict[str, Any]:
    """Compute a decision again as of its instant, from what was known then, and say whether it comes out the same."""
    return views.recomputed(await door.run(recomputation.recompute, actor, decision_id=decision_id))


@router.post("/faults", status_code=201)
async def report_fault(body: schemas.NewFault, door: ServicesDep, actor: OperatorDep) -> dict[str, Any]:
    """Report a fault: the hour starts (T§10d, 12c)."""
    return await _do(door, actor, faults.report, **body.model_dump())


@router.get("/faults/{fault_id}")
async def get_fault(fault_id: schemas.Id, door: ServicesDep, actor: ViewerDep) -> dict[str, Any]:
    """Return a fault: decisions, promises, reasons, timeline."""
    return views.fault(await door.run(faults.view, actor, fault_id=fault_id), door.now())


@router.post("/faults/{fault_id}/diagnostics")
async def observe(
    fault_id: schemas.Id, body: schemas.Diagnostics, door: ServicesDep, actor: OperatorDep
) -> dict[str, Any]:
    """Take in observations of diagnostics, never verdicts."""
    observed = [
        faults.Observed(kind=each.kind, result=each.result, at=each.at, facts=dict(each.model_extra or {}))
        for each in body.observations
    ]
    finished = {"finished": body.finished, "engineer_booked": body.engineer_booked}
    return await _do(door, actor, faults.observe, fault_id=fault_id, observations=observed, **finished)


@router.post("/faults/{fault_id}/determinations", status_code=201)
async def determine(
    fault_id: schemas.Id, body: schemas.NewDetermination, door: ServicesDep, actor: OperatorDep
) -> dict[str, Any]:
    """Record a named person's discretion about a fault."""
    determined = {"kind": body.kind, "reason": body.reason, "by": body.by or actor.name}
    return views.plain(await door.run(faults.determine, actor, subject_id=fault_id, **determined))


@router.post("/lines/{line_id}/determinations", status_code=201)
async def determine_line(
    line_id: schemas.Id, body: schemas.NewDetermination, door: ServicesDep, actor: OperatorDep
) -> dict[str, Any]:
    """Record a named person's discretion about a line (grant_replacement, T§10e v)."""
    determined = {"kind": body.kind, "reason": body.reason, "by": body.by or actor.name}
    return views.plain(await door.run(faults.determine, actor, subject_id=line_id, **determined))


@router.post("/faults/{fault_id}/resolution")
async def resolve(
    fault_id: schemas.Id, body: schemas.Resolution, door: ServicesDep, actor: OperatorDep
) -> dict[str, Any]:
    """Record that a fault was fixed (T§10f, 12e)."""
    return await _do(door, actor, faults.resolve, fault_id=fault_id, **body.model_dump())


@router.delete("/faults/{fault_id}/resolution")
async def reopen(fault_id: schemas.Id, door: ServicesDep, actor: OperatorDep) -> dict[str, Any]:
    """Take a resolution back: the fault was not fixed."""
    return await _do(door, actor, faults.reopen, fault_id=fault_id)


async def _do(door: Services, actor: Actor, act: Callable[..., Fault], **arguments: Any) -> dict[str, Any]:
    """Change a fault and answer with it as it then is."""
    return views.fault(await door.run(faults.viewed, actor, act=act, **arguments), door.now())
