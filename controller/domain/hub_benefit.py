"""Stage two for the Mini Hub: is it owed, and how (T§10c-e)?"""

from datetime import datetime

from controller.domain.decisions import Decision
from controller.domain.facts import Facts
from controller.domain.rule_sets import RuleSet


def mini_hub_owed(facts: Facts, fault_id: str, at: datetime, rules: RuleSet) -> Decision:
    """Decide at `at`: dispatch, reactivate (`target` is the hub), hold (not yet known), person_decides or refused (T§10c-e)."""
    raise NotImplementedError
