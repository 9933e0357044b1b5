"""Mass events, scaled down: an outage brings no carrier work; declared late it withdraws, and cuts nobody by itself."""

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event
from sqlmodel import col, func, select

from bench import _town
from controller.domain.facts import LineEventKind, Symptom
from controller.services import alarms, audit, decide, decisions, feed, late, lines, outages
from controller.services.database import Database
from controller.services.errors import BrakeError
from controller.tables.faults import Fault, Notice
from controller.tables.hubs import HubState
from controller.tables.journal import AuditEntry
from tests.unit.controller.conftest import MakeDatabase
from tests.unit.controller.household import Household

HOMES = 24


@pytest.fixture
def town(make_database: MakeDatabase) -> Database:
    ids = _town.town_ids()
    return make_database(ids=lambda: next(ids))


def broken_town(town: Database, *, is_on: bool) -> tuple[Household, list[str]]:
    """Homes with a hub and two SIMs, all with the same fault, all on or none."""
    home = _town.found_home(town)
    home.broken()
    if is_on:
        home.outside_follows()
    _town.copy_home(town, HOMES - 1)
    home.pass_time(minutes=5)
    return home, [_town.id_in(home.line_id, number) for number in range(HOMES)]


def declare(home: Household, line_ids: list[str], override: str | None = "J. Reviewer") -> None:
    home.run(outages.declare, line_ids=line_ids, from_at=home.now - timedelta(hours=30), override=override)
    home.pass_time(seconds=1)
    home.look()


def told(home: Household) -> Counter[str]:
    kinds = home.run(lambda session, actor, now: session.exec(select(Notice.kind)).all())
    return Counter(kinds)


def test_declared_late_it_withdraws_what_is_not_on_yet_and_says_so(town: Database) -> None:
    home, line_ids = broken_town(town, is_on=False)
    before = home.run(late.who_is_late)
    assert (before.open, before.lane.calls) == (2 * HOMES, 3 * HOMES)
    declare(home, line_ids)
    assert home.carrier_does_as_told() == []
    assert home.run(late.who_is_late).lane.calls == 0
    on = home.run(lambda session, actor, now: [row.desired["internet_on"] for row in session.exec(select(HubState))])
    assert on == [False] * HOMES
    assert "ending_to_confirm" not in {alarm.kind for alarm in home.run(alarms.list_open)}


def test_declared_late_it_cuts_nobody_who_is_on(town: Database) -> None:
    home, line_ids = broken_town(town, is_on=True)
    declare(home, line_ids)
    assert home.carrier_does_as_told() == []
    on = home.run(lambda session, actor, now: [row.desired["internet_on"] for row in session.exec(select(HubState))])
    assert on == [True] * HOMES
    asked = [alarm.key for alarm in home.run(alarms.list_open) if alarm.kind == "ending_to_confirm"]
    assert len(set(asked)) == HOMES
    assert told(home)["switch_off"] == 0


def test_it_needs_a_name_and_growing_it_needs_one_too(town: Database) -> None:
    home, line_ids = broken_town(town, is_on=False)
    with pytest.raises(BrakeError):
        declare(home, line_ids, override=None)
    outage = home.run(
        outages.declare, line_ids=line_ids, from_at=home.now, until=home.now + timedelta(hours=1), override="J. R."
    )
    with pytest.raises(BrakeError):
        home.run(outages.change, outage_id=outage.id, until=None)
    with pytest.raises(BrakeError):
        home.run(outages.change, outage_id=outage.id, from_at=home.now - timedelta(days=2))
    home.run(outages.change, outage_id=outage.id, until=home.now + timedelta(minutes=30))
    home.run(outages.change, outage_id=outage.id, until=None, override="J. R.")


def recover(home: Household, line_ids: list[str], minutes: int, override: str | None = None) -> None:
    """Let a source say that lines came back so many minutes ago."""
    at = home.now - timedelta(minutes=minutes)
    events = [lines.Seen(line_id=each, kind=LineEventKind.SYNC_GAINED, at=at, source="dslam") for each in line_ids]
    home.run(lines.record, events=events, override=override)
    home.pass_time(seconds=1)
    home.look()


def test_recoveries_from_before_many_reports_need_a_name_and_those_since_do_not(town: Database) -> None:
    home = _town.found_home(town)
    home.drop(1)
    home.pass_time(minutes=30)
    home.report(Symptom.NO_SERVICE)
    _town.copy_home(town, HOMES - 1)
    home.pass_time(minutes=20)
    line_ids = [_town.id_in(home.line_id, number) for number in range(HOMES)]
    recover(home, line_ids, minutes=5)
    with pytest.raises(BrakeError) as refused:
        recover(home, line_ids, minutes=40)
    assert (refused.value.details["touches"], refused.value.details["of"]) == (HOMES, HOMES)
    assert qualifying(home) == HOMES
    recover(home, line_ids[:5], minutes=40)
    assert qualifying(home) == HOMES - 5
    recover(home, line_ids, minutes=35, override="J. Reviewer")
    assert qualifying(home) == 0


def qualifying(home: Household) -> int:
    """Count the homes whose fault qualifies."""
    every_id = select(Fault.id).distinct()
    standing = home.run(lambda session, actor, now: decisions.standing_on(session, session.exec(every_id)))
    return sum(row.question == row.outcome == "qualifies" for row in standing.values())


def test_deciding_many_asks_the_database_no_more_often_than_deciding_few(town: Database) -> None:
    home, line_ids = broken_town(town, is_on=False)
    counts = []
    home.run(outages.declare, line_ids=line_ids, from_at=home.now - timedelta(hours=30), override="J. R.")
    ids = [_town.id_in(home.account_id, number) for number in range(HOMES)]
    for share in (ids[:3], ids[3:]):
        statements: list[str] = []
        note = lambda *given, to=statements: to.append(given[2])  # noqa: E731  # one line, used once
        event.listen(town.engine, "before_cursor_execute", note)
        home.run(lambda session, actor, now, ids=share: decide.redecide(session, ids, now))
        event.remove(town.engine, "before_cursor_execute", note)
        counts.append(len(statements))
        home.pass_time(seconds=1)
    assert counts[0] == counts[1] < 50


def test_what_is_decided_again_is_told_once_a_thing(town: Database) -> None:
    home, line_ids = broken_town(town, is_on=False)
    before = home.run(lambda session, actor, now: (feed.position(session), session.exec(_newest_audit()).one()))
    declare(home, line_ids)
    told_of = home.run(lambda session, actor, now: [e.action for e in feed.read(session, after=before[0], limit=1000)])
    assert Counter(told_of) == {
        "declared": 1,
        "decided": HOMES,
        "intended": 3 * HOMES,
        "desired": HOMES,
        "raised": 1,
    }
    audited = home.run(lambda session, actor, now: session.exec(_audited_after(before[1])).all())
    assert Counter(audited) == {"declared": 1, "decided": HOMES, "intended": 3 * HOMES, "reasons": HOMES}
    assert home.run(lambda session, actor, now: audit.verify(session)) is None


def _newest_audit() -> Any:
    return select(func.max(AuditEntry.sequence))


def _audited_after(sequence: int) -> Any:
    return select(AuditEntry.action).where(col(AuditEntry.sequence) > sequence)


def test_the_lane_takes_calls_by_deadline(town: Database) -> None:
    home, _ = broken_town(town, is_on=False)
    deadlines = [claim.deadline for claim in home.claim("sims", 3 * HOMES)]
    assert len(deadlines) == 3 * HOMES
    known = [deadline for deadline in deadlines if deadline is not None]
    assert known == sorted(known)
