"""Transactions shared by those who record at the same time: what comes while one runs is the next one.

Each commit waits for the disk and for the database's thread; a hundred results need not wait a hundred times. Nothing
waits for company: the first is recorded at once, alone. Everybody returns only after the commit that holds their item,
so nothing is told or settled earlier than if it had been recorded alone.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import structlog
from sqlmodel import Session

from controller.services.actor import Actor
from controller.services.database import Database
from controller.services.errors import DatabaseError

# One transaction holds locks, and SQLite's only thread, no longer than this many take.
MOST: Final = 64

# A function of a transaction, and its arguments.
Recording = tuple[Callable[..., Any], dict[str, Any]]


@dataclass(slots=True)
class _Item:
    value: Any
    done: "asyncio.Future[Any]"


class Together:
    """Records items by `record(session, actor, now, items=[…])`, which returns a result for each.

    Bounded by its callers, of whom each waits for its own item.
    """

    def __init__(
        self, database: Database, actor: Actor, now: Callable[[], datetime], record: Callable[..., Sequence[Any]]
    ) -> None:
        self._database, self._actor, self._now, self._record = database, actor, now, record
        self._waiting: list[_Item] = []
        self._task: asyncio.Task[None] | None = None
        self._log = structlog.get_logger("controller.work")

    async def add(self, value: Any) -> Any:
        """Return the item's result once it is committed. Raises what recording it raises, or a DatabaseError.

        A cancelled caller stops waiting; its item is recorded all the same.
        """
        item = _Item(value, asyncio.get_running_loop().create_future())
        self._waiting.append(item)
        if self._task is None:
            self._task = asyncio.create_task(self._work(), name=f"together:{self._actor.name}")
        return await item.done

    async def _work(self) -> None:
        try:
            while self._waiting:
                items, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
                try:
                    await self._commit(items)
                except asyncio.CancelledError:
                    for item in (*items, *self._waiting):
                        item.done.cancel()
                    raise
        finally:
            self._task = None

    async def _commit(self, items: Sequence[_Item]) -> None:
        try:
            results = await self._database.run(
                self._record, actor=self._actor, now=self._now(), items=[each.value for each in items]
            )
        except Exception as error:
            if len(items) > 1 and not isinstance(error, DatabaseError):
                # One that no code foresaw must not take the others with it.
                self._log.exception("unforeseen", items=len(items))
                for item in items:
                    await self._commit([item])
                return
            for item in items:
                if not item.done.done():
                    item.done.set_exception(error)
        else:
            for item, result in zip(items, results, strict=True):
                if not item.done.done():
                    item.done.set_result(result)


def each(session: Session, actor: Actor, now: datetime, *, items: Sequence[Recording]) -> list[Any]:
    """Record items that are functions with their arguments, in the order in which they came."""
    return [f(session, actor, now, **arguments) for f, arguments in items]
