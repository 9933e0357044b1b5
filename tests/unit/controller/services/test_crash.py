"""A crash before and after each commit of the whole chain: nothing is lost, nothing is doubled."""

import itertools
import os

import pytest
from sqlalchemy import event
from sqlmodel import Session, select

from controller.services import audit, faults
from controller.services.policy import Policy
from controller.tables.faults import Fault
from tests.unit.controller.conftest import MakeDatabase
from tests.unit.controller.household import Household

SHARES = 4
FULL = bool(os.environ.get("MINIHUB_FULL"))
# Every boundary on each engine with MINIHUB_FULL=1; else each fourth of each share's, the shares on one engine and the
# other by turns, so that together they still spread over all.
STRIDE = SHARES if FULL else 4 * SHARES + 1
PLAYED = [
    (engine, share)
    for share in range(SHARES)
    for turn, engine in enumerate(("sqlite", "postgresql"))
    if FULL or share % 2 == turn
]


class CrashError(BaseException):
    """The process is gone."""


class Switch:
    """Counts the boundaries that sessions pass, and crashes at one of them."""

    def __init__(self) -> None:
        self.passed = 0
        self.crash_at: int | None = None

    def passing(self) -> None:
        self.passed += 1
        if self.passed == self.crash_at:
            raise CrashError

    def session_type(switch) -> type[Session]:  # noqa: N805  # the class below needs `self`
        # What is not committed is rolled back, so before and after each commit are all the moments there are.
        class Failing(Session):
            """A session of a process that can die."""

        event.listen(Failing, "before_commit", lambda _session: switch.passing())
        event.listen(Failing, "after_commit", lambda _session: switch.passing())
        return Failing


def live_through(home: Household) -> None:
    """Take a fault from its report to its end; whoever was cut off by a crash begins again, so every step repeats."""
    open_faults = home.run(lambda session, actor, now: faults.open_on_line(session, home.line_id))
    fault_id = open_faults[0].id if open_faults else home.report()
    home.pass_time(seconds=1)
    if not open_faults or open_faults[0].resolved_at is None:
        home.diagnose(fault_id)
    home.outside_follows()
    home.pass_time(seconds=1)
    home.resolve(fault_id)
    home.look()
    home.outside_follows()
    home.pass_time(seconds=1)
    home.look()
    home.outside_follows()


@pytest.fixture
def prepared(make_database: MakeDatabase) -> Household:
    home = Household(make_database(policy=Policy().with_immediate_switch_off()))
    home.move_in(allowances=(1000,))
    home.put_hub_in_drawer()
    home.carrier_does_as_told()
    home.drop(5)
    return home


@pytest.mark.slow
@pytest.mark.parametrize(("database_url", "share"), PLAYED, indirect=["database_url"])
def test_a_crash_at_any_boundary_costs_nothing_but_time(
    make_database: MakeDatabase, prepared: Household, share: int
) -> None:
    switch = Switch()
    home = Household(make_database(policy=prepared.database.policy, session_type=switch.session_type()))
    home.__dict__ |= {name: value for name, value in prepared.__dict__.items() if name != "database"}
    crashes = 0
    # Each round is one more fault of the same line, and crashes one boundary later than the one before.
    for boundary in itertools.count(share + 1, STRIDE):
        switch.passed, switch.crash_at = 0, boundary
        try:
            live_through(home)
        except CrashError:
            crashes += 1
            switch.crash_at = None
            # Whoever held claims is gone; they run out.
            home.pass_time(minutes=2)
            live_through(home)
        has_ended = switch.crash_at is not None
        switch.crash_at = None
        check(home)
        if has_ended:
            break
        home.pass_time(minutes=2)
        home.drop(5)
    assert crashes >= 2


def check(home: Household) -> None:
    faults_known = home.run(lambda session, actor, now: session.exec(select(Fault.id).distinct()).all())
    newest = max(faults_known)
    view = home.view(newest)
    assert view.fault.closed_at is not None
    assert all(reason.closed_at is not None for reason in view.reasons)
    told = [(notice.kind, notice.channel) for notice in view.notices]
    assert sorted(told) == sorted(
        (kind, channel) for kind in ("ready_plug_in", "backup_on", "switch_off") for channel in ("email", "sms")
    )
    assert len(view.promises) == 2
    assert [(sim.due.allowance_mb, sim.as_intended) for sim in home.mybt()] == [(2000, True)]
    assert home.document().internet_on is False
    for noun in ("sims", "notices"):
        assert home.claim(noun, 10) == ()
    assert home.run(lambda session, actor, now: audit.verify(session)) is None
