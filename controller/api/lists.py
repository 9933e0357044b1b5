"""Parental-control lists: import with a report, what is in force, what a level refuses, bytes by digest."""

from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Header, Path, Query, Request
from fastapi.responses import Response

from controller.api import schemas, views
from controller.api.doors import AdminDep, ServicesDep, ViewerDep
from controller.services import lists
from controller.services.actor import Actor
from controller.services.errors import UnprocessableError

router = APIRouter(tags=["lists"])

Category = Annotated[str, Path(pattern="^[a-z0-9][a-z0-9_-]{0,63}$")]
LevelName = Annotated[str, Path(pattern="^(light|moderate|strict)$")]
ListDigest = Annotated[str, Path(pattern="^sha256:[0-9a-f]{64}$")]
Format = Annotated[Literal["auto", "plain", "hosts", "rpz", "adblock"], Query(alias="format")]
_HUBS: Final = Actor.system("api.lists")
_BODY: Final = {"requestBody": {"required": True, "content": {"text/plain": {"schema": {"type": "string"}}}}}


@router.get("/v1/lists")
async def list_lists(door: ServicesDep, actor: ViewerDep) -> dict[str, Any]:
    """Return the list in force of each category with the report of its import, and what each level refuses."""
    found = await door.run(lists.all_lists, actor)
    levels = await door.run(lists.levels, actor)
    return {
        "lists": [views.plain(row, without=("body",)) for row in found],
        "levels": [_level(view) for view in levels],
        "budget": lists.BUDGET,
    }


@router.post("/v1/lists/{category}", status_code=201, openapi_extra=_BODY)
async def import_list(
    category: Category, request: Request, door: ServicesDep, actor: AdminDep, format_: Format = "auto"
) -> dict[str, Any]:
    """Import a category's list: names, a hosts file, an RPZ zone or Adblock rules, with a report by line."""
    body = await _body(request)
    done = await door.run(
        lists.import_body, actor, category=category, body=body, source=f"imported by {actor.name}", format_=format_
    )
    return {"category": done.category, "digest": done.digest, "size": done.size, "report": done.report.as_json()}


@router.put("/v1/lists/levels/{level}")
async def set_level(level: LevelName, body: schemas.Level, door: ServicesDep, actor: AdminDep) -> dict[str, Any]:
    """Say what a level refuses; what ships is an example."""
    return _level(await door.run(lists.set_level, actor, level=level, categories=body.categories))


@router.get("/lists/{digest}", response_class=Response)
async def get_list(
    digest: ListDigest, door: ServicesDep, if_none_match: Annotated[str | None, Header(max_length=256)] = None
) -> Response:
    """Return a category list by its digest: hubs believe the digest in their document, so anybody may read."""
    tag = f'"{digest}"'
    headers = {"Cache-Control": "public, max-age=31536000, immutable", "ETag": tag, "X-Content-Type-Options": "nosniff"}
    if if_none_match is not None and tag in if_none_match:
        # Named by its content, it can't have changed (RFC 9110 13.1.2).
        return Response(status_code=304, headers=headers)
    body = await door.run(lists.body_of, _HUBS, digest=digest)
    return Response(body, media_type="application/octet-stream", headers=headers)


async def _body(request: Request) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > lists.MOST_BYTES:
            raise UnprocessableError("the list is too long", remedy=f"at most {lists.MOST_BYTES} bytes")
        parts.append(part)
    return b"".join(parts)


def _level(view: lists.LevelView) -> dict[str, Any]:
    return {
        "level": view.level,
        "categories": list(view.categories),
        "source": view.source,
        "lists": [{"category": each.category, "digest": each.digest, "size": each.size} for each in view.lists],
        "size": view.size,
        "budget": view.budget,
    }
