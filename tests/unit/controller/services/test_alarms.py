"""Alarms in FaultMgmt's words: one open alarm a condition, every step kept, cleared on evidence alone."""

import itertools
from datetime import datetime

import pytest
from sqlmodel import Session

from controller.services import alarms
from controller.services.actor import Actor
from controller.services.alarms import AlarmFilter
from controller.services.errors import NotFoundError
from tests.unit.controller.conftest import MakeDatabase
from tests.unit.controller.household import Household


def up(home: Household, severity: str = "minor", message: str = "m", key: str = "h") -> str:
    def transact(session: Session, _actor: Actor, now: datetime) -> str:
        return alarms.raise_alarm(session, "signal", "hub", key, severity=severity, message=message, now=now).id

    return str(home.run(transact))


def down(home: Household) -> bool:
    return bool(home.run(lambda session, _actor, now: alarms.clear(session, "signal", "hub", "h", now=now)))


def steps(home: Household, alarm_id: str) -> list[tuple[str, str]]:
    return [(each.notification, each.severity) for each in home.run(alarms.history, alarm_id=alarm_id)]


def test_the_same_condition_twice_is_one_alarm_and_one_notification(home: Household) -> None:
    assert up(home) == up(home)
    (alarm,) = home.run(alarms.list_open)
    assert (alarm.event_type, alarm.probable_cause) == ("Communications Alarm", "Degraded Signal")
    assert steps(home, alarm.id) == [("new", "minor")]


def test_every_step_is_kept_and_a_cleared_one_comes_back_as_another(home: Household) -> None:
    first = up(home)
    up(home, severity="major")
    home.run(alarms.acknowledge, alarm_id=first)
    home.run(alarms.acknowledge, alarm_id=first)
    assert down(home)
    assert not down(home)
    assert steps(home, first) == [
        ("new", "minor"),
        ("changed", "major"),
        ("acknowledged", "major"),
        ("cleared", "major"),
    ]
    assert up(home) != first
    everything = home.run(alarms.find, wanted=AlarmFilter(is_open=False))
    assert len(everything) == 2


def test_an_acknowledgement_is_of_what_it_was_and_falls_when_it_gets_worse(home: Household) -> None:
    alarm_id = up(home)
    assert home.run(alarms.acknowledge, alarm_id=alarm_id).acknowledged_by == "a test"
    up(home, severity="warning")
    assert home.run(alarms.list_open)[0].acknowledged_by == "a test"
    up(home, severity="critical")
    assert home.run(alarms.list_open)[0].acknowledged_by is None
    with pytest.raises(NotFoundError):
        home.run(alarms.acknowledge, alarm_id="nothing")


def test_alarms_are_found_by_what_they_are_about(home: Household) -> None:
    up(home)
    up(home, key="other", severity="major")
    for wanted, count in ((AlarmFilter(key="h"), 1), (AlarmFilter(severity="major"), 1), (AlarmFilter(kind="odd"), 0)):
        assert len(home.run(alarms.find, wanted=wanted)) == count
    assert home.run(lambda session, _actor, _now: alarms.count_open(session)) == {
        ("signal", "minor"): 1,
        ("signal", "major"): 1,
    }


def test_alarms_that_another_controller_raises_meanwhile_are_raised_once(make_database: MakeDatabase) -> None:
    other = Household(make_database())
    numbers = itertools.count()

    def ids() -> str:
        number = next(numbers)
        # The first id is asked for once it is known what has an alarm; SQLite has one writer and no meanwhile.
        if number == 0 and not other.database.is_sqlite:
            raise_two(other, "b", "c")
        return f"01990000-0000-7000-9000-{number:012d}"

    raise_two(Household(make_database(ids=ids)), "a", "b")
    raise_two(other, "b", "c")
    found = other.run(alarms.list_open)
    assert sorted(each.key for each in found) == ["a", "b", "c"]
    assert [steps(other, each.id) for each in found] == [[("new", "major")]] * 3


def raise_two(home: Household, *keys: str) -> None:
    def transact(session: Session, _actor: Actor, now: datetime) -> None:
        alarms.raise_many(session, "lane_full", "hub", dict.fromkeys(keys, "m"), severity="major", now=now)

    home.run(transact)
