"""The platform's HTTP shell on virtual time: admission, answers that are lost, webhooks that are signed and posted."""

import asyncio
import hashlib
import hmac
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any

import httpx
import pytest

from simulator.carrier import GOOD, Carrier, InProcessTransport, Manners, Platform, SimOrder
from simulator.carrier.api import API
from simulator.virtual.loop import run_virtual

HUB = "8944000000000000001"
ACTIVATE = {"state": "active"}


class Callbacks:
    """A controller's webhook door: keeps what comes, answers as told."""

    def __init__(self) -> None:
        self.heard: list[httpx.Request] = []
        self.status = 204

    async def handle(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        self.heard.append(request)
        return httpx.Response(self.status)


Play = Callable[[httpx.AsyncClient, Carrier, Callbacks], Awaitable[None]]


def play(manners: Manners, scene: Play) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        platform = Platform(manners=manners, random=Random(1), base=f"http://p{API}", started_s=0.0)
        platform.provision(SimOrder(iccid=HUB, imsi="234300000000001"), 0.0)
        callbacks = Callbacks()
        async with httpx.AsyncClient(transport=httpx.MockTransport(callbacks.handle)) as outgoing:
            carrier = Carrier(platform, tokens={"t": "one", "u": "two"}, now=loop.time, client=outgoing)
            running = asyncio.create_task(carrier.run())
            async with httpx.AsyncClient(
                transport=InProcessTransport(carrier.app), base_url="http://p", headers={"Authorization": "Bearer t"}
            ) as client:
                await scene(client, carrier, callbacks)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    run_virtual(main())


def test_a_change_takes_effect_in_its_time_and_is_announced_signed() -> None:
    async def scene(client: httpx.AsyncClient, _carrier: Carrier, callbacks: Callbacks) -> None:
        listener = await client.post(f"{API}/hub", json={"callback": "http://c/hooks", "secret": "s", "query": ""})
        assert listener.status_code == 201
        accepted = await client.patch(f"{API}/service/sim-{HUB}", json=ACTIVATE)
        assert accepted.status_code == 202
        assert accepted.headers["Location"].endswith(accepted.json()["id"])
        await asyncio.sleep(10)
        assert (await client.get(f"{API}/monitor/{accepted.json()['id']}")).json()["state"] == "completed"
        assert (await client.get(f"{API}/service/sim-{HUB}")).json()["state"] == "active"
        assert len(callbacks.heard) == 3
        for request in callbacks.heard:
            right = "sha256=" + hmac.new(b"s", request.content, hashlib.sha256).hexdigest()
            assert request.headers["X-Signature"] == right

    play(GOOD, scene)


def test_a_webhook_is_repeated_until_the_callback_answers_2xx() -> None:
    async def scene(client: httpx.AsyncClient, _carrier: Carrier, callbacks: Callbacks) -> None:
        callbacks.status = 503
        query = "eventType=ServiceStateChangeEvent"
        await client.post(f"{API}/hub", json={"callback": "http://c/hooks", "secret": "s", "query": query})
        await client.patch(f"{API}/service/sim-{HUB}", json=ACTIVATE)
        await asyncio.sleep(4)
        tried = len(callbacks.heard)
        assert tried >= 2
        callbacks.status = 200
        await asyncio.sleep(600)
        assert len(callbacks.heard) == tried + 1

    play(GOOD, scene)


def test_one_call_at_a_time_per_account_and_accounts_do_not_share_it() -> None:
    async def scene(client: httpx.AsyncClient, _carrier: Carrier, _callbacks: Callbacks) -> None:
        other = {"Authorization": "Bearer u"}
        answers = await asyncio.gather(
            client.get(f"{API}/service"), client.get(f"{API}/service"), client.get(f"{API}/service", headers=other)
        )
        assert sorted(answer.status_code for answer in answers) == [200, 200, 429]
        refused = next(answer for answer in answers if answer.status_code == 429)
        assert refused.headers["Retry-After"] == "1"
        assert (await client.get(f"{API}/service")).status_code == 200

    play(Manners(call_takes_s=(0.5, 0.5)), scene)


def test_a_lost_answer_is_no_answer_and_the_effect_is_there() -> None:
    async def scene(client: httpx.AsyncClient, carrier: Carrier, _callbacks: Callbacks) -> None:
        with pytest.raises(httpx.ReadError):
            await client.patch(f"{API}/service/sim-{HUB}", json=ACTIVATE)
        await asyncio.sleep(5)
        assert carrier.platform.services[HUB].state == "active"

    play(Manners(lost_answer=1.0, lost_answer_after_s=3.0), scene)


@pytest.mark.parametrize(
    ("method", "path", "content", "status"),
    [
        ("GET", f"{API}/service/sim-89", b"", 404),
        ("GET", f"{API}/monitor/none", b"", 404),
        ("DELETE", f"{API}/hub/none", b"", 404),
        ("PATCH", f"{API}/service/sim-{HUB}", b"{", 400),
        ("POST", f"{API}/hub", b'{"callback": 5}', 400),
        ("GET", f"{API}/service?offset=x", b"", 400),
        ("POST", "/sim/sims", b'[{"iccid": "x"}]', 400),
        ("POST", "/sim/usage", b"{}", 400),
        ("PUT", "/sim/manners", b'{"rude": true}', 400),
    ],
)
def test_bad_requests_are_answered_with_a_reason(method: str, path: str, content: bytes, status: int) -> None:
    async def scene(client: httpx.AsyncClient, _carrier: Carrier, _callbacks: Callbacks) -> None:
        answer = await client.request(method, path, content=content)
        assert answer.status_code == status
        assert answer.json()["reason"]

    play(GOOD, scene)


def test_without_a_token_nothing_is_told() -> None:
    async def scene(client: httpx.AsyncClient, _carrier: Carrier, _callbacks: Callbacks) -> None:
        answer = await client.get(f"{API}/service", headers={"Authorization": "Bearer x"})
        assert answer.status_code == 401

    play(GOOD, scene)


def test_the_side_door_provisions_attaches_counts_and_shows() -> None:
    async def scene(client: httpx.AsyncClient, _carrier: Carrier, _callbacks: Callbacks) -> None:
        phone: dict[str, Any] = {"iccid": "8944000000000000005", "imsi": "234300000000005", "category": "mobileData"}
        assert (await client.post("/sim/sims", json=[phone])).status_code == 201
        used = await client.post("/sim/usage", json={"iccid": phone["iccid"], "mb": 12})
        assert {"name": "countedUseMb", "value": "12"} in used.json()["serviceCharacteristic"]
        attach = await client.get("/sim/attach", params={"iccid": HUB, "imei": "356938035643809"})
        assert attach.json() == {"accepted": True, "cause": None, "bearer": "management"}
        state = (await client.get("/sim/state")).json()
        assert len(state["services"]) == 2
        await client.put("/sim/manners", json={"maintenance": [{"at_s": 0, "for_s": 60}]})
        assert (await client.get(f"{API}/service")).status_code == 503

    play(GOOD, scene)
