"""Figures of the controller over real processes: report to ready and online.

mosquitto, `hub-sim carrier` without delay and without throttling, and `hub-controller serve` on SQLite.
"""

import asyncio
import itertools
import logging
import sqlite3
import statistics
import tempfile
from contextlib import AsyncExitStack, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.e2e.controller.processes import until
from tests.e2e.controller.stage import Hub, Stage, open_stage, plugged_in

FAULTS = 40
_serials = itertools.count(1)


async def make_home(stage: Stage) -> tuple[str, str]:
    """Make an account with Plus and a hub that may be reactivated; returns line and hub ids."""
    number = next(_serials)
    account = await stage.admin.post(
        "/v1/accounts", holder_name="A Holder", email=f"h{number}@example.org", mobile="+447700900123"
    )
    line = {"postcode": "AB12 3CD", "jurisdiction": "england_and_wales"}
    service = await stage.admin.post(
        f"/v1/accounts/{account['id']}/services", product="Superfast Fibre Plus", starts_on="2026-01-05", line=line
    )
    iccid = f"89441000002{number:08d}"
    await stage.platform.provision(iccid, state="inactive")
    sim = {"iccid": iccid, "imsi": f"23430{iccid[-10:]}"}
    hub = await stage.admin.post("/v1/hubs", serial=f"SN-{number}", sim=sim)
    at = (datetime.now(UTC) - timedelta(days=200)).isoformat()
    await stage.admin.post(
        f"/v1/hubs/{hub['id']}/assignments", line_id=service["line_id"], dispatched_at=at, delivered_at=at
    )
    return service["line_id"], hub["id"]


async def measure_faults(stage: Stage, *, powered: bool) -> list[float]:
    """Report faults one after the other; return the milliseconds from the report to ready, or to online."""
    took: list[float] = []
    word = "online_at" if powered else "ready_at"
    async with AsyncExitStack() as stack:
        homes = [await make_home(stage) for _ in range(FAULTS)]
        for _, hub_id in homes if powered else ():
            hub = await stack.enter_async_context(plugged_in(Hub(hub_id, stage.broker.port)))

            async def connected(hub: Hub = hub) -> bool:
                return hub.link is not None

            await until(connected)
        for line_id, _ in homes:
            fault = await stage.admin.post(
                "/v1/faults", line_id=line_id, channel="phone", reporter="account_holder", symptom="no_service"
            )
            await stage.admin.post(
                f"/v1/faults/{fault['id']}/diagnostics",
                observations=[{"kind": "line_test", "result": "no_sync", "at": datetime.now(UTC).isoformat()}],
                finished=True,
            )
            took.append(await _wait_for(stage, fault["id"], word))
    return took


async def _wait_for(stage: Stage, fault_id: str, word: str) -> float:
    """Return the milliseconds as recorded, read from the file: the controller isn't asked meanwhile."""
    statement = f"SELECT made_at, {word} FROM promises WHERE fault_id = ? AND benefit = 'mini_hub'"
    found: list[str] = []

    async def there() -> bool:
        with closing(sqlite3.connect(f"file:{stage.directory / 'controller.db'}?mode=ro", uri=True)) as reader:
            row = reader.execute(statement, (fault_id,)).fetchone()
        found[:] = row if row is not None and row[1] else ()
        return bool(found)

    await until(there, 30)
    made, reached = (datetime.fromisoformat(each) for each in found)
    return (reached - made).total_seconds() * 1000


def quantile(values: list[float], share: float) -> float:
    """Return the value below which that share lies."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def figure(
    name: str, value: float, unit: str, goal: float, *, most: bool, baseline: float | None = None
) -> dict[str, Any]:
    """Make one figure; `most`: the goal is a bound from above."""
    ratio = None if baseline is None else value / baseline
    met = value <= goal if most else value >= goal
    sign = "<=" if most else ">="
    return {
        "name": f"controller.{name}",
        "value": value,
        "unit": unit,
        "baseline": baseline,
        "ratio": ratio,
        "goal": f"{sign} {goal:g}",
        "met": met,
    }


async def _measure() -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory(prefix="bench-controller-") as directory:
        async with open_stage(Path(directory)) as stage:
            await stage.platform.manners(
                calls_per_second=10_000.0, calls_at_a_time=50, effect_delay_s=[0.0, 0.0], webhook_delay_s=[0.0, 0.0]
            )
            await stage.serve()
            ready = await measure_faults(stage, powered=False)
            online = await measure_faults(stage, powered=True)
    return [
        figure("report_to_ready_p50", statistics.median(ready), "ms", 250, most=True),
        figure("report_to_ready_p99", quantile(ready, 0.99), "ms", 600, most=True),
        figure("report_to_online_p50", statistics.median(online), "ms", 400, most=True),
        figure("report_to_online_p99", quantile(online, 0.99), "ms", 1000, most=True),
    ]


def figures() -> list[dict[str, Any]]:
    """Measure everything; about a minute."""
    logging.getLogger("gmqtt").setLevel(logging.CRITICAL)
    return asyncio.run(_measure())
