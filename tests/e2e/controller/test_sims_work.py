"""SIM changes carried out on a platform with bad manners, from the owed row to the observation."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlmodel import Session, SQLModel

from controller.carrier.lane import Lane, LaneLimits
from controller.carrier.port import HubSetting
from controller.carrier.tmf640 import Tmf640Carrier
from controller.domain.sim import SimState as State
from controller.services import owed, sims
from controller.services.actor import Actor
from controller.services.database import Database
from controller.tables.sims import SimState
from controller.work.loop import WorkLoop
from controller.work.sims import Sims
from tests.e2e.controller.processes import Platform, until
from tests.e2e.controller.sides import FAST, fresh_iccid

pytestmark = pytest.mark.e2e

ACTOR = Actor.system("test")


def now() -> datetime:
    return datetime.now(UTC)


def enrol(session: Session, actor: Actor, at: datetime, *, iccid: str, intended: dict[str, Any]) -> None:
    kind = sims.HUB if "state" in intended else sims.MOBILE
    row = sims.enrol(session, f"sim-{iccid}", kind=kind, iccid=iccid)
    sims.intend(session, at, row, intended, at + timedelta(hours=1))


def intend(session: Session, actor: Actor, at: datetime, *, iccid: str, intended: dict[str, Any]) -> None:
    row = session.get(SimState, f"sim-{iccid}")
    assert row is not None
    sims.intend(session, at, row, intended, at + timedelta(hours=1))


def matches(session: Session, actor: Actor, at: datetime, *, iccid: str) -> bool:
    found: bool = sims.look(session, actor, at, sim_id=f"sim-{iccid}").matches
    return found


def is_at_rest(session: Session, actor: Actor, at: datetime, *, iccid: str) -> bool:
    work = sims.look(session, actor, at, sim_id=f"sim-{iccid}")
    return work.matches and work.open_operation is None


def backlog(session: Session, actor: Actor, at: datetime) -> dict[str, int]:
    return owed.backlog(session, at)


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    made = Database(f"sqlite:///{tmp_path / 'controller.db'}")
    await asyncio.get_running_loop().run_in_executor(None, SQLModel.metadata.create_all, made.engine)
    yield made
    await made.close()


@asynccontextmanager
async def working(database: Database, platform: Platform, limits: LaneLimits | None = None) -> AsyncIterator[Lane]:
    """One controller's loop over SIMs."""
    lane = Lane(limits or LaneLimits(None, 4), random=random.Random(1))
    headers = {"Authorization": "Bearer secret"}
    async with httpx.AsyncClient(base_url=platform.url, headers=headers, timeout=None) as http:
        handler = Sims(
            database, Tmf640Carrier(http), lane, now, account="a", holder="one", first_poll=timedelta(seconds=0.2)
        )
        loop = WorkLoop(handler.work(), database, now, poll_s=0.5)
        task = asyncio.create_task(loop.run())
        try:
            yield lane
        finally:
            loop.stop()
            await asyncio.wait_for(task, 15)


async def all_match(database: Database, iccids: list[str], deadline_s: float = 30) -> None:
    async def so() -> bool:
        return all([await database.run(matches, actor=ACTOR, now=now(), iccid=each) for each in iccids])

    await until(so, deadline_s)


async def test_an_activation_is_observed(database: Database, platform: Platform) -> None:
    iccid = fresh_iccid()
    await platform.provision(iccid, state="inactive")
    await platform.manners(**FAST)
    async with working(database, platform):
        await database.run(enrol, actor=ACTOR, now=now(), iccid=iccid, intended={"state": "active"})
        await all_match(database, [iccid])
    assert (await platform.service(iccid))["state"] == "active"
    assert not (await database.run(backlog, actor=ACTOR, now=now())).get("sims")


async def test_lost_answers_are_read_and_never_asked_again(database: Database, platform: Platform) -> None:
    iccid = fresh_iccid()
    await platform.provision(iccid, state="inactive")
    await platform.manners(**FAST, lost_answer=1.0, at_once=1.0)
    async with working(database, platform):
        await database.run(enrol, actor=ACTOR, now=now(), iccid=iccid, intended={"state": "active"})
        await all_match(database, [iccid])
    assert await platform.changes(iccid) == 1


