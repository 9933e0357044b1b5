"""When a benefit ends (T§10f, 12e)."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from controller.domain.facts import Facts
from controller.domain.rule_sets import RuleSet


class Benefit(StrEnum):
    """The two benefits of the Keep Connected Promise (T§4)."""

    MINI_HUB = "mini_hub"
    BACKUP = "backup"


class EndingState(StrEnum):
    """Where an ending stands: not ending; to be told; told and waiting; held by another fault; a person confirms; off now."""

    NOT_ENDING = "not_ending"
    TELL = "tell"
    WAITING = "waiting"
    HELD = "held"
    CONFIRM = "confirm"
    OFF = "off"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """The ending of one benefit of one fault at an instant.

    `switch_off_at` is the instant to name in the notice (and a due for the owed row), `held_by` the entitling fault that withdraws it.
    """

    fault_id: str
    benefit: Benefit
    state: EndingState
    cause: str
    reason: str
    switch_off_at: datetime | None = None
    held_by: str | None = None


def ending_of(facts: Facts, fault_id: str, benefit: Benefit, at: datetime, rules: RuleSet) -> Ending:
    """Say at `at` how the benefit ends: told first, then off in the quiet window; at once for fraud or loss (T§10f, 12e)."""
    raise NotImplementedError


def switch_off_instant(from_at: datetime, rules: RuleSet) -> datetime:
    """Return the first instant at or after `from_at` inside the quiet window, Europe/London, whatever the clocks do (policy)."""
    raise NotImplementedError
