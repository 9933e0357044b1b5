"""The contract of every carrier adapter, on the simulated TMF640 platform and on a real osmo-hlr."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import httpx
import pytest

from controller.carrier.osmo_hlr import OsmoHlrCarrier
from controller.carrier.port import (
    Carrier,
    Done,
    HubSetting,
    NotUnderstoodError,
    Observation,
    OperationState,
    UnknownOutcomeError,
    UnknownSimError,
    UnreachableError,
    UntrustedWebhookError,
)
from controller.carrier.tmf640 import Tmf640Carrier
from controller.domain.sim import SimState
from tests.e2e.controller.processes import Platform, until
from tests.e2e.controller.register import CONTROL, TERMINAL, relayed
from tests.e2e.controller.sides import HlrSide, Scrambler, Side, Tmf640Side, clock, fresh_iccid, known_imsi
from tests.e2e.mosquitto import free_port

pytestmark = pytest.mark.e2e

ACTIVE, PARKED = HubSetting(SimState.ACTIVE), HubSetting(SimState.PARKED)


@pytest.fixture(params=["tmf640", "osmo-hlr"])
async def side(request: pytest.FixtureRequest) -> AsyncIterator[Side]:
    url: str = request.getfixturevalue("platform_url" if request.param == "tmf640" else "register")
    async with (tmf640_side if request.param == "tmf640" else hlr_side)(url) as made:
        await made.behave()
        yield made


@asynccontextmanager
async def tmf640_side(url: str) -> AsyncIterator[Side]:
    async with AsyncExitStack() as stack:
        scrambler = Scrambler()
        headers = {"Authorization": "Bearer secret"}
        http = httpx.AsyncClient(base_url=url, headers=headers, timeout=None, transport=scrambler)
        plain = await stack.enter_async_context(httpx.AsyncClient(timeout=10))
        carrier = Tmf640Carrier(await stack.enter_async_context(http))

        def nonsense(wanted: bool) -> None:  # a switch
            scrambler.scrambled = wanted

        yield Tmf640Side(Platform(url, plain), carrier, nonsense)


@asynccontextmanager
async def hlr_side(address: str) -> AsyncIterator[Side]:
    async with relayed(address, CONTROL) as control, relayed(address, TERMINAL) as terminal:
        carrier = OsmoHlrCarrier(
            "127.0.0.1", imsi_of=known_imsi(), now=clock, control_port=control.port, terminal_port=terminal.port
        )
        yield HlrSide(address, control, terminal, carrier)
        await carrier.close()


async def settled(carrier: Carrier, iccid: str, setting: HubSetting) -> Observation:
    async def is_so() -> bool:
        return (await carrier.read(iccid)).setting == setting

    await until(is_so)
    return await carrier.read(iccid)


async def test_the_response_is_lost_after_the_effect_happened(side: Side) -> None:
    iccid = await side.provision()
    await side.lose_answers()
    with pytest.raises(UnknownOutcomeError):
        await side.carrier.ask(iccid, ACTIVE)
    assert (await side.carrier.read(iccid)).setting == ACTIVE
    assert await side.changes(iccid) == 1


async def test_a_request_that_had_no_effect_is_an_unknown_outcome_too(side: Side) -> None:
    iccid = await side.provision()
    await side.lose_requests()
    with pytest.raises(UnknownOutcomeError):
        await side.carrier.ask(iccid, ACTIVE)
    await side.behave()
    assert (await side.carrier.read(iccid)).setting == PARKED
    assert await side.changes(iccid) == 0


async def test_after_a_loss_the_next_call_works(side: Side) -> None:
    iccid = await side.provision()
    await side.lose_answers()
    with pytest.raises(UnknownOutcomeError):
        await side.carrier.ask(iccid, ACTIVE)
    await side.behave()
    await side.carrier.ask(iccid, PARKED)
    await settled(side.carrier, iccid, PARKED)


@pytest.mark.parametrize("state", list(SimState))
async def test_every_state_of_a_hubs_sim_is_set_and_read_back(side: Side, state: SimState) -> None:
    iccid = await side.provision()
    before = await side.carrier.read(iccid)
    await side.carrier.ask(iccid, HubSetting(state))
    after = await settled(side.carrier, iccid, HubSetting(state))
    assert after.iccid == iccid
    assert after.version > before.version or state is SimState.PARKED


async def test_asking_for_what_is_so_already_is_done_and_stays_so(side: Side) -> None:
    iccid = await side.provision()
    for setting in (PARKED, ACTIVE, ACTIVE):
        await side.carrier.ask(iccid, setting)
        await settled(side.carrier, iccid, setting)
    answer = await side.carrier.ask(iccid, ACTIVE)
    assert isinstance(answer, Done)
    assert answer.observation.setting == ACTIVE


async def test_an_unknown_sim_is_told_from_a_failure(side: Side) -> None:
    iccid = fresh_iccid()
    with pytest.raises(UnknownSimError):
        await side.carrier.read(iccid)
    with pytest.raises(UnknownSimError):
        await side.carrier.ask(iccid, ACTIVE)
    assert await side.carrier.progress("no-such-monitor") is OperationState.FORGOTTEN


async def test_many_sims_are_read_and_unknown_ones_left_out(side: Side) -> None:
    iccids = [await side.provision() for _ in range(60)]
    seen = await side.carrier.read_many([*iccids, fresh_iccid()])
    assert [each.iccid for each in seen] == iccids


async def test_nobody_there_is_unreachable() -> None:
    port = free_port()
    nobody = OsmoHlrCarrier("127.0.0.1", imsi_of=known_imsi(), now=clock, control_port=port, terminal_port=port)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
        for carrier in (Tmf640Carrier(http), nobody):
            with pytest.raises(UnreachableError):
                await carrier.ask("8944100000000000011", ACTIVE)


async def test_what_is_not_of_the_protocol_is_not_understood(side: Side) -> None:
    iccid = await side.provision()
    await side.talk_nonsense()
    with pytest.raises(NotUnderstoodError):
        await side.carrier.read(iccid)
    await side.behave()
    assert (await side.carrier.read(iccid)).setting == PARKED


async def test_a_caller_who_gives_up_disturbs_nobody(side: Side) -> None:
    iccids = [await side.provision() for _ in range(8)]
    asks = [asyncio.create_task(side.carrier.ask(iccid, ACTIVE)) for iccid in iccids]
    await asyncio.sleep(0)
    asks[0].cancel()
    await asyncio.gather(*asks, return_exceptions=True)
    assert asks[0].cancelled()
    for iccid in iccids[1:]:
        await settled(side.carrier, iccid, ACTIVE)


def test_nobody_is_believed_without_a_signature(side: Side) -> None:
    with pytest.raises(UntrustedWebhookError):
        side.carrier.read_webhook({"x-signature": "sha256=00"}, b"{}", "secret")
