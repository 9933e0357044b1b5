"""Facts come out of the database as they went in, on both engines, whatever their types."""

from typing import Any

import pytest
from sqlmodel import Session

from controller.domain.facts import Facts, LineEventKind
from controller.services import gather, outages, rows
from controller.services.actor import Actor
from controller.tables.journal import FeedEntry
from tests.unit.controller.household import START, Household


def facts(home: Household, **options: Any) -> Facts:
    found: Facts = home.run(lambda session, _actor, _now: gather.facts_of(session, home.account_id, **options))
    return found


def test_every_kind_of_value_comes_back(home: Household) -> None:
    home.move_in(allowances=(1000, None))
    home.pass_time(microseconds=1500)
    home.drop(1, cause="our_restart")
    home.report()
    home.run(outages.declare, line_ids=[home.line_id], from_at=home.now, planned=True, whose="a third party")
    known = facts(home)
    assert [plan.allowances[0].allowance_mb for plan in known.plans] == [1000, None]
    assert [(each.at, each.kind, each.cause) for each in known.line_events] == [
        (home.now, LineEventKind.SYNC_LOST, "our_restart")
    ]
    assert [(each.planned, each.whose, each.line_ids) for each in known.outages] == [
        (True, "a third party", frozenset({home.line_id}))
    ]
    assert known.services[0].starts_on.isoformat() == "2026-01-05"
    assert (known.faults[0].recorded_at, known.as_known(home.now)) == (home.now, known)


def test_a_closed_fault_is_left_out_from_then_on_and_not_before(home: Household) -> None:
    home.move_in()
    fault_id = home.broken()
    reported_by = home.now
    home.pass_time(minutes=1)
    home.resolve(fault_id)
    home.look()
    assert home.view(fault_id).fault.closed_at is not None
    assert facts(home).faults == facts(home, as_of=home.now).faults == ()
    assert {each.fault_id for each in facts(home, as_of=reported_by).faults} == {fault_id}
    assert facts(home, as_of=reported_by).observations != ()


def test_what_is_another_account_s_stays_away(home: Household) -> None:
    home.move_in(allowances=(1000,))
    home.broken()
    first = facts(home)
    home.move_in(allowances=(500,))
    assert (facts(home).faults, len(facts(home).plans)) == ((), 1)
    home.account_id = first.services[0].account_id
    assert facts(home) == first


def test_an_instant_without_a_zone_is_refused_and_nothing_written(home: Household) -> None:
    def write(session: Session, _actor: Actor, _now: Any) -> None:
        naive = START.replace(tzinfo=None)
        rows.add(session, FeedEntry, [{"at": naive, "noun": "n", "key": "k", "action": "a", "facts": {}}])

    with pytest.raises(ValueError, match="naive"):
        home.run(write)


def test_rows_are_numbered_in_the_order_given(home: Household) -> None:
    names = [f"{number * 7919 % 1000:03d}" for number in range(300)]

    def write(session: Session, _actor: Actor, now: Any) -> list[str]:
        rows.add(session, FeedEntry, [{"at": now, "noun": "n", "key": k, "action": "a", "facts": {}} for k in names])
        found = rows.read(session, FeedEntry, "key", names, columns=("sequence", "key"), noun="n")
        return [row.key for row in sorted(found, key=lambda row: int(row.sequence))]

    assert home.run(write) == names
