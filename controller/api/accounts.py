"""Accounts, services and plans."""

from typing import Any

from fastapi import APIRouter

from controller.api import schemas, views
from controller.api.doors import OperatorDep, ServicesDep, ViewerDep
from controller.services import accounts, dispatch, notices, plans
from controller.services.errors import BadRequestError
from controller.tables.accounts import Service

router = APIRouter(prefix="/v1", tags=["accounts"])


@router.post("/accounts", status_code=201)
async def create_account(body: schemas.NewAccount, door: ServicesDep, actor: OperatorDep) -> dict[str, Any]:
    """Open a billing account."""
    return views.plain(await door.run(accounts.create, actor, **body.model_dump()))


@router.patch("/accounts/{account_id}")
async def change_account(
    account_id: schemas.Id, body: schemas.ChangedAccount, door: ServicesDep, actor: OperatorDep
) -> dict[str, Any]:
    """Change who the holder is or how they are told."""
    changes = body.model_dump(exclude={"version"}, exclude_unset=True)
    if changes.get("holder_name", "") is None:
        raise BadRequestError("an account has a holder", remedy="leave holder_name out, or send a name")
    row = await door.run(accounts.change, actor, account_id=account_id, expected=body.version, **changes)
    return views.plain(row)


@router.get("/accounts/{account_id}")
async def get_account(account_id: schemas.Id, door: ServicesDep, actor: ViewerDep) -> dict[str, Any]:
    """Return an account with its services and plans; the read is audited."""
    view = await door.run(accounts.view, actor, account_id=account_id)
    return views.plain(view.account) | {
        "services": [_service(row) for row in view.services],
        "plans": [views.plain(row, without=("id",)) | {"id": row.plan_id} for row in view.plans],
    }


@router.post("/accounts/{account_id}/services", status_code=201)
async def start_service(
    account_id: schemas.Id, body: schemas.NewService, door: ServicesDep, actor: OperatorDep
) -> dict[str, Any]:
    """Start a broadband service on a new line, or on a known one."""
    if (body.line is None) == (body.line_id is None):
        raise BadRequestError("a service needs either `line` or `line_id`", remedy="send one of them")
    line = body.line.model_dump() if body.line else {}
    row = await door.run(
        accounts.start_service,
        actor,
        account_id=account_id,
        product=body.product,
        starts_on=body.starts_on,
        line_id=body.line_id,
        **line,
    )
    return _service(row)


@router.patch("/services/{service_id}")
async def change_service(
    service_id: schemas.Id, body: schemas.ChangedService, door: ServicesDep, actor: OperatorDep
) -> dict[str, Any]:
    """End a service after a day, take that back, or change its product from a day on."""
    if body.product is not None:
        if body.from_day is None:
            raise BadRequestError("a regrade needs `from_day`", remedy="send the first day of the new product")
        change = {"product": body.product, "from_day": body.from_day}
        return _service(await door.run(accounts.regrade, actor, service_id=service_id, **change))
    return _service(await door.run(accounts.end_service, actor, service_id=service_id, last_day=body.last_day))


@router.post("/services/{service_id}/move")
async def move_service(
    service_id: schemas.Id, body: schemas.MovedService, door: ServicesDep, actor: OperatorDep
) -> dict[str, Any]:
    """Move a service to another line from a day on; its hub goes with it (T§10c)."""
    if (body.line is None) == (body.line_id is None):
        raise BadRequestError("a move needs either `line` or `line_id`", remedy="send one of them")
    place = body.line.model_dump() if body.line else {"line_id": body.line_id}
    return _service(
        await door.run(accounts.move_service, actor, service_id=service_id, from_day=body.from_day, **place)
    )


@router.post("/services/{service_id}/leave-requests", status_code=201)
async def request_leave(
    service_id: schemas.Id, body: schemas.NewLeaveRequest, door: ServicesDep, actor: OperatorDep
) -> dict[str, Any]:
    """Record a request to leave Plus (T§6)."""
    row = await door.run(accounts.request_leave, actor, service_id=service_id, **body.model_dump())
    return views.plain(row)


@router.post("/leave-requests/{request_id}/withdrawal")
async def withdraw_leave(request_id: schemas.Id, door: ServicesDep, actor: OperatorDep) -> dict[str, Any]:
    """Withdraw a request to leave Plus."""
    return views.plain(await door.run(accounts.withdraw_leave, actor, request_id=request_id))


@router.post("/accounts/{account_id}/plans", status_code=201)
async def create_plan(
    account_id: schemas.Id, body: schemas.NewPlan, door: ServicesDep, actor: OperatorDep
) -> dict[str, Any]:
    """Put a mobile plan and its SIMs on an account."""
    cards = [plans.NewSim(**sim.model_dump()) for sim in body.sims]
    row = await door.run(
        plans.create, actor, account_id=account_id, sim_cards=cards, **body.model_dump(exclude={"sims"})
    )
    found = await door.run(plans.view_sims, actor, plan_id=row.plan_id)
    return views.plain(row, without=("id",)) | {"id": row.plan_id, "sims": [views.plain(sim) for sim in found]}


@router.post("/plans/{plan_id}/allowances", status_code=201)
async def set_allowance(
    plan_id: schemas.Id, body: schemas.ChangedPlan, door: ServicesDep, actor: OperatorDep
) -> dict[str, Any]:
    """Change a plan's own allowance from an instant on."""
    return views.plain(await door.run(plans.set_allowance, actor, plan_id=plan_id, **body.model_dump()))


