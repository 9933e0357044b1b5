"""The frozen price and the team of its own."""

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter

from controller.api import schemas
from controller.api.doors import OperatorDep, ServicesDep
from controller.domain.decisions import to_json
from controller.services import plus

router = APIRouter(prefix="/v1", tags=["plus"])


@router.post("/lines/{line_id}/price-changes")
async def may_change_price(
    line_id: schemas.Id, body: schemas.PriceChange, door: ServicesDep, actor: OperatorDep
) -> dict[str, Any]:
    """Say whether a price may change on a line from a day on, and why (T§8); nothing is changed here."""
    decision = await door.run(plus.may_change_price, actor, line_id=line_id, **body.model_dump())
    return {"decision": to_json(decision)}


@router.post("/calls")
async def route_call(body: schemas.NewCall, door: ServicesDep, actor: OperatorDep) -> dict[str, Any]:
    """Say which team takes a call (T§9); recognition routes, it never authenticates."""
    elsewhere = plus.Elsewhere(**body.overflow.model_dump()) if body.overflow else None
    numbers = {"caller": body.caller, "typed_landline": body.typed_landline}
    return asdict(await door.run(plus.route_call, actor, **numbers, elsewhere=elsewhere))
