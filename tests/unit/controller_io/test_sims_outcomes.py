"""What a SIM's work makes of a carrier's answers: asked once for each effect, watched while one may still come."""

import asyncio
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Final, cast

from sqlalchemy import update
from sqlmodel import Session, SQLModel, col

from controller.carrier.lane import Lane, LaneLimits
from controller.carrier.port import (
    Accepted,
    BusyError,
    Carrier,
    CarrierError,
    HubSetting,
    NotUnderstoodError,
    Observation,
    OperationState,
    RefusedError,
    UnknownOutcomeError,
    UnknownSimError,
)
from controller.domain.sim import SimState
from controller.services import owed, sims
from controller.services.actor import Actor
from controller.services.database import Database
from controller.tables.owed import Owed
from controller.tables.sims import SimState as Row
from controller.work.loop import WorkLoop
from controller.work.sims import LONGEST_POLL, Sims
from simulator.virtual.loop import run_virtual

START = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
ACTOR = Actor.system("test")
ACTIVE, PARKED = {"state": "active"}, {"state": "parked"}
MINUTE: Final = 60.0
DONE, FAILED, FORGOTTEN = OperationState.COMPLETED, OperationState.FAILED, OperationState.FORGOTTEN


def loop_time() -> float:
    return asyncio.get_running_loop().time()


def now() -> datetime:
    return START + timedelta(seconds=loop_time())


@dataclass
class Call:
    """How one call of a SIM goes: the error that answers it, when it takes effect after, and how its monitor ends."""

    error: CarrierError | None = None
    effect_s: float | None = 0.0
    ends: tuple[float, OperationState] = (0.0, DONE)


@dataclass
class Card:
    """One SIM at the carrier, and its story.

    What its calls do, in order, the last one again and again; how many `times` it is to be asked; how late reads are;
    what is intended, when it is to be parked instead, and how often work on it failed before.
    """

    calls: tuple[Call, ...]
    times: int = 1
    lag_s: float = 0.0
    intended: dict[str, str] = field(default_factory=lambda: ACTIVE)
    mind_s: float | None = None
    attempts: int = 0
    asked: list[tuple[float, str]] = field(default_factory=list)
    looks: list[float] = field(default_factory=list)
    effects: list[tuple[float, SimState]] = field(default_factory=list)

    def ask(self, to: SimState) -> Call:
        call = self.calls[min(len(self.asked), len(self.calls) - 1)]
        self.asked.append((loop_time(), to.value))
        if call.effect_s is not None:
            self.effects.append((loop_time() + call.effect_s, to))
        return call

    def observe(self, iccid: str) -> Observation:
        there = sorted(each for each in self.effects if each[0] + self.lag_s <= loop_time())
        state = there[-1][1] if there else SimState.PARKED
        return Observation(iccid=iccid, setting=HubSetting(state), version=1 + len(there), at=now())


class Scripted:
    """A platform on which every SIM has a story of its own."""

    management_bearer = True

    def __init__(self, cards: dict[str, Card]) -> None:
        self.cards = cards
        self.called: list[float] = []

    async def ask(self, iccid: str, setting: HubSetting) -> Accepted:
        self.called.append(loop_time())
        card = self.cards[iccid]
        call = card.ask(setting.state)
        if call.error is not None:
            raise call.error
        ends_at, how = loop_time() + call.ends[0], call.ends[1]
        return Accepted(f"{iccid}/{ends_at}/{how.value}")

    async def read(self, iccid: str) -> Observation:
        return (await self.read_many([iccid]))[0]

    async def read_many(self, iccids: Sequence[str]) -> tuple[Observation, ...]:
        self.called.append(loop_time())
        for iccid in iccids:
            self.cards[iccid].looks.append(loop_time())
        return tuple(self.cards[iccid].observe(iccid) for iccid in iccids)

    async def progress(self, operation: str) -> OperationState:
        self.called.append(loop_time())
        _, ends_at, how = operation.split("/")
        return OperationState(how) if loop_time() >= float(ends_at) else OperationState.RUNNING


def enrol(session: Session, actor: Actor, at: datetime, *, cards: Mapping[str, Card]) -> None:
    for iccid, card in cards.items():
        row = sims.enrol(session, f"sim-{iccid}", kind=sims.HUB, iccid=iccid)
        sims.intend(session, at, row, card.intended, at + timedelta(hours=1))
        failed = update(Owed).where(col(Owed.key) == row.id).values(attempts=card.attempts)
        session.connection().execute(failed)


def park(session: Session, actor: Actor, at: datetime, *, iccid: str) -> None:
    row = session.get(Row, f"sim-{iccid}")
    assert row is not None
    sims.intend(session, at, row, PARKED, None)


