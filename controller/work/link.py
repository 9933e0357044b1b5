"""The alarm of a controller without its broker: raised after a while without a link, cleared by the next one."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Final

import structlog
from sqlmodel import Session

from controller.link.keeper import Keeper
from controller.services import alarms
from controller.services.actor import Actor
from controller.services.database import Database
from controller.services.errors import DatabaseError

KIND: Final = "link_down"
ACTOR: Final = Actor.system("work.link")
# Longer than a broker's restart.
DOWN_AFTER_S: Final = 30.0
LOOK_EVERY_S: Final = 10.0


class LinkWatch:
    """Watches one controller's link."""

    def __init__(self, database: Database, keeper: Keeper, now: Callable[[], datetime], *, name: str) -> None:
        self._database, self._keeper, self._now, self._name = database, keeper, now, name
        self._log = structlog.get_logger("controller.work").bind(noun="link")
        self._shown: bool | None = None

    async def run(self) -> None:
        """Watch until cancelled; an alarm of an earlier process is cleared by the first link of this one."""
        loop = asyncio.get_running_loop()
        since = loop.time()
        while True:
            down = self._keeper.current is None
            since = since if down else loop.time()
            late = down and loop.time() - since >= DOWN_AFTER_S
            if (late or not down) and self._shown is not late:
                await self._show(late=late)
            await asyncio.sleep(LOOK_EVERY_S)

    async def _show(self, *, late: bool) -> None:
        try:
            detail = f"{self._keeper.state.word}: {self._keeper.state.detail}"
            await self._database.run(
                show, actor=ACTOR, now=self._now(), name=self._name, detail=detail if late else None
            )
        except DatabaseError as error:
            self._log.warning("database_unavailable", error=error.message)
        else:
            self._shown = late


def show(session: Session, actor: Actor, now: datetime, *, name: str, detail: str | None) -> None:
    """Raise the alarm of one controller's link with what is wrong, or clear it."""
    del actor
    if detail is None:
        alarms.clear(session, KIND, "link", name, now=now)
    else:
        message = f"controller {name} has no link to the broker ({detail}): hubs get no documents from it"
        alarms.raise_alarm(session, KIND, "link", name, severity="critical", message=message, now=now)
