"""The whole chain at the level of services: broken, on, online, fixed, off, to exactly what is due."""

from controller.domain.ending import Benefit
from controller.services import audit, dispatch
from tests.unit.controller.household import NOT_BT_BRANDED, Household


def test_a_broken_line_brings_a_home_online_and_back(home: Household) -> None:
    home.move_in(allowances=(10_000, None))
    home.put_hub_in_drawer()
    before = home.carrier_does_as_told()
    assert {"state": "parked"} in before
    fault_id = home.broken()
    assert home.outcomes(fault_id) == {"qualifies": "qualifies", "mini_hub": "reactivate", "backup": "owed"}
    assert all(row.clause and row.basis and row.rule_set for row in home.view(fault_id).decisions)

    asked = home.carrier_does_as_told()
    assert {"state": "active"} in asked
    assert sum(each.get("backup") is True for each in asked) == 2
    promises = {row.benefit: row for row in home.view(fault_id).promises}
    assert {row.end for row in promises.values()} == {"kept"}
    assert promises[Benefit.MINI_HUB].online_at is None
    assert [sim.due.allowance_mb for sim in home.mybt()] == [None, None]
    told = home.post_is_delivered()
    assert {("ready_plug_in", "email"), ("backup_on", "sms")} <= set(told)

    home.pass_time(minutes=1)
    home.hub_reports(is_open=True)
    assert ("online", "sms") in home.post_is_delivered()
    assert home.view(fault_id).promises[1].online_at == home.now

    home.pass_time(minutes=5)
    home.resolve(fault_id)
    assert home.view(fault_id).fault.closed_at is None
    assert ("switch_off", "email") in home.post_is_delivered()
    home.pass_time(seconds=1)
    home.look()
    assert {"state": "parked"} in home.carrier_does_as_told()
    assert home.document().internet_on is False
    assert [(sim.due.allowance_mb, sim.as_intended) for sim in home.mybt()] == [(20_000, True), (None, True)]
    assert home.view(fault_id).fault.closed_at == home.now
    assert home.claim("sims", 10) == ()
    assert home.run(lambda session, actor, now: audit.verify(session)) is None


def test_a_hub_that_is_not_bt_branded_is_replaced_at_the_next_fault(home: Household) -> None:
    home.move_in()
    home.put_hub_in_drawer(NOT_BT_BRANDED)
    fault_id = home.broken()
    assert home.outcomes(fault_id)["mini_hub"] == "dispatch"
    orders = home.run(dispatch.of_account, account_id=home.account_id)
    assert [(order.state, order.fault_id) for order in orders] == [("ordered", fault_id)]
    assert orders[0].estimate.startswith("by Monday 23 November")
    assert home.document().internet_on is False


def test_a_first_fault_orders_a_hub_once_its_tests_are_done(home: Household) -> None:
    home.move_in()
    home.drop(5)
    fault_id = home.report()
    assert home.outcomes(fault_id)["mini_hub"] == "hold"
    home.diagnose(fault_id)
    home.diagnose(fault_id, "wiring", "clear")
    assert len(home.run(dispatch.of_account, account_id=home.account_id)) == 1


def test_a_hub_that_was_sent_comes_on_for_its_own_fault(home: Household) -> None:
    home.move_in()
    fault_id = home.broken()
    order = home.run(dispatch.of_account, account_id=home.account_id)[0]
    first_line = home.line_id
    home.line_id = first_line
    from controller.services import hubs

    hub = home.run(hubs.enrol, serial="NEW", iccid=home.card())
    home.hub_id = hub.id
    home.run(dispatch.record, order_id=order.id, state="dispatched", hub_id=hub.id)
    assert ("hub_dispatched", "sms") in home.post_is_delivered()
    assert {"state": "active"} in home.carrier_does_as_told()
    home.run(dispatch.record, order_id=order.id, state="delivered")
    assert home.outcomes(fault_id)["mini_hub"] == "reactivate"
    assert home.document().internet_on is True


def test_equipment_refuses_the_hub_and_leaves_backup(home: Household) -> None:
    home.move_in(allowances=(1000,))
    home.put_hub_in_drawer()
    home.drop(5)
    fault_id = home.report()
    home.diagnose(fault_id, "equipment", "faulty")
    outcomes = home.outcomes(fault_id)
    assert (outcomes["mini_hub"], outcomes["backup"]) == ("refused", "owed")
    assert ("refused", "email") in home.post_is_delivered()
