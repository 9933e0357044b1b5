"""The loop of the controller's own timers: rows whose work needs no I/O, done in the transaction that claims them."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Final

import structlog
from sqlmodel import Session

from controller.services import owed, timers
from controller.services.actor import Actor
from controller.services.database import Committed, Database
from controller.services.errors import DatabaseError

ACTOR: Final = Actor.system("work.timers")
PAUSE_S: Final = 1.0
# A report makes timers of its own, all in the future: what it owes at once (SIMs, documents) has the database first.
YIELD_S: Final = 0.05


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
        if not committed.nouns.isdisjoint(timers.NOUNS):
            self._wake.set()

    async def _step(self) -> None:
        self._wake.clear()
        wait = PAUSE_S
        try:
            if await self._database.run(timers.run_due, actor=ACTOR, now=self._now()):
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
        await asyncio.sleep(YIELD_S)


def next_due(session: Session, actor: Actor, now: datetime) -> datetime | None:
    """Return when the next timer is due."""
    del actor, now
    return owed.next_due(session, timers.NOUNS)
