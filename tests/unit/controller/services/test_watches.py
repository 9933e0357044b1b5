"""Alarms about what does not happen, and those that a hub's own report is the evidence of."""

from datetime import timedelta

import pytest

from controller.services import alarms, owed, sims, watches
from controller.services.reported import ConditionView
from controller.work.link import show
from tests.unit.controller.household import Household


def raised(home: Household) -> dict[str, str]:
    return {alarm.kind: alarm.severity for alarm in home.run(alarms.list_open)}


def look(home: Household, key: str) -> None:
    home.run(lambda session, _actor, now: watches.look(session, key, now))


@pytest.fixture
def online(home: Household) -> Household:
    """A home that is online through its hub, whose lease of a day has just begun."""
    home.move_in()
    home.put_hub_in_drawer()
    home.broken()
    home.hub_reports(is_open=True, observed_revision=home.document().revision)
    return home


def test_a_lease_that_is_not_renewed_in_time_is_an_alarm_until_it_is(online: Household) -> None:
    look(online, watches.LEASES)
    assert "lease_near_end" not in raised(online)
    online.pass_time(hours=20, minutes=1)
    look(online, watches.LEASES)
    assert raised(online)["lease_near_end"] == "major"
    online.pass_time(hours=4)
    look(online, watches.LEASES)
    assert raised(online)["lease_near_end"] == "critical"
    online.hub_reports(is_open=True, seq=9, observed_revision=online.document().revision)
    look(online, watches.LEASES)
    assert "lease_near_end" not in raised(online)


def test_a_hub_that_closed_by_itself_is_no_lease_near_its_end(online: Household) -> None:
    online.hub_reports(is_open=False, seq=9, observed_revision=online.document().revision)
    online.pass_time(hours=23)
    look(online, watches.LEASES)
    assert "lease_near_end" not in raised(online)


def test_calls_that_are_due_and_not_made_show_a_full_lane(home: Household) -> None:
    home.run(lambda session, _actor, now: owed.mark(session, sims.NOUN, "a-sim", now=now))
    look(home, watches.LANE)
    assert raised(home) == {}
    home.pass_time(minutes=6)
    look(home, watches.LANE)
    assert raised(home) == {"lane_full": "major"}
    (held,) = home.claim(sims.NOUN, 1)
    home.run(lambda session, _actor, _now: owed.settle(session, held))
    look(home, watches.LANE)
    assert raised(home) == {}


def test_a_broker_that_is_gone_is_an_alarm_of_this_controller(home: Household) -> None:
    home.run(show, name="one", detail="unreachable: no broker answers")
    home.run(show, name="other", detail=None)
    assert raised(home) == {"link_down": "critical"}
    home.run(show, name="one", detail=None)
    assert raised(home) == {}


def test_flapping_is_the_hubs_own_word_and_ends_when_it_is_open(online: Household) -> None:
    def says(seq: int, status: str, reason: str = "") -> None:
        condition = ConditionView(type="forwarding_open", status=status, reason=reason)
        online.hub_reports(is_open=False, seq=seq, conditions=(condition,))

    says(20, "false", "settling")
    assert raised(online)["flapping"] == "warning"
    says(21, "false", "no_service")
    assert "flapping" in raised(online)
    says(22, "true")
    assert "flapping" not in raised(online)


def test_the_watches_come_again(home: Household) -> None:
    def again(key: str) -> timedelta | None:
        due = home.run(lambda session, _actor, now: watches.look(session, key, now))
        return due and due - home.now  # type: ignore[no-any-return]  # run is untyped

    assert (*map(again, watches.EVERY), again("odd")) == (*watches.EVERY.values(), None)
