"""What hubs are told of their history, and when: events at once, the rest once a minute, nothing never."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

import pytest

from controller.ingest.acknowledge import Acknowledger
from controller.ingest.record import Taken
from controller.link.port import LinkLostError
from controller.services import history
from controller.services.history import BootAck, HubHistory
from device_agent import protocol
from device_agent.protocol import Channel
from simulator.virtual.loop import run_virtual
from tests.unit.controller.household import Household

A, B, C = (f"01990000-0000-7000-8000-00000000000{digit}" for digit in "abc")
Told = list[tuple[float, str, dict[int, int]]]


class Ear:
    """A link that hears what is published; `lost` after so many."""

    def __init__(self, most: int = 1000) -> None:
        self.told: Told = []
        self.most = most
        self.busy = 0.0

    async def publish(self, topic: str, payload: bytes, **_: Any) -> None:
        if len(self.told) == self.most:
            raise LinkLostError("lost")
        ack = protocol.decode(Channel.ACK, payload)
        assert isinstance(ack, protocol.Ack)
        now = round(asyncio.get_running_loop().time(), 1)
        self.told.append((now, topic.split("/")[2], {each.boot: each.seq for each in ack.boots}))
        await asyncio.sleep(self.busy)

    def deliveries(self) -> Any:
        raise AssertionError("an acknowledger reads nothing")


def play(home: Household, scene: Callable[[Acknowledger, Ear], Coroutine[Any, Any, None]], ear: Ear) -> Told:
    async def run() -> None:
        acknowledger = Acknowledger(home.database, lambda: home.now)
        task = asyncio.ensure_future(acknowledger.run(ear))
        await asyncio.sleep(0)
        await scene(acknowledger, ear)
        task.cancel()
        # Only the loss of its link, which a scene may play, ends an acknowledger.
        with suppress(asyncio.CancelledError, LinkLostError):
            await task

    run_virtual(run())
    return ear.told


def test_events_are_told_at_once_and_samples_within_a_minute(home: Household) -> None:
    async def scene(acknowledger: Acknowledger, _ear: Ear) -> None:
        await asyncio.sleep(1)
        acknowledger.take(Taken({A: {1: 5}}))
        await asyncio.sleep(1)
        acknowledger.take(Taken({A: {1: 7}, B: {1: 1}, C: {}}))
        acknowledger.take(Taken({B: {2: 2}}, at_once={B}))
        await asyncio.sleep(1)
        acknowledger.take(Taken({B: {3: 1}}, at_once={B}))
        await asyncio.sleep(100)

    assert play(home, scene, Ear()) == [(2.0, B, {1: 1, 2: 2}), (3.0, B, {3: 1}), (61.0, A, {1: 7})]


def test_what_comes_while_a_hub_is_told_is_told_next(home: Household) -> None:
    async def scene(acknowledger: Acknowledger, ear: Ear) -> None:
        ear.busy = 3.0
        acknowledger.take(Taken({A: {1: 5}}, at_once={A}))
        await asyncio.sleep(1)
        acknowledger.take(Taken({A: {1: 6}}, at_once={A}))
        acknowledger.take(Taken({A: {1: 4}}))
        await asyncio.sleep(3)
        # It asks for what it is being told: that may go to a connection it no longer has.
        acknowledger.take(Taken({A: {1: 6}}, at_once={A}))
        await asyncio.sleep(100)

    assert play(home, scene, Ear()) == [(0.0, A, {1: 5}), (3.0, A, {1: 6}), (6.0, A, {1: 6})]


def test_what_a_lost_link_did_not_tell_the_next_one_tells(home: Household) -> None:
    async def scene(acknowledger: Acknowledger, ear: Ear) -> None:
        acknowledger.take(Taken({A: {1: 5}, B: {1: 6}}, at_once={A, B}))
        await asyncio.sleep(1)
        ear.most = 1000
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(10):
                await acknowledger.run(ear)

    assert play(home, scene, Ear(most=1)) == [(0.0, A, {1: 5}), (1.0, A, {1: 5}), (1.0, B, {1: 6})]


def test_a_new_process_tells_what_the_last_one_owed(home: Household) -> None:
    home.move_in()
    home.put_hub_in_drawer()
    home.run(history.record, batch=[HubHistory(home.hub_id, 1, seq, (), {"kind": "x"}) for seq in (1, 2, 4)])

    async def nothing(_acknowledger: Acknowledger, _ear: Ear) -> None:
        await asyncio.sleep(1)

    assert play(home, nothing, Ear()) == [(0.0, home.hub_id, {1: 2})]
    assert play(home, nothing, Ear()) == []


def test_a_hub_that_was_told_more_is_not_taken_back(home: Household) -> None:
    home.move_in()
    home.put_hub_in_drawer()
    home.run(history.record, batch=[HubHistory(home.hub_id, 1, seq, (), {"kind": "x"}) for seq in (1, 2, 3)])
    home.run(history.acknowledged, told={home.hub_id: {1: 3}})
    home.run(history.acknowledged, told={home.hub_id: {1: 2}})
    assert home.run(history.owed_acks) == {}
    home.run(history.record, batch=[HubHistory(home.hub_id, 1, 4, (), {"kind": "x"})])
    assert home.run(history.owed_acks) == {home.hub_id: (BootAck(boot=1, seq=4),)}
