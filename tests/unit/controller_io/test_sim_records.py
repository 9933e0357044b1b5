"""What is written of SIMs in bulk is what would be written one by one; answers and webhooks come in any order."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlmodel import Session, SQLModel, select

from controller.carrier.port import Accepted, HubSetting, Observation, OperationNews, OperationState, Webhook
from controller.domain.sim import SimState as State
from controller.services import owed, sims
from controller.services.actor import Actor
from controller.services.database import Database
from controller.tables.owed import Owed
from controller.tables.sims import Operation, SimState
from controller.work.sim_records import Answer, Ask, Read, prepare, record_answers
from controller.work.webhooks import take_webhooks

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
ACTOR = Actor.system("test")
LEASE = timedelta(seconds=60)
CARDS = [f"8944100000{n:09d}" for n in range(4)]


@pytest.fixture
def database() -> Iterator[Database]:
    made = Database("sqlite://")
    SQLModel.metadata.create_all(made.engine)
    made.run_now(enrol, actor=ACTOR, now=NOW)
    yield made
    made.engine.dispose()


def enrol(session: Session, actor: Actor, now: datetime) -> None:
    for n, iccid in enumerate(CARDS):
        row = sims.enrol(session, iccid, kind=sims.HUB, iccid=iccid)
        sims.intend(session, now, row, {"state": "active"}, now + timedelta(minutes=10 - n))


def do(database: Database, f: Any, **arguments: Any) -> Any:
    return database.run_now(f, actor=ACTOR, now=NOW, **arguments)


def claim_all(session: Session, actor: Actor, now: datetime) -> tuple[owed.Claim, ...]:
    return owed.claim(session, sims.NOUN, now=now, limit=10, lease=LEASE)


def prepared(database: Database) -> list[tuple[owed.Claim, Any]]:
    claims = do(database, claim_all)
    return list(zip(claims, do(database, prepare, claims=claims), strict=True))


def rows_of(session: Session, actor: Actor, now: datetime) -> tuple[Any, ...]:
    states = [
        (row.id, row.observed, row.observed_version, row.counted_mb, row.version)
        for row in session.exec(select(SimState).order_by(SimState.id))
    ]
    operations = [
        (row.sim_id, row.asked, row.outcome, row.reference, row.ended_at)
        for row in session.exec(select(Operation).order_by(Operation.sim_id, Operation.id))
    ]
    return states, operations, sorted(row.key for row in session.exec(select(Owed)))


def shown(iccid: str, state: str, version: int, **more: Any) -> Observation:
    return Observation(iccid=iccid, setting=HubSetting(State(state)), version=version, at=NOW, **more)


def observe_in_bulk(session: Session, actor: Actor, now: datetime, *, seen: list[sims.Seen]) -> list[str]:
    return sorted(sims.observe_many(session, actor, now, seen))


def observe_in_turn(session: Session, actor: Actor, now: datetime, *, seen: list[sims.Seen]) -> list[str]:
    return sorted({each.iccid for each in seen if sims.observe_many(session, actor, now, [each])})


@pytest.mark.parametrize("seed", range(6))
def test_many_observations_at_once_are_the_same_as_one_after_the_other(database: Database, seed: int) -> None:
    draw = random.Random(seed)
    seen = [
        sims.Seen(
            iccid=draw.choice([*CARDS, "nobody's"]),
            observed={"state": draw.choice(["active", "parked"])},
            version=draw.randint(1, 5),
            at=NOW,
            counted_mb=draw.choice([None, 7]),
        )
        for _ in range(12)
    ]
    prepared(database)
    other = Database("sqlite://")
    SQLModel.metadata.create_all(other.engine)
    do(other, enrol)
    prepared(other)
    assert do(database, observe_in_bulk, seen=seen) == do(other, observe_in_turn, seen=seen)
    assert do(database, rows_of) == do(other, rows_of)
    other.engine.dispose()


def test_every_call_is_written_before_it_is_made_and_read_before_it_is_made_again(database: Database) -> None:
    asked = prepared(database)
    # By deadline, the nearest first.
    assert [claim.key for claim, _ in asked] == list(reversed(CARDS))
    assert all(isinstance(step, Ask) for _, step in asked)
    assert [each[2] for each in do(database, rows_of)[1]] == [None] * 4
    later = database.run_now(claim_all, actor=ACTOR, now=NOW + 2 * LEASE)
    steps = do(database, prepare, claims=later)
    assert all(isinstance(step, Read) for step in steps)
    assert len(do(database, rows_of)[1]) == 4


def test_a_sim_as_it_should_be_or_unknown_owes_nothing(database: Database) -> None:
    claims = do(database, claim_all)
    do(database, observe_in_bulk, seen=[sims.Seen(iccid=CARDS[0], observed={"state": "active"}, version=1, at=NOW)])
    stranger = owed.Claim("sims", "gone", 1, None, NOW, 0, NOW + LEASE)
    steps = do(database, prepare, claims=[*claims, stranger])
    assert [isinstance(step, Ask) for step in steps] == [True, True, True, False, False]
    assert CARDS[0] not in do(database, rows_of)[2]


def test_a_webhook_that_is_quicker_than_the_answer_ends_it(database: Database) -> None:
    (claim, step), *_ = prepared(database)
    do(database, take_webhooks, items=[Webhook("e-1", (shown(step.iccid, "active", 2),))])
    answer = Answer(claim, step.operation_id, Accepted("monitor-1"), NOW + timedelta(seconds=30))
    do(database, record_answers, items=[answer])
    _, operations, left = do(database, rows_of)
    # Its end is not undone by the slower news, and nothing is left to look at.
    assert (step.iccid, {"state": "active"}, "done", "monitor-1", NOW) in operations
    assert step.iccid not in left


def test_an_accepted_change_is_looked_at_in_its_time_under_its_own_deadline(database: Database) -> None:
    again = NOW + timedelta(seconds=30)
    asked = prepared(database)
    answers = [Answer(claim, step.operation_id, Accepted("m"), again) for claim, step in asked]
    # One is wanted otherwise meanwhile: it stays due at once.
    database.run_now(change_mind, actor=ACTOR, now=NOW)
    do(database, record_answers, items=answers)
    assert [claim.key for claim in do(database, claim_all)] == [CARDS[1]]
    later = database.run_now(claim_all, actor=ACTOR, now=again)
    assert [(claim.key, claim.deadline) for claim in later] == [
        (claim.key, claim.deadline) for claim, _ in asked if claim.key != CARDS[1]
    ]


def change_mind(session: Session, actor: Actor, now: datetime) -> None:
    row = session.get(SimState, CARDS[1])
    sims.intend(session, now, row, {"state": "parked"}, None)  # type: ignore[arg-type]  # it is there


def test_copies_of_an_event_are_one_and_a_step_that_goes_on_says_nothing(database: Database) -> None:
    prepared(database)
    ended = OperationNews("m", CARDS[0], OperationState.FAILED)
    running = OperationNews("m", CARDS[1], OperationState.RUNNING)
    webhooks = [
        Webhook("e-1", (shown(CARDS[2], "active", 3),)),
        Webhook("e-2", (ended,)),
        Webhook("e-3", (running,)),
        Webhook("e-1", (shown(CARDS[2], "parked", 9),)),
    ]
    before = {row.key: row.version for row in do(database, owed_rows)}
    do(database, take_webhooks, items=webhooks)
    do(database, take_webhooks, items=webhooks[:1])
    after = {row.key: row.version for row in do(database, owed_rows)}
    assert after[CARDS[0]] > before[CARDS[0]]
    assert after[CARDS[1]] == before[CARDS[1]]
    assert CARDS[2] not in after


def owed_rows(session: Session, actor: Actor, now: datetime) -> list[Owed]:
    return list(session.exec(select(Owed)))


def test_a_change_of_another_mind_that_may_still_take_effect_is_waited_for(database: Database) -> None:
    asked = prepared(database)
    answers = [Answer(claim, step.operation_id, Accepted("m"), NOW + timedelta(seconds=30)) for claim, step in asked]
    do(database, record_answers, items=answers)
    do(database, change_mind)
    do(database, observe_in_bulk, seen=[sims.Seen(iccid=CARDS[1], observed={"state": "parked"}, version=2, at=NOW)])
    _, operations, left = do(database, rows_of)
    # It is as it should be, but the change asked for before is still on its way: its end is looked for.
    assert (CARDS[1], {"state": "active"}, "accepted", "m", None) in operations
    assert CARDS[1] in left


def test_the_newest_of_two_open_changes_is_read_first_and_keeps_its_reference(database: Database) -> None:
    first, second = sorted(do(database, begin_twice))
    do(database, sims.end, operation_id=second, outcome="accepted", reference="m-2")
    found = do(database, sims.look, sim_id=CARDS[0]).open_operation
    assert (found.id, found.reference) == (second, "m-2")
    assert found.id != first
    do(database, sims.end, operation_id=second, outcome="done")
    assert (CARDS[0], {"state": "active"}, "done", "m-2", NOW) in do(database, rows_of)[1]


def begin_twice(session: Session, actor: Actor, now: datetime) -> list[str]:
    earlier = sims.begin(session, actor, now - timedelta(seconds=9), sim_id=CARDS[0], asked={"state": "parked"})
    return [earlier, sims.begin(session, actor, now, sim_id=CARDS[0], asked={"state": "active"})]


def test_news_of_an_end_owes_no_look_at_a_sim_that_is_as_it_should_be(database: Database) -> None:
    do(database, observe_in_bulk, seen=[sims.Seen(iccid=CARDS[0], observed={"state": "active"}, version=1, at=NOW)])
    do(database, take_webhooks, items=[Webhook("e-9", (OperationNews("m", CARDS[0], OperationState.COMPLETED),))])
    assert CARDS[0] not in do(database, rows_of)[2]
