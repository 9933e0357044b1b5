"""The carrier's webhooks at their route: signed, read, and taken in once under their event's id."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from datetime import datetime

import httpx
import pytest
from sqlmodel import Session

from controller.api import create_api
from controller.carrier.tmf640 import SIGNATURE, Tmf640Carrier
from controller.services import hubs, owed
from controller.services.actor import Actor
from controller.work.webhooks import PATH, carrier_router
from tests.unit.controller.household import Household

SECRET = "a shared secret"


@pytest.fixture
async def client(home: Household) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient() as http:
        hooks = carrier_router(home.database, Tmf640Carrier(http), SECRET, lambda: home.now)
        transport = httpx.ASGITransport(create_api(home.database, now=lambda: home.now, include=[hooks]))
        async with httpx.AsyncClient(transport=transport, base_url="http://controller") as client:
            yield client


async def post(client: httpx.AsyncClient, event_id: str, iccid: str) -> int:
    """Tell that an operation on a SIM ended: reason to read it."""
    monitor = {"id": "m1", "sourceHref": f"/service/sim-{iccid}", "state": "completed"}
    event = {"eventId": event_id, "eventType": "MonitorStateChangeEvent", "event": {"monitor": monitor}}
    body = json.dumps(event).encode()
    signature = "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    return (await client.post(PATH, content=body, headers={SIGNATURE: signature})).status_code


def settle(session: Session, actor: Actor, now: datetime, *, claim: owed.Claim) -> None:
    del actor, now
    owed.settle(session, claim)


def work(home: Household) -> int:
    """Take what is owed away; returns how much it was."""
    claims = home.claim("sims", 10)
    for claim in claims:
        home.run(settle, claim=claim)
    return len(claims)


async def test_an_event_is_taken_in_once_however_often_it_comes(home: Household, client: httpx.AsyncClient) -> None:
    iccid = home.card()
    home.run(hubs.enrol, serial="S1", iccid=iccid)
    assert work(home) == 1
    assert [await post(client, "e1", iccid), work(home)] == [204, 1]
    # Repeated, or sent by somebody who kept it: it costs the lane no call.
    assert [await post(client, "e1", iccid), work(home)] == [204, 0]
    assert [await post(client, "e2", iccid), work(home)] == [204, 1]


async def test_an_event_that_comes_many_times_at_once_is_taken_in_once(
    home: Household, client: httpx.AsyncClient
) -> None:
    iccid = home.card()
    home.run(hubs.enrol, serial="S1", iccid=iccid)
    work(home)
    assert await asyncio.gather(*(post(client, "e1", iccid) for _ in range(6))) == [204] * 6
    assert work(home) == 1


@pytest.mark.parametrize("event_id", ["", "a b", "\x00", "x" * 101, "é"])
async def test_an_event_that_cannot_be_told_from_others_is_refused(
    home: Household, client: httpx.AsyncClient, event_id: str
) -> None:
    assert await post(client, event_id, home.card()) == 400
