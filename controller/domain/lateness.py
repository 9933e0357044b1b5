"""Who is late and why: the part of a promise that somebody can do something about."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from controller.domain.facts import utc
from controller.domain.promise import Promise, share_left


class Waiting(StrEnum):
    """What an unkept promise waits for, in the order in which it is looked for."""

    DIAGNOSTICS = "diagnostics_unfinished"
    PERSON = "person_decides"
    CARRIER_LANE = "carrier_lane"
    CARRIER_EFFECT = "carrier_effect"
    HUB_SILENT = "hub_silent"
    NOTICE = "notice_undeliverable"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far an owed benefit has come; each instant None until it has happened."""

    decided: bool
    needs_person: bool = False
    asked_carrier_at: datetime | None = None
    carrier_active_at: datetime | None = None
    hub_online_at: datetime | None = None
    notice_failed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Lateness:
    """Where a promise stands at an instant, and what it waits for."""

    waiting_for: Waiting
    share_left: float
    due_at: datetime
    is_late: bool


def waiting_for(progress: Progress) -> Waiting:
    """Name the first thing that is missing."""
    if progress.needs_person:
        return Waiting.PERSON
    if not progress.decided:
        return Waiting.DIAGNOSTICS
    if progress.asked_carrier_at is None:
        return Waiting.CARRIER_LANE
    if progress.carrier_active_at is None:
        return Waiting.CARRIER_EFFECT
    if progress.notice_failed:
        return Waiting.NOTICE
    return Waiting.HUB_SILENT if progress.hub_online_at is None else Waiting.NOTHING


def lateness_of(promise: Promise, progress: Progress, at: datetime) -> Lateness:
    """Say how late an unkept promise is at `at`, and why."""
    is_ready = progress.carrier_active_at is not None
    return Lateness(
        waiting_for=waiting_for(progress),
        share_left=share_left(promise, at),
        due_at=promise.due_at,
        is_late=not is_ready and utc(at) > promise.due_at,
    )


def lane_done_at(calls_ahead: int, calls_per_second: float, at: datetime) -> datetime:
    """Forecast when a carrier's lane will have made that many calls, so that those late are named before they are."""
    return utc(at) + timedelta(seconds=calls_ahead / calls_per_second)
