"""Results recorded together: everybody's own answer, after one commit, and nobody's failure is another's."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlmodel import Session

from controller.services.actor import Actor
from controller.services.database import Database
from controller.services.errors import DatabaseError
from controller.work.together import MOST, Together
from simulator.virtual.loop import run_virtual

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)


def play(record: Callable[..., Sequence[Any]], act: Callable[[Together], Awaitable[Any]]) -> Any:
    async def work() -> Any:
        database = Database("sqlite://")
        try:
            return await act(Together(database, Actor.system("test"), lambda: NOW, record))
        finally:
            await database.close()

    return run_virtual(work())


def test_who_comes_together_is_recorded_together_and_gets_its_own_answer() -> None:
    sizes: list[int] = []

    def record(session: Session, actor: Actor, now: datetime, *, items: Sequence[int]) -> list[int]:
        sizes.append(len(items))
        return [item * 10 for item in items]

    async def act(together: Together) -> list[int]:
        many = await asyncio.gather(*(together.add(n) for n in range(MOST + 6)))
        return [*many, await together.add(1000)]

    assert play(record, act) == [n * 10 for n in (*range(MOST + 6), 1000)]
    # A transaction has a bound, and nobody waits for company.
    assert sizes == [MOST, 6, 1]


def test_one_that_cannot_be_recorded_fails_alone() -> None:
    recorded: list[str] = []

    def record(session: Session, actor: Actor, now: datetime, *, items: Sequence[str]) -> list[str]:
        if "bad" in items:
            raise ValueError("unforeseen")
        recorded.extend(items)
        return list(items)

    async def act(together: Together) -> list[Any]:
        return await asyncio.gather(*(together.add(each) for each in ("a", "bad", "b")), return_exceptions=True)

    one, bad, other = play(record, act)
    assert (one, other, recorded) == ("a", "b", ["a", "b"])
    assert isinstance(bad, ValueError)


def test_a_database_that_fails_is_everybodys_news_and_asked_once() -> None:
    asked = 0

    def record(session: Session, actor: Actor, now: datetime, *, items: Sequence[str]) -> list[str]:
        nonlocal asked
        asked += 1
        raise DatabaseError("it failed", remedy="look at it")

    async def act(together: Together) -> list[Any]:
        return list(await asyncio.gather(together.add("a"), together.add("b"), return_exceptions=True))

    assert all(isinstance(each, DatabaseError) for each in play(record, act))
    assert asked == 1


def test_who_stops_waiting_stops_nobody_else() -> None:
    recorded: list[str] = []

    def record(session: Session, actor: Actor, now: datetime, *, items: Sequence[str]) -> list[str]:
        recorded.extend(items)
        return list(items)

    async def act(together: Together) -> str:
        gone = asyncio.create_task(together.add("gone"))
        await asyncio.sleep(0)
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        answer: str = await together.add("here")
        return answer

    assert play(record, act) == "here"
    assert recorded == ["gone", "here"]
