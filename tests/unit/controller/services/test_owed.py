"""The laws of owed work (decision 10)."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel import Session, select

from controller.services import alarms, decide, owed, timers
from controller.services.actor import Actor
from controller.services.database import Database
from controller.tables.alarms import Alarm
from controller.tables.owed import Owed
from controller.work.timers import do_due
from tests.unit.controller.conftest import MakeDatabase
from tests.unit.controller.household import ACTOR, START

LEASE = timedelta(seconds=30)
minutes = st.integers(min_value=0, max_value=60).map(lambda m: timedelta(minutes=m))


class Queue:
    def __init__(self, database: Database) -> None:
        self.database = database
        self.now = START

    def do(self, f: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        return self.database.run_now(
            lambda session, _actor, _now: f(session, *arguments, **options), actor=ACTOR, now=self.now
        )

    def mark(self, key: str, **options: Any) -> None:
        self.do(owed.mark, "noun", key, now=self.now, **options)

    def claim(self, limit: int = 100) -> tuple[owed.Claim, ...]:
        found: tuple[owed.Claim, ...] = self.do(owed.claim, "noun", now=self.now, limit=limit, lease=LEASE)
        return found

    def row(self, key: str) -> Owed | None:
        found: Owed | None = self.do(lambda session: session.get(Owed, ("noun", key)))
        return found


@pytest.fixture
def queue(database: Database) -> Queue:
    return Queue(database)


def test_a_settled_row_is_gone_and_a_row_marked_meanwhile_is_not(queue: Queue) -> None:
    queue.mark("a")
    queue.mark("b")
    a, b = queue.claim()
    queue.mark("b")
    assert queue.do(owed.settle, a) is True
    assert queue.do(owed.settle, b) is False
    assert [held.key for held in queue.claim()] == ["b"]


def test_a_claim_that_ran_out_settles_nothing_that_came_after_it(queue: Queue) -> None:
    queue.mark("a")
    (stale,) = queue.claim()
    queue.now += LEASE
    (fresh,) = queue.claim()
    assert queue.do(owed.settle, stale) is False
    assert queue.claim() == ()
    assert queue.do(owed.settle, fresh) is True
    queue.mark("a")
    assert queue.do(owed.settle, stale) is False
    assert queue.do(owed.settle, fresh) is False
    assert len(queue.claim()) == 1


def test_a_later_look_replaces_the_row_unless_it_was_marked(queue: Queue) -> None:
    later = START + timedelta(hours=8)
    queue.mark("a", deadline=START + timedelta(hours=1))
    (held,) = queue.claim()
    assert queue.do(owed.settle, held, again=later) is True
    assert queue.do(owed.next_due, ["noun"]) == later
    queue.mark("a")
    (held,) = queue.claim()
    queue.mark("a")
    assert queue.do(owed.settle, held, again=later) is False
    assert len(queue.claim()) == 1


def test_claims_come_by_deadline_and_those_without_one_last(queue: Queue) -> None:
    queue.mark("none")
    queue.mark("late", deadline=START + timedelta(hours=2))
    queue.mark("soon", deadline=START + timedelta(hours=1))
    queue.mark("future", deadline=START, due=START + timedelta(minutes=1))
    assert [held.key for held in queue.claim(2)] == ["soon", "late"]
    assert [held.key for held in queue.claim(2)] == ["none"]


def test_a_noun_is_due_only_while_a_claim_would_hold_something_of_it(queue: Queue) -> None:
    def due() -> frozenset[str]:
        found: frozenset[str] = queue.do(owed.nouns_due, ("other", "noun"), now=queue.now)
        return found

    assert due() == frozenset()
    queue.mark("later", due=queue.now + timedelta(seconds=1))
    assert due() == frozenset()
    queue.now += timedelta(seconds=1)
    assert due() == {"noun"}
    (held,) = queue.claim()
    assert due() == frozenset()
    queue.now += LEASE
    assert due() == {"noun"}
    for _ in range(owed.PARK_AFTER):
        (held,) = queue.claim()
        queue.do(owed.postpone, held, "no", queue.now, after=timedelta(0))
    assert due() == frozenset()
    queue.mark("later")
    assert due() == {"noun"}


def test_two_claimers_never_hold_the_same_row(queue: Queue) -> None:
    queue.do(owed.mark_many, "noun", [(str(n), None, START) for n in range(30)], now=START)
    seen: list[str] = []
    while held := queue.claim(7):
        seen += [each.key for each in held]
    assert sorted(seen) == sorted(str(n) for n in range(30))


async def test_racing_claimers_share_the_rows_between_them(make_database: MakeDatabase) -> None:
    first, second = make_database(), make_database()
    await first.run(
        lambda session, actor, now: owed.mark_many(session, "noun", [(str(n), None, now) for n in range(200)], now=now),
        actor=ACTOR,
        now=START,
    )

    def claim(session: Session, actor: Actor, now: Any) -> list[str]:
        return [held.key for held in owed.claim(session, "noun", now=now, limit=7, lease=LEASE)]

    async def drain(database: Database) -> list[str]:
        mine: list[str] = []
        while keys := await database.run(claim, actor=ACTOR, now=START):
            mine += keys
        return mine

    shares = await asyncio.gather(*(drain(each) for each in (first, second, first, second)))
    keys = [key for share in shares for key in share]
    assert len(keys) == len(set(keys)) == 200


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(marks=st.lists(st.tuples(st.none() | minutes, minutes), min_size=1, max_size=6))
def test_marks_commute_and_only_move_times_earlier(
    marks: list[tuple[timedelta | None, timedelta]], queue: Queue
) -> None:
    def end_state(order: list[tuple[timedelta | None, timedelta]]) -> tuple[Any, Any]:
        queue.do(owed.withdraw, "noun", "k")
        for deadline, due in order:
            queue.mark("k", deadline=START + deadline if deadline is not None else None, due=START + due)
        row = queue.row("k")
        assert row is not None
        return row.deadline, row.due

    forwards = end_state(marks)
    assert forwards == end_state(marks[::-1])
    deadlines = [START + deadline for deadline, _ in marks if deadline is not None]
    assert forwards == (min(deadlines, default=None), min(START + due for _, due in marks))


@settings(max_examples=100, deadline=None)
@given(attempts=st.integers(1, 10_000), key=st.text(max_size=10))
def test_the_wait_grows_is_jittered_and_stays_bounded(attempts: int, key: str) -> None:
    longest = timedelta(minutes=5)
    wait = owed.backoff("noun", key, attempts, longest)
    assert min(owed.FIRST_DELAY * 2 ** min(attempts - 1, 20), longest) / 2 <= wait <= longest
    assert wait == owed.backoff("noun", key, attempts, longest)


def fail(queue: Queue, times: int, **options: Any) -> None:
    for _ in range(times):
        held = queue.claim()[0]
        queue.now = queue.do(owed.postpone, held, "no answer", queue.now, **options)


def test_work_that_keeps_failing_is_set_aside_with_an_alarm_until_it_is_marked(queue: Queue) -> None:
    queue.mark("a")
    fail(queue, owed.PARK_AFTER)
    assert queue.claim() == ()
    (alarm,) = queue.do(lambda session: session.exec(select(Alarm)).all())
    assert (alarm.severity, alarm.key) == ("critical", "a")
    queue.mark("a")
    assert len(queue.claim()) == 1


def test_work_in_the_safe_direction_is_never_set_aside(queue: Queue) -> None:
    queue.mark("off")
    fail(queue, 3 * owed.PARK_AFTER, safe_direction=True)
    before = queue.now
    held = queue.claim()[0]
    due = queue.do(owed.postpone, held, "no answer", before, safe_direction=True)
    assert due - before <= timedelta(minutes=15)
    assert len(queue.do(lambda session: alarms.list_open(session, ACTOR, START))) == 1


def test_a_row_marked_while_it_failed_is_due_as_marked(queue: Queue) -> None:
    queue.mark("a")
    (held,) = queue.claim()
    queue.mark("a")
    queue.do(owed.postpone, held, "no answer", START)
    assert len(queue.claim()) == 1


def test_a_row_marked_while_its_last_attempt_failed_is_not_set_aside(queue: Queue) -> None:
    queue.mark("a")
    fail(queue, owed.PARK_AFTER - 1)
    (held,) = queue.claim()
    queue.mark("a")
    queue.do(owed.postpone, held, "no answer", queue.now)
    assert len(queue.claim()) == 1
    assert queue.do(lambda session: session.exec(select(Alarm)).all()) == []


def test_the_other_side_may_name_the_wait(queue: Queue) -> None:
    queue.mark("a")
    (held,) = queue.claim()
    assert queue.do(owed.postpone, held, "busy", START, after=timedelta(seconds=90)) == START + timedelta(seconds=90)


def test_what_is_marked_together_is_written_once_and_not_when_it_is_withdrawn_within(database: Database) -> None:
    queue = Queue(database)

    def pass_over(session: Session, _actor: Actor, _now: Any) -> None:
        with owed.together(session, START):
            for key in ("kept", "withdrawn", "kept"):
                owed.mark(session, "noun", key, now=START, deadline=START + LEASE)
            owed.withdraw(session, "noun", "withdrawn")
            owed.mark(session, "noun", "kept", now=START, deadline=START)

    database.run_now(pass_over, actor=ACTOR, now=START)
    assert [(held.key, held.deadline) for held in queue.claim()] == [("kept", START)]


def test_a_commit_names_when_what_it_marked_is_due_first(database: Database) -> None:
    told: list[Any] = []
    database.subscribe(told.append)

    def mark(session: Session, _actor: Actor, now: Any) -> None:
        owed.mark_many(session, "noun", [("late", None, now + LEASE), ("soon", None, now)], now=now)
        owed.mark(session, "timer", "later", now=now, due=now + LEASE)

    asyncio.run(database.run(mark, actor=ACTOR, now=START))
    assert [(dict(each.due), each.nouns) for each in told] == [
        ({"noun": START, "timer": START + LEASE}, frozenset({"noun", "timer"}))
    ]


def test_much_that_is_due_is_done_once_each_whoever_works_beside(database: Database) -> None:
    keys = [f"account-{number}" for number in range(2 * timers.BATCH + 50)]

    def mark(session: Session, _actor: Actor, now: Any) -> None:
        owed.mark_many(session, decide.NOUN, [(key, None, now) for key in keys], now=now)

    async def everything() -> list[int]:
        while await do_due(database, lambda: START, lambda: True):
            pass
        await database.run(mark, actor=ACTOR, now=START)
        done = [await do_due(database, lambda: START, lambda: False)]
        while batch := await do_due(database, lambda: START, lambda: True):
            done.append(batch)
        return done

    done = asyncio.run(everything())
    assert (done[0], sum(done)) == (timers.BATCH, len(keys))
