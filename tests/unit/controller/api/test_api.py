"""The admin API: who may, what a mistake is told, and the first light over HTTP."""

import asyncio
import inspect
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute

from controller.api import accounts, faults, hubs, serve, watch
from controller.api.doors import Services
from controller.services import accounts as services_accounts
from controller.services import keys
from controller.services.actor import Role
from tests.unit.controller.household import ACTOR, BT_BRANDED, START, Household


@pytest.fixture
async def client(home: Household, routes: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    _, key = home.run(keys.create, name="call centre", role=Role.OPERATOR)
    serve(routes, home.database, now=lambda: home.now)
    transport = httpx.ASGITransport(routes)
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://controller", headers=headers) as client:
        yield client


async def made(client: httpx.AsyncClient, path: str, **body: Any) -> dict[str, Any]:
    answer = await client.post(path, json=body)
    assert answer.status_code in {200, 201}, answer.text
    document: dict[str, Any] = answer.json()
    return document


async def test_first_light_over_http(client: httpx.AsyncClient, home: Household) -> None:
    account = await made(client, "/v1/accounts", holder_name="A", email="a@example.org", mobile="+447700900123")
    line = {"postcode": "AB1 2CD", "jurisdiction": "scotland"}
    path = f"/v1/accounts/{account['id']}"
    service = await made(client, f"{path}/services", product="Superfast Fibre Plus", starts_on="2026-01-05", line=line)
    card = {"iccid": home.card(), "imsi": "234100000000001", "msisdn": "+447700900124"}
    plan = {"name": "P", "allowance_mb": 1000, "purchased_at": "2026-01-05T00:00:00Z", "sims": [card]}
    assert (await made(client, f"{path}/plans", **plan))["sims"][0]["iccid"] == card["iccid"]
    hub = await made(client, "/v1/hubs", serial="S", sim={"iccid": home.card(), "imsi": "234100000000002"})
    found = await made(client, f"/v1/hubs/{hub['id']}/evidence", **BT_BRANDED)
    assert found["verdict"] == "bt_branded"
    sent = {"dispatched_at": "2026-02-01T00:00:00Z", "delivered_at": "2026-02-02T00:00:00Z"}
    await made(client, f"/v1/hubs/{hub['id']}/assignments", line_id=service["line_id"], **sent)
    drops = [
        {"line_id": service["line_id"], "kind": "sync_lost", "at": f"2026-11-20T0{hour}:00:00Z", "source": "dslam"}
        for hour in range(4, 9)
    ]
    wrong = await client.post("/v1/line-events", json={"events": [{}] * 30})
    assert (wrong.status_code, len(wrong.json()["error"]["details"]["fields"])) == (422, 20)
    assert (await made(client, "/v1/line-events", events=drops))["new"] == 5
    assert (await made(client, "/v1/line-events", events=drops))["new"] == 0
    report = {"line_id": service["line_id"], "channel": "phone", "reporter": "holder", "symptom": "dropping"}
    fault = await made(client, "/v1/faults", **report)
    observed = {"kind": "line_test", "result": "line_fault", "at": home.now.isoformat(), "attenuation_db": 31}
    fault = await made(client, f"/v1/faults/{fault['id']}/diagnostics", observations=[observed], finished=True)
    clauses = {each["question"]: (each["outcome"], each["clause"]) for each in fault["decisions"]}
    assert clauses["qualifies"] == ("qualifies", "T§10b(ii)")
    assert clauses["mini_hub"][0] == "reactivate"
    late = (await client.get("/v1/late")).json()["late"]
    assert {each["cause"] for each in late} == {"carrier_lane"}
    home.carrier_does_as_told()
    fault = (await client.get(f"/v1/faults/{fault['id']}")).json()
    assert all(each["ready_at"] for each in fault["promises"])
    mybt = (await client.get(f"{path}/mybt")).json()["sims"]
    assert [each["shown"] for each in mybt] == ["unlimited"]
    shown = (await client.get(f"/v1/hubs/{hub['id']}")).json()
    assert shown["desired"]["internet_on"] is True
    assert shown["sims"][0]["observed"] == {"state": "active"}
    home.pass_time(minutes=1)
    fault = await made(client, f"/v1/faults/{fault['id']}/resolution", note="fixed")
    told = (await client.get("/v1/notices", params={"account_id": account["id"]})).json()["notices"]
    assert {"ready_plug_in", "backup_on", "switch_off"} == {each["kind"] for each in told}
    assert (await client.get("/v1/late")).json()["late"] == []


async def test_a_hub_fetches_a_list_by_its_digest(client: httpx.AsyncClient, home: Household) -> None:
    home.move_in()
    home.put_hub_in_drawer()
    document = home.document()
    digest = next(each.digest for each in document.controls.lists if each.category == "adult")
    answer = await client.get(f"/lists/{digest}", headers={"Authorization": ""})
    assert answer.status_code == 200
    assert b"adult.example\n" in answer.content
    assert "immutable" in answer.headers["cache-control"]
    assert (await client.get(f"/lists/sha256:{'0' * 64}")).status_code == 404


@pytest.mark.parametrize("header", [None, "Bearer", "Bearer nonsense", "Basic YTpi"])
async def test_without_a_known_key_nothing_is_told(client: httpx.AsyncClient, header: str | None) -> None:
    client.headers.pop("Authorization")
    answer = await client.get("/v1/late", headers={"Authorization": header} if header else {})
    assert answer.status_code == 401
    assert answer.json()["error"]["remedy"]
    assert answer.headers["WWW-Authenticate"] == "Bearer"


async def test_a_role_that_is_too_small_is_refused(client: httpx.AsyncClient, home: Household) -> None:
    _, key = home.run(keys.create, name="wall screen", role=Role.VIEWER)
    viewer = {"Authorization": f"Bearer {key}"}
    assert (await client.get("/v1/late", headers=viewer)).status_code == 200
    answer = await client.post("/v1/accounts", json={"holder_name": "A"}, headers=viewer)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "forbidden")
    assert (await client.post("/v1/keys", json={"name": "x", "role": "admin"})).status_code == 403


