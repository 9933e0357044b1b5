"""Every decision ever made, computed again as of then, comes out as it was made."""

import random
from collections.abc import Callable
from datetime import date, timedelta

import pytest
from sqlmodel import select

from controller.domain.facts import DeterminationKind, LineEventKind, SuspicionKind, Symptom
from controller.services import accounts, faults, hubs, lines, outages, plans, recomputation
from controller.services.errors import ConflictError, NotFoundError
from controller.services.recomputation import Recomputed, Verdict
from controller.tables.faults import DecisionRow, Outage
from tests.unit.controller.household import Household


def every_decision(home: Household) -> list[Recomputed]:
    ids = home.run(lambda session, actor, now: list(session.exec(select(DecisionRow.id).order_by(DecisionRow.id))))
    return [home.run(recomputation.recompute, decision_id=id_) for id_ in ids]


def check(home: Household) -> int:
    found = every_decision(home)
    assert {row.stored.id: row.differences for row in found if row.differences} == {}
    return len(found)


class Walk:
    """Random things that happen to a home; time passes before each, as it does between two transactions."""

    def __init__(self, home: Household, seed: int) -> None:
        self.home, self.random = home, random.Random(seed)
        self.fault_ids: list[str] = []
        self.outage_ids: list[str] = []

    def step(self) -> None:
        self.home.pass_time(minutes=self.random.randint(1, 90))
        deeds: list[Callable[[], object]] = [
            self.report, self.report, self.drop, self.drop, self.diagnose, self.resolve, self.outage, self.outage_ends,
            self.bill, self.fraud, self.lose, self.word, self.plan, self.leave, self.follow, self.look,
        ]  # fmt: skip
        try:
            self.random.choice(deeds)()
        except ConflictError:
            return

    def report(self) -> None:
        self.fault_ids.append(self.home.report(self.random.choice(list(Symptom))))

    def drop(self) -> None:
        times = [self.home.now - timedelta(minutes=self.random.randint(0, 2000)) for _ in range(3)]
        kinds = [self.random.choice(list(LineEventKind)) for _ in times]
        seen = [
            lines.Seen(line_id=self.home.line_id, kind=k, at=t, source="dslam")
            for k, t in zip(kinds, times, strict=True)
        ]
        self.home.run(lines.record, events=seen)

    def diagnose(self) -> None:
        if self.fault_ids:
            found = self.random.choice([("line_test", "no_sync"), ("line_test", "in_service"), ("restart", "cured")])
            self.home.diagnose(self.random.choice(self.fault_ids), *found)

    def resolve(self) -> None:
        if self.fault_ids:
            self.home.resolve(self.random.choice(self.fault_ids))

    def outage(self) -> None:
        since = self.home.now - timedelta(minutes=self.random.randint(0, 3000))
        row: Outage = self.home.run(outages.declare, line_ids=[self.home.line_id], from_at=since)
        self.outage_ids.append(row.id)

    def outage_ends(self) -> None:
        if self.outage_ids:
            self.home.run(outages.change, outage_id=self.random.choice(self.outage_ids), until=self.home.now)

    def bill(self) -> None:
        row = self.home.run(accounts.bill_past_due, account_id=self.home.account_id, due_on=date(2026, 11, 1))
        self.home.pass_time(minutes=10)
        self.home.run(accounts.bill_paid, bill_id=row.id)

    def fraud(self) -> None:
        row = self.home.run(
            accounts.suspect, account_id=self.home.account_id, kind=SuspicionKind.FRAUD, grounds="three", by="J. R."
        )
        self.home.pass_time(minutes=10)
        self.home.run(accounts.clear_suspicion, suspicion_id=row.id)

    def lose(self) -> None:
        self.home.run(hubs.lose, hub_id=self.home.hub_id, fate="stolen", at=self.home.now)
        self.home.pass_time(minutes=10)
        self.home.run(hubs.found, hub_id=self.home.hub_id, at=self.home.now)

    def word(self) -> None:
        if self.fault_ids:
            word = {"kind": self.random.choice(list(DeterminationKind)[:6]), "by": "J. R.", "reason": "seen by me"}
            self.home.run(faults.determine, subject_id=self.random.choice(self.fault_ids), **word)

    def plan(self) -> None:
        self.home.add_plan(self.home.account_id, 500)

    def leave(self) -> None:
        row = self.home.run(accounts.request_leave, service_id=self.home.service_id)
        self.home.pass_time(minutes=10)
        self.home.add_plan(self.home.account_id, 700)
        self.home.pass_time(minutes=10)
        self.home.run(accounts.withdraw_leave, request_id=row.id)

    def follow(self) -> None:
        self.home.outside_follows()

    def look(self) -> None:
        self.home.look()


@pytest.mark.parametrize("seed", range(4))
def test_whatever_happens_decisions_can_be_computed_again(home: Household, seed: int) -> None:
    home.move_in(allowances=(1000,))
    home.put_hub_in_drawer()
    home.drop(5)
    walk = Walk(home, seed)
    for _ in range(15):
        walk.step()
    walk.report()
    assert check(home) >= 3


def test_a_closed_fault_s_decisions_can_still_be_computed_again(home: Household) -> None:
    home.move_in(allowances=(1000,))
    home.put_hub_in_drawer()
    fault_id = home.broken()
    home.outside_follows()
    home.pass_time(minutes=1)
    home.resolve(fault_id)
    home.look()
    home.outside_follows()
    home.pass_time(minutes=1)
    home.look()
    assert home.view(fault_id).fault.closed_at is not None
    assert check(home) >= 3


def test_a_decision_that_was_tampered_with_shows(home: Household) -> None:
    home.move_in()
    home.broken()

    def tamper(session: object, actor: object, now: object) -> str:
        del actor, now
        row = session.exec(select(DecisionRow).where(DecisionRow.question == "mini_hub")).first()  # type: ignore[attr-defined]
        row.outcome = "refused"
        session.add(row)  # type: ignore[attr-defined]
        id_: str = row.id
        return id_

    found: Recomputed = home.run(recomputation.recompute, decision_id=home.run(tamper))
    assert found.verdict is Verdict.DIFFERENT
    assert found.differences["outcome"][0] == "refused"


def test_an_unknown_decision_is_not_found(home: Household) -> None:
    with pytest.raises(NotFoundError):
        home.run(recomputation.recompute, decision_id="01990000-0000-7000-8000-999999999999")


def test_a_plan_bought_after_a_leave_request_gets_no_benefits(home: Household) -> None:
    account_id = home.move_in(allowances=(1000,))
    home.run(accounts.request_leave, service_id=home.service_id)
    home.pass_time(minutes=1)
    home.run(
        plans.create,
        account_id=account_id,
        name="Late",
        allowance_mb=1000,
        purchased_at=home.now,
        sim_cards=[plans.NewSim(iccid=home.card())],
    )
    assert sorted(sim.due.allowance_mb or 0 for sim in home.mybt()) == [1000, 2000]
