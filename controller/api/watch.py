"""Watching: who is late, alarms, the change feed (also as server-sent events), liveness, metrics, keys."""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Path, Query, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse

from controller.api import schemas, views
from controller.api.doors import AdminDep, OperatorDep, Services, ServicesDep, ViewerDep
from controller.services import alarms, feed, keys, late, lists, quarantine
from controller.services.actor import Actor, Role
from controller.services.errors import BadRequestError
from controller.tables.journal import FeedEntry

router = APIRouter(tags=["watch"])

LOOK_EVERY_S: Final = 5.0
_LIMIT: Final = 200
ListDigest = Annotated[str, Path(pattern="^sha256:[0-9a-f]{64}$")]
Position = Annotated[int, Query(ge=0, le=2**53)]


@router.get("/v1/late")
async def get_late(door: ServicesDep, actor: ViewerDep) -> dict[str, Any]:
    """Return who is late, or will be, and why; work is ordered by deadline."""
    found = await door.run(late.who_is_late, actor)
    waiting = await door.run(late.unplugged, actor)
    return {
        "late": [views.late(row, door.now()) for row in found],
        "ready_not_online": [views.promise(row, door.now()) for row in waiting],
        "backlog": await door.run(late.backlog, actor),
    }


@router.get("/v1/alarms")
async def list_alarms(door: ServicesDep, actor: ViewerDep) -> dict[str, Any]:
    """Return the open alarms, newest first."""
    return {"alarms": [views.plain(row) for row in await door.run(alarms.list_open, actor)]}


@router.post("/v1/alarms/{alarm_id}/acknowledgement")
async def acknowledge(alarm_id: schemas.Id, door: ServicesDep, actor: OperatorDep) -> dict[str, Any]:
    """Take an alarm on; it stays open until evidence clears it."""
    return views.plain(await door.run(alarms.acknowledge, actor, alarm_id=alarm_id))


@router.get("/v1/quarantine")
async def list_quarantine(door: ServicesDep, actor: AdminDep) -> dict[str, Any]:
    """Return the messages that could not be read, newest first."""
    found = await door.run(quarantine.newest, actor)
    return {"quarantine": [views.plain(row, without=("payload",)) | {"payload": row.payload.hex()} for row in found]}


@router.get(
    "/v1/feed",
    response_model=None,
    responses={200: {"content": {"application/json": {}, "text/event-stream": {}}, "description": "Entries, in order"}},
)
async def read_feed(
    request: Request,
    door: ServicesDep,
    actor: ViewerDep,
    after: Position = 0,
    last_event_id: Annotated[str | None, Header()] = None,
) -> JSONResponse | StreamingResponse:
    """Return the change feed after a position; as a stream when `Accept: text/event-stream` is sent."""
    if last_event_id is not None:
        after = _position(last_event_id)
    if "text/event-stream" in request.headers.get("accept", ""):
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(follow(door, actor, after), media_type="text/event-stream", headers=headers)
    entries = await door.run(_read, actor, after=after)
    return JSONResponse({"entries": [_entry(e) for e in entries], "next": entries[-1].sequence if entries else after})


@router.get("/lists/{digest}", response_class=Response)
async def get_list(digest: ListDigest, door: ServicesDep) -> Response:
    """Return a category list by its digest: hubs believe the digest in their document, so anybody may read."""
    body = await door.run(lists.body_of, _LISTS, digest=digest)
    headers = {"Cache-Control": "public, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"}
    return Response(body, media_type="application/octet-stream", headers=headers)


@router.get("/healthz")
async def healthz(door: ServicesDep) -> dict[str, Any]:
    """Tell that the database answers and has this code's schema."""
    await door.database.check()
    return {"status": "ok", "at": views.value(door.now())}


@router.get("/metrics", response_class=PlainTextResponse)
async def metrics(request: Request, door: ServicesDep) -> PlainTextResponse:
    """Return metrics for Prometheus."""
    render: Callable[[], str] | None = request.app.state.metrics
    waiting = await door.run(late.backlog, _METRICS)
    lines = ["# HELP minihub_owed_rows Owed rows that are due.", "# TYPE minihub_owed_rows gauge"]
    lines += [f'minihub_owed_rows{{noun="{noun}"}} {count}' for noun, count in sorted(waiting.items())]
    return PlainTextResponse("\n".join(lines) + "\n" + (render() if render is not None else ""))


@router.post("/v1/keys", status_code=201)
async def create_key(body: schemas.NewKey, door: ServicesDep, actor: AdminDep) -> dict[str, Any]:
    """Make an API key; it is shown this once."""
    id_, plain = await door.run(keys.create, actor, name=body.name, role=Role(body.role))
    return {"id": id_, "name": body.name, "role": body.role, "key": plain}


@router.delete("/v1/keys/{key_id}", status_code=204)
async def revoke_key(key_id: schemas.Id, door: ServicesDep, actor: AdminDep) -> None:
    """End an API key at once."""
    await door.run(keys.revoke, actor, key_id=key_id)


_LISTS: Final = Actor.system("api.lists")
_METRICS: Final = Actor.system("api.metrics")


def _read(session: Any, actor: Any, now: Any, *, after: int) -> tuple[FeedEntry, ...]:
    del actor, now
    return feed.read(session, after=after, limit=_LIMIT)


async def follow(door: Services, actor: Actor, after: int) -> AsyncGenerator[str]:
    """Yield entries as they are committed; a comment now and then shows a reader that the stream lives."""
    changed = asyncio.Event()
    cancel = door.database.subscribe(lambda committed: changed.set() if committed.feed else None)
    try:
        yield ": open\n\n"
        while True:
            changed.clear()
            entries = await door.run(_read, actor, after=after)
            for entry in entries:
                after = entry.sequence or after
                yield f"id: {after}\nevent: {entry.noun}\ndata: {json.dumps(_entry(entry))}\n\n"
            if not entries:
                yield ": still here\n\n"
                await _wait(changed)
    finally:
        cancel()


async def _wait(changed: asyncio.Event) -> None:
    # Another process may have committed: look even when nobody in this one said so.
    try:
        async with asyncio.timeout(LOOK_EVERY_S):
            await changed.wait()
    except TimeoutError:
        return


def _entry(entry: FeedEntry) -> dict[str, Any]:
    return views.plain(entry)


def _position(text: str) -> int:
    if not text.isdecimal() or len(text) > 16:
        raise BadRequestError("Last-Event-ID is no position of this feed", remedy="send the last `id` you read")
    return int(text)
