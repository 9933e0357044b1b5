"""What a mobile SIM has at an instant: allowance, tier, counted or not (T§12-14)."""

from dataclasses import dataclass
from datetime import datetime

from controller.domain.facts import Facts
from controller.domain.rule_sets import RuleSet


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """What is due to a SIM.

    `allowance_mb` None is unlimited. `uncounted`: use is neither charged nor counted (Backup). `shown_mb` is what MyBT shows (None:
    unlimited). `plan_mb` is the plan's due without Backup and without add-ons, `add_on_mb` the add-ons beside it.
    """

    sim_id: str
    allowance_mb: int | None
    tier: str
    uncounted: bool
    extra_speed: bool
    plan_mb: int | None
    add_on_mb: int
    shown_mb: int | None
    boosted: bool


def allowance_due(facts: Facts, sim_id: str, at: datetime, rules: RuleSet) -> Allowance:
    """Compute what is due to the SIM at `at` from present facts alone; nothing is put back from a snapshot (T§12e, 13, 14)."""
    raise NotImplementedError
