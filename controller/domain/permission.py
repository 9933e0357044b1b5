"""Answers that are permitted or forbidden, of one shape (T§16-17, P)."""

from datetime import datetime

from controller.domain.decisions import CONTEST, Basis, Decision, Outcome, Question
from controller.domain.facts import utc
from controller.domain.rule_sets import RuleSet


def decide_permission(
    question: Question,
    subject: str,
    *,
    is_permitted: bool,
    clause: str,
    code: str,
    reason: str,
    at: datetime,
    rules: RuleSet,
    contest: str = CONTEST,
) -> Decision:
    """Put a permission or its refusal into the form every decision has."""
    return Decision(
        question=question,
        subject=subject,
        outcome=Outcome.PERMITTED if is_permitted else Outcome.FORBIDDEN,
        clause=clause,
        basis=Basis.TEXT,
        code=code,
        reason=reason,
        at=utc(at),
        rule_set=rules.version,
        contest=contest,
    )
