"""A carrier account's lane is one claimed row, also when two start at once."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from controller.services import lanes
from tests.unit.controller.conftest import MakeDatabase
from tests.unit.controller.household import ACTOR, START

LEASE = timedelta(seconds=30)


def test_two_that_start_at_once_end_with_one_holder(make_database: MakeDatabase) -> None:
    databases = [make_database() for _ in range(2)]

    def hold(number: int) -> bool:
        holder = f"controller-{number}"
        held: bool = databases[number].run_now(
            lanes.hold, actor=ACTOR, now=START, account="a", holder=holder, lease=LEASE
        )
        return held

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(hold, range(2))) == [False, True]


def test_a_lease_that_ran_out_or_was_let_go_is_anybodys(make_database: MakeDatabase) -> None:
    database = make_database()

    def hold(holder: str, seconds: float) -> bool:
        at = START + timedelta(seconds=seconds)
        held: bool = database.run_now(lanes.hold, actor=ACTOR, now=at, account="a", holder=holder, lease=LEASE)
        return held

    assert hold("one", 0)
    assert hold("one", 20)
    assert not hold("two", 49)
    assert hold("two", 50)
    assert not hold("one", 51)
    database.run_now(lanes.release, actor=ACTOR, now=START, account="a", holder="one")
    assert not hold("one", 52)
    database.run_now(lanes.release, actor=ACTOR, now=START, account="a", holder="two")
    assert hold("one", 53)
