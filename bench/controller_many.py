"""Figures of many homes at once, over real processes: a thousand reports, and a narrow lane used to the full.

mosquitto, `hub-sim carrier`, and `hub-controller serve`; the homes are copies of one that the services made. What is
measured is what the controller recorded, read from its database without asking it.
"""

import asyncio
import itertools
import os
import random
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import Engine, create_engine, text

from bench._town import copy_home, found_home, id_in, town_ids
from bench.controller import figure
from controller.domain.facts import LineEventKind, Symptom
from controller.services import faults, lines
from controller.services.actor import Actor
from controller.services.database import Database
from tests.e2e.controller.processes import until
from tests.e2e.controller.stage import Stage, open_stage

REPORTS = int(os.environ.get("MINIHUB_BENCH_REPORTS", "1000"))
AT_A_TIME = 100
CONCURRENCY = 16
LANE_S = float(os.environ.get("MINIHUB_BENCH_LANE_S", "30"))
CALLS_PER_S = 5.0
ACTOR = Actor("bench")
# The calls that were made, in their order, and by when each had to be.
CALLS = text(
    "SELECT o.begun_at, p.due_at FROM operations o JOIN sim_states s ON s.id = o.sim_id"
    " JOIN reasons r ON r.target = s.hub_id AND r.noun = 'hub' JOIN promises p ON p.fault_id = r.reason"
    " WHERE o.outcome <> 'refused' AND p.benefit = 'mini_hub' ORDER BY o.begun_at"
)
READY = text("SELECT count(*), max(ready_at) FROM promises WHERE benefit = 'mini_hub' AND ready_at IS NOT NULL")


@asynccontextmanager
async def open_town(directory: Path, homes: int) -> AsyncIterator[tuple[Stage, Engine, list[str]]]:
    """Open a stage whose database holds so many homes, hubs parked in drawers; yields their lines too."""
    async with open_stage(directory) as stage:
        ids = town_ids()
        database = Database(stage.database_url, ids=lambda: next(ids))
        home = found_home(database, plans=0)
        copy_home(database, homes - 1)
        with database.engine.connect() as connection:
            cards = [row[0] for row in connection.execute(text("SELECT iccid FROM sim_states"))]
        await database.close()
        for iccid in cards:
            await stage.platform.provision(iccid, state="inactive")
        reader = create_engine(database.url)
        try:
            yield stage, reader, [id_in(home.line_id, number) for number in range(homes)]
        finally:
            reader.dispose()


async def lose_service(stage: Stage, line_ids: list[str]) -> None:
    """Let the network tell that lines went down, as it does before customers call."""
    at = (datetime.now(UTC) - timedelta(minutes=1)).isoformat()
    events = [{"line_id": line_id, "kind": "sync_lost", "at": at, "source": "dslam"} for line_id in line_ids]
    await stage.admin.post("/v1/line-events", events=events)


async def report_all(stage: Stage, line_ids: list[str]) -> None:
    """Report a fault on every line at once."""
    limits = httpx.Limits(max_connections=AT_A_TIME)
    # The client's pool looks through all that wait for each that ends: a thousand there would keep a core busy.
    places = asyncio.Semaphore(AT_A_TIME)
    headers = {"Authorization": f"Bearer {stage.key}"}
    async with httpx.AsyncClient(base_url=stage.admin.url, headers=headers, limits=limits, timeout=300) as http:

        async def report(line_id: str) -> None:
            body = {"line_id": line_id, "channel": "phone", "reporter": "account_holder", "symptom": "no_service"}
            async with places:
                (await http.post("/v1/faults", json=body)).raise_for_status()

        await asyncio.gather(*(report(line_id) for line_id in line_ids))


async def until_count(database: Engine, statement: Any, count: int, deadline_s: float) -> Any:
    """Return the row whose first column reached a number; read four times a second, from the database itself."""
    async with asyncio.timeout(deadline_s):
        while True:
            with database.engine.connect() as connection:
                row = connection.execute(statement).one()
            if row[0] >= count:
                return row
            await asyncio.sleep(0.25)