async def test_a_crash_after_the_effect_is_found_and_read(database: Database, platform: Platform) -> None:
    """What a SIGKILL between the call and its record leaves: an operation without an outcome, and an expired claim."""
    iccid = fresh_iccid()
    await platform.provision(iccid, state="inactive")
    await platform.manners(**FAST, effect_delay_s=[0.0, 0.0])
    await database.run(enrol, actor=ACTOR, now=now(), iccid=iccid, intended={"state": "active"})
    await database.run(sims.begin, actor=ACTOR, now=now(), sim_id=f"sim-{iccid}", asked={"state": "active"})
    async with httpx.AsyncClient(base_url=platform.url, headers={"Authorization": "Bearer secret"}) as http:
        await Tmf640Carrier(http).ask(iccid, HubSetting(State.ACTIVE))
    async with working(database, platform):
        await all_match(database, [iccid])
    assert await platform.changes(iccid) == 1


async def test_a_change_of_mind_meanwhile_ends_with_the_last_word(database: Database, platform: Platform) -> None:
    iccid = fresh_iccid()
    await platform.provision(iccid, state="inactive")
    await platform.manners(**FAST, effect_delay_s=[0.6, 0.6])
    async with working(database, platform):
        await database.run(enrol, actor=ACTOR, now=now(), iccid=iccid, intended={"state": "active"})
        await asyncio.sleep(0.3)
        await database.run(intend, actor=ACTOR, now=now(), iccid=iccid, intended={"state": "parked"})
        await asyncio.sleep(0.3)

        async def parked() -> bool:
            so: bool = await database.run(is_at_rest, actor=ACTOR, now=now(), iccid=iccid)
            return so and (await platform.service(iccid))["state"] == "inactive"

        await until(parked)
        # Nothing that is still on its way turns it back.
        await asyncio.sleep(1.5)
        assert await parked()


async def test_bad_manners_all_at_once_converge(database: Database, platform: Platform) -> None:
    iccids = [fresh_iccid() for _ in range(24)]
    for n, iccid in enumerate(iccids):
        category = {"category": "mobileData", "allowanceMb": "1000"} if n % 2 else {"state": "inactive"}
        await platform.provision(iccid, **category)
    await platform.manners(
        **FAST,
        at_once=0.1,
        effect_delay_s=[0.0, 1.0],
        server_error=0.1,
        hidden_success=0.1,
        lost_answer=0.1,
        read_lag_s=[0.0, 0.5],
    )
    plan = {"allowance_mb": None, "tier": "fastest", "backup": True}
    async with working(database, platform):
        for n, iccid in enumerate(iccids):
            intended = plan if n % 2 else {"state": "active"}
            await database.run(enrol, actor=ACTOR, now=now(), iccid=iccid, intended=intended)
        await all_match(database, iccids, 60)
    for n, iccid in enumerate(iccids):
        service = await platform.service(iccid)
        values = {each["name"]: each["value"] for each in service["serviceCharacteristic"]}
        assert (values["backup"] == "on") if n % 2 else (service["state"] == "active")


async def test_the_lane_is_used_and_never_overrun(database: Database, platform: Platform) -> None:
    iccids = [fresh_iccid() for _ in range(12)]
    for iccid in iccids:
        await platform.provision(iccid, state="inactive")
    await platform.manners(at_once=1.0)
    for iccid in iccids:
        await database.run(enrol, actor=ACTOR, now=now(), iccid=iccid, intended={"state": "active"})
    begun = asyncio.get_running_loop().time()
    async with working(database, platform, LaneLimits(5.0, 1)) as lane:
        await all_match(database, iccids)
        took = asyncio.get_running_loop().time() - begun
    assert lane.calls == len(iccids)
    assert took < len(iccids) / 5 / 0.8
