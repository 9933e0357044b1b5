"""The generic loop over owed work: claim, recompute, do the I/O outside any transaction, record what was observed.

Theory of operation. A row says "look", never "do" (decision 10): the handler asks the services what is owed now. Rows
are claimed by deadline, at most `concurrency` at a time, under a lease that outlives the deadlines of the handler, so
that a crash anywhere leaves a row that somebody claims again. The loop wakes by marks committed here, by the next due
time, and at least every `poll_s`, since the marks of another process wake nobody. A handler records its own result and
ends the claim in that same transaction (`settle` or `postpone`); one that raises is postponed with the error.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlmodel import Session

from controller.services import owed
from controller.services.actor import Actor
from controller.services.database import Committed, Database
from controller.services.errors import DatabaseError
from controller.services.owed import Claim

Now = Callable[[], datetime]

# Longer than any handler: a lane's wait and two calls with their deadlines.
LEASE: Final = timedelta(seconds=60)
DATABASE_PAUSE_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Work:
    """One noun's loop. `gate` is asked before each claim: seconds to wait before it is worth claiming, 0 for now."""

    noun: str
    concurrency: int
    handle: Callable[[Claim], Awaitable[None]]
    gate: Callable[[], Awaitable[float]] | None = None


class WorkLoop:
    """Runs one noun's work until cancelled, or until `stop` and what runs has ended."""

    def __init__(self, work: Work, database: Database, now: Now, *, poll_s: float) -> None:
        self._work, self._database, self._now, self._poll_s = work, database, now, poll_s
        self._actor = Actor.system(f"work.{work.noun}")
        self._log = structlog.get_logger("controller.work").bind(noun=work.noun)
        self._wake = asyncio.Event()
        self._running: set[asyncio.Task[None]] = set()
        self._stopping = False

    def stop(self) -> None:
        """Claim nothing more; `run` returns when what runs has ended."""
        self._stopping = True
        self._wake.set()

    async def run(self) -> None:
        """Claim and handle. A failing database is waited for, never fatal."""
        unsubscribe = self._database.subscribe(self._committed)
        try:
            async with asyncio.TaskGroup() as group:
                while not self._stopping:
                    try:
                        await self._step(group)
                    except DatabaseError as error:
                        self._log.warning("database_unavailable", error=error.message)
                        await asyncio.sleep(DATABASE_PAUSE_S)
        finally:
            unsubscribe()

    def _committed(self, committed: Committed) -> None:
        if self._work.noun in committed.nouns:
            self._wake.set()

    async def _step(self, group: asyncio.TaskGroup) -> None:
        self._wake.clear()
        free = self._work.concurrency - len(self._running)
        claims: tuple[Claim, ...] = ()
        if free > 0:
            closed_s = await self._work.gate() if self._work.gate is not None else 0.0
            if closed_s > 0:
                return await self._sleep(self._now() + timedelta(seconds=closed_s))
            claims = await self._database.run(
                claim_due, actor=self._actor, now=self._now(), work=self._work, limit=free
            )
        for claim in claims:
            task = group.create_task(self._handle(claim), name=f"{claim.noun}:{claim.key}")
            self._running.add(task)
            task.add_done_callback(self._ended)
        if len(claims) == free and claims:
            return None
        return await self._sleep(None if free <= 0 else await self._next_due())

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._wake.set()

    async def _next_due(self) -> datetime | None:
        return await self._database.run(next_due, actor=self._actor, now=self._now(), noun=self._work.noun)

    async def _sleep(self, until: datetime | None) -> None:
        wait = self._poll_s
        if until is not None:
            # Never zero: a row due in the past that could not be claimed belongs to somebody else for the moment.
            wait = min(wait, max((until - self._now()).total_seconds(), 0.01))
        try:
            async with asyncio.timeout(wait):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _handle(self, claim: Claim) -> None:
        try:
            await self._work.handle(claim)
        except DatabaseError as error:
            # The claim runs out by itself; nothing can be recorded now.
            self._log.warning("database_unavailable", key=claim.key, error=error.message)
        except Exception as error:
            self._log.exception("unforeseen", key=claim.key)
            await self._postpone(claim, f"{type(error).__name__}: {error}")

    async def _postpone(self, claim: Claim, error: str) -> None:
        try:
            await self._database.run(postpone, actor=self._actor, now=self._now(), claim=claim, error=error)
        except DatabaseError as failure:
            self._log.warning("database_unavailable", key=claim.key, error=failure.message)


def claim_due(session: Session, actor: Actor, now: datetime, *, work: Work, limit: int) -> tuple[Claim, ...]:
    """Claim what is due of one noun, the nearest deadline first."""
    del actor
    return owed.claim(session, work.noun, now=now, limit=limit, lease=LEASE)


def next_due(session: Session, actor: Actor, now: datetime, *, noun: str) -> datetime | None:
    """Return when the next row of one noun is due."""
    del actor, now
    return owed.next_due(session, [noun])


def settle(session: Session, actor: Actor, now: datetime, *, claim: Claim, again: datetime | None = None) -> None:
    """End a claim: nothing more is owed, or not before `again`."""
    del actor, now
    owed.settle(session, claim, again=again)


def postpone(
    session: Session,
    actor: Actor,
    now: datetime,
    *,
    claim: Claim,
    error: str,
    safe_direction: bool = False,
    after: timedelta | None = None,
) -> None:
    """End a claim for now: it failed, and is due again later."""
    del actor
    owed.postpone(session, claim, error, now, safe_direction=safe_direction, after=after)
