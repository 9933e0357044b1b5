import pytest

from controller.domain.allowance import allowance_due
from controller.domain.backup import backup_owed
from controller.domain.decisions import Decision
from controller.domain.eligibility import mobile_benefits
from controller.domain.ending import Benefit, ending_of
from controller.domain.hub_benefit import mini_hub_owed
from controller.domain.qualifying import qualifies
from controller.domain.sim import hub_sim_due

from .tables import Row, rows_of


def rows(*names: str) -> list[object]:
    return [pytest.param(row, id=f"{name}: {row.name}") for name in names for row in rows_of(name)]


def asked(ask: str) -> list[object]:
    """Return the rows of a table of its own, and those of the second reading that ask the same."""
    again = [pytest.param(row, id=f"second reading: {row.name}") for row in rows_of("second_reading") if row.ask == ask]
    return [*rows(ask), *again]


def assert_agrees(decision: Decision, expect: str) -> None:
    """Compare word by word: outcome, code, basis, clause, flags; a shorter expectation leaves the rest open."""
    words = [decision.outcome.value, decision.code, decision.basis.value, decision.clause, *decision.flags]
    wanted = expect.split()
    assert words[: len(wanted)] == wanted, decision


@pytest.mark.parametrize("row", asked("qualifies"))
def test_what_qualifies(row: Row) -> None:
    assert_agrees(qualifies(row.facts(), "f", row.at, row.rules), row.expect)


@pytest.mark.parametrize("row", asked("hub"))
def test_the_mini_hub(row: Row) -> None:
    decision = mini_hub_owed(row.facts(), "f", row.at, row.rules)
    wanted = row.expect.split()
    assert (decision.outcome.value, decision.code, decision.target or "-") == tuple(wanted[:3]), decision
    assert set(wanted[3:]) <= {decision.clause, *decision.flags}, decision
    assert decision.reason
    assert decision.contest


@pytest.mark.parametrize("row", asked("backup"))
def test_broadband_backup(row: Row) -> None:
    sim = row.raw.get("sim", "m1")
    decision = backup_owed(row.facts(), "f", sim, row.at, row.rules)
    wanted = row.expect.split()
    assert (decision.outcome.value, decision.code, decision.target) == (wanted[0], wanted[1], sim), decision
    assert set(wanted[2:]) <= {decision.clause}, decision
    assert decision.reason


@pytest.mark.parametrize("row", asked("mobile"))
def test_mobile_benefits(row: Row) -> None:
    decision = mobile_benefits(row.facts(), row.raw["plan"], row.at, row.rules)
    words = [decision.outcome.value, decision.code, decision.clause]
    assert words[: len(row.expect.split())] == row.expect.split(), decision


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
        assert wanted[1] in {"-", ending.cause}, ending
        off_at = ending.switch_off_at and f"{ending.switch_off_at:%Y-%m-%dT%H:%M:%SZ}"
        assert wanted[2:] == [x for x in (off_at, ending.held_by) if x], ending


@pytest.mark.parametrize("row", asked("sim"))
def test_the_state_of_a_hubs_sim(row: Row) -> None:
    due = hub_sim_due(row.facts(), "h1", row.at, row.rules)
    assert [due.state.value, *due.reasons] == row.expect.split(), due
