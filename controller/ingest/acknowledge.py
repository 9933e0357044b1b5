"""The end-to-end acknowledgement: per hub and boot the highest seq that is committed or a recorded gap (decision 5).

Sent at once for events and on hello, else at most once a minute a hub. What is pending is one number for each boot of
each hub, so it is bounded by the fleet. A lost `ack` costs nothing: the next one says more, and the hello asks.
"""

import asyncio
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Final

import structlog
from sqlmodel import Session

from controller.ingest.record import Taken
from controller.link.port import Link
from controller.link.render import render_ack
from controller.services import history
from controller.services.actor import Actor
from controller.services.database import Database
from controller.services.errors import DatabaseError

INTERVAL_S: Final = 60.0
# Hubs that are told together; the link itself bounds what is in flight.
AT_ONCE: Final = 500
ACTOR: Final = Actor.system("ingest.ack")


class Acknowledger:
    """Owes acknowledgements to hubs and publishes them on whatever link there is."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database, self._now = database, now
        self._log = structlog.get_logger("controller.ingest")
        self._pending: dict[str, dict[int, int]] = {}
        self._due: dict[str, float] = {}
        self._wake = asyncio.Event()
        self._looks_at = 0.0  # when `run` looks by itself

    def take(self, taken: Taken) -> None:
        """Owe what a committed batch allows to acknowledge."""
        now = soonest = asyncio.get_running_loop().time()
        soonest += INTERVAL_S
        for hub_id, boots in taken.acks.items():
            self._owe(hub_id, boots)
            due = now if hub_id in taken.at_once else now + INTERVAL_S
            self._due[hub_id] = min(due, self._due.get(hub_id, due))
            soonest = min(soonest, self._due[hub_id])
        if soonest < self._looks_at:
            self._wake.set()

    def _owe(self, hub_id: str, boots: Mapping[int, int]) -> None:
        pending = self._pending.setdefault(hub_id, {})
        for boot, seq in boots.items():
            pending[boot] = max(seq, pending.get(boot, 0))

    async def run(self, link: Link) -> None:
        """Publish what becomes due until the link is lost, beginning with what an earlier process still owed."""
        self._due |= dict.fromkeys(self._pending, asyncio.get_running_loop().time())
        self.take(await self._left_over())
        while True:
            self._wake.clear()
            now = asyncio.get_running_loop().time()
            due = [hub_id for hub_id, at in self._due.items() if at <= now]
            for first in range(0, len(due), AT_ONCE):
                await self._tell(link, due[first : first + AT_ONCE])
            self._looks_at = min(self._due.values(), default=math.inf)
            with suppress(TimeoutError):
                async with asyncio.timeout_at(None if self._looks_at == math.inf else self._looks_at):
                    await self._wake.wait()

    async def _tell(self, link: Link, hub_ids: Sequence[str]) -> None:
        """Publish what these hubs are owed, and remember it in one transaction: a fleet is told every minute."""
        # What comes meanwhile is owed anew, also where it says the same: a hub asks again for what it missed.
        told = {hub_id: self._pending.pop(hub_id) for hub_id in hub_ids}
        for hub_id in hub_ids:
            del self._due[hub_id]
        rendered = [render_ack(hub_id, boots) for hub_id, boots in told.items() if boots]
        try:
            await asyncio.gather(*(link.publish(each.topic, each.payload) for each in rendered))
        except BaseException:
            for hub_id, boots in told.items():
                self._owe(hub_id, boots)
            raise
        await self._remember(told)

    async def _remember(self, told: dict[str, dict[int, int]]) -> None:
        try:
            await self._database.run(history.acknowledged, actor=ACTOR, now=self._now(), told=told)
        except DatabaseError as error:
            self._log.warning("database_unavailable", error=error.message)

    async def _left_over(self) -> Taken:
        try:
            return await self._database.run(left_over, actor=ACTOR, now=self._now())
        except DatabaseError as error:
            self._log.warning("database_unavailable", error=error.message)
            return Taken()


def left_over(session: Session, actor: Actor, now: datetime) -> Taken:
    """Return what is committed and was never told, due at once."""
    owed = history.owed_acks(session, actor, now)
    acks = {hub_id: {ack.boot: ack.seq for ack in each} for hub_id, each in owed.items()}
    return Taken(acks=acks, at_once=set(acks))
