"""A household under test: an account with Plus, plans, a hub in the drawer, and an outside that does as it is told."""

import itertools
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlmodel import Session

from controller.domain.facts import LineEventKind, Symptom
from controller.services import (
    accounts,
    desired,
    faults,
    hubs,
    lines,
    notices,
    owed,
    plans,
    reported,
    sims,
    timers,
)
from controller.services.accounts import MyBtSim
from controller.services.actor import Actor
from controller.services.database import Database
from controller.services.faults import FaultView
from controller.services.history import BootAck, HubHistory, Spooled
from controller.tables.accounts import Account
from controller.tables.faults import Fault
from controller.tables.hubs import Hub

START = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
LEASE = timedelta(seconds=30)
ACTOR = Actor("a test")


def numbered_ids(first: int = 0) -> Callable[[], str]:
    """Return a source of ids that are the same in every run."""
    numbers = itertools.count(first)
    return lambda: f"01990000-0000-7000-8000-{next(numbers):012d}"


def luhn(digits: str) -> str:
    """Append the Luhn check digit."""
    total = 0
    for position, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if position % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return digits + str(-total % 10)


IMEI = luhn("00100111000000")
OTHER_IMEI = luhn("00100222000000")
BT_BRANDED = {"imei": IMEI, "model": "TEST-HUB-BT", "branding": "BT", "mac": "00:00:5E:00:53:01"}
NOT_BT_BRANDED = {"imei": OTHER_IMEI, "model": "TEST-HUB-OTHER", "branding": "EE"}