async def measure_thousand() -> float:
    """Return the seconds from the first of the reports to the last home that is ready."""
    with tempfile.TemporaryDirectory(prefix="bench-controller-") as directory:
        async with open_town(Path(directory), REPORTS) as (stage, database, line_ids):
            await stage.platform.manners(
                calls_per_second=100_000.0,
                calls_at_a_time=CONCURRENCY,
                effect_delay_s=[0.0, 0.0],
                webhook_delay_s=[0.0, 0.0],
            )
            await stage.serve("controller", "--carrier-concurrency", str(CONCURRENCY))
            await lose_service(stage, line_ids)
            waiting = text("SELECT -count(*) FROM owed WHERE noun = 'decide' AND due <= :now")
            await until_count(database, waiting.bindparams(now=datetime.now(UTC).isoformat(" ")), 0, 60)
            begun = datetime.now(UTC)
            await report_all(stage, line_ids)
            _, last = await until_count(database, READY, REPORTS, 300)
    return (datetime.fromisoformat(last).replace(tzinfo=UTC) - begun).total_seconds()


async def owe_calls(database: Database, line_ids: list[str]) -> None:
    """Report faults whose hours end in an order that has nothing to do with that of the reports."""
    now = datetime.now(UTC)
    seconds = random.Random(5).sample(range(60, 3000), len(line_ids))
    reports = [(line_id, now - timedelta(seconds=each)) for line_id, each in zip(line_ids, seconds, strict=True)]
    events = [
        lines.Seen(line_id=line_id, kind=LineEventKind.SYNC_LOST, at=at - timedelta(seconds=1), source="dslam")
        for line_id, at in reports
    ]
    await database.run(lines.record, actor=ACTOR, now=now, events=events)
    told = {"channel": "phone", "reporter": "account_holder", "symptom": Symptom.NO_SERVICE}
    for line_id, at in reports:
        await database.run(faults.report, actor=ACTOR, now=now, line_id=line_id, reported_at=at, **told)


async def measure_calls(stage: Stage) -> float:
    """Return which share of the lane's calls were made in LANE_S from the first on: changes and looks at them alike."""
    headers = {"Authorization": f"Bearer {stage.key}"}
    async with httpx.AsyncClient(base_url=stage.admin.url, headers=headers) as http:

        async def made() -> float:
            told = (await http.get("/metrics")).raise_for_status().text
            return next(float(row.split()[1]) for row in told.splitlines() if row.startswith("minihub_carrier_calls "))

        async def begun() -> bool:
            return await made() > 0

        await until(begun, 60)
        loop = asyncio.get_running_loop()
        before, since = await made(), loop.time()
        await asyncio.sleep(LANE_S)
        return (await made() - before) / (CALLS_PER_S * (loop.time() - since))


async def measure_lane() -> tuple[float, float]:
    """Return the percentages of a narrow lane that was used, and of its calls that came by deadline."""
    calls = int(LANE_S * CALLS_PER_S)
    with tempfile.TemporaryDirectory(prefix="bench-controller-") as directory:
        async with open_town(Path(directory), calls + 20) as (stage, reader, line_ids):
            database = Database(stage.database_url)
            await owe_calls(database, line_ids)
            await database.close()
            await stage.platform.manners(calls_per_second=CALLS_PER_S, calls_at_a_time=1, effect_delay_s=[0.0, 20.0])
            await stage.serve("controller", "--carrier-rate", str(CALLS_PER_S), "--carrier-concurrency", "1")
            used = await measure_calls(stage)
            with reader.connect() as connection:
                found = connection.execute(CALLS).all()
    deadlines = [due for _, due in found]
    in_order = sum(one < next_ for one, next_ in itertools.pairwise(deadlines)) / (len(deadlines) - 1)
    return used * 100, in_order * 100


def figures() -> list[dict[str, Any]]:
    """Measure everything; about three minutes."""
    used, in_order = asyncio.run(measure_lane())
    took = asyncio.run(measure_thousand())
    return [
        figure("lane_used", used, "% of 5 calls/s", 95, most=False),
        figure("lane_by_deadline", in_order, "% of calls", 100, most=False),
        figure("thousand_reports_ready_s", took, "s", 60, most=True),
    ]
