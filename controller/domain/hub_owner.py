"""Whose Mini Hub it is when households move (T§10c)."""

from datetime import datetime

from controller.domain.eligibility import service_on_line
from controller.domain.facts import Facts
from controller.domain.london import day_starts


def account_of_hub(facts: Facts, hub_id: str, at: datetime) -> str | None:
    """Return the account a hub belongs to at `at`: that of the service it was sent for, wherever that has gone.

    Reading: the hub hangs on the service. None where it was sent to a line without one.
    """
    sent = [each for each in facts.hub_assignments if each.hub_id == hub_id and each.dispatched_at <= at]
    newest = max(sent, key=lambda each: (each.dispatched_at, each.recorded_at), default=None)
    owner = None if newest is None else service_on_line(facts, newest.line_id, newest.dispatched_at)
    if owner is None:
        return None
    of_service = (each for each in facts.services if each.service_id == owner.service_id)
    begun = [each for each in of_service if day_starts(each.starts_on) <= at]
    return max(begun, key=lambda each: each.starts_on).account_id
