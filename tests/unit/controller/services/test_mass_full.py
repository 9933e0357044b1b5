"""A mass event of full size: 15,000 faults in ten minutes, each of a home with a hub and two SIMs.

    MINIHUB_MASS=15000 .venv/bin/pytest tests/unit/controller/services/test_mass_full.py -s

Figures go to stdout. Another number plays another size, in as long and with a lane as much narrower.
"""

import os
import statistics
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any, Final

import pytest

from bench import _town
from controller.domain.facts import Symptom
from controller.services import faults, late
from controller.services.lane_forecast import Pace
from tests.unit.controller.conftest import MakeDatabase
from tests.unit.controller.household import Household

HOMES: Final = int(os.environ.get("MINIHUB_MASS", "0"))
SPAN: Final = timedelta(minutes=10)
CALLS_PER_S: Final = 5.0 * HOMES / 15_000
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not HOMES, reason="set MINIHUB_MASS to the number of homes: 15000 takes many minutes"),
]


def cpu(act: Callable[[], Any]) -> tuple[float, Any]:
    """Return the processor time of this process in seconds, and what came out."""
    since = time.process_time()
    found = act()
    return time.process_time() - since, found


def test_fifteen_thousand_faults_in_ten_minutes(make_database: MakeDatabase) -> None:
    ids = _town.town_ids()
    home = _town.found_home(make_database(ids=lambda: next(ids)))
    home.drop(5)
    _town.copy_home(home.database, HOMES - 1)
    took, warned = report_all(home)
    looked_s, lateness = cpu(lambda: home.run(late.who_is_late, pace=Pace(calls_per_s=CALLS_PER_S)))
    lane = lateness.lane
    assert (lateness.open, lane.calls) == (2 * HOMES, 3 * HOMES)
    # 45,000 calls at five a second are 150 minutes.
    assert lane.empty_at is not None
    assert abs(lane.empty_at - home.now - timedelta(seconds=3 * HOMES / CALLS_PER_S)) < timedelta(seconds=2)
    claimed_s, order = cpu(lambda: claim_all(home))
    deadlines = [claim.deadline for claim in order]
    assert len(order) == 3 * HOMES
    assert deadlines == sorted(deadlines)
    # Who will be late is said before anybody is, and it is those whom this lane does miss.
    missed = [
        claim.key
        for number, claim in enumerate(order, start=1)
        if home.now + timedelta(seconds=number / CALLS_PER_S) > claim.deadline
    ]
    assert sorted(lane.late) == sorted(missed)
    assert not any(row.is_late for row in lateness.late)
    told = [row for row in lateness.late if row.will_be_late]
    assert bool(told) is bool(missed)
    assert all(row.forecast_at is not None and row.forecast_at > row.promise.due_at for row in told)
    took.sort()
    sys.stdout.write(
        f"\n{HOMES} faults: report {statistics.median(took) * 1000:.1f} ms CPU in the middle, "
        f"p99 {took[int(len(took) * 0.99)] * 1000:.1f}; who is late {looked_s:.2f} s, claims {claimed_s:.2f} s; "
        f"lane empty after {(lane.empty_at - home.now).total_seconds() / 60:.1f} min, {len(missed)} calls too late, "
        f"first warned of at report {warned or '-'}\n"
    )


def report_all(home: Household) -> tuple[list[float], int | None]:
    """Report every home's fault, evenly over the ten minutes, and look from time to time who will be late.

    Returns the CPU time of each report in seconds, and after how many of them somebody was first said to be late.
    """
    took, warned = [], None
    begun, every = home.now, max(1, HOMES // 15)
    for number in range(HOMES):
        home.now = begun + SPAN * number / HOMES
        line_id = _town.id_in(home.line_id, number)
        reported = {"line_id": line_id, "channel": "phone", "reporter": "holder", "symptom": Symptom.DROPPING}
        took.append(cpu(partial(home.run, faults.report, **reported))[0])
        if number % every == every - 1 and warned is None:
            found = home.run(late.who_is_late, pace=Pace(calls_per_s=CALLS_PER_S))
            assert not any(row.is_late for row in found.late)
            warned = number + 1 if any(row.will_be_late for row in found.late) else None
    home.now = begun + SPAN
    return took, warned


def claim_all(home: Household) -> list[Any]:
    """Claim every call that is owed, as the lane would, a thousand at a time."""
    order: list[Any] = []
    while held := home.claim("sims", 1000):
        order += held
    return order
