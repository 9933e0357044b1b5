"""Messages from hubs, in batches: decode, one transaction, settle, acknowledge (decision 11).

Theory of operation. The reader takes deliveries off the link, decodes them and puts them into a bounded list; when it
is full the reader stops, the link's own bound fills, and reading from the socket stops. The committer takes what has
gathered (the reader goes on while the last commit runs in the database's thread, so batches grow with the load),
commits it in one transaction and only then settles. A message that can't be read, or whose hub is unknown, is committed
to the quarantine, and so is settled like any other. A batch that fails for a message's own sake is done again by
halves until that message is alone, and it is quarantined. A database that keeps failing drops the connection, which is
the redelivery.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Final, Protocol

import structlog

from controller.ingest.acknowledge import Acknowledger
from controller.ingest.decode import Incoming, Quarantined, decode_message
from controller.ingest.record import Taken, take_in
from controller.link.port import Delivery, Link, LinkLostError
from controller.services.actor import Actor
from controller.services.database import Database
from controller.services.errors import DatabaseError

BATCH: Final = 1000
MOST_WAITING: Final = 4 * BATCH
# Under load a commit waits so long for its batch to fill; a lone message is committed at once.
BUSY: Final = 100
LINGER_S: Final = 0.05
DATABASE_ATTEMPTS: Final = 5
FIRST_DELAY_S: Final = 0.2
ACTOR: Final = Actor.system("ingest")


class Counts(Protocol):
    """Where the ingest counts (controller/app.py: Prometheus)."""

    def taken(self, messages: int, quarantined: int) -> None:
        """Count a committed batch."""


class Ingest:
    """Takes in what one link delivers, for as long as the link lives."""

    def __init__(
        self, database: Database, acknowledger: Acknowledger, now: Callable[[], datetime], counts: Counts | None = None
    ) -> None:
        self._database, self._acknowledger, self._now, self._counts = database, acknowledger, now, counts
        self._log = structlog.get_logger("controller.ingest")
        self._waiting: list[tuple[Delivery, Incoming]] = []
        self._arrived = asyncio.Event()
        self._room = asyncio.Event()
        self._full = asyncio.Event()

    @property
    def waiting(self) -> int:
        """How many messages were read and are in no transaction yet."""
        return len(self._waiting)

    async def run(self, link: Link) -> None:
        """Serve one link. Raises LinkLostError when it is lost, or when the database kept failing (drop the link)."""
        self._waiting.clear()
        self._arrived.clear()
        self._room.set()
        # The first to end ends the others; a task group would wrap the loss into a group.
        tasks = [
            asyncio.ensure_future(self._read(link)),
            asyncio.ensure_future(self._commit()),
            asyncio.ensure_future(self._acknowledger.run(link)),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _read(self, link: Link) -> None:
        async for delivery in link.deliveries():
            self._waiting.append((delivery, decode_message(delivery.topic, delivery.payload)))
            self._arrived.set()
            if len(self._waiting) >= BATCH:
                self._full.set()
            if len(self._waiting) >= MOST_WAITING:
                self._room.clear()
                await self._room.wait()

    async def _commit(self) -> None:
        busy = False
        while True:
            await self._arrived.wait()
            if busy:
                await self._linger()
            batch, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
            busy = len(batch) >= BUSY
            self._full.clear()
            if not self._waiting:
                self._arrived.clear()
            if len(self._waiting) < MOST_WAITING:
                self._room.set()
            received = [message for _, message in batch]
            taken = await self._record(received)
            for delivery, _ in batch:
                delivery.settle()
            self._acknowledger.take(taken)
            self._count(received, taken)

    async def _linger(self) -> None:
        if len(self._waiting) < BATCH:
            with suppress(TimeoutError):
                async with asyncio.timeout(LINGER_S):
                    await self._full.wait()

    async def _record(self, received: Sequence[Incoming]) -> Taken:
        try:
            return await self._transact(received)
        except DatabaseError as error:
            raise LinkLostError(f"the database keeps failing: {error.message}") from error
        except Exception:
            # One message that no code foresaw must not hold up the rest: halve until it stands alone, and set it aside.
            if len(received) == 1:
                return await self._set_aside(received[0])
            self._log.exception("batch_failed", messages=len(received))
        half = len(received) // 2
        taken = await self._record(received[:half])
        taken.merge(await self._record(received[half:]))
        return taken

    async def _set_aside(self, message: Incoming) -> Taken:
        self._log.exception("message_failed", topic=message.topic)
        aside = Quarantined(message.topic, message.payload, "it can't be taken in: see the controller's log")
        return await self._transact([aside])

    async def _transact(self, received: Sequence[Incoming]) -> Taken:
        attempt = 0
        while True:
            try:
                return await self._database.run(take_in, actor=ACTOR, now=self._now(), received=received)
            except DatabaseError as error:
                attempt += 1
                if attempt >= DATABASE_ATTEMPTS:
                    raise
                self._log.warning("database_unavailable", error=error.message, attempt=attempt)
                await asyncio.sleep(FIRST_DELAY_S * 2**attempt)

    def _count(self, received: Sequence[Incoming], taken: Taken) -> None:
        if taken.quarantined:
            self._log.warning("quarantined", messages=taken.quarantined)
        if self._counts is not None:
            self._counts.taken(len(received), taken.quarantined)
