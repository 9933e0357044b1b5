"""The hour from the report: kept up to its last instant, for Backup with the last SIM (T§10d, 12c)."""

import pytest

from tests.unit.controller.household import Household


@pytest.mark.parametrize(("seconds", "end"), [(0, "kept"), (1, "late")])
def test_ready_exactly_on_the_hour_is_within_it(home: Household, seconds: int, end: str) -> None:
    home.move_in(allowances=(1000,))
    home.put_hub_in_drawer()
    home.carrier_does_as_told()
    fault_id = home.broken()
    home.pass_time(minutes=57, seconds=seconds)
    home.carrier_does_as_told()
    assert {row.benefit: row.end for row in home.view(fault_id).promises} == {"mini_hub": end, "backup": end}


def test_backup_is_ready_with_its_last_sim_and_not_with_its_first(home: Household) -> None:
    home.move_in(allowances=(1000, 2000))
    fault_id = home.broken()
    first, last = home.claim("sims", 10)
    home.carrier_obeys(first)
    (promise,) = home.view(fault_id).promises
    assert (promise.benefit, promise.ready_at, promise.end) == ("backup", None, None)
    home.pass_time(minutes=5)
    home.carrier_obeys(last)
    (promise,) = home.view(fault_id).promises
    assert (promise.ready_at, promise.end) == (home.now, "kept")


def test_a_promise_kept_stays_kept_whatever_is_decided_again(home: Household) -> None:
    home.move_in(allowances=(1000,))
    fault_id = home.broken()
    home.carrier_does_as_told()
    (kept,) = home.view(fault_id).promises
    home.post_is_delivered()
    home.pass_time(minutes=5)
    home.diagnose(fault_id, "wiring", "clear")
    home.look()
    (promise,) = home.view(fault_id).promises
    assert (promise.end, promise.ended_at) == ("kept", kept.ended_at)
    assert home.post_is_delivered() == []
