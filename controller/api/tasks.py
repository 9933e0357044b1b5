"""Tasks for people: what waits for an operator, and closing it."""

from typing import Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel

from controller.api import schemas, views
from controller.api.doors import OperatorDep, ServicesDep, ViewerDep
from controller.services import tasks

router = APIRouter(prefix="/v1", tags=["tasks"])


class TaskClosing(BaseModel):
    """How a task ended."""

    model_config = schemas.example(outcome="done", note="called, told the time")
    outcome: Literal["done", "not_needed"]
    note: schemas.LongText = ""


@router.get("/tasks")
async def list_tasks(door: ServicesDep, actor: ViewerDep) -> dict[str, Any]:
    """Return the open tasks, the oldest first, each with the reason why a person is needed."""
    return {"tasks": [views.plain(row) for row in await door.run(tasks.list_open, actor)]}


@router.post("/tasks/{task_id}/closing")
async def close_task(task_id: schemas.Id, body: TaskClosing, door: ServicesDep, actor: OperatorDep) -> dict[str, Any]:
    """Close a task. `done` of telling a customer counts as told, now."""
    return views.plain(await door.run(tasks.close, actor, task_id=task_id, **body.model_dump()))
