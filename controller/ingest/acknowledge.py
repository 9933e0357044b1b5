"""The end-to-end acknowledgement: per hub and boot the highest seq that is committed or a recorded gap (decision 5).

Sent at once for events and on hello, else at most once a minute a hub. What is pending is one number for each boot of
each hub, so it is bounded by the fleet. A lost `ack` costs nothing: the next one says more, and the hello asks.
"""

import asyncio
from collections.abc import Callable
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
ACTOR: Final = Actor.system("ingest.ack")


class Acknowledger:
    """Owes acknowledgements to hubs and publishes them on whatever link there is."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database, self._now = database, now
        self._log = structlog.get_logger("controller.ingest")
        self._pending: dict[str, dict[int, int]] = {}
        self._due: dict[str, float] = {}
        self._wake = asyncio.Event()

    def take(self, taken: Taken) -> None:
        """Owe what a committed batch allows to acknowledge."""
        now = asyncio.get_running_loop().time()
        for hub_id, boots in taken.acks.items():
            pending = self._pending.setdefault(hub_id, {})
            for boot, seq in boots.items():
                pending[boot] = max(seq, pending.get(boot, 0))
            due = now if hub_id in taken.at_once else now + INTERVAL_S
            self._due[hub_id] = min(due, self._due.get(hub_id, due))
        self._wake.set()

    async def run(self, link: Link) -> None:
        """Publish what becomes due until the link is lost, beginning with what an earlier process still owed."""
        self.take(await self._left_over())
        while True:
            self._wake.clear()
            now = asyncio.get_running_loop().time()
            for hub_id in [hub for hub, due in self._due.items() if due <= now]:
                await self._publish(link, hub_id)
            soonest = min(self._due.values(), default=None)
            try:
                async with asyncio.timeout(None if soonest is None else max(soonest - now, 0.0)):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def _publish(self, link: Link, hub_id: str) -> None:
        boots = dict(self._pending.get(hub_id, {}))
        if boots:
            rendered = render_ack(hub_id, boots)
            await link.publish(rendered.topic, rendered.payload)
        # Only what was published is forgotten: a batch may have added to it meanwhile.
        left = {boot: seq for boot, seq in self._pending.pop(hub_id, {}).items() if seq > boots.get(boot, -1)}
        self._due.pop(hub_id, None)
        if left:
            self._pending[hub_id] = left
            self._due[hub_id] = asyncio.get_running_loop().time() + INTERVAL_S
        await self._remember(hub_id, boots)

    async def _remember(self, hub_id: str, boots: dict[int, int]) -> None:
        try:
            await self._database.run(remember, actor=ACTOR, now=self._now(), hub_id=hub_id, boots=boots)
        except DatabaseError as error:
            self._log.warning("database_unavailable", error=error.message)

    async def _left_over(self) -> Taken:
        try:
            return await self._database.run(left_over, actor=ACTOR, now=self._now())
        except DatabaseError as error:
            self._log.warning("database_unavailable", error=error.message)
            return Taken()


def remember(session: Session, actor: Actor, now: datetime, *, hub_id: str, boots: dict[int, int]) -> None:
    """Remember what a hub was told."""
    acks = tuple(history.BootAck(boot=boot, seq=seq) for boot, seq in boots.items())
    history.acknowledged(session, actor, now, hub_id=hub_id, acks=acks)


def left_over(session: Session, actor: Actor, now: datetime) -> Taken:
    """Return what is committed and was never told, due at once."""
    owed = history.owed_acks(session, actor, now)
    acks = {hub_id: {ack.boot: ack.seq for ack in each} for hub_id, each in owed.items()}
    return Taken(acks=acks, at_once=set(acks))
