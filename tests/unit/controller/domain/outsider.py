"""Plays a scenario as somebody outside would: facts over HTTP, then decisions, promises, notices and SIMs are read.

A script is one step a line: TIME verb words… name=value…. TIME is `2026-03-10T09:00` (UTC), `…T09:00L` (London),
`09:00` (the same UTC day), `+1h30m` (from the last step) or `.` (now). Each step first lets the timers run that were
due by then, then does its verb, then lets carrier and post follow, unless `carrier=down` or `post=down` was said.

home     product= starts= at=jurisdiction,remote plans=1000,0,unlimited  sets the account, its line and its plans
hub      bt|other|unknown sent=  a unit in the drawer           drop, gain  at=09:00,10:00 source= kind= cause=
report   symptom at= line=       faults are f1, f2 …            observe     kind=result … fault=; finish
expect   question=outcome/clause/basis, and: sim= mybt= tier= told= hour= order= tasks= open=  (see `expectations`)
"""

import re
import shlex
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx
from sqlmodel import Session

from controller.services import hubs, owed, timers
from controller.services.actor import Actor
from tests.unit.controller.domain.verdicts import agree, decision_on
from tests.unit.controller.household import BT_BRANDED, NOT_BT_BRANDED, Household

LONDON = ZoneInfo("Europe/London")
UNITS = {"bt": BT_BRANDED, "other": NOT_BT_BRANDED, "unknown": {"model": "UNHEARD-OF"}}
_SPAN = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:([\d.]+)s)?")


class RefusedError(AssertionError):
    """The API refused a step; a script says so with `refused=STATUS`."""


