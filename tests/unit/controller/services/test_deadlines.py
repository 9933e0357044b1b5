"""Tasks with a deadline: a parcel to where its household lives no more, and a SIM in foreign equipment."""

from datetime import UTC, date, datetime, timedelta

import pytest

from controller.domain.facts import DeterminationKind
from controller.services import accounts, alarms, dispatch, faults, hubs, tasks, watches
from controller.tables.tasks import OperatorTask
from tests.unit.controller.household import IMEI, OTHER_IMEI, Household

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
TOMORROW = date(2026, 11, 21)


def open_tasks(home: Household) -> list[OperatorTask]:
    return list(home.run(tasks.list_open))


def sent(home: Household) -> str:
    """A home whose first hub is in the post; returns the order."""
    home.move_in()
    home.broken()
    unit = home.run(hubs.enrol, serial="SENT", iccid=home.card())
    [order] = home.run(dispatch.of_account, account_id=home.account_id)
    home.run(dispatch.record, order_id=order.id, state="dispatched", hub_id=unit.id)
    order_id: str = order.id
    return order_id


def move(home: Household, from_day: date) -> None:
    home.run(accounts.move_service, service_id=home.service_id, from_day=from_day, postcode="CD4 5EF")


def late(home: Household) -> list[str]:
    home.run(lambda session, actor, now: watches.look(session, watches.TASKS, now))
    found = home.run(alarms.find, wanted=alarms.AlarmFilter(kind="task_overdue"))
    return [row.severity for row in found]


@pytest.mark.parametrize(
    ("from_day", "due"),
    [
        (TOMORROW, datetime(2026, 11, 21, 0, 0, tzinfo=UTC)),
        (date(2026, 11, 20), datetime(2026, 11, 20, 13, 3, tzinfo=UTC)),
        # Never on that line at all: its first day is put right.
        (date(2026, 1, 5), datetime(2026, 11, 20, 13, 3, tzinfo=UTC)),
    ],
)
def test_a_parcel_is_redirected_by_the_move_or_in_four_hours(home: Household, from_day: date, due: datetime) -> None:
    order_id = sent(home)
    move(home, from_day)
    [task] = open_tasks(home)
    assert (task.kind, task.key, task.due_at) == ("redirect_parcel", order_id, due)
    home.now = due - timedelta(seconds=1)
    assert late(home) == []
    home.now = due
    assert late(home) == ["major"]
    home.run(tasks.close, task_id=task.id, outcome="done", note="redirected")
    assert late(home) == []
    # A person answered: where it was redirected to it arrives.
    home.pass_time(days=1)
    home.run(dispatch.record, order_id=order_id, state="delivered")
    assert open_tasks(home) == []


def test_a_parcel_that_arrived_asks_what_became_of_its_hub_and_another_move_asks_again(home: Household) -> None:
    order_id = sent(home)
    move(home, TOMORROW)
    home.now = home.now.replace(day=21, hour=9)
    before = open_tasks(home)[0].reason
    home.run(dispatch.record, order_id=order_id, state="delivered")
    [task] = open_tasks(home)
    assert "on its way" in before
    assert "was delivered" in task.reason
    home.run(tasks.close, task_id=task.id, outcome="done")
    move(home, date(2026, 11, 23))
    assert [row.id == task.id for row in open_tasks(home)] == [False]


def seen_in_foreign_equipment(home: Household) -> OperatorTask:
    home.move_in()
    home.put_hub_in_drawer()
    home.run(hubs.sight, hub_id=home.hub_id, imei=IMEI)
    assert open_tasks(home) == []
    home.pass_time(hours=1)
    home.run(hubs.sight, hub_id=home.hub_id, imei=OTHER_IMEI)
    [task] = open_tasks(home)
    return task


def test_a_suspended_sim_is_reviewed_within_four_hours_and_released_by_a_person(home: Household) -> None:
    task = seen_in_foreign_equipment(home)
    assert (task.kind, task.due_at) == ("review_sim", home.now + timedelta(hours=4))
    assert OTHER_IMEI not in task.reason
    home.pass_time(hours=4)
    assert late(home) == ["major"]
    word = {"by": "J. Reviewer", "reason": "the modem was replaced"}
    home.run(faults.determine, subject_id=home.hub_id, kind=DeterminationKind.RELEASE_HUB_SIM, **word)
    assert open_tasks(home) == []
    assert late(home) == []


@pytest.mark.parametrize(("read_before", "explained"), [(timedelta(seconds=1), True), (timedelta(seconds=-1), False)])
def test_a_swap_that_is_recorded_late_explains_what_was_seen_after_it(
    home: Household, read_before: timedelta, *, explained: bool
) -> None:
    seen_in_foreign_equipment(home)
    seen_at = home.now
    home.pass_time(hours=1)
    home.run(
        hubs.add_evidence, hub_id=home.hub_id, source="depot", fields={"imei": OTHER_IMEI}, at=seen_at - read_before
    )
    state = home.run(hubs.view, hub_id=home.hub_id).sims[0].intended["state"]
    assert (open_tasks(home) == [], state) == (explained, "parked" if explained else "barred")
