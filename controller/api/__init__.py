"""The admin API: a door to the services."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final

from fastapi import APIRouter, FastAPI

from controller.api import accounts, enrolment, faults, hubs, lines, lists, plus, privacy, tasks, watch
from controller.api.attempts import Attempts
from controller.api.bodies import BodyLimit
from controller.api.doors import HANDLERS, Services
from controller.services.database import Database
from controller.services.lane_forecast import Pace
from controller.work.enrolment import Enrolment, Identity

__all__ = ["create_api", "create_routes", "serve"]

_ERRORS: Final[dict[int | str, dict[str, Any]]] = {
    status: {"description": text, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}}
    for status, text in {
        400: "The body can't be read, or contradicts itself",
        401: "No valid key",
        403: "The key's role is too small",
        404: "No such thing",
        409: "The present state forbids it",
        422: "A value breaks a rule",
        429: "Asked too often; Retry-After says when again",
        503: "The database can't serve",
    }.items()
}
_ERROR_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message", "remedy", "details"],
            "properties": {
                "code": {"type": "string"},
                "message": {"type": "string"},
                "remedy": {"type": "string"},
                "details": {"type": "object"},
            },
        }
    },
}


def create_api(
    database: Database,
    *,
    now: Callable[[], datetime],
    include: Sequence[APIRouter] = (),
    metrics: Callable[[], str] | None = None,
    pace: Callable[[], Pace] | None = None,
    identity: Identity | None = None,
) -> FastAPI:
    """Build the API over a database.

    Args:
        database: opened and at this code's schema; the caller closes it.
        now: the clock.
        include: further routers, such as the carrier's webhooks.
        pace: says how fast the carrier's lane is now, for the forecast.
        metrics: renders the process's own metrics in Prometheus' text format.
        identity: signs hubs; without one enrolment answers 503.
    """
    api = create_routes(include)
    serve(api, database, now=now, metrics=metrics, pace=pace, identity=identity)
    return api


def create_routes(include: Sequence[APIRouter] = ()) -> FastAPI:
    """Build the API's routes alone, which is most of the work; `serve` says over which database."""
    api = FastAPI(
        title="Mini Hub controller", version="1", responses=_ERRORS, exception_handlers=HANDLERS, redoc_url=None
    )
    api.add_middleware(BodyLimit)
    for router in (
        accounts.router,
        faults.router,
        hubs.router,
        lines.router,
        lists.router,
        plus.router,
        privacy.router,
        enrolment.router,
        tasks.router,
        watch.router,
        *include,
    ):
        api.include_router(router)
    _describe_errors(api)
    return api


def serve(
    api: FastAPI,
    database: Database,
    *,
    now: Callable[[], datetime],
    metrics: Callable[[], str] | None = None,
    pace: Callable[[], Pace] | None = None,
    identity: Identity | None = None,
) -> None:
    """Let the API work over this database from here on; arguments as of `create_api`."""
    api.state.services = Services(database, now)
    api.state.metrics = metrics
    api.state.pace = pace
    api.state.enrolment, api.state.attempts = Enrolment(database, identity, now), Attempts()


def _describe_errors(api: FastAPI) -> None:
    build = api.openapi

    def openapi() -> dict[str, Any]:
        document = build()
        document.setdefault("components", {}).setdefault("schemas", {})["Error"] = _ERROR_SCHEMA
        return document

    api.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend the document