@router.post("/plans/{plan_id}/end")
async def end_plan(
    plan_id: schemas.Id, body: schemas.EndedPlan, door: ServicesDep, actor: OperatorDep
) -> dict[str, Any]:
    """Set a plan's last day, or take it back."""
    return views.plain(await door.run(plans.end, actor, plan_id=plan_id, last_day=body.last_day))


@router.post("/plans/{plan_id}/move")
async def move_plan(
    plan_id: schemas.Id, body: schemas.MovedPlan, door: ServicesDep, actor: OperatorDep
) -> dict[str, Any]:
    """Move a plan to another account."""
    return views.plain(await door.run(plans.move, actor, plan_id=plan_id, **body.model_dump()))


@router.post("/plans/{plan_id}/add-ons", status_code=201)
async def buy_add_on(
    plan_id: schemas.Id, body: schemas.NewAddOn, door: ServicesDep, actor: OperatorDep
) -> dict[str, Any]:
    """Record data bought on top."""
    return views.plain(await door.run(plans.buy_add_on, actor, plan_id=plan_id, **body.model_dump()))


@router.post("/plans/{plan_id}/sims", status_code=201)
async def add_sim(plan_id: schemas.Id, body: schemas.Sim, door: ServicesDep, actor: OperatorDep) -> dict[str, Any]:
    """Put another SIM on a plan, live from now on."""
    card = plans.NewSim(**body.model_dump())
    return views.plain(await door.run(plans.add_sim, actor, plan_id=plan_id, card=card))


@router.post("/sims/{sim_id}/journeys", status_code=201)
async def leave_uk(sim_id: schemas.Id, body: schemas.Journey, door: ServicesDep, actor: OperatorDep) -> dict[str, Any]:
    """Record that a plan's SIM is outside the UK, where Broadband Backup can't be used (T§12d iv)."""
    return views.plain(await door.run(plans.abroad, actor, sim_id=sim_id, from_at=body.at or door.now()))


@router.delete("/sims/{sim_id}/journeys", status_code=204)
async def return_to_uk(sim_id: schemas.Id, door: ServicesDep, actor: OperatorDep) -> None:
    """Record that a plan's SIM is in the UK again."""
    await door.run(plans.back_home, actor, sim_id=sim_id, at=door.now())


@router.post("/accounts/{account_id}/bills-past-due", status_code=201)
async def bill_past_due(
    account_id: schemas.Id, body: schemas.NewBill, door: ServicesDep, actor: OperatorDep
) -> dict[str, Any]:
    """Record a bill past its due day (T§10e iv)."""
    return views.plain(await door.run(accounts.bill_past_due, actor, account_id=account_id, **body.model_dump()))


@router.post("/bills-past-due/{bill_id}/payment")
async def bill_paid(bill_id: schemas.Id, door: ServicesDep, actor: OperatorDep) -> dict[str, Any]:
    """Record that a bill was paid."""
    return views.plain(await door.run(accounts.bill_paid, actor, bill_id=bill_id))


@router.post("/accounts/{account_id}/suspicions", status_code=201)
async def suspect(
    account_id: schemas.Id, body: schemas.NewSuspicion, door: ServicesDep, actor: OperatorDep
) -> dict[str, Any]:
    """Record a reasonable suspicion with grounds and a named person (T§10e iv)."""
    return views.plain(await door.run(accounts.suspect, actor, account_id=account_id, **body.model_dump()))


@router.post("/suspicions/{suspicion_id}/clearance")
async def clear_suspicion(suspicion_id: schemas.Id, door: ServicesDep, actor: OperatorDep) -> dict[str, Any]:
    """Clear a suspicion."""
    return views.plain(await door.run(accounts.clear_suspicion, actor, suspicion_id=suspicion_id))


@router.get("/accounts/{account_id}/mybt")
async def mybt(account_id: schemas.Id, door: ServicesDep, actor: ViewerDep) -> dict[str, Any]:
    """Return each SIM's allowance as MyBT would show it."""
    found = await door.run(accounts.mybt_view, actor, account_id=account_id)
    return {"account_id": account_id, "sims": [views.mybt(row) for row in found]}


@router.get("/notices")
async def list_notices(account_id: schemas.Id, door: ServicesDep, actor: ViewerDep) -> dict[str, Any]:
    """Return the notices owed and sent to an account's holder."""
    found = await door.run(notices.of_account, actor, account_id=account_id)
    return {"notices": [views.notice(row) for row in found]}


@router.get("/dispatch-orders")
async def list_orders(account_id: schemas.Id, door: ServicesDep, actor: ViewerDep) -> dict[str, Any]:
    """Return an account's dispatch orders."""
    found = await door.run(dispatch.of_account, actor, account_id=account_id)
    return {"dispatch_orders": [views.plain(row) for row in found]}


@router.post("/dispatch-orders/{order_id}/steps")
async def record_order(
    order_id: schemas.Id, body: schemas.OrderStep, door: ServicesDep, actor: OperatorDep
) -> dict[str, Any]:
    """Record what happened to a dispatch order."""
    return views.plain(await door.run(dispatch.record, actor, order_id=order_id, **body.model_dump()))


def _service(row: Service) -> dict[str, Any]:
    return views.plain(row, without=("id",)) | {"id": row.service_id}
