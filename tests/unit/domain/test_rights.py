import itertools
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.domain.aggregates import TOTAL, computable, publish, with_totals
from controller.domain.decisions import Outcome, Question
from controller.domain.privacy import (
    DisclosureRequest,
    MessageKind,
    PowerOfAttorney,
    RefusalGround,
    VulnerableGround,
    in_subjects_copy,
    may_act,
    may_disclose,
    may_mark_vulnerable,
    may_refuse,
    may_send,
    missing_for,
    shows_vulnerable_marker,
)
from controller.domain.rule_sets import RULE_SETS
from tests.unit.domain.copies import replace

RULES = RULE_SETS[0]
AT = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.mark.parametrize("ground", RefusalGround)
def test_a_request_is_refused_on_a_listed_ground_and_explained(ground: RefusalGround) -> None:
    decision = may_refuse("r", ground, "You asked for the same last week.", AT, RULES)
    assert (decision.outcome, decision.code) == (Outcome.PERMITTED, ground.value)
    assert decision.reason == "You asked for the same last week."
    assert decision.subject == "r"
    assert decision.clause.startswith("P ")
    silent = may_refuse("r", ground, "  ", AT, RULES)
    assert (silent.outcome, silent.code) == (Outcome.FORBIDDEN, "not_explained")
    assert silent.reason == "A refusal must be explained to the person who asked."


def test_a_request_is_not_refused_without_a_ground() -> None:
    decision = may_refuse("r", None, "We would rather not.", AT, RULES)
    assert (decision.outcome, decision.code) == (Outcome.FORBIDDEN, "no_ground")
    assert decision.reason == "There is no ground to refuse this request."
    assert decision.at == AT
    assert decision.rule_set == RULES.version
    assert (decision.question, decision.subject) == (Question.DATA_REQUEST, "r")


def test_there_are_five_grounds() -> None:
    assert {each.value for each in RefusalGround} == {
        "repetitive",
        "no_right",
        "excessive",
        "harmful_to_others",
        "forbidden_by_law",
    }


@pytest.mark.parametrize("ground", VulnerableGround)
def test_a_vulnerable_marker_needs_a_ground(ground: VulnerableGround) -> None:
    decision = may_mark_vulnerable("x", ground, AT, RULES)
    assert (decision.outcome, decision.code) == (Outcome.PERMITTED, ground.value)
    assert ground.value in decision.reason


def test_a_vulnerable_marker_without_a_ground() -> None:
    decision = may_mark_vulnerable("x", None, AT, RULES)
    assert (decision.outcome, decision.code, decision.subject) == (Outcome.FORBIDDEN, "no_ground", "x")
    assert decision.question is Question.DATA_REQUEST
    assert decision.reason == "Ask for permission first."


def test_who_sees_a_vulnerable_marker() -> None:
    assert shows_vulnerable_marker(is_own_copy=True, is_demanded_by_law=False)
    assert shows_vulnerable_marker(is_own_copy=False, is_demanded_by_law=True)
    assert not shows_vulnerable_marker(is_own_copy=False, is_demanded_by_law=False)


def test_an_attorney_acts_within_the_power() -> None:
    power = PowerOfAttorney(
        account_id="a",
        attorney="Ann",
        from_at=AT,
        until=AT + timedelta(days=1),
        actions=frozenset({"report_fault"}),
    )
    assert may_act((power,), "a", "Ann", "report_fault", AT)
    assert not may_act((power,), "a", "Ann", "close_account", AT)
    assert not may_act((power,), "a", "Bob", "report_fault", AT)
    assert not may_act((power,), "b", "Ann", "report_fault", AT)
    assert not may_act((power,), "a", "Ann", "report_fault", AT - timedelta(seconds=1))
    assert not may_act((power,), "a", "Ann", "report_fault", AT + timedelta(days=1))
    assert may_act((replace(power, actions=frozenset()),), "a", "Ann", "close_account", AT)
    assert not may_act((), "a", "Ann", "report_fault", AT)


