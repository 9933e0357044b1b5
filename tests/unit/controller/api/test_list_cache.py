"""A category list is fetched once: named by its digest, it never changes; and a long one can be imported."""

import httpx
from fastapi import FastAPI

from controller.api import serve
from controller.services import keys, lists
from controller.services.actor import Role
from tests.unit.controller.household import START, Household


async def test_a_list_that_a_cache_has_is_not_sent_again(home: Household, routes: FastAPI) -> None:
    digest = home.run(lambda session, actor, now: lists.in_force(session)[0].digest)
    serve(routes, home.database, now=lambda: START)
    transport = httpx.ASGITransport(routes)
    async with httpx.AsyncClient(transport=transport, base_url="http://controller") as client:
        first = await client.get(f"/lists/{digest}")
        again = await client.get(f"/lists/{digest}", headers={"If-None-Match": first.headers["ETag"]})
        other = await client.get(f"/lists/{digest}", headers={"If-None-Match": '"sha256:0"'})
    assert (first.status_code, first.headers["ETag"]) == (200, f'"{digest}"')
    assert "immutable" in first.headers["Cache-Control"]
    assert (again.status_code, again.content) == (304, b"")
    assert other.content == first.content


async def test_a_list_longer_than_any_other_body_is_imported(home: Household, routes: FastAPI) -> None:
    _, key = home.run(keys.create, name="admin", role=Role.ADMIN)
    serve(routes, home.database, now=lambda: START)
    transport = httpx.ASGITransport(routes)
    body = b"#" + b"x" * (9 * 1024 * 1024) + b"\nbetting.example\n"
    async with httpx.AsyncClient(transport=transport, base_url="http://controller") as client:
        answer = await client.post("/v1/lists/gambling", content=body, headers={"Authorization": f"Bearer {key}"})
    assert answer.status_code == 201, answer.text
