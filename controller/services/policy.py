"""What is ours to choose beside the terms: lease, quiet window, bearer; each decision that uses it has basis policy."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from controller.domain.rule_sets import RULE_SETS, QuietWindow, RuleSet, rules_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The rule sets in force and our own choices.

    Attributes:
        rule_sets: every version of the rules, by valid-from.
        lease: how long a hub may forward without hearing from us (decision 7).
        apn: the hub SIMs' access point name.
        poll: how often an open fault is looked at again even if nothing changed.
        brake_share: the share of open entitlements one edit may touch without a named override (decision 15).
        brake_floor: so few are never braked.
    """

    rule_sets: tuple[RuleSet, ...] = RULE_SETS
    lease: timedelta = timedelta(hours=24)
    apn: str = "internet"
    poll: timedelta = timedelta(minutes=15)
    brake_share: float = 0.3
    brake_floor: int = 20

    @property
    def renew_before(self) -> timedelta:
        """Return how long before its end a lease is renewed: a third of it is gone by then."""
        return self.lease * 2 / 3

    def rules_at(self, instant: datetime) -> RuleSet:
        """Return the rule set in force at an instant."""
        return rules_at(instant, self.rule_sets)

    def with_immediate_switch_off(self) -> "Policy":
        """Return the same policy without a quiet window: demonstrations."""
        sets = tuple(replace(rules, quiet_window=QuietWindow(immediate=True)) for rules in self.rule_sets)
        return replace(self, rule_sets=sets)
