"""The TMF640 adapter on a platform in a process of its own, with the bad manners that only such a platform has."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI, Request, Response

from controller.carrier.port import (
    Accepted,
    BusyError,
    Carrier,
    Done,
    HubSetting,
    Observation,
    OperationState,
    PlanSetting,
    RefusedError,
    ThrottledError,
    UnknownOutcomeError,
    UnknownSimError,
    UnreachableError,
    UntrustedWebhookError,
)
from controller.carrier.tmf640 import Tmf640Carrier
from controller.domain.sim import SimState
from tests.e2e.controller.processes import Platform, until
from tests.e2e.controller.sides import FAST, fresh_iccid
from tests.e2e.mosquitto import free_port, wait_for_port

pytestmark = pytest.mark.e2e

ACTIVE, PARKED = HubSetting(SimState.ACTIVE), HubSetting(SimState.PARKED)


@pytest.fixture
def hub() -> str:
    return fresh_iccid()


@pytest.fixture
def plan() -> str:
    return fresh_iccid()


@pytest.fixture
async def carrier(platform: Platform, hub: str, plan: str) -> AsyncIterator[Carrier]:
    await platform.provision(hub, state="inactive")
    await platform.provision(plan, category="mobileData", allowanceMb="10000")
    headers = {"Authorization": "Bearer secret"}
    async with httpx.AsyncClient(base_url=platform.url, headers=headers, timeout=None) as http:
        yield Tmf640Carrier(http)


async def settled(carrier: Carrier, iccid: str, setting: object) -> Observation:
    async def is_so() -> bool:
        return (await carrier.read(iccid)).setting == setting

    await until(is_so)
    return await carrier.read(iccid)


async def test_a_server_error_hides_a_success(platform: Platform, carrier: Carrier, hub: str) -> None:
    await platform.manners(**FAST, hidden_success=1.0, at_once=1.0)
    with pytest.raises(UnknownOutcomeError):
        await carrier.ask(hub, ACTIVE)
    assert (await carrier.read(hub)).setting == ACTIVE


async def test_a_server_error_without_an_effect_is_unknown_too(platform: Platform, carrier: Carrier, hub: str) -> None:
    await platform.manners(**FAST, server_error=1.0)
    with pytest.raises(UnknownOutcomeError):
        await carrier.ask(hub, ACTIVE)
    with pytest.raises(UnreachableError):
        await carrier.read(hub)
    await platform.manners(**FAST)
    assert (await carrier.read(hub)).setting == PARKED


async def test_a_change_is_accepted_then_completed(platform: Platform, carrier: Carrier, hub: str) -> None:
    await platform.manners(**FAST, effect_delay_s=[0.3, 0.4])
    before = await carrier.read(hub)
    answer = await carrier.ask(hub, ACTIVE)
    assert isinstance(answer, Accepted)
    assert await carrier.progress(answer.operation) is OperationState.RUNNING
    after = await settled(carrier, hub, ACTIVE)
    assert after.version > before.version
    assert await carrier.progress(answer.operation) is OperationState.COMPLETED


async def test_a_change_may_fail(platform: Platform, carrier: Carrier, hub: str) -> None:
    await platform.manners(**FAST, effect_delay_s=[0.0, 0.0], change_fails=1.0)
    answer = await carrier.ask(hub, ACTIVE)
    assert isinstance(answer, Accepted)
    assert await carrier.progress(answer.operation) is OperationState.FAILED
    assert (await carrier.read(hub)).setting == PARKED


async def test_a_change_may_be_done_at_once(platform: Platform, carrier: Carrier, hub: str) -> None:
    await platform.manners(**FAST, at_once=1.0)
    answer = await carrier.ask(hub, ACTIVE)
    assert isinstance(answer, Done)
    assert answer.observation.setting == ACTIVE


async def test_asking_for_what_is_so_already_changes_nothing(platform: Platform, carrier: Carrier, hub: str) -> None:
    await platform.manners(**FAST)
    before = await carrier.read(hub)
    answer = await carrier.ask(hub, PARKED)
    assert isinstance(answer, Done)
    assert answer.observation.version == before.version


@pytest.mark.parametrize(
    "setting",
    [PlanSetting(None, "fastest", True), PlanSetting(0, "standard", False), PlanSetting(20000, "extra", False)],
)
async def test_a_plan_is_set_and_read_back(
    platform: Platform, carrier: Carrier, setting: PlanSetting, plan: str
) -> None:
    await platform.manners(**FAST, effect_delay_s=[0.0, 0.0])
    await carrier.ask(plan, setting)
    seen = await settled(carrier, plan, setting)
    assert (seen.counted_use_mb, seen.uncounted_use_mb) == (0, 0)


async def test_a_second_change_meanwhile_is_busy(platform: Platform, carrier: Carrier, hub: str) -> None:
    await platform.manners(**FAST, effect_delay_s=[5.0, 5.0])
    await carrier.ask(hub, ACTIVE)
    with pytest.raises(BusyError):
        await carrier.ask(hub, PARKED)


async def test_too_many_calls_are_told_to_wait(platform: Platform, carrier: Carrier, hub: str) -> None:
    await platform.manners()
    with pytest.raises(ThrottledError) as caught:
        await asyncio.gather(*(carrier.read(hub) for _ in range(8)))
    assert caught.value.retry_after_s == 1


async def test_maintenance_says_how_long(platform: Platform, carrier: Carrier, hub: str) -> None:
    await platform.manners(**FAST, maintenance=[{"at_s": 0, "for_s": 3600}])
    with pytest.raises(ThrottledError) as caught:
        await carrier.ask(hub, ACTIVE)
    assert 1 <= caught.value.retry_after_s <= 300


async def test_an_unknown_sim_is_told_from_a_failure(platform: Platform, carrier: Carrier) -> None:
    await platform.manners(**FAST)
    with pytest.raises(UnknownSimError):
        await carrier.read("8944100000000009999")
    with pytest.raises(UnknownSimError):
        await carrier.ask("8944100000000009999", ACTIVE)
    assert await carrier.progress("no-such-monitor") is OperationState.FORGOTTEN


async def test_a_wrong_token_is_refused(platform: Platform, hub: str) -> None:
    async with httpx.AsyncClient(base_url=platform.url, headers={"Authorization": "Bearer wrong"}) as http:
        with pytest.raises(RefusedError):
            await Tmf640Carrier(http).read(hub)


async def test_webhooks_are_signed_and_say_what_was_observed(platform: Platform, carrier: Carrier, hub: str) -> None:
    await platform.manners(**FAST, effect_delay_s=[0.0, 0.0], webhook_delay_s=[0.0, 0.0], webhook_twice=1.0)
    received: list[tuple[dict[str, str], bytes]] = []
    async with listening(received) as callback:
        await carrier.listen(callback, "shared secret")
        await carrier.listen(callback, "shared secret")
        await carrier.ask(hub, ACTIVE)

        async def heard() -> bool:
            return bool(observations(carrier, received))

        await until(heard)
    news = observations(carrier, received)
    assert {each.setting for each in news} == {ACTIVE}
    # However often and in whatever order it comes, it is one version.
    assert len({each.version for each in news}) == 1
    headers, body = received[0]
    with pytest.raises(UntrustedWebhookError):
        carrier.read_webhook(headers, body, "another secret")
    with pytest.raises(UntrustedWebhookError):
        carrier.read_webhook(headers, body + b" ", "shared secret")
    with pytest.raises(UntrustedWebhookError):
        carrier.read_webhook({}, body, "shared secret")


def observations(carrier: Carrier, received: list[tuple[dict[str, str], bytes]]) -> list[Observation]:
    news = [item for headers, body in received for item in carrier.read_webhook(headers, body, "shared secret").news]
    return [item for item in news if isinstance(item, Observation)]


class listening:  # noqa: N801  # reads as a block: `async with listening(…)`
    """A server that keeps what is posted to it."""

    def __init__(self, received: list[Any]) -> None:
        app = FastAPI()

        @app.post("/hook")
        async def take(request: Request) -> Response:
            received.append((dict(request.headers), await request.body()))
            return Response(status_code=204)

        self._port = free_port()
        config = uvicorn.Config(app, host="127.0.0.1", port=self._port, log_config=None, lifespan="off")
        self._server = uvicorn.Server(config)

    async def __aenter__(self) -> str:
        self._task = asyncio.create_task(self._server.serve())
        await wait_for_port(self._port)
        return f"http://127.0.0.1:{self._port}/hook"

    async def __aexit__(self, *_: object) -> None:
        self._server.should_exit = True
        await self._task
