"""Decisions about personal data, whole: what is on record is the decision, not only its outcome."""

from datetime import UTC, date, datetime, timedelta

import pytest

from controller.domain.decisions import Basis, Outcome, Question
from controller.domain.privacy import (
    PowerOfAttorney,
    RequestKind,
    answer_owed,
    may_act_for,
    may_keep_fraud_marker,
    request_due,
)
from controller.domain.rule_sets import RULE_SETS

RULES = RULE_SETS[0]
AT = datetime(2026, 3, 2, 12, tzinfo=UTC)


def test_an_answer_is_owed_free_of_charge_by_the_end_of_its_day() -> None:
    due = request_due(RequestKind.COPY, AT)
    decided = answer_owed("r1", due, AT, RULES)
    assert (decided.question, decided.outcome, decided.code) == (Question.DATA_REQUEST, Outcome.OWED, "answer_due")
    assert (decided.subject, decided.at, decided.rule_set) == ("r1", AT, RULES.version)
    # The month ends on a Thursday; in Great Britain summer time has begun by then.
    assert decided.due_at == datetime(2026, 4, 2, 23, tzinfo=UTC)
    assert "free of charge by Thursday 2 April 2026" in decided.reason
    assert decided.inputs == {"kind": "copy", "received_on": "2026-03-02", "is_extended": False}
    assert decided.clause
    assert decided.contest


@pytest.mark.parametrize(
    ("at", "outcome", "code"),
    [
        pytest.param(datetime(2026, 3, 2, 12, tzinfo=UTC), Outcome.PERMITTED, "marker_kept", id="within six years"),
        pytest.param(datetime(2032, 3, 9, 12, tzinfo=UTC), Outcome.FORBIDDEN, "marker_expired", id="beyond six years"),
    ],
)
def test_a_fraud_marker_is_kept_for_six_years(at: datetime, outcome: Outcome, code: str) -> None:
    decided = may_keep_fraud_marker("a1", date(2026, 3, 2), at, RULES)
    assert (decided.question, decided.outcome, decided.code) == (Question.DATA_REQUEST, outcome, code)
    assert (decided.subject, decided.at, decided.rule_set) == ("a1", at, RULES.version)
    assert "placed on 2026-03-02" in decided.reason
    assert "2032-03-0" in decided.reason
    assert decided.clause


@pytest.mark.parametrize(
    ("person", "outcome", "code", "says"),
    [
        pytest.param("p1", Outcome.PERMITTED, "attorney", "is recorded", id="who holds the power"),
        pytest.param("p2", Outcome.FORBIDDEN, "no_power", "for this person", id="somebody else"),
    ],
)
def test_who_acts_for_another_needs_a_power_on_record(person: str, outcome: Outcome, code: str, says: str) -> None:
    powers = (PowerOfAttorney(account_id="a1", attorney="p1", from_at=AT - timedelta(days=1)),)
    decided = may_act_for(powers, "a1", person, "report_fault", at=AT, rules=RULES)
    assert (decided.question, decided.outcome, decided.code) == (Question.ACTING, outcome, code)
    assert (decided.subject, decided.at, decided.rule_set) == ("a1", AT, RULES.version)
    assert says in decided.reason
    assert decided.clause
    assert decided.basis in set(Basis)
