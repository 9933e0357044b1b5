"""SIGKILL at each boundary of the controller's outside work, enumerated: nothing lost, doubled or untold."""

import itertools
import json
import sqlite3
from collections import Counter
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.controller.boundaries import BOUNDARIES
from tests.e2e.controller.processes import until
from tests.e2e.controller.sides import fresh_iccid
from tests.e2e.controller.stage import Hub, Stage, open_stage, plugged_in

pytestmark = [pytest.mark.e2e, pytest.mark.chaos]
_numbers = itertools.count(1)


@dataclass
class Home:
    """One household with a plan, and a hub in the drawer or none yet."""

    account_id: str
    line_id: str
    hub_id: str | None
    iccids: list[str]
    changes: dict[str, int] = field(default_factory=dict)


async def make_home(stage: Stage, *, has_hub: bool) -> Home:
    account = await stage.admin.post(
        "/v1/accounts", holder_name="A Holder", email=f"h{next(_numbers)}@example.org", mobile="+447700900123"
    )
    line = {"postcode": "AB12 3CD", "jurisdiction": "england_and_wales"}
    service = await stage.admin.post(
        f"/v1/accounts/{account['id']}/services", product="Superfast Fibre Plus", starts_on="2026-01-05", line=line
    )
    if not has_hub:
        return Home(account["id"], service["line_id"], None, [])
    plan, card = fresh_iccid(), fresh_iccid()
    await stage.platform.provision(plan, category="mobileData", allowanceMb="10000")
    await stage.platform.provision(card, state="inactive")
    sims = [{"iccid": plan, "imsi": f"23430{plan[-10:]}"}]
    bought = "2026-01-06T12:00:00+00:00"
    path = f"/v1/accounts/{account['id']}/plans"
    await stage.admin.post(path, name="One", allowance_mb=10000, purchased_at=bought, sims=sims)
    hub = await stage.admin.post("/v1/hubs", serial=f"SN-{card}", sim={"iccid": card, "imsi": f"23430{card[-10:]}"})
    at = (datetime.now(UTC) - timedelta(days=200)).isoformat()
    await stage.admin.post(
        f"/v1/hubs/{hub['id']}/assignments", line_id=service["line_id"], dispatched_at=at, delivered_at=at
    )
    return Home(account["id"], service["line_id"], hub["id"], [plan, card])


def ask(stage: Stage, query: str, *values: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(stage.directory / "controller.db", timeout=10)) as database:
        return database.execute(query, values).fetchall()


def let_claims_run_out(stage: Stage) -> None:
    """What a minute's waiting would do."""
    with closing(sqlite3.connect(stage.directory / "controller.db", timeout=10)) as database, database:
        database.execute("UPDATE owed SET claimed_until = NULL")


async def break_line(stage: Stage, home: Home) -> str:
    """Report a fault and end its tests, over a controller that may die at any time; returns the fault."""
    body = {"line_id": home.line_id, "channel": "phone", "reporter": "account_holder", "symptom": "no_service"}
    with suppress(httpx.HTTPError):
        await stage.admin.post("/v1/faults", **body)
    [(fault_id,)] = ask(stage, "SELECT id FROM faults WHERE line_id = ?", home.line_id)
    with suppress(httpx.HTTPError):
        await finish_tests(stage, fault_id)
    return str(fault_id)


async def finish_tests(stage: Stage, fault_id: str) -> None:
    """Tell what the line test found; the same again changes nothing."""
    [(at,)] = ask(stage, "SELECT reported_at FROM faults WHERE id = ? AND superseded_at IS NULL", fault_id)
    seen = [{"kind": "line_test", "result": "no_sync", "at": at.replace(" ", "T") + "+00:00"}]
    await stage.admin.post(f"/v1/faults/{fault_id}/diagnostics", observations=seen, finished=True)


async def nothing_is_owed(stage: Stage) -> None:
    async def so() -> bool:
        now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
        nouns = "('sims', 'notices', 'hubs', 'dispatch', 'decide')"
        return not ask(stage, f"SELECT noun FROM owed WHERE noun IN {nouns} AND due <= ?", now)

    await until(so, 30)


async def check_told_once(stage: Stage, account_id: str) -> None:
    """Everything that was owed was told; a second copy has the first one's key."""
    rows = ask(stage, "SELECT id, kind, channel, state FROM notices WHERE account_id = ?", account_id)
    assert rows
    assert {state for *_, state in rows} == {"delivered"}, rows
    assert max(Counter((kind, channel) for _, kind, channel, _ in rows).values()) == 1
    sent = {each["key"]: each["text"] for each in stage.notices()}
    assert {id_ for id_, *_ in rows} <= set(sent)


async def check_home(stage: Stage, home: Home, fault_id: str) -> None:
    async def ready() -> bool:
        found = ask(stage, "SELECT ready_at FROM promises WHERE fault_id = ?", fault_id)
        return len(found) == 2 and all(at for (at,) in found)

    await until(ready, 30)
    for iccid in home.iccids:
        assert await stage.platform.changes(iccid) - home.changes[iccid] == 1, "asked for twice"
    assert home.hub_id is not None
    async with plugged_in(Hub(home.hub_id, stage.broker.port)) as hub:

        async def on() -> bool:
            return hub.desired is not None and hub.desired.internet.on

        await until(on)
        [(revision,)] = ask(stage, "SELECT revision FROM hub_states WHERE hub_id = ?", home.hub_id)
        assert hub.observed == revision


async def check_order(stage: Stage, home: Home) -> None:
    path = stage.directory / "orders.jsonl"
    [(order_id, reference)] = ask(
        stage, "SELECT id, courier_reference FROM dispatch_orders WHERE account_id = ?", home.account_id
    )
    told = [json.loads(line)["reference"] for line in path.read_text().splitlines()]
    assert reference == order_id
    # A second copy of an order has the reference of the first, and is one parcel.
    assert order_id in told
    assert set(told) == {row[0] for row in ask(stage, "SELECT id FROM dispatch_orders")}


async def test_sigkill_at_each_boundary_costs_only_time(tmp_path: Path) -> None:
    turn = tmp_path / "boundary"
    async with open_stage(tmp_path) as stage:
        stage.program = ("-m", "tests.e2e.controller.boundaries")
        stage.environment = {"MINIHUB_TEST_BOUNDARY": str(turn)}
        await stage.platform.manners(calls_per_second=10_000.0, calls_at_a_time=50, effect_delay_s=[0.0, 0.1])
        child = await stage.serve()
        for boundary in BOUNDARIES:
            home = await make_home(stage, has_hub=not boundary.startswith("dispatch"))
            await nothing_is_owed(stage)
            home.changes = {iccid: await stage.platform.changes(iccid) for iccid in home.iccids}
            turn.write_text(boundary)
            fault_id = await break_line(stage, home)
            await child.process.wait()
            assert not turn.exists(), boundary
            let_claims_run_out(stage)
            child = await stage.serve()
            await finish_tests(stage, fault_id)
            if home.hub_id is None:
                await nothing_is_owed(stage)
                await check_order(stage, home)
            else:
                await check_home(stage, home, fault_id)
                await nothing_is_owed(stage)
                await check_told_once(stage, home.account_id)
