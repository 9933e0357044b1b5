"""Causes as they are told: kind, basis, evidence and what a person should look at (T§10e i-iii, 12d i-ii)."""

from datetime import UTC, date, datetime, timedelta

import pytest

from controller.domain import facts as f
from controller.domain.cause import Cause, CauseKind, cause_of
from controller.domain.decisions import Basis
from controller.domain.eligibility import broadband_benefits
from controller.domain.exclusions import exclusions
from controller.domain.hub_benefit import mini_hub_owed
from controller.domain.qualifying import diagnostics_end, qualifies
from controller.domain.rule_sets import RULE_SETS
from tests.unit.domain.copies import replace

RULES = RULE_SETS[0]
AT = datetime(2026, 3, 2, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
FAULT = f.Fault(fault_id="f", line_id="l", reported_at=AT)
PLUS = f.Service(
    service_id="s", account_id="a", line_id="l", product="Superfast Fibre Plus", starts_on=date(2026, 1, 1)
)
HOME = f.Facts(services=(PLUS,), faults=(FAULT,))


def seen(what: str, minutes: int = 0) -> f.Observation:
    kind, result = what.split(":")
    return f.Observation(fault_id="f", kind=kind, result=result, at=AT + minutes * MINUTE)


def outage(name: str, start: int, end: int | None) -> f.Outage:
    return f.Outage(
        outage_id=name,
        line_ids=frozenset({"l"}),
        from_at=AT + start * MINUTE,
        until=None if end is None else AT + end * MINUTE,
        declared_at=AT,
    )


@pytest.mark.parametrize(
    ("results", "cause"),
    [
        ((), Cause(CauseKind.UNKNOWN, Basis.TEXT, "nothing found")),
        (("line_test:line_fault",), Cause(CauseKind.LINE, Basis.TEXT, "diagnostics")),
        (("wiring:fault",), Cause(CauseKind.HOME, Basis.TEXT, "diagnostics")),
        (("equipment:faulty",), Cause(CauseKind.EQUIPMENT, Basis.TEXT, "diagnostics")),
        (
            ("line_test:line_fault", "wiring:fault"),
            Cause(CauseKind.LINE, Basis.READING, "diagnostics", ("conflicting_causes",)),
        ),
        (
            ("wiring:fault", "equipment:faulty"),
            Cause(CauseKind.EQUIPMENT, Basis.TEXT, "diagnostics", ("conflicting_causes",)),
        ),
        (("wiring:fault", "power_cycles:by_customer"), Cause(CauseKind.HOME, Basis.TEXT, "diagnostics")),
    ],
)
def test_what_diagnostics_found(results: tuple[str, ...], cause: Cause) -> None:
    home = HOME.adding(observations=[seen(each) for each in results])
    assert cause_of(home, FAULT, AT, RULES) == cause


def test_an_outage_is_named_with_those_it_runs_into() -> None:
    home = HOME.adding(outages=[outage("o2", 5, None), outage("o1", -60, 5)])
    at = AT + 10 * MINUTE
    assert cause_of(home, FAULT, at, RULES) == Cause(CauseKind.OUTAGE, Basis.TEXT, "outage o1, o2")
    over = HOME.adding(outages=[outage("o1", -60, 5)], observations=[seen("line_test:in_service", 6)])
    assert cause_of(over, FAULT, at, RULES) == Cause(
        CauseKind.OUTAGE, Basis.READING, "outage o1, and the line came back with its end"
    )
    assert cause_of(HOME.adding(outages=[outage("o1", -60, 5)]), FAULT, at, RULES) == Cause(
        CauseKind.UNKNOWN, Basis.TEXT, "nothing found"
    )


def test_grounds_are_listed_oldest_first_whatever_their_order() -> None:
    suspicions = [
        f.Suspicion(
            suspicion_id=name, account_id="a", kind=kind, grounds="seen", by="Ann", raised_at=AT - hours * 60 * MINUTE
        )
        for name, kind, hours in (("x", f.SuspicionKind.TERMS_BROKEN, 1), ("y", f.SuspicionKind.FRAUD, 2))
    ]
    bills = [
        f.BillPastDue(bill_id=name, account_id="a", due_on=day, by="billing")
        for name, day in (("b2", date(2026, 2, 2)), ("b1", date(2026, 2, 1)))
    ]
    for turned in (False, True):
        home = HOME.adding(
            suspicions=suspicions[::-1] if turned else suspicions, bills_past_due=bills[::-1] if turned else bills
        )
        found = exclusions(home, FAULT, AT, RULES)
        assert [each.code for each in found] == ["fraud", "terms_broken", "bill_past_due", "bill_past_due"]
        assert [each.evidence for each in found[2:]] == ["bill b1", "bill b2"]


def test_broadband_benefits_in_full() -> None:
    found = broadband_benefits(HOME, "l", AT, RULES)
    assert (found.subject, found.at, found.rule_set, found.basis) == ("l", AT, RULES.version, Basis.TEXT)
    assert (found.code, found.clause, found.reason) == ("plus_is_live", "T§2", "This line has Plus Broadband.")
    assert found.question == "broadband_benefits"
    assert found.inputs == {"service": "s", "product": "Superfast Fibre Plus"}
    none = broadband_benefits(HOME, "k", AT, RULES)
    assert none.inputs == {"service": None, "product": None}
    assert none.reason == "This line has no Plus Broadband at this time, so it has none of the Plus benefits."
    newer = replace(PLUS, service_id="r", product="Ultrafast Fibre Plus", starts_on=date(2026, 3, 2))
    for order in ((PLUS, newer), (newer, PLUS)):
        assert broadband_benefits(f.Facts(services=order), "l", AT, RULES).inputs["service"] == "r"


def test_what_stage_one_rests_on() -> None:
    losses = [
        f.LineEvent(line_id="l", kind=f.LineEventKind.PPP_LOST, at=AT - hours * 60 * MINUTE, source="r")
        for hours in range(1, 6)
    ]
    home = HOME.adding(line_events=losses, outages=[outage("o", -90, -1)], observations=[seen("restart:not_cured")])
    assert qualifies(home, "f", AT, RULES).inputs == {
        "reported_at": AT.isoformat(),
        "symptom": "other",
        "drops_at_report": 5,
        "most_drops": 5,
        "most_drops_outside_outages": 4,
        "drop_threshold": 5,
        "diagnostics_finished": False,
        "observations": ("restart:not_cured",),
    }
    over = home.adding(diagnostics_finished=[f.DiagnosticsFinished(fault_id="f", at=AT)])
    assert qualifies(over, "f", AT, RULES).inputs["diagnostics_finished"] is True


def test_a_present_plus_service_is_its_own_clause_whatever_ended_before_it() -> None:
    ended = replace(PLUS, service_id="r", starts_on=date(2025, 1, 1), last_day=date(2025, 12, 31))
    assert broadband_benefits(f.Facts(services=(ended, PLUS)), "l", AT, RULES).clause == "T§2"


def test_of_several_ends_of_the_tests_the_first_counts() -> None:
    ends = [f.DiagnosticsFinished(fault_id="f", at=AT + minutes * MINUTE) for minutes in (9, 5, 7)]
    found = diagnostics_end(HOME.adding(diagnostics_finished=ends), "f", AT + 10 * MINUTE)
    assert found is not None
    assert found.at == AT + 5 * MINUTE


def test_a_branded_hub_is_switched_on_without_anything_to_look_at() -> None:
    home = HOME.adding(
        observations=[seen("line_test:no_sync")],
        hub_assignments=[f.HubAssignment(hub_id="h", line_id="l", dispatched_at=AT - 60 * MINUTE)],
        brand_findings=[f.BrandFinding(hub_id="h", verdict=f.BrandVerdict.BT_BRANDED, found_at=AT - MINUTE)],
    )
    decision = mini_hub_owed(home, "f", AT, RULES)
    assert (decision.target, decision.flags) == ("h", ())


def test_a_persons_word_stands_on_the_open_list() -> None:
    word = f.Determination(
        determination_id="d",
        kind=f.DeterminationKind.FAULT_QUALIFIES,
        subject_id="f",
        by="Ann",
        reason="heard the noise",
        at=AT,
    )
    decision = qualifies(HOME.adding(determinations=[word]), "f", AT, RULES)
    assert (decision.outcome, decision.clause, decision.basis) == ("qualifies", "T§10b", Basis.OPERATOR)
