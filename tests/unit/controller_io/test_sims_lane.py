"""A carrier account's lane under load, in virtual time: used, in order, and never spent on what a page can show."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from sqlmodel import Session, SQLModel

from controller.carrier.lane import Lane, LaneLimits
from controller.carrier.port import (
    Accepted,
    Carrier,
    HubSetting,
    Observation,
    OperationState,
    Setting,
    ThrottledError,
)
from controller.domain.sim import SimState
from controller.services import lanes, owed, sims
from controller.services.actor import Actor
from controller.services.database import Database
from controller.work.loop import Work, WorkLoop
from controller.work.sims import Sims
from simulator.virtual.loop import run_virtual

START = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
ACTOR = Actor.system("test")
CALL_S = 0.08


@dataclass
class SlowPlatform:
    """Accepts at once and takes up to half an hour; keeps who asked when, in seconds."""

    effect_s: tuple[float, float] = (0.0, 1800.0)
    throttles: int = 0
    asked: list[tuple[float, str]] = field(default_factory=list)
    pages: list[tuple[float, int]] = field(default_factory=list)
    singles: list[float] = field(default_factory=list)
    effects: dict[str, float] = field(default_factory=dict)
    states: random.Random = field(default_factory=lambda: random.Random(7))

    @property
    def management_bearer(self) -> bool:
        return True

    async def ask(self, iccid: str, setting: Setting) -> Accepted:
        assert setting == HubSetting(SimState.ACTIVE)
        self.asked.append((loop_time(), iccid))
        if self.throttles:
            self.throttles -= 1
            raise ThrottledError("the carrier answered 429", 30)
        await asyncio.sleep(CALL_S)
        self.effects[iccid] = loop_time() + self.states.uniform(*self.effect_s)
        return Accepted(f"monitor-{iccid}")

    async def read(self, iccid: str) -> Observation:
        self.singles.append(loop_time())
        await asyncio.sleep(CALL_S)
        return self.observe(iccid)

    async def read_many(self, iccids: Sequence[str]) -> tuple[Observation, ...]:
        self.pages.append((loop_time(), len(iccids)))
        await asyncio.sleep(CALL_S)
        return tuple(self.observe(iccid) for iccid in iccids)

    async def progress(self, operation: str) -> OperationState:
        self.singles.append(loop_time())
        await asyncio.sleep(CALL_S)
        iccid = operation.removeprefix("monitor-")
        return OperationState.COMPLETED if self.effects[iccid] <= loop_time() else OperationState.RUNNING

    def observe(self, iccid: str) -> Observation:
        active = iccid in self.effects and self.effects[iccid] <= loop_time()
        setting = HubSetting(SimState.ACTIVE if active else SimState.PARKED)
        return Observation(iccid=iccid, setting=setting, version=1 + active, at=now())


def loop_time() -> float:
    return asyncio.get_running_loop().time()


def now() -> datetime:
    return START + timedelta(seconds=loop_time())


def enrol(session: Session, actor: Actor, at: datetime, *, deadlines: dict[str, datetime]) -> None:
    for iccid, deadline in deadlines.items():
        row = sims.enrol(session, f"sim-{iccid}", kind=sims.HUB, iccid=iccid)
        sims.intend(session, at, row, {"state": "active"}, deadline)


def waiting(session: Session, actor: Actor, at: datetime, *, iccids: list[str]) -> list[str]:
    return [each for each in iccids if not sims.look(session, actor, at, sim_id=f"sim-{each}").matches]


def deadlines_of(count: int) -> dict[str, datetime]:
    minutes = list(range(1, count + 1))
    random.Random(3).shuffle(minutes)
    return {f"8944100000{n:09d}": START + timedelta(minutes=minute) for n, minute in enumerate(minutes)}


def play(platform: Any, deadlines: dict[str, datetime], limits: LaneLimits, until_s: float) -> tuple[list[str], Lane]:
    """Let everything be owed at once, and work for so long; returns who still waits, and the lane."""

    async def work() -> tuple[list[str], Lane]:
        database = Database("sqlite://")
        SQLModel.metadata.create_all(database.engine)
        lane = Lane(limits, random=random.Random(1))
        carrier: Carrier = platform
        handler = Sims(database, carrier, lane, now, account="a", holder="one", first_poll=timedelta(seconds=1))
        loop = WorkLoop(handler.work(), database, now, poll_s=60)
        await database.run(enrol, actor=ACTOR, now=now(), deadlines=deadlines)
        task = asyncio.create_task(loop.run())
        await asyncio.sleep(until_s)
        loop.stop()
        await task
        left = await database.run(waiting, actor=ACTOR, now=now(), iccids=list(deadlines))
        await database.close()
        return left, lane

    return run_virtual(work())


def test_five_calls_a_second_one_at_a_time_are_used_strictly_by_deadline() -> None:
    platform, deadlines = SlowPlatform(), deadlines_of(50)
    play(platform, deadlines, LaneLimits(5.0, 1), 12)
    order = [iccid for _, iccid in platform.asked]
    assert order == sorted(deadlines, key=lambda iccid: deadlines[iccid])
    last = platform.asked[-1][0]
    calls = sorted([at for at, _ in platform.asked] + [at for at, _ in platform.pages] + platform.singles)
    used = sum(at <= last for at in calls) / 5.0 / last
    assert used >= 0.95, used
    assert all(sum(at <= other < at + 1.0 for other in calls) <= 5 for at in calls)
    # Polling meanwhile costs pages, not reads of each.
    assert not platform.singles
    assert len(calls) < 1.2 * len(deadlines)


def test_half_an_hour_until_a_change_takes_effect_is_waited_for_and_noticed() -> None:
    platform, deadlines = SlowPlatform(), deadlines_of(10)
    left, _ = play(platform, deadlines, LaneLimits(5.0, 1), 2500)
    assert left == []
    # Each was asked for once: slow is not failed.
    assert len(platform.asked) == 10


def test_a_throttled_lane_lets_nobody_call_until_it_opens_and_forgets_nobody() -> None:
    platform, deadlines = SlowPlatform(effect_s=(0.0, 0.0), throttles=1), deadlines_of(5)
    left, _ = play(platform, deadlines, LaneLimits(5.0, 1), 60)
    assert left == []
    times = [at for at, _ in platform.asked]
    assert times[1] - times[0] >= 30


def test_one_process_uses_the_lane_renews_it_in_time_and_lets_it_go() -> None:
    def hold(session: Session, actor: Actor, at: datetime, *, holder: str) -> bool:
        return lanes.hold(session, actor, at, account="a", holder=holder, lease=timedelta(seconds=30))

    async def work() -> None:
        database = Database("sqlite://")
        SQLModel.metadata.create_all(database.engine)
        lane, carrier = Lane(LaneLimits(5.0, 1), random=random.Random(1)), cast("Carrier", SlowPlatform())
        one = Sims(database, carrier, lane, now, account="a", holder="one", first_poll=timedelta(seconds=1))
        assert await database.run(hold, actor=ACTOR, now=now(), holder="two")
        # Every time it asks, it is another's.
        assert [await one.gate() > 0, await one.gate() > 0] == [True, True]
        await asyncio.sleep(30)
        assert await one.gate() == 0
        # The other may have called a moment ago.
        assert lane.due_in() > 0.19
        await asyncio.sleep(16)
        assert await one.gate() == 0
        await asyncio.sleep(20)
        assert not await database.run(hold, actor=ACTOR, now=now(), holder="two")
        await one.release()
        assert await database.run(hold, actor=ACTOR, now=now(), holder="two")
        await database.close()

    run_virtual(work())


def test_a_look_that_fails_does_not_end_the_loop() -> None:
    async def work() -> int:
        database = Database("sqlite://")
        SQLModel.metadata.create_all(database.engine)
        looks = 0

        async def gate() -> float:
            nonlocal looks
            looks += 1
            if looks < 3:
                raise ValueError("unforeseen")
            return 60.0

        async def handle(_claim: object) -> None: ...

        loop = WorkLoop(Work("sims", 1, handle, gate), database, now, poll_s=60)
        task = asyncio.create_task(loop.run())
        await asyncio.sleep(10)
        loop.stop()
        await task
        await database.close()
        return looks

    assert run_virtual(work()) >= 3


def test_a_mark_wakes_its_loop_when_it_is_due_and_not_before() -> None:
    looked: list[float] = []
    handled: list[float] = []

    async def gate() -> float:
        looked.append(loop_time())
        return 0.0

    async def handle(_claim: object) -> None:
        handled.append(loop_time())

    def mark(session: Session, actor: Actor, at: datetime, *, key: str, after_s: float) -> None:
        owed.mark(session, "sims", key, now=at, due=at + timedelta(seconds=after_s))

    async def work() -> None:
        database = Database("sqlite://")
        SQLModel.metadata.create_all(database.engine)
        loop = WorkLoop(Work("sims", 4, handle, gate), database, now, poll_s=60)
        task = asyncio.create_task(loop.run())
        await asyncio.sleep(1)
        await database.run(mark, actor=ACTOR, now=now(), key="later", after_s=3)
        await asyncio.sleep(1)
        assert len(looked) == 1
        await database.run(mark, actor=ACTOR, now=now(), key="now", after_s=0)
        await asyncio.sleep(4)
        loop.stop()
        await task
        await database.close()

    run_virtual(work())
    assert handled == [2.0, 4.0]
