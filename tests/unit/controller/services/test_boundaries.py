"""Boundaries of the rules that depend on what is gathered and on what is refused."""

from datetime import timedelta

import pytest

from controller.domain.facts import LineEventKind, Symptom
from controller.services import lines, outages
from controller.services.errors import UnprocessableError
from tests.unit.controller.household import Household


def lose(home: Household, *hours: float) -> None:
    events = [
        lines.Seen(
            line_id=home.line_id,
            kind=LineEventKind.PPP_LOST,
            at=home.now - timedelta(hours=each),
            source="radius",
            cause=None,
        )
        for each in hours
    ]
    home.run(lines.record, events=events)


def test_the_drop_exactly_a_day_before_the_report_is_gathered(home: Household) -> None:
    home.move_in()
    lose(home, 24, 4, 3, 2, 1)
    assert home.outcomes(home.report())["qualifies"] == "qualifies"


def test_a_line_down_for_days_before_it_is_reported_has_no_service(home: Household) -> None:
    home.move_in()
    lose(home, 100)
    assert home.outcomes(home.report(Symptom.NO_SERVICE))["qualifies"] == "qualifies"


def test_an_outage_lasts(home: Household) -> None:
    home.move_in()
    with pytest.raises(UnprocessableError):
        home.run(outages.declare, line_ids=[home.line_id], from_at=home.now, until=home.now)
