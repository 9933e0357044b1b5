import pytest

from controller.domain.allowance import allowance_due
from controller.domain.backup import backup_owed
from controller.domain.decisions import CONTEST, Basis, Decision, Question
from controller.domain.eligibility import mobile_benefits
from controller.domain.ending import Benefit, EndingState, decide_benefit, ending_of
from controller.domain.hub_benefit import mini_hub_owed
from controller.domain.qualifying import qualifies
from controller.domain.sim import hub_sim_due

from .tables import Row, rows_of

AT_ONCE = {"fraud", "not_genuine", "lost_by_customer", "hub_gone", "no_live_plus", "no_plus_on_line"}


def rows(*names: str) -> list[object]:
    return [pytest.param(row, id=f"{name}: {row.name}") for name in names for row in rows_of(name)]


def asked(ask: str) -> list[object]:
    """Return the rows of a table of its own, and those of the second reading that ask the same."""
    again = [pytest.param(row, id=f"second reading: {row.name}") for row in rows_of("second_reading") if row.ask == ask]
    return [*rows(ask), *again]


def assert_framed(decision: Decision, question: Question, subject: str, row: Row) -> None:
    """Every decision says what was asked, about whom, when, by which rules, on which basis, why, how to contest."""
    assert (decision.question, decision.subject) == (question, subject)
    assert (decision.at, decision.rule_set) == (row.at, row.rules.version)
    assert decision.basis in Basis
    assert decision.clause.startswith("T§")
    assert decision.reason
    assert decision.contest == CONTEST


def assert_agrees(decision: Decision, expect: str) -> None:
    """Compare word by word: outcome, code, basis, clause, flags; a shorter expectation leaves the rest open."""
    words = [decision.outcome.value, decision.code, decision.basis.value, decision.clause, *decision.flags]
    wanted = expect.split()
    assert words[: len(wanted)] == wanted, decision


@pytest.mark.parametrize("row", asked("qualifies"))
def test_what_qualifies(row: Row) -> None:
    decision = qualifies(row.facts(), "f", row.at, row.rules)
    assert_agrees(decision, row.expect)
    assert_framed(decision, Question.QUALIFIES, "f", row)


@pytest.mark.parametrize("row", asked("hub"))
def test_the_mini_hub(row: Row) -> None:
    decision = mini_hub_owed(row.facts(), "f", row.at, row.rules)
    wanted = row.expect.split()
    assert (decision.outcome.value, decision.code, decision.target or "-") == tuple(wanted[:3]), decision
    assert set(wanted[3:]) <= {decision.clause, *decision.flags}, decision
    assert_framed(decision, Question.MINI_HUB, "f", row)
    stage_one = qualifies(row.facts(), "f", row.at, row.rules)
    assert set(stage_one.flags) <= set(decision.flags)


@pytest.mark.parametrize("row", asked("backup"))
def test_broadband_backup(row: Row) -> None:
    sim = row.raw.get("sim", "m1")
    decision = backup_owed(row.facts(), "f", sim, row.at, row.rules)
    wanted = row.expect.split()
    assert (decision.outcome.value, decision.code, decision.target) == (wanted[0], wanted[1], sim), decision
    assert set(wanted[2:]) <= {decision.clause}, decision
    assert_framed(decision, Question.BACKUP, "f", row)
    stage_one = qualifies(row.facts(), "f", row.at, row.rules)
    assert (decision.flags, decision.inputs["qualifies_by"]) == (stage_one.flags, stage_one.code)


@pytest.mark.parametrize("row", asked("mobile"))
def test_mobile_benefits(row: Row) -> None:
    decision = mobile_benefits(row.facts(), row.raw["plan"], row.at, row.rules)
    words = [decision.outcome.value, decision.code, decision.clause]
    assert words[: len(row.expect.split())] == row.expect.split(), decision
    assert_framed(decision, Question.MOBILE_BENEFITS, row.raw["plan"], row)
    assert decision.basis is Basis.TEXT


@pytest.mark.parametrize("row", asked("allowance"))
def test_the_allowance_due(row: Row) -> None:
    due = allowance_due(row.facts(), "m1", row.at, row.rules)
    shown = "unlimited" if due.allowance_mb is None else str(due.allowance_mb)
    assert f"{shown} {due.tier} {'uncounted' if due.uncounted else 'counted'}" == row.expect, due


@pytest.mark.parametrize("row", asked("ending"))
def test_the_ending(row: Row) -> None:
    wanted = row.expect.split()
    for benefit in [Benefit(row.raw["benefit"])] if "benefit" in row.raw else list(Benefit):
        ending = ending_of(row.facts(), "f", benefit, row.at, row.rules)
        assert ending.state == wanted[0], ending
        assert (ending.fault_id, ending.benefit) == ("f", benefit)
        assert ending.reason
        if ending.state is EndingState.OFF and ending.cause in AT_ONCE:
            assert ending.ceased_at == ending.switch_off_at
        if ending.state is EndingState.NOT_ENDING:
            owed = decide_benefit(row.facts().as_known(row.at), "f", benefit, row.at, row.rules)
            assert (ending.cause, ending.reason) == (owed.code, owed.reason)
        assert wanted[1] in {"-", ending.cause}, ending
        off_at = ending.switch_off_at and f"{ending.switch_off_at:%Y-%m-%dT%H:%M:%SZ}"
        assert wanted[2:] == [x for x in (off_at, ending.held_by) if x], ending


@pytest.mark.parametrize("row", asked("sim"))
def test_the_state_of_a_hubs_sim(row: Row) -> None:
    due = hub_sim_due(row.facts(), "h1", row.at, row.rules)
    assert [due.state.value, *due.reasons] == row.expect.split(), due