class Outsider:
    """One scenario at a time: what was made is known by a short name."""

    def __init__(self, home: Household, client: httpx.AsyncClient) -> None:
        self.home, self.client = home, client
        self.ids: dict[str, str] = {}
        self.counts: dict[str, int] = {}
        self.down: set[str] = set()

    async def assert_plays(self, script: str) -> None:
        for line in script.strip().splitlines():
            if line.strip() and not line.strip().startswith("#"):
                try:
                    await self._step(line.strip())
                except AssertionError as error:
                    raise AssertionError(f"{line.strip()}\n    {error}") from error

    async def _step(self, line: str) -> None:
        when, verb, *rest = shlex.split(line)
        self.home.now = self.instant(when)
        self._follow()
        words = [word for word in rest if "=" not in word]
        more = dict(word.split("=", 1) for word in rest if "=" in word)
        wanted = more.pop("refused", None)
        try:
            await getattr(self, "do_" + verb.replace("-", "_"))(*words, **more)
        except RefusedError as refused:
            assert wanted is not None, refused
            assert str(refused).startswith(wanted), refused
        else:
            assert wanted is None, f"was not refused with {wanted}"
        self._follow()

    def _follow(self) -> None:
        """Let the timers run that are due, then the outside do what is owed, until nothing is."""
        for _ in range(40):
            due = self._followed() & self.home.run(_due_nouns)
            if not due:
                return
            if due & set(timers.NOUNS):
                self.home.look()
            if "sims" in due:
                self.home.carrier_does_as_told()
            if "notices" in due:
                self.home.post_is_delivered()
        raise AssertionError("what is owed never comes to rest")

    def _followed(self) -> set[str]:
        outside = {"carrier": "sims", "post": "notices"}
        return {*timers.NOUNS, *(noun for name, noun in outside.items() if name not in self.down)}

    def instant(self, text: str) -> datetime:
        if text == ".":
            return self.home.now
        if text[0] in "+-":
            found = _SPAN.fullmatch(text[1:])
            assert found, text
            days, hours, minutes, seconds = (float(each or 0) for each in found.groups())
            span = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
            return self.home.now + span if text[0] == "+" else self.home.now - span
        if "T" not in text:
            text = f"{self.home.now.date()}T{text}"
        zone = LONDON if text.endswith("L") else UTC
        return datetime.fromisoformat(text.rstrip("L")).replace(tzinfo=zone).astimezone(UTC)

    def iso(self, text: str) -> str:
        return self.instant(text).isoformat()

    def name(self, kind: str, id_: str) -> None:
        self.counts[kind] = self.counts.get(kind, 0) + 1
        self.ids[f"{kind}{self.counts[kind]}"] = id_

    def last(self, kind: str, given: str | None = None) -> str:
        return self.ids[given or f"{kind}{self.counts[kind]}"]

    async def ask(self, method: str, path: str, **body: Any) -> Any:
        json = {name: value for name, value in body.items() if value is not ...}
        answer = await self.client.request(method, f"/v1/{path}", json=json if method != "GET" else None)
        if answer.status_code >= 400:
            raise RefusedError(f"{answer.status_code} {answer.text}")
        return answer.json() if answer.content else None

    async def do_home(
        self,
        product: str = "Superfast Fibre Plus",
        starts: str = "2025-01-06",
        at: str = "",
        plans: str = "",
        **more: str,
    ) -> None:
        email = {} if "no-email" in more else {"email": "a@example.org"}
        account = await self.ask("POST", "accounts", holder_name="A. Customer", mobile="+447700900123", **email)
        self.name("a", account["id"])
        await self.do_service(product=product, starts=starts, at=at)
        for allowance in filter(None, plans.split(",")):
            await self.do_plan(allowance, bought="2025-01-06T09:00")

    async def do_service(
        self,
        product: str = "Superfast Fibre Plus",
        starts: str = "2025-01-06",
        at: str = "",
        account: str | None = None,
        line: str | None = None,
    ) -> None:
        where = at.split(",") if at else []
        place: dict[str, Any] = {"postcode": "AB1 2CD", "remote": "remote" in where}
        place["jurisdiction"] = next((each for each in where if each != "remote"), "england_and_wales")
        place["landline"] = f"+4420794600{self.counts.get('l', 0) + 10}"
        on = {"line_id": self.last("l", line)} if line else {"line": place}
        path = f"accounts/{self.last('a', account)}/services"
        row = await self.ask("POST", path, product=product, starts_on=starts, **on)
        self.name("s", row["id"])
        if not line:
            self.name("l", row["line_id"])

    async def do_end_service(self, last_day: str, service: str | None = None) -> None:
        day = None if last_day == "never" else last_day
        await self.ask("PATCH", f"services/{self.last('s', service)}", last_day=day)

    async def do_regrade(self, product: str, from_day: str, service: str | None = None) -> None:
        await self.ask("PATCH", f"services/{self.last('s', service)}", product=product, from_day=from_day)

    async def do_move_service(self, from_day: str, service: str | None = None, line: str | None = None) -> None:
        where = {"line_id": self.last("l", line)} if line else {"line": {"postcode": "CD4 5EF"}}
        row = await self.ask("POST", f"services/{self.last('s', service)}/move", from_day=from_day, **where)
        if not line:
            self.name("l", row["line_id"])

    async def do_leave(self, service: str | None = None, to: str | None = None, at: str | None = None) -> None:
        body = {"to_product": to, "requested_at": self.iso(at) if at else None}
        row = await self.ask("POST", f"services/{self.last('s', service)}/leave-requests", **body)
        self.name("r", row["id"])

    async def do_stay(self, request: str | None = None) -> None:
        await self.ask("POST", f"leave-requests/{self.last('r', request)}/withdrawal")

    async def do_plan(
        self,
        allowance: str,
        bought: str = ".",
        account: str | None = None,
        live: str | None = None,
        extra_speed: str | None = None,
        sims: str = "1",
    ) -> None:
        cards = [{"iccid": self.home.card(), "msisdn": f"+4477009002{self._number():02d}"} for _ in range(int(sims))]
        body: dict[str, Any] = {"live_from": self.iso(live)} if live else {}
        if extra_speed:
            body["extra_speed_from"] = self.iso(extra_speed)
        path = f"accounts/{self.last('a', account)}/plans"
        mb = None if allowance == "unlimited" else int(allowance)
        plan = await self.ask(
            "POST", path, name="P", allowance_mb=mb, purchased_at=self.iso(bought), sims=cards, **body
        )
        self.name("p", plan["id"])
        for sim in plan["sims"]:
            self.name("m", sim["id"])

    def _number(self) -> int:
        self.counts["number"] = self.counts.get("number", 9) + 1
        return self.counts["number"]

    async def do_allowance(self, allowance: str, from_at: str = ".", plan: str | None = None) -> None:
        mb = None if allowance == "unlimited" else int(allowance)
        path = f"plans/{self.last('p', plan)}/allowances"
        await self.ask("POST", path, allowance_mb=mb, effective_from=self.iso(from_at))

    async def do_end_plan(self, last_day: str, plan: str | None = None) -> None:
        day = None if last_day == "never" else last_day
        await self.ask("POST", f"plans/{self.last('p', plan)}/end", last_day=day)

    async def do_move_plan(self, account: str, from_at: str = ".", plan: str | None = None) -> None:
        path = f"plans/{self.last('p', plan)}/move"
        await self.ask("POST", path, account_id=self.ids[account], from_at=self.iso(from_at))

    async def do_add_on(self, mb: str, plan: str | None = None, until: str | None = None, valid: str = ".") -> None:
        path = f"plans/{self.last('p', plan)}/add-ons"
        ends = self.iso(until) if until else None
        await self.ask("POST", path, add_on_mb=int(mb), valid_from=self.iso(valid), valid_until=ends)

    async def do_abroad(self, sim: str | None = None) -> None:
        await self.ask("POST", f"sims/{self.last('m', sim)}/journeys")

    async def do_back(self, sim: str | None = None) -> None:
        await self.ask("DELETE", f"sims/{self.last('m', sim)}/journeys")

    async def do_add_sim(self, plan: str | None = None) -> None:
        card = {"iccid": self.home.card(), "msisdn": f"+4477009002{self._number():02d}"}
        self.name("m", (await self.ask("POST", f"plans/{self.last('p', plan)}/sims", **card))["id"])

    async def do_bill(self, due: str, account: str | None = None) -> None:
        row = await self.ask("POST", f"accounts/{self.last('a', account)}/bills-past-due", due_on=due)
        self.name("b", row["id"])

    async def do_pay(self, bill: str | None = None) -> None:
        await self.ask("POST", f"bills-past-due/{self.last('b', bill)}/payment")

    async def do_suspect(
        self,
        kind: str,
        fault: str | None = None,
        grounds: str = "seen",
        by: str = "J. Reviewer",
        account: str | None = None,
    ) -> None:
        about = {"fault_id": self.ids[fault]} if fault else {}
        path = f"accounts/{self.last('a', account)}/suspicions"
        row = await self.ask("POST", path, kind=kind, grounds=grounds, by=by, **about)
        self.name("x", row["id"])

    async def do_clear(self, suspicion: str | None = None) -> None:
        await self.ask("POST", f"suspicions/{self.last('x', suspicion)}/clearance")

    async def do_hub(
        self, unit: str = "bt", sent: str = "2025-02-03T10:00", line: str | None = None, **more: str
    ) -> None:
        await self.do_unit(unit)
        delivered = {} if "posted" in more else {"delivered_at": (self.instant(sent) + timedelta(days=1)).isoformat()}
        path = f"hubs/{self.last('h')}/assignments"
        await self.ask("POST", path, line_id=self.last("l", line), dispatched_at=self.iso(sent), **delivered)

    async def do_unit(self, unit: str = "bt") -> None:
        number = self.counts.get("h", 0) + 1
        row = await self.ask("POST", "hubs", serial=f"S{number}", sim={"iccid": self.home.card()})
        self.name("h", row["id"])
        if unit != "blank":
            await self.do_evidence(unit)

    async def do_evidence(self, unit: str, hub: str | None = None) -> None:
        await self.ask("POST", f"hubs/{self.last('h', hub)}/evidence", **UNITS[unit])

    async def do_claims(self, unit: str) -> None:
        self.home.run(hubs.add_evidence, hub_id=self.last("h"), source="hub", fields=UNITS[unit], at=self.home.now)

    async def do_lose(self, fate: str, hub: str | None = None, at: str = ".") -> None:
        await self.ask("POST", f"hubs/{self.last('h', hub)}/losses", fate=fate, at=self.iso(at))

    async def do_found(self, hub: str | None = None) -> None:
        await self.ask("DELETE", f"hubs/{self.last('h', hub)}/losses")

    async def do_order(self, state: str, order: int = -1, hub: str | None = None) -> None:
        rows = (await self.ask("GET", f"dispatch-orders?account_id={self.ids['a1']}"))["dispatch_orders"]
        with_hub = {"hub_id": self.last("h", hub)} if state == "dispatched" else {}
        await self.ask("POST", f"dispatch-orders/{rows[int(order)]['id']}/steps", state=state, **with_hub)

    async def do_sighted(self, imei: str, hub: str | None = None) -> None:
        self.home.run(hubs.sight, hub_id=self.last("h", hub), imei=imei)

    async def do_drop(
        self,
        *times: str,
        source: str = "dslam",
        kind: str = "sync_lost",
        cause: str | None = None,
        line: str | None = None,
    ) -> None:
        events = [
            {"line_id": self.last("l", line), "kind": kind, "at": self.iso(at), "source": source, "cause": cause}
            for at in times
        ]
        await self.ask("POST", "line-events", events=events)

    async def do_gain(
        self, *times: str, source: str = "dslam", kind: str = "sync_gained", line: str | None = None
    ) -> None:
        await self.do_drop(*times, source=source, kind=kind, line=line)

    async def do_withdraw(self, *times: str, line: str | None = None) -> None:
        """Withdraw whatever was seen at some times."""
        path, wanted = f"lines/{self.last('l', line)}", {self.instant(at) for at in times}
        shown = (await self.ask("GET", f"{path}/events?since=2020-01-01T00:00:00Z"))["events"]
        numbers = [each["id"] for each in shown if datetime.fromisoformat(each["at"]) in wanted]
        body = {"event_ids": numbers, "reason": "no drop of the line", "by": "J. Reviewer"}
        await self.ask("POST", f"{path}/event-withdrawals", **body)

    async def do_restart(self, at: str = ".", line: str | None = None, lasts: str = "600") -> None:
        await self.ask("POST", f"lines/{self.last('l', line)}/restarts", at=self.iso(at), lasts_s=int(lasts))

    async def do_outage(
        self, from_at: str, until: str | None = None, line: str | None = None, planned: str = "", whose: str = "ours"
    ) -> None:
        body = {"from_at": self.iso(from_at), "until": self.iso(until) if until else None}
        lines = [self.last("l", line)]
        row = await self.ask("POST", "outages", line_ids=lines, planned=bool(planned), whose=whose, **body)
        self.name("o", row["id"])

    async def do_change_outage(self, outage: str | None = None, **changes: str) -> None:
        body = {name: self.iso(value) for name, value in changes.items()}
        await self.ask("PATCH", f"outages/{self.last('o', outage)}", **body)

    async def do_report(self, symptom: str = "dropping", at: str | None = None, line: str | None = None) -> None:
        body: dict[str, Any] = {"reported_at": self.iso(at)} if at else {}
        body |= {"line_id": self.last("l", line), "channel": "phone", "reporter": "account_holder", "symptom": symptom}
        self.name("f", (await self.ask("POST", "faults", **body))["id"])

    async def do_observe(self, *, fault: str | None = None, at: str = ".", **found: str) -> None:
        seen = [{"kind": kind, "result": result, "at": self.iso(at)} for kind, result in found.items()]
        await self.ask("POST", f"faults/{self.last('f', fault)}/diagnostics", observations=seen)

    async def do_finish(self, *words: str, fault: str | None = None) -> None:
        body = {"finished": True, "engineer_booked": "engineer" in words}
        await self.ask("POST", f"faults/{self.last('f', fault)}/diagnostics", **body)

    async def do_determine(self, kind: str, about: str | None = None) -> None:
        noun, short = {"grant_replacement": ("lines", "l"), "release_hub_sim": ("hubs", "h")}.get(kind, ("faults", "f"))
        subject = self.last(short, about)
        await self.ask("POST", f"{noun}/{subject}/determinations", kind=kind, reason="looked at it", by="J. Reviewer")

    async def do_resolve(self, fault: str | None = None, at: str | None = None) -> None:
        when = {"resolved_at": self.iso(at)} if at else {}
        await self.ask("POST", f"faults/{self.last('f', fault)}/resolution", **when)

    async def do_reopen(self, fault: str | None = None) -> None:
        await self.ask("DELETE", f"faults/{self.last('f', fault)}/resolution")

    async def do_carrier(self, state: str) -> None:
        (self.down.add if state == "down" else self.down.discard)("carrier")

    async def do_post(self, state: str) -> None:
        (self.down.add if state == "down" else self.down.discard)("post")

    async def do_tick(self) -> None:
        """Time passed, and nothing else."""

    async def do_price(
        self,
        effective: str,
        old: str = "3000",
        new: str = "3300",
        charge: str = "line_rental_and_broadband",
        **more: str,
    ) -> None:
        body = {"charge": charge, "effective_on": effective, "old_pence": int(old), "new_pence": int(new)}
        expect = more.pop("expect")
        answer = await self.ask(
            "POST", f"lines/{self.last('l', more.get('line'))}/price-changes", is_regrade="regrade" in more, **body
        )
        agree("price", answer["decision"], expect)

    async def do_privacy(self, question: str, expect: str, account: str | None = None, **asked: str) -> None:
        """`true` and `false` are what they say; an instant is written `@…`."""
        words = {"true": True, "false": False}
        body = {name: self.iso(v[1:]) if v.startswith("@") else words.get(v, v) for name, v in asked.items()}
        answer = await self.ask("POST", f"accounts/{self.last('a', account)}/privacy/{question}", **body)
        decision = answer["decision"]
        outcome, _, due = expect.partition("@")
        said = f"{question}: {decision}, wanted {expect}"
        assert decision["outcome"] == outcome, said
        assert decision["reason"], said
        assert decision["clause"].startswith("P "), said
        assert "Information Commissioner" in decision["contest"], said
        assert not due or decision["due_at"] == self.iso(due), said

    async def do_call(self, number: str = "", typed: str | None = None, expect: str = "") -> None:
        answer = await self.ask("POST", "calls", caller=number or None, typed_landline=typed)
        assert answer["team"] == expect, answer

    async def do_expect(self, fault: str | None = None, **expected: str) -> None:
        found = await self.ask("GET", f"faults/{self.last('f', fault)}") if self.counts.get("f") else {}
        for name, wanted in expected.items():
            await getattr(self, "see_" + name)(wanted, found)

    async def see_qualifies(self, wanted: str, fault: Any) -> None:
        agree("qualifies", decision_on(fault, "qualifies"), wanted)

    async def see_hub(self, wanted: str, fault: Any) -> None:
        agree("mini_hub", decision_on(fault, "mini_hub"), wanted)

    async def see_backup(self, wanted: str, fault: Any) -> None:
        agree("backup", decision_on(fault, "backup"), wanted)

    async def see_sims(self, wanted: str, fault: Any) -> None:
        """Backup SIM by SIM, in order: `m1=owed`."""
        decided = {each["target"]: each for each in fault["decisions"] if each["question"] == "backup"}
        for word in wanted.split(","):
            sim, outcome = word.split(":")
            if outcome == "-":
                assert self.ids[sim] not in decided, decided[self.ids[sim]]
            else:
                assert self.ids[sim] in decided, f"no decision on {sim}"
                agree(sim, decided[self.ids[sim]], outcome)

    async def see_sim(self, wanted: str, fault: Any) -> None:
        """`active` or `parked` or `barred`, of h1 and on, comma-separated: what the carrier is meant to have."""
        found = []
        for number in range(1, self.counts.get("h", 0) + 1):
            hub = await self.ask("GET", f"hubs/{self.ids[f'h{number}']}")
            found.append(hub["sims"][0]["intended"]["state"])
        assert ",".join(found) == wanted, f"sims {found}, wanted {wanted}"

    async def see_mybt(self, wanted: str, fault: Any, account: str = "a1") -> None:
        shown = (await self.ask("GET", f"accounts/{self.ids[account]}/mybt"))["sims"]
        found = ["B" if each["backup"] else each["shown"].removesuffix(" MB") for each in shown]
        assert ",".join(found) == wanted, f"MyBT shows {found}, wanted {wanted}"

    async def see_mybt2(self, wanted: str, fault: Any) -> None:
        await self.see_mybt(wanted, fault, "a2")

    async def see_tier(self, wanted: str, fault: Any) -> None:
        shown = (await self.ask("GET", f"accounts/{self.ids['a1']}/mybt"))["sims"]
        found = [each["tier"] for each in shown]
        assert ",".join(found) == wanted, f"tiers {found}, wanted {wanted}"

    async def see_told(self, wanted: str, fault: Any) -> None:
        """Kinds of notices about the fault that were not withdrawn; `a,b` exactly, `+a` at least, `-a` none."""
        found = sorted({each["kind"] for each in fault["notices"] if each["state"] != "withdrawn"})
        if wanted[:1] in {"+", "-"}:
            assert (wanted[1:] in found) == (wanted[0] == "+"), f"told {found}, wanted {wanted}"
        else:
            assert found == sorted(filter(None, wanted.split(","))), f"told {found}, wanted {wanted}"

    async def see_names(self, wanted: str, fault: Any) -> None:
        """The switch-off that the customer was told of last."""
        named = [each["facts"]["at"] for each in fault["notices"] if each["kind"] == "switch_off"]
        assert named, "no switch-off was named"
        assert datetime.fromisoformat(named[-1]) == self.instant(wanted), f"{named[-1]}, wanted {wanted}"

    async def see_hour(self, wanted: str, fault: Any) -> None:
        """`mini_hub@10:00,backup@10:00`, `-` for none; a trailing `g` is goodwill, `x` ended unowed."""
        found = [
            f"{each['benefit']}@{datetime.fromisoformat(each['due_at']):%H:%M}"
            + ("g" if each["goodwill"] else "")
            + ("x" if each["end"] == "not_owed" else "")
            for each in sorted(fault["promises"], key=lambda row: row["benefit"], reverse=True)
        ]
        assert (",".join(found) or "-") == wanted, f"promises {found}, wanted {wanted}"

    async def see_order(self, wanted: str, fault: Any) -> None:
        """`state@estimate` of every order, `-` for none."""
        rows = (await self.ask("GET", f"dispatch-orders?account_id={self.ids['a1']}"))["dispatch_orders"]
        found = ",".join(row["state"] + (f"@{row['estimate']}" if "@" in wanted else "") for row in rows) or "-"
        wanted = re.sub(r"@([\d-]+)", lambda day: f"@by {date.fromisoformat(day[1]):%A %-d %B}", wanted)
        assert found == wanted, f"orders {found}, wanted {wanted}"

    async def see_tasks(self, wanted: str, fault: Any) -> None:
        found = sorted(row["kind"] for row in (await self.ask("GET", "tasks"))["tasks"])
        assert (",".join(found) or "-") == wanted, f"tasks {found}, wanted {wanted}"

    async def see_alarms(self, wanted: str, fault: Any) -> None:
        found = sorted({row["kind"] for row in (await self.ask("GET", "alarms"))["alarms"]})
        assert (",".join(found) or "-") == wanted, f"alarms {found}, wanted {wanted}"

    async def see_open(self, wanted: str, fault: Any) -> None:
        assert ("no" if fault["closed_at"] else "yes") == wanted, fault["closed_at"]

    async def see_flags(self, wanted: str, fault: Any) -> None:
        found = sorted({flag for each in fault["decisions"] for flag in each.get("flags") or ()})
        assert (wanted in found) if wanted != "-" else not found, f"flags {found}, wanted {wanted}"


def _due_nouns(session: Session, actor: Actor, now: datetime) -> set[str]:
    del actor
    return set(owed.backlog(session, now))