@pytest.mark.parametrize("opted_in", [True, False])
def test_service_notices_go_whatever_was_opted_out_of(opted_in: bool) -> None:
    decision = may_send("x", MessageKind.SERVICE, AT, RULES, opted_in=opted_in, promotes=False)
    assert (decision.outcome, decision.code) == (Outcome.PERMITTED, "service_notice")
    assert (decision.question, decision.subject) == (Question.NOTICE, "x")
    assert decision.reason == "It tells the customer about their service."
    assert "products and services" in decision.clause


@pytest.mark.parametrize("opted_in", [True, False])
def test_service_notices_promote_nothing(opted_in: bool) -> None:
    decision = may_send("x", MessageKind.SERVICE, AT, RULES, opted_in=opted_in, promotes=True)
    assert (decision.outcome, decision.code) == (Outcome.FORBIDDEN, "promotes")
    assert decision.reason == "A service notice may promote nothing."


def test_marketing_needs_consent() -> None:
    yes = may_send("x", MessageKind.MARKETING, AT, RULES, opted_in=True, promotes=True)
    no = may_send("x", MessageKind.MARKETING, AT, RULES, opted_in=False, promotes=True)
    assert (yes.outcome, yes.code, yes.reason) == (Outcome.PERMITTED, "opted_in", "The person agreed to marketing.")
    assert (no.outcome, no.code) == (Outcome.FORBIDDEN, "opted_out")
    assert no.reason == "The person did not agree to marketing."
    assert "market" in no.clause


FULL = DisclosureRequest(
    request_id="d",
    requester="a public authority",
    scope="one address",
    approver="J. Smith",
    is_lawful=True,
    is_proportionate=True,
    assures_security=True,
    assures_use=True,
    assures_keeping=True,
)


def test_a_voluntary_disclosure_is_lawful_proportionate_and_assured() -> None:
    decision = may_disclose(FULL, AT, RULES)
    assert (decision.outcome, decision.code) == (Outcome.PERMITTED, "assured")
    assert (decision.question, decision.at, decision.rule_set) == (Question.DISCLOSURE, AT, RULES.version)
    assert decision.reason == "Disclosed on this ground: assured."
    assert decision.subject == "d"
    assert "legal and regulatory" in decision.clause


@pytest.mark.parametrize(
    "name", ["is_lawful", "is_proportionate", "assures_security", "assures_use", "assures_keeping"]
)
def test_each_of_these_is_needed(name: str) -> None:
    lacking = replace(FULL, **{name: False})
    decision = may_disclose(lacking, AT, RULES)
    assert (decision.outcome, decision.code) == (Outcome.FORBIDDEN, "incomplete")
    assert decision.reason == f"Still missing: {name}."


@pytest.mark.parametrize("name", ["requester", "scope", "approver"])
def test_every_disclosure_names_who_what_and_by_whom(name: str) -> None:
    for given_ground in ({}, {"is_vital_interest": True}, {"is_compulsory": True, "legal_basis": "an Act"}):
        lacking = replace(FULL, **{name: " "}, **given_ground)
        assert missing_for(lacking) == (name,)


def test_a_compulsory_disclosure_names_the_law() -> None:
    bare = DisclosureRequest(request_id="d", requester="x", scope="y", approver="z", is_compulsory=True)
    assert missing_for(bare) == ("legal_basis",)
    assert may_disclose(replace(bare, legal_basis="an Act"), AT, RULES).code == "compulsory"


def test_a_life_is_ground_enough() -> None:
    bare = DisclosureRequest(request_id="d", requester="x", scope="y", approver="z", is_vital_interest=True)
    assert may_disclose(bare, AT, RULES).code == "vital_interest"


def test_secret_disclosures_stay_out_of_the_subjects_copy() -> None:
    assert in_subjects_copy(FULL)
    assert not in_subjects_copy(replace(FULL, is_secret=True))


