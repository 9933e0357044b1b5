"""The generic loop over owed work: claim, recompute, do the I/O outside any transaction, record what was observed.

Theory of operation. A row says "look", never "do" (decision 10): what is owed now is asked in the transaction that
claims, or by the handler. Rows are claimed by deadline, at most `concurrency` at a time, under a lease that outlives
the deadlines of the handler, so that a crash anywhere leaves a row that somebody claims again. The loop wakes by marks
committed here, by the next due time, and at least every `poll_s`, since the marks of another process wake nobody. A
handler records its own result and ends the claim in that same transaction (`settle` or `postpone`); one that raises is
postponed with the error.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

import structlog
from sqlmodel import Session

from controller.services import owed
from controller.services.actor import Actor
from controller.services.database import Committed, Database
from controller.services.errors import DatabaseError, NotFoundError
from controller.services.owed import Claim

Now = Callable[[], datetime]

# Longer than any handler: a lane's wait and two calls with their deadlines.
LEASE: Final = timedelta(seconds=60)
DATABASE_PAUSE_S: Final = 1.0
GATHER_S: Final = 0.005
_UNPREPARED: Final = object()


@dataclass(frozen=True, slots=True)
class Work:
    """One noun's loop.

    Attributes:
        noun: which rows.
        concurrency: how many at a time.
        handle: does the I/O of one claim, and records.
        gate: asked before each claim: seconds to wait before it is worth claiming, 0 for now.
        prepare: run in the claiming transaction; says what is to be done for each claim, which is handed to `handle`
            beside the claim. None: nothing, and the claim was settled.
    """

    noun: str
    concurrency: int
    handle: Callable[..., Awaitable[None]]
    gate: Callable[[], Awaitable[float]] | None = None
    prepare: "Prepare | None" = None


class Prepare(Protocol):
    """Says what is to be done now for claims."""

    def __call__(self, session: Session, actor: Actor, now: datetime, *, claims: Sequence[Claim]) -> Sequence[Any]:
        """Return a step for each claim; None for one that nothing is owed for any more, which is settled."""


@dataclass(frozen=True, slots=True)
class Look:
    """What one look at the rows found: claims with what is to be done, and when to look again if not all was taken."""

    claims: tuple[tuple[Claim, Any], ...]
    next_due: datetime | None = None


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
        """Claim and handle. A failing database, or a look that fails, is waited for, never fatal."""
        unsubscribe = self._database.subscribe(self._committed)
        try:
            async with asyncio.TaskGroup() as group:
                while not self._stopping:
                    try:
                        await self._step(group)
                    except DatabaseError as error:
                        self._log.warning("database_unavailable", error=error.message)
                        await asyncio.sleep(DATABASE_PAUSE_S)
                    except Exception:
                        # One look that went wrong must not end the controller.
                        self._log.exception("unforeseen")
                        await asyncio.sleep(DATABASE_PAUSE_S)
        finally:
            unsubscribe()

    def _committed(self, committed: Committed) -> None:
        due = committed.due.get(self._work.noun)
        if due is None:
            return
        in_s = (due - self._now()).total_seconds()
        if in_s <= 0:
            self._wake.set()
        elif in_s < self._poll_s:
            # Sooner than the next look; a later one is found by that.
            asyncio.get_running_loop().call_later(in_s, self._wake.set)

    async def _step(self, group: asyncio.TaskGroup) -> None:
        self._wake.clear()
        free = self._work.concurrency - len(self._running)
        if free <= 0:
            return await self._sleep(None)
        closed_s = await self._work.gate() if self._work.gate is not None else 0.0
        if closed_s > 0:
            return await self._sleep(self._now() + timedelta(seconds=closed_s))
        if self._running and free < self._work.concurrency:
            # Those that ended together make room together: one look for all of them.
            await asyncio.sleep(GATHER_S)
            free = self._work.concurrency - len(self._running)
        found = await self._look(free)
        for claim, step in found.claims:
            task = group.create_task(self._handle(claim, step), name=f"{claim.noun}:{claim.key}")
            self._running.add(task)
            task.add_done_callback(self._ended)
        if len(found.claims) < free:
            await self._sleep(found.next_due)
        return None

    async def _look(self, limit: int) -> Look:
        """Claim, and prepare in the same transaction; one row that can't be prepared must not stop the others."""
        try:
            return await self._database.run(
                look, actor=self._actor, now=self._now(), work=self._work, limit=limit, prepare=self._work.prepare
            )
        except DatabaseError:
            raise
        except Exception:
            self._log.exception("unforeseen")
        return await self._database.run(
            look, actor=self._actor, now=self._now(), work=self._work, limit=limit, prepare=None
        )

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._wake.set()

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

    async def _handle(self, claim: Claim, step: Any) -> None:
        try:
            if self._work.prepare is None:
                return await self._work.handle(claim)
            if step is _UNPREPARED:
                prepare = self._work.prepare
                (step,) = await self._database.run(prepare, actor=self._actor, now=self._now(), claims=[claim])
            if step is not None:
                await self._work.handle(claim, step)
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


def look(session: Session, actor: Actor, now: datetime, *, work: Work, limit: int, prepare: Prepare | None) -> Look:
    """Claim what is due of one noun, the nearest deadline first, and say what is to be done about each."""
    claims = owed.claim(session, work.noun, now=now, limit=limit, lease=LEASE)
    if prepare is None:
        steps: Sequence[Any] = [_UNPREPARED] * len(claims)
    else:
        steps = prepare(session, actor, now, claims=claims) if claims else ()
    taken = tuple((claim, step) for claim, step in zip(claims, steps, strict=True) if step is not None)
    return Look(taken, owed.next_due(session, [work.noun]) if len(taken) < limit else None)


def one_by_one(find: Callable[..., Any]) -> Prepare:
    """Prepare by `find(session, actor, now, key)`: what it returns is the step.

    None, or a NotFoundError: the thing is gone or done, and its claim is settled.
    """

    def prepare(session: Session, actor: Actor, now: datetime, *, claims: Sequence[Claim]) -> Sequence[Any]:
        steps = [_found(find, session, actor, now, claim.key) for claim in claims]
        for claim, step in zip(claims, steps, strict=True):
            if step is None:
                owed.settle(session, claim)
        return steps

    return prepare


def _found(find: Callable[..., Any], session: Session, actor: Actor, now: datetime, key: str) -> Any:
    try:
        return find(session, actor, now, key)
    except NotFoundError:
        return None


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
