"""Changing what customers have: new rule sets (T§17) and substitutes (T§16), never against their rights (T§15)."""

from dataclasses import dataclass
from datetime import datetime

from controller.domain.decisions import Decision, Question
from controller.domain.permission import decide_permission
from controller.domain.rule_sets import RuleSet

SPEED_GUARANTEE = "https://www.bt.com/fasterspeeds"
"""T§18: the Ultrafast Speed Guarantee has terms of its own; this system only points there."""

_PERMITTED = frozenset({"adds_only", "other_basis", "substituted"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Substitution:
    """A benefit replaced by an equivalent one (T§16)."""

    benefit: str
    equivalent: str
    necessity: str
    cause_beyond_control: str
    approver: str


def takes_away(old: RuleSet, new: RuleSet) -> tuple[str, ...]:
    """Name what a new rule set takes away from customers, compared with an old one; empty where it only adds (T§17)."""
    found = {
        "plus_products": not old.plus_products <= new.plus_products,
        "drop_threshold": new.drop_threshold > old.drop_threshold,
        "drop_window": new.drop_window < old.drop_window,
        "same_loss": new.same_loss > old.same_loss,
        "late_sighting": new.late_sighting > old.late_sighting,
        "no_service_after": new.no_service_after > old.no_service_after,
        "promise": new.promise > old.promise,
        "freeze_months": new.freeze_months < old.freeze_months,
        "boost_factor": new.boost_factor < old.boost_factor,
    }
    return tuple(name for name, is_less in found.items() if is_less)


def may_publish(old: RuleSet, new: RuleSet, at: datetime, *, other_basis: str = "") -> Decision:
    """Decide whether a rule set may follow another (T§17): it may add; taking away needs another basis, stated."""
    lost = takes_away(old, new)
    code = "adds_only" if not lost else "other_basis" if other_basis.strip() else "takes_away"
    code = code if new.valid_from > old.valid_from else "not_later"
    reasons = {
        "adds_only": "The new terms only add to the benefits.",
        "other_basis": f"The new terms take something away, on this basis: {other_basis}",
        "takes_away": f"The new terms take away: {', '.join(lost)}. Say on what basis.",
        "not_later": "The new terms must be valid from a later time than the old ones.",
    }
    return _decide(new.version, "T§17", code, reasons[code], at=at, rules=new)


def may_substitute(substitution: Substitution, at: datetime, rules: RuleSet) -> Decision:
    """Decide whether a benefit may be replaced (T§16): equivalent, necessary, beyond our control, and approved."""
    parts = ("equivalent", "necessity", "cause_beyond_control", "approver")
    missing = [name for name in parts if not getattr(substitution, name).strip()]
    code = "incomplete" if missing else "substituted"
    reason = (
        f"Say also: {', '.join(missing)}."
        if missing
        else f"{substitution.benefit} is replaced by {substitution.equivalent}, because {substitution.necessity}."
    )
    return _decide(substitution.benefit, "T§16", code, reason, at=at, rules=rules)


def _decide(subject: str, clause: str, code: str, reason: str, *, at: datetime, rules: RuleSet) -> Decision:
    return decide_permission(
        Question.CHANGE,
        subject,
        is_permitted=code in _PERMITTED,
        clause=clause,
        code=code,
        reason=reason,
        at=at,
        rules=rules,
    )
