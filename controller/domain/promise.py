"""The hour from the report (T§10d, 12c)."""

from dataclasses import dataclass
from datetime import datetime

from controller.domain.rule_sets import RuleSet


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """When a benefit must be ready, and when somebody is warned."""

    reported_at: datetime
    due_at: datetime
    alarms_at: tuple[datetime, ...]


def promise_made(reported_at: datetime, rules: RuleSet) -> Promise:
    """Return the hour that runs from the report, with its alarm instants (T§10d, 12c)."""
    shares = tuple(reported_at + rules.promise * share for share in rules.alarm_shares)
    return Promise(reported_at=reported_at, due_at=reported_at + rules.promise, alarms_at=shares)
