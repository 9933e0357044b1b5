"""The loop of the controller's own timers: rows whose work needs no I/O, done in the transaction that claims them."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlmodel import Session

from controller.services import owed, timers
from controller.services.actor import Actor
from controller.services.database import Committed, Database
from controller.services.errors import DatabaseError
from controller.work.collecting import collecting_rarely

ACTOR: Final = Actor.system("work.timers")
PAUSE_S: Final = 1.0
# While much is due, the server works on one transaction, this process on another, and a third waits for the disk or
# for its turn at the journal: with two, either side had nothing to do for a part of the time.
ABREAST: Final = 3


class Timers:
    """Runs what is due until cancelled or stopped; woken by marks, by the next due time, and every `poll_s`."""

    def __init__(self, database: Database, now: Callable[[], datetime], *, poll_s: float) -> None:
        self._database, self._now, self._poll_s = database, now, poll_s
        self._wake = asyncio.Event()
        self._stopping = False
        self._log = structlog.get_logger("controller.work").bind(noun="timers")

    def stop(self) -> None:
        """Begin nothing more."""
        self._stopping = True
        self._wake.set()

    async def run(self) -> None:
        """Do what is due, for ever. What goes wrong is logged and tried again."""
        unsubscribe = self._database.subscribe(self._committed)
        try:
            while not self._stopping:
                await self._step()
        finally:
            unsubscribe()

    def _committed(self, committed: Committed) -> None:
        # A report makes timers of its own, all in the future: they must not take the database from what is owed now.
        soon = self._now() + timedelta(seconds=self._poll_s)
        if any(due < soon for noun, due in committed.due.items() if noun in timers.NOUNS):
            self._wake.set()

    async def _step(self) -> None:
        self._wake.clear()
        wait = PAUSE_S
        try:
            if await do_due(self._database, self._now, lambda: not self._stopping):
                return
            due = await self._database.run(next_due, actor=ACTOR, now=self._now())
            wait = self._poll_s if due is None else min(self._poll_s, max((due - self._now()).total_seconds(), 0.01))
        except DatabaseError as error:
            self._log.warning("database_unavailable", error=error.message)
        except Exception:
            # A bug in one look must not end the timers of every account: it is logged, and looked at again.
            self._log.exception("unforeseen")
        try:
            async with asyncio.timeout(wait):
                await self._wake.wait()
        except TimeoutError:
            return


async def do_due(database: Database, now: Callable[[], datetime], goes_on: Callable[[], bool]) -> int:
    """Do what is due, a batch a transaction; returns how many rows were done.

    Where one batch was not all, on PostgreSQL, more are done beside each other, each with claims of its own, until
    one comes back short or `goes_on` says no.
    """
    first = await database.run(timers.run_due, actor=ACTOR, now=now())
    if first < timers.BATCH or database.is_sqlite:
        return first

    async def lane() -> int:
        done = 0
        while goes_on():
            batch = await database.run(timers.run_due, actor=ACTOR, now=now())
            done += batch
            if batch < timers.BATCH:
                break
        return done

    with collecting_rarely():
        lanes = await asyncio.gather(*(lane() for _ in range(ABREAST)), return_exceptions=True)
    for each in lanes:
        if isinstance(each, BaseException):
            raise each
    return first + sum(each for each in lanes if isinstance(each, int))


def next_due(session: Session, actor: Actor, now: datetime) -> datetime | None:
    """Return when the next timer is due."""
    del actor, now
    return owed.next_due(session, timers.NOUNS)
