"""The frozen price and the team of its own, over the services' own facts."""

from datetime import date

import pytest

from controller.domain.price_freeze import Charge
from controller.services import accounts, audit, plus
from controller.services.errors import NotFoundError
from tests.unit.controller.household import Household


@pytest.mark.parametrize(("day", "outcome"), [(date(2027, 7, 5), "forbidden"), (date(2027, 7, 6), "permitted")])
def test_a_price_may_rise_once_the_18_months_are_over(home: Household, day: date, outcome: str) -> None:
    home.move_in()
    rise = {"charge": Charge.LINE_RENTAL_AND_BROADBAND, "effective_on": day, "old_pence": 4000, "new_pence": 4100}
    assert home.run(plus.may_change_price, line_id=home.line_id, **rise).outcome.value == outcome


def test_a_price_of_an_unknown_line_is_not_decided(home: Household) -> None:
    rise = {"effective_on": date(2027, 1, 1), "old_pence": 1, "new_pence": 2}
    with pytest.raises(NotFoundError):
        home.run(plus.may_change_price, line_id="unknown", charge=Charge.TV, **rise)


def test_a_call_is_routed_by_either_number(home: Household) -> None:
    account_id = home.move_in(allowances=(1000,))
    home.run(
        accounts.start_service,
        account_id=account_id,
        product="Superfast Fibre Plus",
        starts_on=date(2026, 1, 5),
        landline="+442079460000",
    )
    by_mobile = home.run(plus.route_call, caller="07700 900124")
    by_landline = home.run(plus.route_call, caller=None, typed_landline="020 7946 0000")
    assert {by_mobile.account_ids, by_landline.account_ids} == {(account_id,)}
    assert (by_mobile.recognised_by, by_landline.recognised_by) == ("caller", "typed_landline")
    assert not by_mobile.authenticates
    assert home.run(plus.route_call, caller="+441632960000").ask_for_landline


def test_an_overflow_is_logged_as_the_transfer_it_is(home: Household) -> None:
    account_id = home.move_in(allowances=(1000,))
    elsewhere = plus.Elsewhere(
        country="IN", wait_here_s=900, wait_there_s=60, safeguard="clauses of 2021", circumstances="a storm"
    )
    route = home.run(plus.route_call, caller="+447700900124", elsewhere=elsewhere)
    assert (route.team.value, route.countries, route.is_logged) == ("overflow", ("IN",), True)
    entries = home.run(lambda session, actor, now: audit.entries_of(session, "account", account_id))
    assert entries[-1].facts == {"team": "overflow", "country": "IN", "safeguard": "clauses of 2021"}
    slower = plus.Elsewhere(country="IN", wait_here_s=60, wait_there_s=90, safeguard="clauses", circumstances="a storm")
    assert home.run(plus.route_call, caller="+447700900124", elsewhere=slower).team.value == "plus"
