"""Stage two for Broadband Backup, SIM by SIM (T§12)."""

from datetime import datetime

from controller.domain.decisions import Decision
from controller.domain.facts import Facts
from controller.domain.rule_sets import RuleSet


def backup_owed(facts: Facts, fault_id: str, sim_id: str, at: datetime, rules: RuleSet) -> Decision:
    """Decide at `at` whether this fault brings this SIM Backup: owed, not_usable_abroad, hold, person_decides or not_owed (T§12)."""
    raise NotImplementedError


def backup_for_account(facts: Facts, fault_id: str, at: datetime, rules: RuleSet) -> tuple[Decision, ...]:
    """Decide `backup_owed` for every SIM of every plan on the fault's account, in order of SIM id (T§12c: all SIMs)."""
    raise NotImplementedError
