"""Two controllers race on carrier, notices and orders over one PostgreSQL: everything happens once.

`MINIHUB_RACE_S=600` lets them race for so long (make race); the default is one round.
"""

import asyncio
import os
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from sqlmodel import Session, col, select

from controller.carrier.lane import Lane, LaneLimits
from controller.carrier.port import Accepted, Done, HubSetting, Observation, Setting, UnknownOutcomeError
from controller.domain.sim import SimState as State
from controller.notify.courier import Parcel
from controller.notify.port import MaybeSentError, Message, NotSentError, UndeliverableError
from controller.services import journal, notices, sims
from controller.services.actor import Actor
from controller.services.database import Database, normalise_url
from controller.tables.faults import DispatchOrder, Notice
from controller.tables.owed import Owed
from controller.tables.sims import SimState
from controller.tables.tasks import OperatorTask
from controller.work.dispatch import Dispatch
from controller.work.loop import WorkLoop
from controller.work.notices import Notices
from controller.work.sims import Sims
from tests.unit.controller import postgresql
from tests.unit.controller.household import Household

pytestmark = pytest.mark.e2e

ACTOR = Actor.system("test")
SIMS, NOTICES = 30, 15
# Far more than a round takes: the ten minutes run at the lowest priority, beside others.
STUCK_S = 300
ROUND_S = float(os.environ.get("MINIHUB_RACE_S", "0"))


def now() -> datetime:
    return datetime.now(UTC)


@dataclass
class Outside:
    """Carrier, post and courier of both controllers; it loses answers, and keeps what happened."""

    random: random.Random
    states: dict[str, State] = field(default_factory=dict)
    versions: Counter[str] = field(default_factory=Counter)
    effects: Counter[tuple[str, State]] = field(default_factory=Counter)
    calling: int = 0
    sent: Counter[str] = field(default_factory=Counter)
    doubts: Counter[str] = field(default_factory=Counter)
    orders: Counter[str] = field(default_factory=Counter)

    async def ask(self, iccid: str, setting: Setting) -> Accepted | Done:
        assert isinstance(setting, HubSetting)
        # A lane of one call at a time is the account's, not a process's.
        self.calling += 1
        assert self.calling == 1, "two processes called the carrier at once"
        await asyncio.sleep(self.random.uniform(0, 0.004))
        self.calling -= 1
        if self.states.get(iccid) is not setting.state:
            self.states[iccid] = setting.state
            self.versions[iccid] += 1
        self.effects[iccid, setting.state] += 1
        if self.random.random() < 0.1:
            raise UnknownOutcomeError("the answer was lost")
        return Done(self.observe(iccid))

    async def read(self, iccid: str) -> Observation:
        return self.observe(iccid)

    def observe(self, iccid: str) -> Observation:
        state = self.states.get(iccid, State.PARKED)
        return Observation(iccid=iccid, setting=HubSetting(state), version=self.versions[iccid], at=now())

    async def send(self, message: Message) -> str:
        await asyncio.sleep(self.random.uniform(0, 0.004))
        chance = self.random.random()
        if chance < 0.1:
            raise NotSentError("no connection")
        self.sent[message.key] += 1
        if chance < 0.2:
            self.doubts[message.key] += 1
            raise MaybeSentError("the answer was lost")
        if chance < 0.25:
            self.sent[message.key] -= 1
            raise UndeliverableError("refused with 550")
        return "reference"

    async def order(self, parcel: Parcel) -> str:
        await asyncio.sleep(self.random.uniform(0, 0.004))
        self.orders[parcel.reference] += 1
        return parcel.reference


@asynccontextmanager
async def controller(url: str, name: str, outside: Any) -> AsyncIterator[Database]:
    """The outside loops of one controller."""
    database = Database(url, threads=4)
    lane = Lane(LaneLimits(None, 1), random=random.Random(1))
    handler = Sims(database, outside, lane, now, account="a", holder=name, first_poll=timedelta(seconds=1))
    works = [handler.work(), Notices(database, outside, now).work(), Dispatch(database, outside, now).work()]
    loops = [WorkLoop(work, database, now, poll_s=0.2) for work in works]
    tasks = [asyncio.create_task(loop.run()) for loop in loops]
    try:
        yield database
    finally:
        for loop in loops:
            loop.stop()
        await asyncio.gather(*tasks)
        await handler.release()
        await database.close()


def owe_more(session: Session, actor: Actor, at: datetime, *, round_: int, fault_id: str) -> None:
    """Owe changes of SIMs, and notices on both channels."""
    for number in range(SIMS):
        row = sims.enrol(session, journal.new_id(session), kind=sims.HUB, iccid=f"8944{round_:05d}{number:010d}")
        sims.intend(session, at, row, {"state": "active"}, at + timedelta(hours=1))
    for number in range(NOTICES):
        notices.owe(session, fault_id, "hub_dispatched", at, since=at + timedelta(seconds=number))


def left(session: Session, actor: Actor, at: datetime) -> int:
    nouns = ("sims", "notices", "dispatch")
    return len(session.exec(select(Owed.key).where(col(Owed.noun).in_(nouns))).all())


def check(session: Session, actor: Actor, at: datetime, *, outside: Outside) -> None:
    """Nothing lost, nothing doubled, nobody untold."""
    for row in session.exec(select(SimState)):
        if row.intended and row.iccid.startswith("8944") and not row.hub_id:
            assert sims.is_as_intended(row)
            assert outside.effects[row.iccid, State.ACTIVE] == 1, "asked for twice"
    for notice in session.exec(select(Notice)):
        copies = outside.sent[notice.id]
        assert notice.state in {"delivered", "undeliverable", "withdrawn"}
        # A second copy only after an answer that was lost.
        assert copies <= 1 + outside.doubts[notice.id], "told twice"
        assert copies >= 1 or notice.state != "delivered", "untold"
    for order in session.exec(select(DispatchOrder)):
        assert outside.orders[order.id] == 1
    keys = [(row.kind, row.key) for row in session.exec(select(OperatorTask))]
    assert len(keys) == len(set(keys))


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    if not postgresql.is_installed():
        reason = f"PostgreSQL 15 is missing: {postgresql.INSTALL}"
        pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)
    with postgresql.running_server() as url:
        engine = create_engine(normalise_url(url.format(name="postgres")), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text("CREATE DATABASE race"))
        engine.dispose()
        yield url.format(name="race")


async def test_two_controllers_race_and_everything_happens_once(server: str) -> None:
    watcher = Database(server)
    watcher.create_now()
    home = Household(watcher)
    outside = Outside(random.Random(11))
    loop = asyncio.get_running_loop()
    until, round_ = loop.time() + ROUND_S, 0
    async with controller(server, "one", outside), controller(server, "two", outside):
        while round_ == 0 or loop.time() < until:
            round_ += 1
            home.move_in()
            fault_id = home.broken()
            await watcher.run(owe_more, actor=ACTOR, now=now(), round_=round_, fault_id=fault_id)
            async with asyncio.timeout(STUCK_S):
                while await watcher.run(left, actor=ACTOR, now=now()):
                    await asyncio.sleep(0.1)
            await watcher.run(check, actor=ACTOR, now=now(), outside=outside)
    assert sum(outside.doubts.values()) > 0
    await watcher.close()
