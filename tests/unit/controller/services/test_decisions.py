"""Decisions as rows: never written again, and the newest stands whatever the clocks of two controllers say."""

from datetime import timedelta

from controller.services import decisions, outages
from controller.services.database import Database
from controller.services.standing import about, standing_among
from tests.unit.controller.conftest import MakeDatabase
from tests.unit.controller.household import Household


def test_a_decision_stands_though_the_controller_that_made_it_has_a_clock_behind(make_database: MakeDatabase) -> None:
    home = Household(make_database())
    home.move_in(allowances=(1000,))
    home.put_hub_in_drawer()
    fault_id = home.broken()
    count = iter(range(10**6))
    engine = home.database.engine
    home.database = Database(
        home.database.url, ids=lambda: f"00000000-0000-7000-8000-{next(count):012d}", engine=engine
    )
    home.pass_time(minutes=1)
    home.run(outages.declare, line_ids=[home.line_id], from_at=home.now - timedelta(hours=30), override="J. R.")
    found = home.view(fault_id)
    assert {row.outcome for row in found.decisions} == {"person_decides"}
    home.pass_time(minutes=16)
    home.look()
    assert home.view(fault_id).history == found.history


def test_what_stands_does_not_hang_on_the_order_rows_are_read_in(home: Household) -> None:
    home.move_in(allowances=(1000,))
    home.put_hub_in_drawer()
    fault_id = home.broken()
    home.pass_time(minutes=1)
    home.run(outages.declare, line_ids=[home.line_id], from_at=home.now - timedelta(hours=30), override="J. R.")
    found = [each.row for each in home.run(lambda session, _, now: decisions.of_fault(session, fault_id))]
    assert len(found) == 8
    newest = {about(row.fault_id, row.question, row.target): row.id for row in found}
    for given in (found, found[::-1], found[1::2] + found[::2]):
        standing = standing_among(given)
        assert {key: row.id for key, row in standing.items()} == newest
