"""An ingest in a process of its own, which kills itself at a named boundary (test_ingest_boundaries.py)."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import event
from sqlmodel import Session

from controller.ingest.acknowledge import Acknowledger
from controller.ingest.batches import Ingest
from controller.link.gmqtt import GmqttPort
from controller.link.port import Delivery, Link
from controller.services.database import Database

# After it was read; written and not committed; committed and not settled; settled and the hub not told.
BOUNDARIES = ("received", "before_commit", "after_commit", "before_ack")
BOUND = 2_000


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class MortalSession(Session):
    """A session whose commits can be listened to apart from all others."""


class MortalLink:
    """A link that shows what passes it."""

    def __init__(self, link: Link, boundary: str) -> None:
        self._link, self._boundary = link, boundary
        self.seen = 0

    async def publish(self, topic: str, payload: bytes, **options: Any) -> None:
        if self._boundary == "before_ack" and self.seen:
            die()
        await self._link.publish(topic, payload, **options)

    async def deliveries(self) -> AsyncIterator[Delivery]:
        async for delivery in self._link.deliveries():
            self.seen += 1
            if self._boundary == "received" and self.seen == 20:
                die()
            yield delivery


async def main() -> None:
    port, url, boundary = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    now = lambda: datetime.now(UTC)  # noqa: E731  # one line, handed on
    database = Database(url, session_type=MortalSession)
    subscriptions = [f"minihub/v1/+/{channel}" for channel in ("telemetry", "event")]
    async with GmqttPort("127.0.0.1", port, bound=BOUND).open(
        client_id="ingest", will=None, subscriptions=subscriptions, session_expiry_s=600
    ) as opened:
        link = MortalLink(opened, boundary)
        if boundary in {"before_commit", "after_commit"}:
            event.listen(MortalSession, boundary, lambda _session: die() if link.seen else None)
        sys.stdout.write(json.dumps({"listening": ""}) + "\n")
        sys.stdout.flush()
        await Ingest(database, Acknowledger(database, now), now).run(link)


asyncio.run(main())
