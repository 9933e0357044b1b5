"""Whose turn it is on a port: no turn is lost, whoever is cancelled and whenever."""

import asyncio

import pytest

from firmware_bridge.at.commands import Priority
from firmware_bridge.at.turns import Turns

from .clock import run


@pytest.mark.parametrize("given_first", [True, False])
def test_a_turn_that_comes_together_with_the_cancellation_goes_to_the_next(given_first: bool) -> None:
    async def body() -> None:
        turns = Turns()
        assert turns.take_free()
        first, second = (asyncio.create_task(turns.take(Priority.NORMAL)) for _ in range(2))
        await asyncio.sleep(0)
        for step in (turns.give, first.cancel) if given_first else (first.cancel, turns.give):
            step()
        async with asyncio.timeout(1):
            await second
        assert first.cancelled()
        assert turns.busy
        turns.give()
        assert turns.take_free()

    run(body())


def test_who_came_first_goes_first_within_a_priority() -> None:
    async def body() -> None:
        turns = Turns()
        order: list[str] = []
        assert turns.take_free()

        async def take(name: str, priority: Priority) -> None:
            await turns.take(priority)
            order.append(name)
            turns.give()

        async with asyncio.TaskGroup() as group:
            for priority in (Priority.NORMAL, Priority.BACKGROUND, Priority.URGENT):
                for number in (1, 2):
                    group.create_task(take(f"{priority.name} {number}", priority))
            await asyncio.sleep(0)
            turns.give()
        assert order == [f"{name} {number}" for name in ("URGENT", "NORMAL", "BACKGROUND") for number in (1, 2)]

    run(body())