def waiting(session: Session, actor: Actor, at: datetime, *, cards: Mapping[str, Card]) -> list[str]:
    return [each for each in cards if not sims.look(session, actor, at, sim_id=f"sim-{each}").matches]


def play(cards: Mapping[str, Card], for_s: float) -> list[str]:
    """Let every story happen; returns who is not as it should be at the end."""

    async def work() -> list[str]:
        database = Database("sqlite://")
        SQLModel.metadata.create_all(database.engine)
        lane, carrier = Lane(LaneLimits(50.0, 1), random=random.Random(1)), Scripted(dict(cards))
        one = Sims(
            database, cast("Carrier", carrier), lane, now, account="a", holder="one", first_poll=timedelta(seconds=1)
        )
        loop = WorkLoop(one.work(), database, now, poll_s=1e6)
        task = asyncio.create_task(loop.run())
        await database.run(enrol, actor=ACTOR, now=now(), cards=cards)
        for at_s, iccid in sorted((card.mind_s, iccid) for iccid, card in cards.items() if card.mind_s is not None):
            await asyncio.sleep(at_s - loop_time())
            await database.run(park, actor=ACTOR, now=now(), iccid=iccid)
        await asyncio.sleep(for_s - loop_time())
        loop.stop()
        await task
        left: list[str] = await database.run(waiting, actor=ACTOR, now=now(), cards=cards)
        await database.close()
        # Each call of a turn waits for the account's rate, the second one too.
        assert min(later - sooner for sooner, later in pairwise(carrier.called)) > 1 / 50
        return left

    return run_virtual(work())


def test_a_call_is_made_again_only_when_it_is_known_to_have_failed_and_watched_while_it_may_take_effect() -> None:
    lost, refused = UnknownOutcomeError("lost"), RefusedError("no")
    no, late, last = Call(effect_s=None), 20 * MINUTE, owed.PARK_AFTER - 1
    cards = {
        # Wanted off meanwhile: what is on its way may still turn it on. (After three losses nobody calls for a while.)
        "lost and late": Card((Call(lost, effect_s=late), Call()), times=2, mind_s=0.1),
        "lost after its effect": Card((Call(lost),)),
        "garbled after its effect": Card((Call(NotUnderstoodError("garbled")),)),
        "lost before its effect": Card((Call(lost, effect_s=None), Call()), times=2),
        "lost at last": Card((Call(lost, effect_s=None), Call()), times=2, attempts=last),
        "slow": Card((Call(effect_s=29 * MINUTE, ends=(29 * MINUTE, DONE)),)),
        "over, and shown late": Card((Call(),), lag_s=9 * MINUTE),
        "failed": Card((replace(no, ends=(MINUTE, FAILED)), Call()), times=2),
        "forgotten": Card((replace(no, ends=(MINUTE, FORGOTTEN)), Call()), times=2),
        # What passes by itself and what puts off are tried until they work; anything else is a person's in the end.
        "busy": Card((replace(no, error=BusyError("busy")), Call()), times=2, attempts=last),
        "refused": Card((replace(no, error=refused), Call()), attempts=last),
        "unknown": Card((replace(no, error=UnknownSimError("who")), Call()), attempts=last),
        "off": Card((replace(no, error=refused), Call()), times=2, intended=PARKED, attempts=last),
        "accepted": Card((Call(effect_s=late, ends=(late, DONE)), Call()), times=2, mind_s=20.0),
        "failed meanwhile": Card((replace(no, ends=(40.0, FAILED)),), mind_s=20.0),
    }
    left = play(cards, 45 * MINUTE)
    assert {name: len(card.asked) for name, card in cards.items()} == {name: card.times for name, card in cards.items()}
    assert left == ["refused", "unknown"]
    # After three answers lost in a row nobody calls for a while.
    assert cards["lost before its effect"].asked[0][0] >= 0.5
    # What may be on its way is asked about after five minutes, not before.
    for name in ("failed", "forgotten"):
        assert 5 * MINUTE <= cards[name].asked[1][0] < 12 * MINUTE
    assert 5.0 <= cards["busy"].asked[1][0] - cards["busy"].asked[0][0] < 6.0
    for name in ("accepted", "lost and late"):
        assert cards[name].asked[1][1] == "parked"
        assert late < cards[name].asked[1][0] < late + 6 * MINUTE
    # What nothing can turn any more is left alone.
    assert cards["failed meanwhile"].looks[-1] < 2 * MINUTE
    looks = cards["slow"].looks
    assert len(looks) < 40
    assert max(later - sooner for sooner, later in pairwise(looks)) < LONGEST_POLL.total_seconds() + 1
