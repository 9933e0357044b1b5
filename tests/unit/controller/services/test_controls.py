"""A household's parental controls changed by phone: kept, audited, and the account holder is told (T§19)."""

import pytest

from controller.notify.port import Medium
from controller.notify.templates import render
from controller.services import controls, hubs, notices, tasks
from controller.tables.faults import Notice
from tests.unit.controller.household import Household


@pytest.fixture
def drawer(home: Household) -> Household:
    home.move_in()
    home.put_hub_in_drawer()
    return home


def told(home: Household) -> list[Notice]:
    found = home.run(notices.of_account, account_id=home.account_id)
    return [each for each in found if each.kind == controls.CHANGED]


@pytest.mark.parametrize(
    "change", [{"level": "strict"}, {"level": "custom", "categories": ["games"]}, {"allow": ["a.example"]}]
)
def test_a_change_is_told_on_every_channel_and_names_no_site(drawer: Household, change: dict[str, object]) -> None:
    drawer.run(controls.set_controls, hub_id=drawer.hub_id, controls=change)
    assert sorted(each.channel for each in told(drawer)) == ["email", "sms"]
    for each in told(drawer):
        sent = render(each.kind, key=each.id, medium=Medium.EMAIL, to="a@example.org", name=None, facts=each.facts)
        assert f"set to: {change.get('level', 'light')}." in sent.text
        assert "a.example" not in sent.text


def test_what_was_so_already_is_told_to_nobody_and_each_change_is_told(drawer: Household) -> None:
    deny = {"deny": ["b.example"]}
    for change in (deny, deny, {"level": "light"}):
        drawer.run(controls.set_controls, hub_id=drawer.hub_id, controls=change)
        drawer.pass_time(minutes=1)
    assert len(told(drawer)) == 2
    drawer.run(controls.set_controls, hub_id=drawer.hub_id, controls={"deny": []})
    assert len(told(drawer)) == 4


def test_a_hub_on_no_line_has_nobody_to_tell(drawer: Household) -> None:
    spare = drawer.run(hubs.enrol, serial="spare", iccid=drawer.card())
    drawer.run(controls.set_controls, hub_id=spare.id, controls={"level": "off"})
    assert told(drawer) == []


def test_a_change_that_can_be_told_by_no_means_is_a_task_of_its_own(drawer: Household) -> None:
    drawer.run(controls.set_controls, hub_id=drawer.hub_id, controls={"level": "strict"})
    for each in told(drawer):
        assert drawer.run(tasks.list_open) == ()
        drawer.run(notices.record, notice_id=each.id, outcome="undeliverable", error="gone")
    (task,) = drawer.run(tasks.list_open)
    assert (task.kind, task.account_id, task.fault_id) == (tasks.TELL_CUSTOMER, drawer.account_id, None)
