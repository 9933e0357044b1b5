"""The demo: one customer's broken broadband becomes a working Mini Hub, and back. Every step is an observation.

The story is told through the doors that people and programs use: the admin API, the carrier's platform, the hub's DNS,
the running agent's status. Nothing here looks into a program's memory or database.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from simulator.stage.home import ALLOWED_NAME
from simulator.stage.parts import Break, HubModel, Set, Unit
from simulator.stage.process import ProcessEndedError
from simulator.stage.record import Record, StepFailedError
from simulator.stage.watch import watch_for
from simulator.stage.words import (
    PLANS,
    brand_words,
    complaints_of,
    conditions_of,
    decision_words,
    is_exactly_due,
    modem_words,
    network_words,
    opening_order,
    promise_of,
    seconds_since_report,
    sim_words,
    wall_clock,
)

READY_WITHIN_S = 15.0
ONLINE_WITHIN_S = 35.0
SEEN_WITHIN_S = 15.0
# The first whole sample goes at once; where it was taken too early, the next comes after a minute.
TELEMETRY_WITHIN_S = 75.0
# From each thing a hub needs to the next.
HUB_WITHIN_S = 25.0
# Each look is a program of its own: `hub-agent status`.
STATUS_EVERY_S = 0.5
BLOCKED_NAME = "adult.example"
BRANDED = HubModel(
    serial="MH-000001",
    iccid="8944300000000000016",
    imsi="234300000000001",
    imei="001001110000012",
    name="TEST-HUB-BT",
    firmware="BT-1.0",
    branding="BT",
)
UNBRANDED = HubModel(
    serial="XX-000002",
    iccid="8944300000000000024",
    imsi="234300000000002",
    imei="001002220000025",
    personality="huawei-me909",
    name="TEST-HUB-OTHER",
    firmware="OTHER-1.0",
    branding="none",
)


@dataclass(slots=True)
class Customer:
    """A customer's account as the demo made it; ids are the controller's."""

    name: str
    account: str
    line: str
    hub: str
    sims: list[str] = field(default_factory=list)
    fault: str = ""


@dataclass(slots=True)
class Demo:
    """The story, told step by step into a record."""

    stage: Set
    record: Record
    interrupt_broker: bool = False
    _unit: Unit | None = field(default=None, init=False)

    async def play(self) -> None:
        """Play every step; the first that is not observed ends the story and stands in the record."""
        customer = await self._step("accounts", self._set_up_first)
        if customer is None:
            return
        unit = await self._step("fault", lambda: self._report_fault(customer))
        for name, act in (
            ("ready", lambda: self._see_ready(customer)),
            ("online", lambda: self._see_online(customer)),
            ("telemetry", lambda: self._see_telemetry(customer)),
            ("resolved", lambda: self._see_resolved(customer)),
            ("not-branded", self._see_unbranded),
        ):
            if unit is None or await self._step(name, act) is None:
                return

    @property
    def _first_unit(self) -> Unit:
        assert self._unit is not None, "the hub is placed by an earlier step"
        return self._unit

    async def _step(self, name: str, act: Callable[[], Awaitable[Any]]) -> Any:
        """Carry a step out; None when it was not observed (the reason is in the record)."""
        try:
            return await act() or True
        except StepFailedError as error:
            self.record.failed(name, error.reason, error.evidence)
        except ProcessEndedError as error:
            self.record.failed(name, str(error), {"log": error.tail.splitlines()[-5:]})
        return None

    async def _set_up_first(self) -> Customer:
        holder = {"holder_name": "Ada Example", "email": "ada@home.example", "mobile": "+447700900101"}
        customer = await self._customer(holder, BRANDED, plans=PLANS, depot=True)
        view = await watch_for("the SIM parked", lambda: self._sim_is(customer, "parked"), within_s=READY_WITHIN_S)
        if self.stage.broken is Break.CARRIER:
            await self.stage.carrier.kill()
        self.record.saw(
            "accounts",
            "operator",
            "an account with Plus Broadband, two mobile plans and a BT-branded Mini Hub in the drawer",
            {
                "account": customer.account,
                "hub": f"{customer.hub}, dispatched for an earlier fault, switched off",
                "brand": brand_words(view["brand"]),
                "SIM": sim_words(view),
            },
        )
        return customer

    async def _report_fault(self, customer: Customer) -> Unit:
        unit = self._unit = await self.stage.place_hub(customer.hub, BRANDED)
        decisions = await self._fault_with_five_drops(customer)
        qualifies, hub, backup = (decisions[q] for q in ("qualifies", "mini_hub", "backup"))
        self.record.saw(
            "fault",
            customer.name,
            "the line dropped five times in a day; the report qualifies, each benefit is decided on its own",
            {
                "qualifies": decision_words(qualifies),
                "Mini Hub": decision_words(hub),
                "Broadband Backup": decision_words(backup),
            },
        )
        return unit

    async def _see_ready(self, customer: Customer) -> dict[str, Any]:
        async def ready() -> dict[str, Any] | None:
            fault = await self.stage.admin.get(f"/v1/faults/{customer.fault}")
            promise = promise_of(fault, "mini_hub")
            return promise if promise["ready_at"] else None

        watched = (self.stage.controller, self.stage.carrier)
        promise = await watch_for(
            "the SIM active and the document committed", ready, within_s=READY_WITHIN_S, processes=watched
        )
        mybt = await self._watch_mybt(
            customer, lambda sim: sim["unlimited"] and sim["as_intended"], "both plans unlimited"
        )
        notices = await self._watch_notices(customer, {"ready_plug_in", "backup_on"})
        view = await self.stage.admin.get(f"/v1/hubs/{customer.hub}")
        self.record.saw(
            "ready",
            "controller, carrier",
            "the hub's SIM is active, its document committed, Broadband Backup on for both plans; the customer is told",
            {
                "SIM at the carrier": sim_words(view),
                "ready": f"{seconds_since_report(promise['ready_at'], self.record)} s after the report",
                "promised": f"within one hour of the report, by {wall_clock(promise['due_at'])}",
                "MyBT": mybt,
                "told": notices,
            },
        )
        return promise

    async def _see_online(self, customer: Customer) -> dict[str, Any]:
        unit = self._first_unit
        if self.stage.broken is Break.BROKER:
            await self.stage.broker.kill()
        if self.interrupt_broker:
            await self.stage.broker.stop()
        await unit.plug_in()
        if self.interrupt_broker:
            await asyncio.sleep(2)
            await self.stage.broker.start()
        open_ = await self._watch_opening(unit)
        online = await watch_for("the hub reported online", lambda: self._online(customer), within_s=SEEN_WITHIN_S)
        blocked, allowed = await unit.home.ask(BLOCKED_NAME), await unit.home.ask(ALLOWED_NAME)
        if blocked.addresses or not allowed.addresses:
            raise StepFailedError(
                f"the filter is not what it should be: {BLOCKED_NAME} {blocked}, {ALLOWED_NAME} {allowed}"
            )
        reaches = await unit.home.reaches_internet()
        if reaches is False:
            raise StepFailedError("forwarding is reported open, but a home device's packet did not come back")
        order = opening_order(open_)
        evidence = {
            "modem": f"{modem_words(open_)} found by probing port {unit.port.name}",
            "network": network_words(open_),
            "order": order,
            "blocked name": f"{BLOCKED_NAME} → {blocked.rcode}",
            "allowed name": f"{ALLOWED_NAME} → {allowed.rcode} {' '.join(allowed.addresses)}",
            "host tools": unit.home.kind + ("" if reaches is None else "; a home device's ping came back"),
            "online": f"{seconds_since_report(online['online_at'], self.record)} s after the report",
            "told": await self._watch_notices(customer, {"online"}),
        }
        self.record.saw(
            "online",
            "hub, controller",
            "plugged in: filter in force, then forwarding open, and seen reported",
            evidence,
        )
        return online

    async def _see_telemetry(self, customer: Customer) -> dict[str, Any]:
        async def sampled() -> dict[str, Any] | None:
            series = await self.stage.admin.get(f"/v1/hubs/{customer.hub}/telemetry", span="hour")
            whole = [s for s in series["samples"] if s.get("rsrp_dbm") is not None and s.get("rx_bytes") is not None]
            return whole[-1] if whole else None

        sample = await watch_for("a telemetry sample", sampled, within_s=TELEMETRY_WITHIN_S)
        words = ("rssi_dbm", "rsrp_dbm", "rsrq_db", "sinr_db", "operator", "technology", "tx_bytes", "rx_bytes")
        shown = {word: sample.get(word) for word in words}
        self.record.saw("telemetry", "hub", "signal, operator and data counters arrived", shown)
        return sample

    async def _see_resolved(self, customer: Customer) -> dict[str, Any]:
        unit = self._first_unit
        await self.stage.admin.post(f"/v1/faults/{customer.fault}/resolution", {"note": "line repaired"})
        told = await self._watch_notices(customer, {"switch_off"})
        closed = await self._watch_condition(unit, "forwarding_open", "false")
        parked = await watch_for("the SIM parked", lambda: self._sim_is(customer, "parked"), within_s=READY_WITHIN_S)
        mybt = await self._watch_mybt(customer, is_exactly_due, "exactly what is due")
        reason = conditions_of(closed)["forwarding_open"].get("reason")
        self.record.saw(
            "resolved",
            "controller, hub, carrier",
            "the customer was told, the hub closed, its SIM is parked, both plans are back to exactly what is due",
            {"told": told, "hub": f"closed ({reason}), as reported", "SIM": sim_words(parked), "MyBT": mybt},
        )
        return parked

    async def _see_unbranded(self) -> dict[str, Any]:
        holder = {"holder_name": "Bob Example", "email": "bob@home.example", "mobile": "+447700900102"}
        customer = await self._customer(holder, UNBRANDED, plans=(), depot=False)
        unit = await self.stage.place_hub(customer.hub, UNBRANDED)
        await unit.plug_in()

        async def judged() -> dict[str, Any] | None:
            view = await self.stage.admin.get(f"/v1/hubs/{customer.hub}")
            brand: dict[str, Any] | None = view["brand"]
            return brand if brand and brand["verdict"] == "not_bt_branded" else None

        brand = await watch_for("the verdict on its brand", judged, within_s=ONLINE_WITHIN_S, processes=unit.processes)
        await unit.unplug()
        decision = (await self._fault_with_five_drops(customer))["mini_hub"]

        async def ordered() -> dict[str, Any] | None:
            orders = await self.stage.admin.get("/v1/dispatch-orders", account_id=customer.account)
            return orders["dispatch_orders"][0] if orders["dispatch_orders"] else None

        order = await watch_for("the dispatch order", ordered, within_s=SEEN_WITHIN_S)
        view = await self.stage.admin.get(f"/v1/hubs/{customer.hub}")
        if decision["outcome"] != "dispatch" or view["sims"][0]["intended"]["state"] != "parked":
            raise StepFailedError(f"a hub that is not BT-branded was {decision['outcome']}, its SIM {sim_words(view)}")
        self.record.saw(
            "not-branded",
            "hub, controller",
            "another account's hub is not BT-branded: at its next fault a new one is dispatched, the old stays off",
            {
                "verdict": brand_words(brand),
                "evidence": [f"{signal['name']}: {signal['says']}" for signal in brand["judgement"]["signals"]],
                "decision": decision_words(decision),
                "dispatch order": f"{order['id']}, {order['state']}",
                "old hub's SIM": sim_words(view),
            },
        )
        return order

    async def _customer(
        self, holder: dict[str, str], model: HubModel, *, plans: tuple[tuple[str, int], ...], depot: bool
    ) -> Customer:
        """Make an account with Plus Broadband, its plans and a hub of an earlier dispatch, here and at the carrier.

        With `depot` the depot's evidence of the hub's brand is on record already.
        """
        admin = self.stage.admin
        account = await admin.post("/v1/accounts", holder)
        line = {
            "landline": f"+44207946{model.serial[-4:]}",
            "postcode": "SW1A 1AA",
            "jurisdiction": "england_and_wales",
        }
        started = (self.record.now() - timedelta(days=400)).date().isoformat()
        body = {"product": "Ultrafast Fibre Plus", "starts_on": started, "line": line}
        service = await admin.post(f"/v1/accounts/{account['id']}/services", body)
        hub = await admin.post("/v1/hubs", {"serial": model.serial, "sim": {"iccid": model.iccid, "imsi": model.imsi}})
        customer = Customer(holder["holder_name"], account["id"], service["line_id"], hub["id"])
        orders = [{"iccid": model.iccid, "imsi": model.imsi, "category": "hubData", "state": "inactive"}]
        orders += [await self._plan(customer, plan, index, started) for index, plan in enumerate(plans)]
        await self.stage.provision(orders)
        earlier = self.record.now() - timedelta(days=200)
        await admin.post(
            f"/v1/hubs/{hub['id']}/assignments",
            {
                "line_id": customer.line,
                "dispatched_at": earlier.isoformat(),
                "delivered_at": (earlier + timedelta(days=1)).isoformat(),
            },
        )
        if depot:
            evidence = {"imei": model.imei, "model": model.name, "firmware": model.firmware, "branding": model.branding}
            await admin.post(f"/v1/hubs/{hub['id']}/evidence", evidence)
        return customer

    async def _plan(self, customer: Customer, plan: tuple[str, int], index: int, since: str) -> dict[str, Any]:
        name, allowance = plan
        sim = {
            "iccid": f"894430000000010{index:04d}",
            "imsi": f"23430000001{index:04d}",
            "msisdn": f"+4477009002{index:02d}",
        }
        purchased = f"{since}T09:00:00+00:00"
        body = {"name": name, "allowance_mb": allowance, "purchased_at": purchased, "sims": [sim]}
        await self.stage.admin.post(f"/v1/accounts/{customer.account}/plans", body)
        # Mobile Data Boost is on at the carrier since the plan joined Plus (T§14).
        return {**sim, "category": "mobileData", "allowanceMb": str(allowance * 2), "speedTier": "fastest"}

    async def _fault_with_five_drops(self, customer: Customer) -> dict[str, Any]:
        """Five drops within the day, the customer's report, the diagnostics; returns the decisions by question."""
        admin, now = self.stage.admin, self.record.now()
        drops = [now - timedelta(hours=hours) for hours in (20, 15, 9, 4, 1)]
        events = [
            {"line_id": customer.line, "kind": kind, "at": (drop + after).isoformat(), "source": "dslam"}
            for drop in drops
            for kind, after in (("sync_lost", timedelta()), ("sync_gained", timedelta(minutes=2)))
        ]
        await admin.post("/v1/line-events", {"events": events})
        report = {"line_id": customer.line, "channel": "online", "reporter": "account_holder", "symptom": "dropping"}
        fault = await admin.post("/v1/faults", report)
        customer.fault = fault["id"]
        if self.record.reported_at is None:
            self.record.start_clock(datetime.fromisoformat(fault["reported_at"]).astimezone(UTC))
        observed_at = self.record.now().isoformat()
        observations = [
            {"kind": "line_test", "result": "fail", "at": observed_at},
            {"kind": "hub_power_cycle", "result": "no_change", "at": observed_at},
        ]
        await admin.post(f"/v1/faults/{fault['id']}/diagnostics", {"observations": observations, "finished": True})

        async def decided() -> dict[str, Any] | None:
            seen = await admin.get(f"/v1/faults/{fault['id']}")
            latest = {decision["question"]: decision for decision in seen["decisions"]}
            return (
                latest if latest.get("qualifies", {}).get("outcome") == "qualifies" and "mini_hub" in latest else None
            )

        return await watch_for("the decision", decided, within_s=SEEN_WITHIN_S, processes=(self.stage.controller,))

    async def _mybt(self, customer: Customer) -> dict[str, Any]:
        view: dict[str, Any] = await self.stage.admin.get(f"/v1/accounts/{customer.account}/mybt")
        return view

    async def _watch_mybt(self, customer: Customer, holds: Callable[[dict[str, Any]], bool], what: str) -> list[str]:
        async def shown() -> dict[str, Any] | None:
            view = await self._mybt(customer)
            return view if view["sims"] and all(holds(sim) for sim in view["sims"]) else None

        view = await watch_for(f"MyBT showing {what}", shown, within_s=READY_WITHIN_S)
        return [f"{sim['plan_name']}: {sim['shown']}" for sim in view["sims"]]

    async def _watch_notices(self, customer: Customer, kinds: set[str]) -> list[str]:
        """Wait until each kind was sent by e-mail and by SMS; returns how each is worded."""

        async def sent() -> dict[str, Any] | None:
            notices = (await self.stage.admin.get("/v1/notices", account_id=customer.account))["notices"]
            done = [n for n in notices if n["kind"] in kinds and n["state"] in {"sent", "delivered"}]
            complete = {(n["kind"], n["channel"]) for n in done} >= {(k, c) for k in kinds for c in ("email", "sms")}
            return {"notices": done} if complete else None

        found = await watch_for(f"notices {', '.join(sorted(kinds))}", sent, within_s=SEEN_WITHIN_S)
        return [f"{notice['kind']} by {notice['channel']}" for notice in found["notices"]]

    async def _watch_opening(self, unit: Unit) -> dict[str, Any]:
        """Watch the hub get what it needs, one thing after the other: the first that it lacks is the reason."""
        await self._watch_hub(unit, "a document from the broker", lambda told: told.get("observed_revision", 0) > 0)
        for condition in ("modem_present", "network_registered", "clock_trusted", "filter_in_force"):
            await self._watch_condition(unit, condition, "true")
        return await self._watch_condition(unit, "forwarding_open", "true")

    async def _watch_condition(self, unit: Unit, condition: str, status: str) -> dict[str, Any]:
        return await self._watch_hub(
            unit, f"{condition} {status} at the hub", lambda told: conditions_of(told)[condition]["status"] == status
        )

    async def _watch_hub(
        self, unit: Unit, what: str, holds: Callable[[dict[str, Any]], bool], within_s: float = HUB_WITHIN_S
    ) -> dict[str, Any]:
        """Wait until what the running agent tells of itself holds; a failure shows what the hub says it lacks."""
        last: dict[str, Any] = {}

        async def shown() -> dict[str, Any] | None:
            told = await unit.status()
            if told is not None:
                last["told"] = told
            return told if told is not None and holds(told) else None

        try:
            return await watch_for(what, shown, within_s=within_s, processes=unit.processes, every_s=STATUS_EVERY_S)
        except StepFailedError as error:
            why = complaints_of(last.get("told", {}))
            raise StepFailedError(error.reason + (f"; the hub says {'; '.join(why)}" if why else "")) from None

    async def _online(self, customer: Customer) -> dict[str, Any] | None:
        fault = await self.stage.admin.get(f"/v1/faults/{customer.fault}")
        promise = promise_of(fault, "mini_hub")
        return promise if promise["online_at"] else None

    async def _sim_is(self, customer: Customer, state: str) -> dict[str, Any] | None:
        view: dict[str, Any] = await self.stage.admin.get(f"/v1/hubs/{customer.hub}")
        return view if view["sims"][0]["observed"].get("state") == state else None
