"""What only a register does: a serving node sees SIMs switched, live sessions end, subscribers are made."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest

from controller.carrier.osmo_hlr import OsmoHlrCarrier
from controller.carrier.port import (
    HubSetting,
    PlanSetting,
    RefusedError,
    UnknownOutcomeError,
    UnknownSimError,
    UnreachableError,
)
from controller.domain.sim import SimState
from simulator.modem.gsup_client import NO_PACKET_SERVICE, GsupClient
from simulator.radio import Verdict
from tests.e2e.controller.processes import until
from tests.e2e.controller.register import CONTROL, GSUP, TERMINAL, relayed
from tests.e2e.controller.sides import ask_register, clock, fresh_iccid, imsi_of, known_imsi
from tests.e2e.controller.stage import HUB_SIM, open_stage

pytestmark = pytest.mark.e2e

ACTIVE, PARKED, BARRED = (HubSetting(state) for state in (SimState.ACTIVE, SimState.PARKED, SimState.BARRED))


class ServingNode:
    """The network's side of the register: attaches subscribers, and hears when one is to be dropped."""

    def __init__(self, address: str) -> None:
        self.client = GsupClient(address, GSUP)
        self.dropped: asyncio.Queue[int] = asyncio.Queue()
        self.client.on_detach = self.dropped.put_nowait

    async def attach(self, iccid: str) -> Verdict:
        verdicts: asyncio.Queue[Verdict] = asyncio.Queue()
        for _ in range(10):
            # A register has no answer for a node whose name it did not hear yet.
            self.client.ask_attach(verdicts.put_nowait, iccid=iccid, imsi=imsi_of(iccid), imei="")
            with suppress(TimeoutError):
                async with asyncio.timeout(1):
                    return await verdicts.get()
        raise AssertionError("the register gives no verdict")

    async def hears_a_drop(self) -> int:
        async with asyncio.timeout(10):
            return await self.dropped.get()


@pytest.fixture
async def node(register: str) -> AsyncIterator[ServingNode]:
    made = ServingNode(register)
    yield made
    await made.client.close()


@pytest.fixture
async def carrier(register: str) -> AsyncIterator[OsmoHlrCarrier]:
    made = OsmoHlrCarrier(register, imsi_of=known_imsi(), now=clock, create=True)
    yield made
    await made.close()


async def test_a_parked_sim_is_refused_and_an_active_one_attaches(carrier: OsmoHlrCarrier, node: ServingNode) -> None:
    iccid = fresh_iccid()
    for setting, accepted in ((PARKED, False), (ACTIVE, True), (PARKED, False), (BARRED, False), (ACTIVE, True)):
        await carrier.ask(iccid, setting)
        verdict = await node.attach(iccid)
        assert (verdict.accepted, verdict.cause) == (accepted, None if accepted else NO_PACKET_SERVICE)


@pytest.mark.parametrize("off", [PARKED, BARRED])
async def test_a_live_session_is_cut(carrier: OsmoHlrCarrier, node: ServingNode, off: HubSetting) -> None:
    iccid = fresh_iccid()
    await carrier.ask(iccid, ACTIVE)
    assert (await node.attach(iccid)).accepted
    await carrier.ask(iccid, off)
    assert await node.hears_a_drop() == NO_PACKET_SERVICE


async def test_a_session_that_somebody_elses_switch_left_alive_is_cut_too(
    register: str, carrier: OsmoHlrCarrier, node: ServingNode
) -> None:
    """A CTRL write tells no serving node, and the VTY skips a mode that is set already."""
    iccid = fresh_iccid()
    await carrier.ask(iccid, ACTIVE)
    assert (await node.attach(iccid)).accepted
    await ask_register(register, "SET", f"subscriber.by-imsi-{imsi_of(iccid)}.ps-enabled", "0")
    assert (await carrier.read(iccid)).setting == PARKED
    assert node.dropped.empty()
    await carrier.ask(iccid, PARKED)
    assert await node.hears_a_drop() == NO_PACKET_SERVICE
    assert (await carrier.read(iccid)).setting == PARKED


async def test_one_that_the_register_does_not_know_is_made_parked(carrier: OsmoHlrCarrier, node: ServingNode) -> None:
    iccid = fresh_iccid()
    with pytest.raises(UnknownSimError):
        await carrier.read(iccid)
    await carrier.ask(iccid, PARKED)
    assert (await carrier.read(iccid)).setting == PARKED
    assert not (await node.attach(iccid)).accepted


async def test_a_sim_without_an_imsi_is_unknown_and_never_a_command(register: str) -> None:
    async def odd(iccid: str) -> str | None:
        return None if iccid.endswith("1") else "1 show\nsubscriber imsi 2"

    carrier = OsmoHlrCarrier(register, imsi_of=odd, now=clock, create=True)
    for iccid in ("8944100000000000011", "8944100000000000029"):
        with pytest.raises(UnknownSimError):
            await carrier.ask(iccid, ACTIVE)
    await carrier.close()


async def test_plans_and_webhooks_are_refused_and_there_is_no_management_bearer(carrier: OsmoHlrCarrier) -> None:
    with pytest.raises(RefusedError):
        await carrier.ask(fresh_iccid(), PlanSetting(None, "standard", True))
    with pytest.raises(RefusedError):
        await carrier.listen("http://127.0.0.1/hook", "secret")
    assert not carrier.management_bearer


async def test_a_silent_register_is_given_up_and_asked_again_on_a_new_connection(register: str) -> None:
    async with relayed(register, CONTROL) as control, relayed(register, TERMINAL) as terminal:
        carrier = OsmoHlrCarrier(
            "127.0.0.1",
            imsi_of=known_imsi(),
            now=clock,
            create=True,
            control_port=control.port,
            terminal_port=terminal.port,
            deadline_s=0.3,
        )
        iccid = fresh_iccid()
        await carrier.ask(iccid, PARKED)
        terminal.hold_answers = asyncio.Event()
        with pytest.raises(UnknownOutcomeError):
            await carrier.ask(iccid, ACTIVE)
        control.hold_answers = asyncio.Event()
        with pytest.raises(UnreachableError):
            await carrier.read(iccid)
        control.hold_answers = terminal.hold_answers = None
        assert (await carrier.read(iccid)).setting == ACTIVE
        await carrier.ask(iccid, PARKED)
        await carrier.close()


async def test_hundreds_at_once_get_their_own_answers(carrier: OsmoHlrCarrier) -> None:
    iccids = [fresh_iccid() for _ in range(200)]
    wanted = [ACTIVE if n % 3 else PARKED for n in range(200)]
    await asyncio.gather(*(carrier.ask(iccid, each) for iccid, each in zip(iccids, wanted, strict=True)))
    seen = {each.iccid: each.setting for each in await carrier.read_many(iccids)}
    assert seen == dict(zip(iccids, wanted, strict=True))


async def test_serve_switches_a_hubs_sim_at_the_register(register: str, tmp_path: Path) -> None:
    async with open_stage(tmp_path) as stage:
        await stage.serve("controller", "--carrier-url", f"osmo-hlr://{register}?create=yes")
        _, line_id, hub_id = await stage.customer()
        fault_id = await stage.report_fault(line_id)

        async def ready() -> bool:
            fault = await stage.admin.get(f"/v1/faults/{fault_id}")
            return any(each["ready_at"] for each in fault["promises"] if each["benefit"] == "mini_hub")

        await until(ready, 30)
        told = await ask_register(register, "GET", f"subscriber.by-imsi-{imsi_of(HUB_SIM)}.ps-enabled")
        assert told.endswith(" 1"), (hub_id, told)
