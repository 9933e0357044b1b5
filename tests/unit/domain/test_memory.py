"""What a rule said is kept with the facts, by what it was asked: never for other facts, instants or rule sets."""

import gc
import weakref
from datetime import UTC, datetime, timedelta

from controller.domain.facts import Facts, Fault, LineEvent, LineEventKind, Symptom
from controller.domain.memory import remembered
from controller.domain.qualifying import qualifies
from controller.domain.rule_sets import RULE_SETS, rules_at
from tests.unit.domain.copies import replace

AT = datetime(2026, 11, 20, 9, tzinfo=UTC)
RULES = RULE_SETS[0]
LOST = LineEventKind.SYNC_LOST
HOME = Facts(
    faults=(Fault(fault_id="f", line_id="l", reported_at=AT, symptom=Symptom.DROPPING),),
    line_events=tuple(
        LineEvent(line_id="l", kind=LOST, at=AT - timedelta(hours=n), source="dslam", recorded_at=AT) for n in range(4)
    ),
)


def test_a_rule_is_asked_once_for_equal_arguments() -> None:
    asked: list[tuple[str, datetime]] = []

    @remembered
    def rule(facts: Facts, name: str, at: datetime) -> None:
        del facts
        asked.append((name, at))

    facts = Facts()
    for _ in range(2):
        rule(facts, "a", AT)
        rule(facts, "a", AT + timedelta(0))
        rule(facts, "b", AT)
    assert asked == [("a", AT), ("b", AT)]
    rule(Facts(), "a", AT)
    assert asked[2:] == [("a", AT)]


def test_facts_go_with_the_last_who_asks_of_them() -> None:
    class Kept(list[LineEvent]):
        """What tells when it is gone, as no tuple can."""

    kept = Kept(HOME.line_events)
    facts = replace(HOME, line_events=kept)
    gone: list[bool] = []
    weakref.finalize(kept, gone.append, True)
    known = facts.as_known(AT + timedelta(hours=1))
    assert qualifies(known, "f", AT + timedelta(hours=1), RULES).code == "diagnostics_unfinished"
    gc.disable()
    try:
        del facts, known, kept
    finally:
        gc.enable()
    assert gone == [True]


def test_what_two_rules_said_is_told_apart() -> None:
    @remembered
    def one(facts: Facts, name: str) -> str:
        del facts
        return f"one {name}"

    @remembered
    def other(facts: Facts, name: str) -> str:
        del facts
        return f"other {name}"

    facts = Facts()
    assert [one(facts, "a"), other(facts, "a"), one(facts, "a")] == ["one a", "other a", "one a"]


def test_rule_sets_of_one_name_are_told_apart() -> None:
    milder = replace(RULES, drop_threshold=4)
    found = [qualifies(HOME, "f", AT, rules).outcome.value for rules in (RULES, milder, RULES)]
    assert found == ["not_yet_known", "qualifies", "not_yet_known"]


def test_facts_that_are_added_to_forget() -> None:
    assert qualifies(HOME, "f", AT, RULES).outcome.value == "not_yet_known"
    fifth = LineEvent(line_id="l", kind=LOST, at=AT - timedelta(hours=5), source="dslam", recorded_at=AT)
    assert qualifies(HOME.adding(line_events=[fifth]), "f", AT, RULES).outcome.value == "qualifies"


def test_each_edge_of_a_version_ends_what_was_known() -> None:
    edges = [AT, AT + timedelta(hours=1), AT + timedelta(hours=2)]
    facts = Facts(
        faults=(
            Fault(fault_id="f", line_id="l", reported_at=AT, recorded_at=edges[0], superseded_at=edges[1]),
            Fault(fault_id="f", line_id="m", reported_at=AT, recorded_at=edges[1], superseded_at=edges[2]),
        )
    )
    moment = timedelta(microseconds=1)
    for instants in (edges, list(reversed(edges))):
        known = {
            instant + side: [each.line_id for each in facts.as_known(instant + side).faults]
            for instant in instants
            for side in (-moment, timedelta(0))
        }
        assert known == {
            edges[0] - moment: [],
            edges[0]: ["l"],
            edges[1] - moment: ["l"],
            edges[1]: ["m"],
            edges[2] - moment: ["m"],
            edges[2]: [],
        }
        assert facts.as_known(edges[1]) is facts.as_known(edges[2] - moment)


def test_rules_in_force_are_the_latest_that_are_valid() -> None:
    later = replace(RULES, version="later", valid_from=AT)
    assert rules_at(AT, (later, RULES)) is later
    assert rules_at(AT - timedelta(microseconds=1), (later, RULES)) is RULES
    assert rules_at(datetime(2000, 1, 1, tzinfo=UTC), (later, RULES)) is RULES
    assert rules_at(datetime(2000, 1, 1, tzinfo=UTC), (later,)) is later
