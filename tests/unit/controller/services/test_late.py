"""Who is late and why: by deadline, with the lane's forecast, before they are."""

from datetime import timedelta

import pytest
from sqlmodel import select

from controller.domain.facts import DeterminationKind, Symptom
from controller.services import faults, lane_forecast, late, outages
from controller.services.lane_forecast import Pace
from controller.services.late import Cause, Lateness
from controller.tables.owed import Owed
from tests.unit.controller.household import START, Household


def look(home: Household, **pace: float) -> Lateness:
    given = Pace(calls_per_s=pace.get("rate", 5.0), held_for=timedelta(seconds=pace.get("held_s", 0)))
    found: Lateness = home.run(late.who_is_late, pace=given)
    return found


def causes(home: Household) -> dict[str, str]:
    return {row.promise.benefit: row.cause.value for row in look(home).late}


def test_forty_five_thousand_calls_at_five_a_second_are_150_minutes() -> None:
    hour = timedelta(hours=1)
    calls = [(f"{n:05d}", START + hour + timedelta(microseconds=n), START) for n in range(45_000)]
    turns = lane_forecast.turns_of(calls, START, Pace())
    assert max(turns.values()) == START + timedelta(minutes=150)
    assert turns["00000"] == START + timedelta(seconds=0.2)
    assert sum(at > START + hour for at in turns.values()) == 45_000 - 18_000


def test_a_row_that_is_not_due_holds_nobody_up_and_a_pause_holds_everybody() -> None:
    soon, later = START + timedelta(minutes=1), START + timedelta(hours=2)
    calls = [("waits", soon, START + timedelta(minutes=30)), ("second", later, START), ("first", soon, START)]
    turns = lane_forecast.turns_of([*calls, ("no deadline", None, START)], START, Pace(calls_per_s=1.0))
    order = sorted(turns, key=lambda key: turns[key])
    assert order == ["first", "second", "no deadline", "waits"]
    assert turns["waits"] == START + timedelta(minutes=30, seconds=1)
    held = lane_forecast.turns_of(calls, START, Pace(calls_per_s=1.0, held_for=timedelta(minutes=5)))
    assert held["first"] == START + timedelta(minutes=5, seconds=1)
    assert set(lane_forecast.turns_of(calls, START, Pace(calls_per_s=None)).values()) == {
        START,
        START + timedelta(minutes=30),
    }


def test_who_will_be_late_is_named_before_they_are(home: Household) -> None:
    home.move_in(allowances=(1000,))
    home.put_hub_in_drawer()
    home.outside_follows()
    home.broken()
    assert [row.will_be_late for row in look(home).late] == [False, False]
    slow = look(home, rate=1 / 3600)
    assert sorted((row.promise.benefit, row.is_late, row.will_be_late) for row in slow.late) == [
        ("backup", False, True),
        ("mini_hub", False, True),
    ]
    assert slow.lane.calls == 2
    assert slow.lane.empty_at == home.now + timedelta(hours=2)
    assert all(row.will_be_late for row in look(home, held_s=3600).late)
    assert all(row.cause is Cause.LANE and row.forecast_at is not None for row in slow.late)


def test_those_the_lane_will_miss_are_shown_whatever_the_limit(home: Household) -> None:
    line_ids = []
    for _ in range(3):
        home.move_in()
        home.put_hub_in_drawer()
        line_ids.append(home.line_id)
    home.outside_follows()
    for home.line_id in line_ids:
        home.broken()
    pace = Pace(calls_per_s=1 / 1500)
    found: Lateness = home.run(late.who_is_late, limit=1, pace=pace)
    assert found.open == 3
    assert [row.will_be_late for row in found.late] == [False, True]
    assert (found.lane.calls, len(found.lane.late)) == (3, 1)


def test_each_cause_is_named_in_its_turn(home: Household) -> None:
    home.move_in(allowances=(1000,))
    home.put_hub_in_drawer()
    home.outside_follows()
    fault_id = home.report(Symptom.OTHER)
    assert set(causes(home).values()) == {"diagnostics_unfinished"}
    home.drop(5)
    assert set(causes(home).values()) == {"carrier_lane"}
    home.claim("sims", 10)
    home.carrier_does_as_told()
    home.pass_time(minutes=2)
    home.carrier_does_as_told()
    view = look(home)
    assert view.late == ()
    assert [(row.promise.fault_id, row.cause) for row in view.unplugged] == [(fault_id, Cause.HUB_SILENT)]
    home.hub_reports(is_open=False)
    assert [row.cause for row in look(home).unplugged] == [Cause.HUB_CLOSED]
    home.hub_reports(is_open=True, seq=2)
    assert look(home).unplugged == ()


def test_a_person_s_word_is_waited_for_by_name(home: Household) -> None:
    home.move_in()
    home.put_hub_in_drawer()
    home.outside_follows()
    home.run(outages.declare, line_ids=[home.line_id], from_at=home.now - timedelta(hours=30))
    home.drop(5)
    fault_id = home.report()
    assert causes(home) == {"mini_hub": "person_decides"} or causes(home) == {}
    word = {"kind": DeterminationKind.FAULT_QUALIFIES, "by": "J. Reviewer", "reason": "the line is worse than that"}
    home.run(faults.determine, subject_id=fault_id, **word)
    assert causes(home) == {"mini_hub": "carrier_lane"}


def test_work_that_was_set_aside_is_named_so(home: Household) -> None:
    home.move_in()
    home.put_hub_in_drawer()
    home.outside_follows()
    home.broken()

    def park(session: object, actor: object, now: object) -> None:
        del actor
        for row in session.exec(select(Owed).where(Owed.noun == "sims")):  # type: ignore[attr-defined]
            row.parked_at = now

    home.run(park)
    assert causes(home) == {"mini_hub": "carrier_refuses"}


@pytest.mark.parametrize("benefit", ["mini_hub", "backup"])
def test_the_share_of_the_hour_runs_from_one_to_nothing(home: Household, benefit: str) -> None:
    home.move_in(allowances=(1000,))
    home.put_hub_in_drawer()
    home.outside_follows()
    home.report(Symptom.NO_SERVICE)
    shares = []
    for _ in range(4):
        shares += [row.share_left for row in look(home).late if row.promise.benefit == benefit]
        home.pass_time(minutes=30)
    assert shares == [1.0, 0.5, 0.0, 0.0]
