"""Presence is never stale: boot, session, last seen and will together; a document is published once for each change."""

from datetime import timedelta
from itertools import permutations

import pytest

from controller.services import desired, hubs, owed, reported
from controller.services.owed import Claim
from controller.tables.hubs import HubState
from controller.work.hubs import Publication, compose, owe_undelivered, published
from tests.unit.controller.household import Household


@pytest.fixture
def hub(home: Household) -> Household:
    home.move_in()
    home.put_hub_in_drawer()
    return home


def is_present(home: Household) -> bool:
    return bool(home.run(hubs.view, hub_id=home.hub_id).present)


def says(home: Household, session: int, seq: int, boot: int = 1) -> None:
    home.hub_reports(is_open=True, boot=boot, seq=seq, session=session)


def ends(home: Household, session: int, boot: int = 1, state: str = "lost") -> None:
    home.run(reported.presence, hub_id=home.hub_id, state=state, boot=boot, connection=session)


@pytest.mark.parametrize("order", list(permutations(("report 1", "will 1", "report 2"))), ids=" ".join)
def test_in_any_order_a_hub_is_there_by_its_newest_session(order: tuple[str, ...], hub: Household) -> None:
    for step in order:
        what, session = step.split()
        if what == "will":
            ends(hub, int(session))
        else:
            says(hub, int(session), seq=int(session))
    assert is_present(hub)
    ends(hub, 2)
    says(hub, 2, seq=9)
    assert not is_present(hub)
    says(hub, 1, seq=1, boot=2)
    assert is_present(hub)


def test_evidence_grows_old_by_itself(hub: Household) -> None:
    says(hub, 1, seq=1)
    hub.pass_time(hours=2)
    assert not is_present(hub)


def claim(home: Household) -> Claim | None:
    found = home.claim("hubs", 9)
    return found[0] if found else None


def publish(home: Household) -> bool:
    """Work a hub's row off as work/hubs.py does; True if something was to be published."""
    held = claim(home)
    assert held is not None
    due = home.run(compose, claims=[held])[0]
    if due is None:
        return False
    document, covered = due
    home.run(published, items=[Publication(covered, document.revision, document.renew_at)])
    return True


def test_a_new_link_believes_only_what_was_heard_of_late(hub: Household) -> None:
    publish(hub)
    says(hub, 1, seq=1)
    hub.pass_time(minutes=9)
    hub.run(owe_undelivered)
    assert is_present(hub)
    assert claim(hub) is None
    hub.pass_time(minutes=2)
    hub.run(owe_undelivered)
    assert not is_present(hub)
    assert publish(hub), "the question to a hub is its document, which it answers"
    says(hub, 1, seq=2)
    assert is_present(hub)


def test_a_renewed_lease_is_published_once(hub: Household) -> None:
    hub.broken()
    publish(hub)
    revision = hub.document().revision
    hub.hub_reports(is_open=True, seq=1, observed_revision=revision)
    hub.pass_time(hours=8, minutes=1)
    assert publish(hub)
    assert hub.document().revision > revision
    assert claim(hub) is None, "the mark of the renewal was in hand"
    hub.hub_reports(is_open=True, seq=2, observed_revision=hub.document().revision)
    assert claim(hub) is None
    hub.pass_time(hours=8, minutes=1)
    assert publish(hub)


def test_a_document_that_a_hub_has_is_not_published_again(hub: Household) -> None:
    publish(hub)
    hub.hub_reports(is_open=False, seq=1, observed_revision=hub.document().revision)
    hub.run(lambda session, _actor, now: owed.mark(session, desired.NOUN, hub.hub_id, now=now))
    assert not publish(hub)
    assert claim(hub) is None


def test_drift_is_desired_against_reported(hub: Household) -> None:
    publish(hub)
    revision = hub.document().revision
    hub.hub_reports(is_open=False, seq=1, observed_revision=revision - 1)
    assert not hub.run(hubs.view, hub_id=hub.hub_id).converged
    hub.hub_reports(is_open=False, seq=2, observed_revision=revision)
    assert hub.run(hubs.view, hub_id=hub.hub_id).converged


def test_a_doubted_hub_is_told_to_the_feed_once(hub: Household) -> None:
    says(hub, 1, seq=1)
    hub.pass_time(minutes=11)

    def doubt() -> tuple[str, ...]:
        found: tuple[str, ...] = hub.run(lambda session, _actor, now: reported.doubt(session, now))
        return found

    assert doubt() == (hub.hub_id,)
    assert doubt() == ()
    state: HubState = hub.run(hubs.view, hub_id=hub.hub_id).state
    assert state.last_seen_at == hub.now - timedelta(minutes=11)