class Household:
    """Walks one or more homes through the services; `now` moves only when told to."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.now = START
        self._cards = 0
        self._version = 0

    def run(self, f: Callable[..., Any], **arguments: Any) -> Any:
        return self.database.run_now(f, actor=ACTOR, now=self.now, **arguments)

    def pass_time(self, **span: float) -> None:
        self.now += timedelta(**span)

    def card(self) -> str:
        self._cards += 1
        return luhn(f"894411{self._cards:012d}")

    def move_in(self, *, product: str = "Superfast Fibre Plus", allowances: tuple[int | None, ...] = ()) -> str:
        """Open an account with a service and plans; returns the account's id and sets `line_id`."""
        account: Account = self.run(
            accounts.create, holder_name="A. Customer", email="a@example.org", mobile="+447700900123"
        )
        service = self.run(
            accounts.start_service,
            account_id=account.id,
            product=product,
            starts_on=date(2026, 1, 5),
            postcode="AB1 2CD",
        )
        self.line_id, self.service_id = service.line_id, service.service_id
        self.plan_ids = [self.add_plan(account.id, allowance) for allowance in allowances]
        self.account_id = account.id
        return account.id

    def add_plan(self, account_id: str, allowance_mb: int | None) -> str:
        cards = [plans.NewSim(iccid=self.card(), msisdn="+447700900124")]
        bought = self.now - timedelta(days=100)
        plan = self.run(
            plans.create,
            account_id=account_id,
            name="Plan",
            allowance_mb=allowance_mb,
            purchased_at=bought,
            sim_cards=cards,
        )
        plan_id: str = plan.plan_id
        return plan_id

    def put_hub_in_drawer(self, evidence: dict[str, str] | None = None, *, line_id: str | None = None) -> str:
        """Enrol a hub, show what it is, and assign it as dispatched long ago."""
        hub: Hub = self.run(hubs.enrol, serial=f"S{self._cards}", iccid=self.card())
        shown = BT_BRANDED if evidence is None else evidence
        self.run(hubs.add_evidence, hub_id=hub.id, source="depot", fields=shown, at=self.now)
        sent = self.now - timedelta(days=200)
        line = line_id or self.line_id
        self.run(hubs.assign, hub_id=hub.id, line_id=line, dispatched_at=sent, delivered_at=sent + timedelta(days=1))
        self.hub_id = hub.id
        return hub.id

    def drop(self, times: int, *, line_id: str | None = None, source: str = "dslam", cause: str | None = None) -> int:
        """Let the line drop, hourly, the last time now; returns how many events were new."""
        line = line_id or self.line_id
        events = [
            lines.Seen(
                line_id=line,
                kind=LineEventKind.SYNC_LOST,
                at=self.now - timedelta(hours=n),
                source=source,
                cause=cause,
            )
            for n in range(times)
        ]
        new: int = self.run(lines.record, events=events)
        return new

    def report(self, symptom: Symptom = Symptom.DROPPING, *, line_id: str | None = None) -> str:
        line = line_id or self.line_id
        fault: Fault = self.run(faults.report, line_id=line, channel="phone", reporter="holder", symptom=symptom)
        return fault.id

    def diagnose(self, fault_id: str, kind: str = "line_test", result: str = "line_fault") -> None:
        observed = faults.Observed(kind=kind, result=result, at=self.now)
        self.run(faults.observe, fault_id=fault_id, observations=[observed], finished=True)

    def broken(self) -> str:
        """Five drops, a report, finished diagnostics; returns the fault."""
        self.drop(5)
        fault_id = self.report()
        self.pass_time(minutes=3)
        self.diagnose(fault_id)
        return fault_id

    def resolve(self, fault_id: str) -> None:
        self.run(faults.resolve, fault_id=fault_id)

    def view(self, fault_id: str) -> FaultView:
        found: FaultView = self.run(faults.view, fault_id=fault_id)
        return found

    def outcomes(self, fault_id: str) -> dict[str, str]:
        """Return question → outcome; Backup's is the fault's own."""
        return {row.question: row.outcome for row in reversed(self.view(fault_id).decisions)}

    def mybt(self) -> list[MyBtSim]:
        return list(self.run(accounts.mybt_view, account_id=self.account_id))

    def look(self) -> None:
        """Do every timer that is due, until none is."""
        for _ in range(50):
            if not self.run(timers.run_due):
                return
        raise AssertionError("timers never come to rest")

    def carrier_does_as_told(self) -> list[dict[str, Any]]:
        """Do every change that is owed; returns what was asked for, in the order of the calls."""
        done: list[dict[str, Any]] = []
        while held := self.claim("sims", 10):
            for claim in held:
                done += self.run(self._obey, claim=claim)
        return done

    def carrier_obeys(self, claim: owed.Claim) -> list[dict[str, Any]]:
        """Do the one change that is claimed; returns what was asked for."""
        asked: list[dict[str, Any]] = self.run(self._obey, claim=claim)
        return asked

    def post_is_delivered(self) -> list[tuple[str, str]]:
        """Deliver every notice that is owed; returns (kind, channel), in order."""
        done: list[tuple[str, str]] = []
        while held := self.claim("notices", 10):
            done += [self.run(_deliver, claim=claim) for claim in held]
        return done

    def outside_follows(self) -> None:
        """Let the carrier and the post do what is owed, until nothing is."""
        while self.carrier_does_as_told() or self.post_is_delivered():
            self.look()

    def claim(self, noun: str, limit: int) -> tuple[owed.Claim, ...]:
        def claim_some(session: Session, actor: Actor, now: datetime) -> tuple[owed.Claim, ...]:
            del actor
            return owed.claim(session, noun, now=now, limit=limit, lease=LEASE)

        found: tuple[owed.Claim, ...] = self.run(claim_some)
        return found

    def document(self) -> desired.DesiredDocument:
        found: desired.DesiredDocument = self.run(desired.compose, hub_id=self.hub_id)
        return found

    def hub_reports(self, *, is_open: bool, boot: int = 1, seq: int = 1, **more: Any) -> reported.Recorded:
        told = {
            "session": 1,
            "uptime_ms": 1000,
            "observed_revision": self.document().revision,
            "conditions": (reported.ConditionView(type="forwarding_open", status="true" if is_open else "false"),),
            **more,
        }
        found: reported.Recorded = self.run(
            reported.record, hub_id=self.hub_id, report=reported.HubReport(boot=boot, seq=seq, **told)
        )
        return found

    def _obey(self, session: Session, actor: Actor, now: datetime, *, claim: owed.Claim) -> list[dict[str, Any]]:
        work = sims.look(session, actor, now, sim_id=claim.key)
        owed.settle(session, claim)
        if work.matches:
            return []
        self._version += 1
        sims.observe(session, actor, now, iccid=work.iccid, observed=work.intended, version=self._version, at=now)
        return [work.intended]


def _deliver(session: Session, actor: Actor, now: datetime, *, claim: owed.Claim) -> tuple[str, str]:
    work = notices.look(session, actor, now, notice_id=claim.key)
    notices.record(session, actor, now, notice_id=claim.key, outcome="delivered")
    owed.settle(session, claim)
    return work.kind, work.channel


__all__ = ["BootAck", "Household", "HubHistory", "Spooled"]
