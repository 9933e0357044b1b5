"""What every route shares: the way to the services, who asks, and the one shape of an error."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import Depends, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.exceptions import HTTPException

from controller.domain.errors import UnknownSubjectError
from controller.services import keys
from controller.services.actor import Actor, Role
from controller.services.database import Database
from controller.services.errors import ForbiddenError, ServiceError, UnauthenticatedError

_RANK: Final = {Role.VIEWER: 0, Role.OPERATOR: 1, Role.ADMIN: 2, Role.SYSTEM: 3}
_BEARER: Final = HTTPBearer(auto_error=False, description="hub-controller keys create --role operator")
_AUTHENTICATION: Final = Actor.system("api.authentication")


@dataclass(frozen=True, slots=True)
class Services:
    """The way from a route to the services."""

    database: Database
    now: Callable[[], datetime]

    async def run(self, f: Callable[..., Any], actor: Actor, **kwargs: Any) -> Any:
        """Run a service in one transaction at this instant."""
        return await self.database.run(f, actor=actor, now=self.now(), **kwargs)


async def services(request: Request) -> Services:
    """Return the application's services."""
    found: Services = request.app.state.services
    return found


ServicesDep = Annotated[Services, Depends(services)]


async def viewer(
    door: ServicesDep, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)]
) -> Actor:
    """Return who asks. Raises UnauthenticatedError."""
    if credentials is None:
        raise UnauthenticatedError("no API key came with the request", remedy="send Authorization: Bearer {key}")
    actor: Actor = await door.run(keys.authenticate, _AUTHENTICATION, plain=credentials.credentials)
    return actor


async def operator(actor: Annotated[Actor, Depends(viewer)]) -> Actor:
    """Return who asks, if they may change things. Raises ForbiddenError."""
    return _at_least(actor, Role.OPERATOR)


async def admin(actor: Annotated[Actor, Depends(viewer)]) -> Actor:
    """Return who asks, if they may change who may. Raises ForbiddenError."""
    return _at_least(actor, Role.ADMIN)


ViewerDep = Annotated[Actor, Depends(viewer)]
OperatorDep = Annotated[Actor, Depends(operator)]
AdminDep = Annotated[Actor, Depends(admin)]


def _at_least(actor: Actor, role: Role) -> Actor:
    if _RANK[actor.role] < _RANK[role]:
        raise ForbiddenError(f"this needs the role {role.value}", remedy="use a key with that role")
    return actor


def error_document(code: str, message: str, remedy: str, details: dict[str, Any]) -> dict[str, Any]:
    """Return the one shape of an error."""
    return {"error": {"code": code, "message": message, "remedy": remedy, "details": details}}


async def on_service_error(_request: Request, error: Exception) -> JSONResponse:
    """Answer an error of a service with the status it carries."""
    assert isinstance(error, ServiceError)
    headers = {"WWW-Authenticate": "Bearer"} if error.status == UnauthenticatedError.status else {}
    if "retry_after_s" in error.details:
        headers["Retry-After"] = str(error.details["retry_after_s"])
    return JSONResponse(
        error_document(error.code, error.message, error.remedy, error.details),
        status_code=error.status,
        headers=headers,
    )


async def on_domain_error(_request: Request, error: Exception) -> JSONResponse:
    """Answer a rule that can't be applied to what is known."""
    return JSONResponse(error_document("unprocessable", str(error), "mend the request", {}), status_code=422)


async def on_invalid(_request: Request, error: Exception) -> JSONResponse:
    """Answer a body that is no JSON with 400, one of the wrong shape with 422."""
    assert isinstance(error, RequestValidationError)
    problems = error.errors()
    if any(problem["type"] == "json_invalid" for problem in problems):
        return JSONResponse(error_document("bad_request", "the body is not JSON", "send JSON", {}), status_code=400)
    fields = [
        {"field": ".".join(str(part) for part in problem["loc"]), "problem": str(problem["msg"])[:200]}
        for problem in problems[:20]
    ]
    first = f"{fields[0]['field']}: {fields[0]['problem']}" if fields else "the request has the wrong shape"
    return JSONResponse(error_document("invalid", first, "mend the named fields", {"fields": fields}), status_code=422)


async def on_http_error(_request: Request, error: Exception) -> JSONResponse:
    """Answer what the framework refuses (unknown path, method) in the same shape."""
    assert isinstance(error, HTTPException)
    code = {400: "bad_request", 404: "not_found", 405: "method_not_allowed", 413: "too_large"}.get(
        error.status_code, "http_error"
    )
    document = error_document(code, str(error.detail), "see /openapi.json", {})
    return JSONResponse(document, status_code=error.status_code, headers=error.headers)


HANDLERS: Final[dict[Any, Any]] = {
    ServiceError: on_service_error,
    UnknownSubjectError: on_domain_error,
    RequestValidationError: on_invalid,
    HTTPException: on_http_error,
}
