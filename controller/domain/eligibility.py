"""Who has Broadband Benefits and Mobile Benefits at an instant (T§2-6)."""

from datetime import datetime

from controller.domain.decisions import Decision
from controller.domain.facts import Facts
from controller.domain.rule_sets import RuleSet


def broadband_benefits(facts: Facts, line_id: str, at: datetime, rules: RuleSet) -> Decision:
    """Decide whether this line has a live Plus service at `at`: entitled or not_entitled (T§2, 6)."""
    raise NotImplementedError


def mobile_benefits(facts: Facts, plan_id: str, at: datetime, rules: RuleSet) -> Decision:
    """Decide whether this plan has Mobile Benefits at `at`: entitled or not_entitled (T§3, 5, 6)."""
    raise NotImplementedError
