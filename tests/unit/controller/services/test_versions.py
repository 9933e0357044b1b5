"""What is told again changes nothing: neither a fact with history nor what the carrier showed before."""

from typing import Any

from sqlmodel import Session, select

from controller.services import accounts, sims
from controller.services.actor import Actor
from controller.tables.sims import SimState
from tests.unit.controller.household import Household


def test_a_change_to_what_already_stands_makes_no_version(home: Household) -> None:
    home.move_in()
    first = home.run(accounts.change, account_id=home.account_id, mobile="+447700900199")
    again = home.run(accounts.change, account_id=home.account_id, mobile="+447700900199", expected=first.version)
    assert again.version == first.version


def test_a_late_copy_of_old_news_leaves_what_is_known_of_a_sim(home: Household) -> None:
    home.move_in(allowances=(1000,))
    home.outside_follows()
    before = known(home)
    older = {"iccid": before.iccid, "observed": {"state": "suspended"}, "version": before.observed_version - 1}
    assert home.run(sims.observe, **older, at=home.now) is False
    after = known(home)
    assert (after.observed, after.observed_version) == (before.observed, before.observed_version)


def known(home: Household) -> SimState:
    """Return how the one SIM of the household stands."""

    def read(session: Session, actor: Actor, now: Any) -> SimState:
        del actor, now
        return session.exec(select(SimState)).one()

    found: SimState = home.run(read)
    return found
