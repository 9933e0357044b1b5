"""Hubs: enrolment, assignment, evidence, telemetry, controls, requests."""

from datetime import timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import StringConstraints

from controller.api import schemas, views
from controller.api.doors import AdminDep, OperatorDep, Services, ServicesDep, ViewerDep
from controller.services import controls as controls_service
from controller.services import desired, enrolment, faults, hubs, telemetry
from controller.services.actor import Actor

router = APIRouter(prefix="/v1", tags=["hubs"])

Tac = Annotated[str, StringConstraints(pattern=r"^[0-9]{8}$")]


@router.post("/hubs", status_code=201)
async def enrol(body: schemas.NewHub, door: ServicesDep, actor: OperatorDep) -> dict[str, Any]:
    """Enrol a hub: its id is minted here, its SIM is parked."""
    row = await door.run(hubs.enrol, actor, serial=body.serial, **body.sim.model_dump())
    return await _view(door, actor, row.id)


@router.get("/hubs/{hub_id}")
async def get_hub(hub_id: schemas.Id, door: ServicesDep, actor: ViewerDep) -> dict[str, Any]:
    """Return a hub: desired against reported, presence, brand verdict, SIM intended and observed."""
    return await _view(door, actor, hub_id)


@router.post("/hubs/{hub_id}/assignments", status_code=201)
async def assign(
    hub_id: schemas.Id, body: schemas.NewAssignment, door: ServicesDep, actor: OperatorDep
) -> dict[str, Any]:
    """Assign a hub to a line from its dispatch on."""
    return views.plain(await door.run(hubs.assign, actor, hub_id=hub_id, **body.model_dump()))


@router.post("/hubs/{hub_id}/evidence", status_code=201)
async def add_evidence(
    hub_id: schemas.Id, body: schemas.NewEvidence, door: ServicesDep, actor: OperatorDep
) -> dict[str, Any]:
    """Take in what a depot read of a unit; returns the verdict with what it rests on."""
    fields = body.model_dump(exclude={"at"}, exclude_none=True)
    source = "operator" if body.operator_verdict else "depot"
    at = body.at or door.now()
    row = await door.run(hubs.add_evidence, actor, hub_id=hub_id, source=source, fields=fields, at=at)
    return views.plain(row) | {"hub_id": hub_id}


@router.post("/hubs/{hub_id}/losses", status_code=201)
async def lose(hub_id: schemas.Id, body: schemas.NewLoss, door: ServicesDep, actor: OperatorDep) -> dict[str, Any]:
    """Record that a hub is gone or useless (T§10e v)."""
    at = body.at or door.now()
    return views.plain(await door.run(hubs.lose, actor, hub_id=hub_id, fate=body.fate.value, at=at))


@router.delete("/hubs/{hub_id}/losses")
async def found(hub_id: schemas.Id, door: ServicesDep, actor: OperatorDep) -> dict[str, Any]:
    """Record that a lost hub turned up again."""
    await door.run(hubs.found, actor, hub_id=hub_id, at=door.now())
    return await _view(door, actor, hub_id)


@router.post("/hubs/{hub_id}/determinations", status_code=201)
async def determine(
    hub_id: schemas.Id, body: schemas.NewDetermination, door: ServicesDep, actor: OperatorDep
) -> dict[str, Any]:
    """Record a named person's discretion about a hub (release_hub_sim)."""
    determined = {"kind": body.kind, "reason": body.reason, "by": body.by or actor.name}
    return views.plain(await door.run(faults.determine, actor, subject_id=hub_id, **determined))


@router.post("/hubs/{hub_id}/revocation")
async def revoke(hub_id: schemas.Id, door: ServicesDep, actor: AdminDep) -> dict[str, Any]:
    """End a hub's enrolment and its certificates; brokers refuse it with their next revocation list."""
    await door.run(enrolment.revoke, actor, hub_id=hub_id)
    return await _view(door, actor, hub_id)


@router.put("/hubs/{hub_id}/controls")
async def set_controls(
    hub_id: schemas.Id, body: schemas.Controls, door: ServicesDep, actor: OperatorDep
) -> dict[str, Any]:
    """Set parental controls; they may differ from those of the customer's usual hub (T§19)."""
    controls = body.model_dump(exclude_none=True)
    if "level" in controls:
        controls["enabled"] = controls["level"] != "off"
    document = await door.run(controls_service.set_controls, actor, hub_id=hub_id, controls=controls)
    return {"hub_id": hub_id, "revision": document.revision}


@router.post("/hubs/{hub_id}/requests", status_code=201)
async def ask(hub_id: schemas.Id, body: schemas.NewRequest, door: ServicesDep, actor: OperatorDep) -> dict[str, Any]:
    """Ask a hub to do something once."""
    lasts = timedelta(seconds=body.lasts_s)
    return views.plain(await door.run(desired.ask, actor, hub_id=hub_id, kind=body.kind, lasts=lasts))


@router.get(
    "/hubs/{hub_id}/telemetry",
    response_model=None,
    responses={200: {"content": {"application/json": {}, "text/csv": {}}, "description": "The series"}},
)
async def get_telemetry(
    hub_id: schemas.Id,
    door: ServicesDep,
    actor: ViewerDep,
    span: Annotated[Literal["hour", "day", "month"], Query()] = "hour",
    format_: Annotated[Literal["json", "csv"], Query(alias="format")] = "json",
) -> dict[str, Any] | Response:
    """Return a hub's samples of the last hour, day or month, at a resolution that fits; as JSON or CSV."""
    series = await door.run(telemetry.series, actor, hub_id=hub_id, span=span)
    if format_ == "csv":
        name = f'attachment; filename="telemetry-{span}.csv"'
        return Response(telemetry.as_csv(series), media_type="text/csv", headers={"Content-Disposition": name})
    return {"hub_id": hub_id, "span": span, "resolution_s": series.resolution_s, "samples": list(series.samples)}


@router.delete("/hubs/{hub_id}/telemetry")
async def erase_telemetry(hub_id: schemas.Id, door: ServicesDep, actor: AdminDep) -> dict[str, Any]:
    """Erase a hub's samples and buckets before their time; what it tells from now on is kept as ever."""
    return {"hub_id": hub_id, "erased": await door.run(telemetry.erase, actor, hub_id=hub_id)}


@router.put("/tacs/{tac}")
async def set_tac(tac: Tac, body: schemas.NewTac, door: ServicesDep, actor: AdminDep) -> dict[str, Any]:
    """Set a row of the operators' table of type allocation codes."""
    return views.plain(await door.run(hubs.set_tac, actor, tac=tac, model=body.model, bt_branded=body.bt_branded))


async def _view(door: Services, actor: Actor, hub_id: str) -> dict[str, Any]:
    return views.hub(await door.run(hubs.view, actor, hub_id=hub_id))
