"""Watching: who is late, alarms, the change feed (also as server-sent events), liveness, metrics, keys."""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import JSONResponse, PlainTextResponse, StreamingResponse
from sqlmodel import Session

from controller.api import schemas, views
from controller.api.doors import AdminDep, OperatorDep, Services, ServicesDep, ViewerDep
from controller.ingest.replay import replay
from controller.services import alarms, feed, keys, late, quarantine, telemetry
from controller.services.actor import Actor, Role
from controller.services.alarms import AlarmFilter
from controller.services.errors import BadRequestError, UnauthenticatedError
from controller.services.lane_forecast import Pace
from controller.tables.hubs import Quarantined
from controller.tables.journal import FeedEntry

router = APIRouter(tags=["watch"])

LOOK_EVERY_S: Final = 5.0
_LIMIT: Final = 200
Position = Annotated[int, Query(ge=0, le=2**53)]


@router.get("/v1/late")
async def get_late(request: Request, door: ServicesDep, actor: ViewerDep) -> dict[str, Any]:
    """Return who is late, or will be, and why; work is ordered by deadline."""
    pace: Callable[[], Pace] | None = request.app.state.pace
    found = await door.run(late.who_is_late, actor, pace=pace() if pace is not None else None)
    return views.lateness(found, door.now()) | {"backlog": await door.run(late.backlog, actor)}


@router.get("/v1/alarms")
async def list_alarms(
    door: ServicesDep,
    actor: ViewerDep,
    asked: Annotated[schemas.AlarmQuery, Query()],
) -> dict[str, Any]:
    """Return alarms, newest first: the open ones, or those of 13 months."""
    of_hub = {"noun": "hub", "key": asked.hub} if asked.hub else {}
    wanted = AlarmFilter(is_open=asked.state == "open", kind=asked.kind, severity=asked.severity, **of_hub)
    return {"alarms": [views.plain(row) for row in await door.run(alarms.find, actor, wanted=wanted)]}


@router.get("/v1/alarms/{alarm_id}/history")
async def get_alarm_history(alarm_id: schemas.Id, door: ServicesDep, actor: ViewerDep) -> dict[str, Any]:
    """Return what became of an alarm, oldest first: new, changed, acknowledged, cleared."""
    return {"history": [views.plain(row) for row in await door.run(alarms.history, actor, alarm_id=alarm_id)]}


@router.post("/v1/alarms/{alarm_id}/acknowledgement")
async def acknowledge(alarm_id: schemas.Id, door: ServicesDep, actor: OperatorDep) -> dict[str, Any]:
    """Take an alarm on; it stays open until evidence clears it."""
    return views.plain(await door.run(alarms.acknowledge, actor, alarm_id=alarm_id))


@router.get("/v1/quarantine")
async def list_quarantine(door: ServicesDep, actor: AdminDep) -> dict[str, Any]:
    """Return the messages that could not be read, newest first."""
    return {"quarantine": [_quarantined(row) for row in await door.run(quarantine.newest, actor)]}


@router.post("/v1/quarantine/{message_id}/replay")
async def replay_message(message_id: schemas.Id, door: ServicesDep, actor: AdminDep) -> dict[str, Any]:
    """Take a message in once more, as if it came now; if it still can't be read, `replayed_at` stays null."""
    return _quarantined(await door.run(replay, actor, message_id=message_id))


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
        key = request.headers.get("authorization", "").partition(" ")[2]
        return StreamingResponse(follow(door, actor, after, key), media_type="text/event-stream", headers=headers)
    entries = await door.run(_read, actor, after=after)
    return JSONResponse({"entries": [_entry(e) for e in entries], "next": entries[-1].sequence if entries else after})


@router.get("/healthz")
async def healthz(door: ServicesDep) -> dict[str, Any]:
    """Tell that the database answers and has this code's schema."""
    await door.database.check()
    return {"status": "ok", "at": views.value(door.now())}


@router.get("/metrics", response_class=PlainTextResponse)
async def metrics(request: Request, door: ServicesDep) -> PlainTextResponse:
    """Return metrics for Prometheus."""
    render: Callable[[], str] | None = request.app.state.metrics
    gauges = await door.run(_gauges, _METRICS)
    return PlainTextResponse(_exposition(gauges) + (render() if render is not None else ""))


@router.post("/v1/keys", status_code=201)
async def create_key(body: schemas.NewKey, door: ServicesDep, actor: AdminDep) -> dict[str, Any]:
    """Make an API key; it is shown this once."""
    id_, plain = await door.run(keys.create, actor, name=body.name, role=Role(body.role))
    return {"id": id_, "name": body.name, "role": body.role, "key": plain}


@router.delete("/v1/keys/{key_id}", status_code=204)
async def revoke_key(key_id: schemas.Id, door: ServicesDep, actor: AdminDep) -> None:
    """End an API key at once."""
    await door.run(keys.revoke, actor, key_id=key_id)


_METRICS: Final = Actor.system("api.metrics")


def _gauges(session: Session, actor: Actor, now: datetime) -> dict[str, tuple[str, dict[str, float]]]:
    """Return what the database knows: {name: (help, {labels: value})}."""
    waiting = late.backlog(session, actor, now)
    raised = alarms.count_open(session)
    return {
        "minihub_owed_rows": ("Owed rows that are due.", {f'noun="{noun}"': n for noun, n in sorted(waiting.items())}),
        "minihub_alarms_open": (
            "Open alarms.",
            {f'kind="{kind}",severity="{severity}"': count for (kind, severity), count in sorted(raised.items())},
        ),
        "minihub_quarantine_messages": ("Messages set aside and not replayed.", {"": quarantine.count(session)}),
        "minihub_telemetry_hours_due": ("Hours of hubs that wait to be rolled up.", {"": telemetry.waiting(session)}),
    }


def _exposition(gauges: dict[str, tuple[str, dict[str, float]]]) -> str:
    lines: list[str] = []
    for name, (text, values) in gauges.items():
        lines += [f"# HELP {name} {text}", f"# TYPE {name} gauge"]
        lines += [f"{name}{{{labels}}} {value}" if labels else f"{name} {value}" for labels, value in values.items()]
    return "\n".join(lines) + "\n"


def _read(session: Session, actor: Actor, now: datetime, *, after: int, key: str = "") -> tuple[FeedEntry, ...]:
    if key:
        keys.authenticate(session, actor, now, plain=key)
    return feed.read(session, after=after, limit=_LIMIT)


async def follow(door: Services, actor: Actor, after: int, key: str = "") -> AsyncGenerator[str]:
    """Yield entries as they are committed; a comment now and then shows a reader that the stream lives.

    It ends when its `key` is revoked: who comes back is refused.
    """
    changed = asyncio.Event()
    cancel = door.database.subscribe(lambda committed: changed.set() if committed.feed else None)
    try:
        yield ": open\n\n"
        while True:
            changed.clear()
            try:
                entries = await door.run(_read, actor, after=after, key=key)
            except UnauthenticatedError:
                return
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


def _quarantined(row: Quarantined) -> dict[str, Any]:
    return views.plain(row, without=("payload",)) | {"payload": row.payload.hex()}


def _entry(entry: FeedEntry) -> dict[str, Any]:
    return views.plain(entry)


def _position(text: str) -> int:
    if not text.isdecimal() or len(text) > 16:
        raise BadRequestError("Last-Event-ID is no position of this feed", remedy="send the last `id` you read")
    return int(text)