def test_totals() -> None:
    table = with_totals({("r", "x"): 1, ("s", "y"): 2})
    assert table == {
        ("r", "x"): 1,
        ("r", "y"): 0,
        ("s", "x"): 0,
        ("s", "y"): 2,
        ("r", TOTAL): 1,
        ("s", TOTAL): 2,
        (TOTAL, "x"): 1,
        (TOTAL, "y"): 2,
        (TOTAL, TOTAL): 3,
    }


def test_a_table_without_small_cells_is_published_whole() -> None:
    counts = dict.fromkeys(itertools.product("rs", "xy"), 10)
    assert publish(counts, 5) == with_totals(counts)


def test_one_small_cell_takes_its_rectangle() -> None:
    counts = {("r", "x"): 2, ("r", "y"): 20, ("r", "z"): 90, ("s", "x"): 30, ("s", "y"): 40, ("s", "z"): 95}
    published = publish(counts, 5)
    hidden = {cell for cell, count in published.items() if count is None}
    assert hidden == {("r", "x"), ("r", "y"), ("s", "x"), ("s", "y")}
    assert published["s", "z"] == 95
    assert published[TOTAL, TOTAL] == 277


def test_the_threshold_itself_is_published_and_so_is_nobody() -> None:
    counts = {("r", "x"): 5, ("r", "y"): 0, ("s", "x"): 9, ("s", "y"): 9}
    assert publish(counts, 5) == with_totals(counts)
    assert publish(counts | {("r", "x"): 4}, 5)["r", "x"] is None


def determined(published: dict[tuple[str, str], int | None]) -> set[tuple[str, str]]:
    """Solve the table's equations exactly and return the hidden cells with only one possible value."""
    hidden = sorted(cell for cell, count in published.items() if count is None)
    rows = {r for r, _ in published}
    columns = {c for _, c in published}
    lines = [[(r, c) for c in columns] for r in rows] + [[(r, c) for r in rows] for c in columns]
    matrix = []
    for line in lines:
        sign = {
            cell: -1 if (cell[1] if cell[0] == line[0][0] == line[-1][0] else cell[0]) == TOTAL else 1 for cell in line
        }
        matrix.append([Fraction(sign[cell] if cell in line else 0) for cell in hidden])
    pivots: list[int] = []
    for column in range(len(hidden)):
        row = next((i for i in range(len(pivots), len(matrix)) if matrix[i][column]), None)
        if row is None:
            continue
        at = len(pivots)
        matrix[at], matrix[row] = matrix[row], matrix[at]
        matrix[at] = [x / matrix[at][column] for x in matrix[at]]
        for i, each in enumerate(matrix):
            if i != at and each[column]:
                matrix[i] = [x - each[column] * y for x, y in zip(each, matrix[at], strict=True)]
        pivots.append(column)
    return {hidden[c] for i, c in enumerate(pivots) if sum(1 for x in matrix[i] if x) == 1}


@settings(deadline=None)
@given(st.dictionaries(st.tuples(st.sampled_from("rst"), st.sampled_from("xyz")), st.integers(0, 12), min_size=1))
def test_nobody_can_be_computed_back(counts: dict[tuple[str, str], int]) -> None:
    published = publish(counts, 5)
    assert all(count is None or count == 0 or count >= 5 for count in published.values())
    assert not determined(published)
    assert not computable(frozenset(cell for cell, count in published.items() if count is None))


def test_the_checker_finds_what_is_given_away() -> None:
    table: dict[tuple[str, str], int | None] = dict(with_totals({("r", "x"): 2, ("r", "y"): 20, ("s", "x"): 30}))
    table["r", "x"] = None
    assert determined(table) == {("r", "x")}
    assert computable(frozenset({("r", "x")})) == [("r", "x")]
    square = frozenset({("r", "x"), ("r", "y"), ("s", "x"), ("s", "y")})
    assert computable(square) == []
    assert computable(square | {("t", "x")}) == [("t", "x")]
