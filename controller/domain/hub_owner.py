"""Whose Mini Hub it is when households move (T§10c)."""

from datetime import date, datetime
from itertools import takewhile

from controller.domain.eligibility import service_on_line
from controller.domain.facts import Facts, HubAssignment, Service
from controller.domain.london import day_starts, local_day


def answers_for_hub(facts: Facts, account_id: str, hub_id: str, at: datetime) -> bool:
    """Say whether a hub that was sent to an account's line is its own at `at`, or at least nobody else's.

    A hub that was sent on to a line this account never had is another household's.
    """
    sent = _newest_sending(facts, hub_id, at)
    if sent is not None and all(line.line_id != sent.line_id for line in facts.lines):
        return False
    return account_of_hub(facts, hub_id, at) in {None, account_id}


def account_of_hub(facts: Facts, hub_id: str, at: datetime) -> str | None:
    """Return the account a hub belongs to at `at`: that of its home; None where it has none."""
    sent = _newest_sending(facts, hub_id, at)
    home = None if sent is None else home_of_hub(facts, sent.line_id, sent.dispatched_at, at)
    return None if home is None else home.account_id


def home_of_hub(facts: Facts, line_id: str, sent_at: datetime, at: datetime) -> Service | None:
    """Return the period at `at` of the service that a hub was sent for, wherever that has gone.

    Reading: the hub hangs on the service. None where it was sent to a line without one.
    """
    owner = service_on_line(facts, line_id, sent_at)
    if owner is None:
        return None
    of_service = (each for each in facts.services if each.service_id == owner.service_id)
    begun = [each for each in of_service if day_starts(each.starts_on) <= at]
    return max(begun, key=lambda each: each.starts_on, default=None)


def leaves_on(facts: Facts, account_id: str, line_id: str, sent_at: datetime) -> date | None:
    """Return from which day on the household that something was sent to is not on the line any more, if so.

    None while the service that it has, or had, there ends on it. One that never was there left by the day of sending.
    """
    sent_on = local_day(sent_at)
    there = [
        each
        for each in facts.services
        if (each.line_id, each.account_id) == (line_id, account_id) and each.starts_on <= sent_on
    ]
    if not there:
        return sent_on
    owner = max(there, key=lambda each: (each.starts_on, each.service_id))
    of_service = (each for each in facts.services if each.service_id == owner.service_id)
    latest_first = sorted(of_service, key=lambda each: each.starts_on, reverse=True)
    away = [*takewhile(lambda each: each.line_id != line_id, latest_first)]
    return away[-1].starts_on if away else None


def _newest_sending(facts: Facts, hub_id: str, at: datetime) -> HubAssignment | None:
    sent = [each for each in facts.hub_assignments if each.hub_id == hub_id and each.dispatched_at <= at]
    return max(sent, key=lambda each: (each.dispatched_at, each.recorded_at), default=None)
