"""Alarms, quarantine, telemetry and lists through the API."""

import csv
import io
from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest
from fastapi import FastAPI

from controller.api import serve
from controller.services import history, hubs, keys, quarantine
from controller.services.actor import Role
from controller.services.history import HubHistory
from controller.services.samples import SAMPLE
from tests.unit.controller.household import Household


@pytest.fixture
async def client(home: Household, routes: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    _, key = home.run(keys.create, name="an admin", role=Role.ADMIN)
    home.hub_id = home.run(hubs.enrol, serial="S1", iccid=home.card()).id
    serve(routes, home.database, now=lambda: home.now)
    transport = httpx.ASGITransport(routes)
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://controller", headers=headers) as client:
        yield client


def sample(home: Household, operator: str) -> None:
    told = {"uptime_ms": 1, "at": int(home.now.timestamp() * 1000), "rsrp_dbm": -125.0, "operator": operator}
    row = tuple(told.get(name) for name in SAMPLE)
    home.run(history.record, batch=[HubHistory(home.hub_id, 1, 1, (row,))])


async def test_a_series_is_exported_without_formulas(home: Household, client: httpx.AsyncClient) -> None:
    sample(home, "=cmd()")
    answer = await client.get(f"/v1/hubs/{home.hub_id}/telemetry?span=day&format=csv")
    assert answer.headers["content-type"].startswith("text/csv")
    (row,) = csv.DictReader(io.StringIO(answer.text))
    assert (row["count"], row["rsrp_dbm"], row["operator"], row["band"]) == ("1", "-125.0", "'=cmd()", "")
    plain = (await client.get(f"/v1/hubs/{home.hub_id}/telemetry?span=day")).json()
    assert (plain["resolution_s"], plain["samples"][0]["operator"]) == (300, "=cmd()")


async def test_a_hub_s_telemetry_is_erased_on_request(home: Household, client: httpx.AsyncClient) -> None:
    sample(home, "EE")
    answer = await client.delete(f"/v1/hubs/{home.hub_id}/telemetry")
    assert (answer.status_code, answer.json()["erased"]["telemetry"]) == (200, 1)
    assert (await client.get(f"/v1/hubs/{home.hub_id}/telemetry")).json()["samples"] == []


async def test_alarms_are_filtered_taken_on_and_counted(home: Household, client: httpx.AsyncClient) -> None:
    sample(home, "EE")
    assert (await client.get("/v1/alarms?kind=odd")).json() == {"alarms": []}
    (alarm,) = (await client.get(f"/v1/alarms?kind=signal&hub={home.hub_id}")).json()["alarms"]
    home.now += timedelta(minutes=1)
    await client.post(f"/v1/alarms/{alarm['id']}/acknowledgement")
    steps = (await client.get(f"/v1/alarms/{alarm['id']}/history")).json()["history"]
    assert [step["notification"] for step in steps] == ["new", "acknowledged"]
    text = (await client.get("/metrics")).text
    assert 'minihub_alarms_open{kind="signal",severity="minor"} 1' in text
    assert "minihub_telemetry_hours_due 1" in text


async def test_a_message_is_replayed_or_says_why_not(home: Household, client: httpx.AsyncClient) -> None:
    home.run(quarantine.put, messages=[("minihub/v1/nobody/event", b"{}", "at the time")])
    (row,) = (await client.get("/v1/quarantine")).json()["quarantine"]
    answer = (await client.post(f"/v1/quarantine/{row['id']}/replay")).json()
    assert answer["replayed_at"] is None
    assert "topic" in answer["reason"]
    assert (await client.post("/v1/quarantine/nothing/replay")).status_code == 404


async def test_a_list_is_imported_shown_and_served_by_digest(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/lists/gambling", content=b"0.0.0.0 bet.example\nnonsense\n0.0.0.0 a b\n")
    assert answer.status_code == 201
    assert [each["line"] for each in answer.json()["report"]["refused"]] == [2, 3]
    digest = answer.json()["digest"]
    assert (await client.get(f"/lists/{digest}")).content == b"bet.example\n"
    shown = (await client.get("/v1/lists")).json()
    assert digest in {each["digest"] for each in shown["lists"]}
    level = (await client.put("/v1/lists/levels/light", json={"categories": ["gambling"]})).json()
    assert [each["digest"] for each in level["lists"]] == [digest]
    assert (await client.post("/v1/lists/gambling", content=b"\xff")).status_code == 422
