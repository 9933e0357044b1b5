"""Any decision can be computed again as of then: from what was known at its instant, under the rules it names."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from sqlmodel import Session

from controller.domain.decisions import Decision, Question, to_json
from controller.domain.exclusions import account_of_fault
from controller.domain.lookup import fault_of
from controller.domain.rule_sets import RuleSet
from controller.services import decisions, gather, journal, outcome, versions
from controller.services.actor import Actor
from controller.services.errors import NotFoundError, UnprocessableError
from controller.tables.faults import DecisionRow, Fault

_COMPARED: Final = ("outcome", "code", "clause", "basis", "target", "reason", "rule_set", "flags", "inputs")


class Verdict(StrEnum):
    """How a decision compares with itself.

    overtaken: it was replaced at the very instant it was made for, so what became known at that instant came after it.
    """

    EQUAL = "equal"
    DIFFERENT = "different"
    OVERTAKEN = "overtaken"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recomputed:
    """A stored decision beside what the same facts give now; `differences` are field to (stored, again)."""

    stored: DecisionRow
    superseded_at: datetime | None
    again: Decision | None
    verdict: Verdict
    differences: dict[str, tuple[Any, Any]]


def recompute(session: Session, actor: Actor, now: datetime, *, decision_id: str) -> Recomputed:
    """Compute a decision again as of its instant. Raises NotFoundError, UnprocessableError without its rule set."""
    del actor, now
    stored = session.get(DecisionRow, decision_id)
    if stored is None:
        raise NotFoundError("decision", decision_id)
    rules = _rules(session, stored.rule_set)
    made = _made(session, stored, rules)
    again = next((each for each in made if _is_same_question(each, stored)), None)
    differences = _differences(stored, again)
    verdict = Verdict.DIFFERENT if differences else Verdict.EQUAL
    superseded_at = _superseded_at(session, stored)
    if differences and superseded_at == stored.at:
        verdict = Verdict.OVERTAKEN
    return Recomputed(stored=stored, superseded_at=superseded_at, again=again, verdict=verdict, differences=differences)


def _superseded_at(session: Session, stored: DecisionRow) -> datetime | None:
    history = decisions.of_fault(session, stored.fault_id)
    return next(each.superseded_at for each in history if each.row.id == stored.id)


def _rules(session: Session, version: str) -> RuleSet:
    sets = journal.policy_of(session).rule_sets
    found = next((each for each in sets if each.version == version), None)
    if found is None:
        raise UnprocessableError(
            f"the rule set {version} is not known to this controller", remedy="run a version that has it"
        )
    return found


def _made(session: Session, stored: DecisionRow, rules: RuleSet) -> tuple[Decision, ...]:
    """Answer the questions about the fault from the facts of the account it belonged to then."""
    account_id = versions.present(session, Fault, stored.fault_id).account_id
    known = gather.facts_of(session, account_id, as_of=stored.at).as_known(stored.at)
    owner = account_of_fault(known, fault_of(known, stored.fault_id), stored.at, rules)
    if owner not in {None, account_id}:
        known = gather.facts_of(session, str(owner), as_of=stored.at).as_known(stored.at)
    return outcome.decisions_of(known, stored.fault_id, stored.at, rules)


def _is_same_question(decision: Decision, stored: DecisionRow) -> bool:
    if decision.question.value != stored.question:
        return False
    return decision.question is not Question.BACKUP or decision.target == stored.target


def _differences(stored: DecisionRow, again: Decision | None) -> dict[str, tuple[Any, Any]]:
    found = {name: getattr(stored, name) for name in _COMPARED}
    if again is None:
        return {name: (value, None) for name, value in found.items()}
    anew = {name: to_json(getattr(again, name)) for name in _COMPARED}
    return {name: (found[name], anew[name]) for name in _COMPARED if found[name] != anew[name]}