async def test_a_revoked_key_opens_nothing(client: httpx.AsyncClient, home: Household) -> None:
    id_, key = home.run(keys.create, name="gone", role=Role.ADMIN)
    headers = {"Authorization": f"Bearer {key}"}
    assert (await client.delete(f"/v1/keys/{id_}", headers=headers)).status_code == 204
    assert (await client.get("/v1/late", headers=headers)).status_code == 401


NOBODY = "01990000-0000-7000-8000-999999999999"


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/v1/accounts", b"{", 400),
        ("POST", "/v1/accounts", b"\xff\xfe", 400),
        ("POST", "/v1/accounts", b"[]", 422),
        ("POST", "/v1/accounts", b"{}", 422),
        ("POST", "/v1/accounts", b'{"holder_name": "a\\u0000b"}', 422),
        ("POST", "/v1/accounts", b'{"holder_name": "\\ud800"}', 422),
        ("POST", "/v1/accounts", b'{"holder_name": "A", "hodler": 1}', 422),
        ("POST", f"/v1/accounts/{NOBODY}/services", b'{"product": "P", "starts_on": "2026-01-01"}', 400),
        ("POST", f"/v1/accounts/{NOBODY}/services", b'{"product": "P", "starts_on": "2026-01-01", "line": {}}', 404),
        ("GET", f"/v1/hubs/{NOBODY}", None, 404),
        ("GET", f"/v1/faults/{NOBODY}", None, 404),
        ("GET", f"/v1/hubs/{NOBODY}/telemetry?span=century", None, 422),
        ("GET", "/v1/feed?after=-1", None, 422),
        ("GET", "/nowhere", None, 404),
        ("DELETE", "/v1/accounts", None, 405),
        ("POST", "/v1/line-events", b'{"events": []}', 422),
        (
            "POST",
            "/v1/faults",
            json.dumps(
                {
                    "line_id": NOBODY,
                    "channel": "c",
                    "reporter": "r",
                    "symptom": "other",
                    "reported_at": "2026-01-01T00:00:00",
                }
            ).encode(),
            422,
        ),
    ],
)
async def test_a_mistake_is_one_clear_line_with_a_remedy(
    client: httpx.AsyncClient, method: str, path: str, body: bytes | None, status: int
) -> None:
    answer = await client.request(method, path, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert error["message"]
    assert error["remedy"]
    assert "\n" not in error["message"]


async def test_a_change_of_what_was_not_read_is_refused(client: httpx.AsyncClient) -> None:
    account = await made(client, "/v1/accounts", holder_name="A")
    path = f"/v1/accounts/{account['id']}"
    assert (await client.patch(path, json={"version": 1, "mobile": "+447700900125"})).json()["version"] == 2
    answer = await client.patch(path, json={"version": 1, "mobile": "+447700900126"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "version_conflict")
    assert answer.json()["error"]["details"] == {"expected": 1, "found": 2}


async def test_the_feed_is_followed_from_where_a_reader_stopped(client: httpx.AsyncClient, home: Household) -> None:
    home.move_in()
    entries = (await client.get("/v1/feed")).json()["entries"]
    assert [each["sequence"] for each in entries] == sorted(each["sequence"] for each in entries)
    rest = (await client.get("/v1/feed", headers={"Last-Event-ID": str(entries[0]["sequence"])})).json()
    assert rest["entries"] == entries[1:]
    assert rest["next"] == entries[-1]["sequence"]
    assert (await client.get("/v1/feed", headers={"Last-Event-ID": "x"})).status_code == 400


async def test_a_stream_tells_of_a_change_made_later(home: Household) -> None:
    stream = watch.follow(Services(home.database, lambda: home.now), ACTOR, 0)
    assert await anext(stream) == ": open\n\n"
    assert await anext(stream) == ": still here\n\n"
    waiting = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0)
    await home.database.run(services_accounts.create, actor=ACTOR, now=START, holder_name="A", email=None, mobile=None)
    async with asyncio.timeout(10):
        line = await waiting
    assert line.startswith("id: 1\nevent: account\ndata: {")
    await stream.aclose()


async def test_a_stream_ends_with_its_key(home: Household) -> None:
    id_, key = home.run(keys.create, name="wall screen", role=Role.VIEWER)
    stream = watch.follow(Services(home.database, lambda: home.now), ACTOR, 0, key)
    assert [await anext(stream), await anext(stream)] == [": open\n\n", ": still here\n\n"]
    await home.database.run(keys.revoke, actor=ACTOR, now=START, key_id=id_)
    await home.database.run(services_accounts.create, actor=ACTOR, now=START, holder_name="A", email=None, mobile=None)
    async with asyncio.timeout(10):
        assert [each async for each in stream] == []


def test_routes_and_their_dependencies_are_async() -> None:
    routers = (accounts.router, faults.router, hubs.router, watch.router)
    routes = [route for router in routers for route in router.routes if isinstance(route, APIRoute)]
    assert len(routes) > 40

    def calls(dependant: Any) -> list[Any]:
        return [dependant.call, *(call for each in dependant.dependencies for call in calls(each))]

    for route in routes:
        for call in calls(route.dependant):
            target = call if inspect.isfunction(call) else type(call).__call__
            assert inspect.iscoroutinefunction(target), f"{route.path}: {call}"


def test_every_operation_documents_its_errors_and_bodies_their_example(routes: FastAPI) -> None:
    document = routes.openapi()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert {"400", "401", "422"} <= set(operation["responses"]), (path, method)
            assert operation.get("description"), (path, method)
    assert document["components"]["schemas"]["NewAccount"]["examples"]


async def test_liveness_and_metrics(client: httpx.AsyncClient, home: Household) -> None:
    assert (await client.get("/healthz")).json()["status"] == "ok"
    home.move_in(allowances=(1,))
    assert 'minihub_owed_rows{noun="sims"} 1' in (await client.get("/metrics")).text
