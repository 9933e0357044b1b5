"""The hour from the report (T§10d, 12c)."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from controller.domain.facts import utc
from controller.domain.rule_sets import RuleSet


class Standing(StrEnum):
    """How a promise stands: running, kept, missed; or goodwill, which is shown beside the hour and breaks nothing."""

    RUNNING = "running"
    KEPT = "kept"
    MISSED = "missed"
    GOODWILL = "goodwill"


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """When a benefit must be *ready*, and when somebody is warned that it is not."""

    reported_at: datetime
    due_at: datetime
    alarms_at: tuple[datetime, ...]


def promise_made(reported_at: datetime, rules: RuleSet) -> Promise:
    """Return the hour that runs from the report, with its alarm instants; elapsed time (T§10d, 12c).

    It holds for a reactivation and for Backup on the account's last SIM. A dispatch has no hour (`delivery`).
    Errata: T§10d says "with an hour", read as within.
    """
    start = utc(reported_at)
    shares = tuple(start + rules.promise * share for share in rules.alarm_shares)
    return Promise(reported_at=start, due_at=start + rules.promise, alarms_at=shares)


def share_left(promise: Promise, at: datetime) -> float:
    """Return the share of the hour that is left at `at`, from 1 to 0."""
    left = (promise.due_at - utc(at)) / (promise.due_at - promise.reported_at)
    return min(1.0, max(0.0, left))


def standing_of(promise: Promise, ready_at: datetime | None, at: datetime, *, is_goodwill: bool = False) -> Standing:
    """Say how the promise stands at `at`; exactly on the hour is within it. *Online* has no part in it."""
    if is_goodwill:
        return Standing.GOODWILL
    at = utc(at)
    if ready_at is not None and utc(ready_at) <= at:
        return Standing.KEPT if utc(ready_at) <= promise.due_at else Standing.MISSED
    return Standing.RUNNING if at <= promise.due_at else Standing.MISSED


def ready_at(carrier_active_at: datetime | None, document_committed_at: datetime | None) -> datetime | None:
    """Return when a hub became *ready*: its SIM observed active and its document committed, whichever came last."""
    if carrier_active_at is None or document_committed_at is None:
        return None
    return max(utc(carrier_active_at), utc(document_committed_at))


def backup_ready_at(sims_on_at: tuple[datetime | None, ...]) -> datetime | None:
    """Return when Backup became ready: with the last SIM (T§12c); None while one is missing or there is none."""
    if not sims_on_at or any(each is None for each in sims_on_at):
        return None
    return max(utc(each) for each in sims_on_at if each is not None)


def took(promise: Promise, ready: datetime) -> timedelta:
    """Return how long after the report it was ready."""
    return utc(ready) - promise.reported_at
