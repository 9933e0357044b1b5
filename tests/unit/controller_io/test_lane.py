import asyncio
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.carrier.lane import Lane, LaneLimits
from simulator.virtual.loop import run_virtual


async def call_times(lane: Lane, count: int, duration_s: float) -> list[tuple[float, float]]:
    """Return (begin, end) of each call."""
    loop = asyncio.get_running_loop()
    times: list[tuple[float, float]] = []

    async def call() -> None:
        async with lane.turn():
            begun = loop.time()
            await asyncio.sleep(duration_s)
            times.append((begun, loop.time()))

    async with asyncio.TaskGroup() as group:
        for _ in range(count):
            group.create_task(call())
    return sorted(times)


def run(lane_limits: LaneLimits, count: int, duration_s: float) -> list[tuple[float, float]]:
    async def play() -> list[tuple[float, float]]:
        return await call_times(Lane(lane_limits, random=random.Random(1)), count, duration_s)

    return run_virtual(play())


@given(rate=st.floats(0.5, 50), concurrency=st.integers(1, 4), count=st.integers(1, 40), duration_s=st.floats(0, 2))
@settings(max_examples=60)
def test_rate_and_concurrency_are_never_exceeded(rate: float, concurrency: int, count: int, duration_s: float) -> None:
    times = run(LaneLimits(rate, concurrency), count, duration_s)
    for begun, _ in times:
        assert sum(begun <= other < begun + 1.0 for other, _ in times) <= max(1, rate + 1e-6) + 1
        assert sum(b <= begun < e for b, e in times) <= concurrency


def test_a_lane_that_rested_owes_nothing_for_it() -> None:
    async def play() -> list[tuple[float, float]]:
        lane = Lane(LaneLimits(5.0, 1), random=random.Random(1))
        await asyncio.sleep(10)
        return await call_times(lane, 6, 0.0)

    begun = [begun for begun, _ in run_virtual(play())]
    assert begun[5] - begun[0] >= 1.0


def test_a_lane_of_five_calls_a_second_is_used() -> None:
    times = run(LaneLimits(5.0, 1), 51, 0.0)
    assert 10.0 <= times[-1][0] <= 10.0 / 0.95


def test_an_unlimited_lane_waits_for_nothing() -> None:
    assert run(LaneLimits(None, 100), 100, 0.5)[-1] == (0.0, 0.5)


def test_a_held_lane_lets_nobody_call() -> None:
    async def play() -> float:
        lane = Lane(LaneLimits(None, 1), random=random.Random(1))
        lane.hold(30)
        lane.hold(1)
        assert lane.held_for() == 30
        return (await call_times(lane, 1, 0.0))[0][0]

    assert run_virtual(play()) == 30


def test_a_place_without_a_call_costs_no_time() -> None:
    async def play() -> float:
        lane = Lane(LaneLimits(1.0, 1), random=random.Random(1))
        async with lane.place():
            pass
        assert lane.calls == 0
        return (await call_times(lane, 1, 0.0))[0][0]

    assert run_virtual(play()) == pytest.approx(0.0)


def test_who_cannot_wait_long_is_told_so_at_once_and_makes_no_call() -> None:
    async def play() -> tuple[float, float, bool, bool, int]:
        lane = Lane(LaneLimits(5.0, 1), random=random.Random(1))
        lane.hold(30)
        due = lane.due_in()
        refused = await lane.pace(within_s=5)
        at = asyncio.get_running_loop().time()
        return due, at, refused, await lane.pace(within_s=31), lane.calls

    assert run_virtual(play()) == (30, 0, False, True, 1)


def test_failures_in_a_row_open_the_circuit_longer_and_longer() -> None:
    async def play() -> list[float]:
        lane = Lane(LaneLimits(None, 1), random=random.Random(1))
        pauses: list[float] = []
        for _ in range(12):
            lane.failed()
            pauses.append(lane.held_for())
            await asyncio.sleep(pauses[-1])
        lane.worked()
        lane.failed()
        return [*pauses, lane.held_for()]

    pauses: list[Any] = run_virtual(play())
    assert pauses[:2] == [0.0, 0.0]
    assert 0 < pauses[2] <= 1
    assert 30 <= pauses[11] <= 60
    assert pauses[12] == 0.0
