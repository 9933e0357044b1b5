"""Stage one: does the reported fault qualify (T§10b)?"""

from datetime import datetime

from controller.domain.decisions import Decision
from controller.domain.facts import Facts
from controller.domain.rule_sets import RuleSet


def qualifies(facts: Facts, fault_id: str, at: datetime, rules: RuleSet) -> Decision:
    """Decide at `at` whether the fault qualifies; outcomes qualifies, does_not_qualify, not_yet_known, person_decides (T§10b)."""
    raise NotImplementedError
