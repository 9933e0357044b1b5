"""The controller, assembled from injected parts: the API, the link, the ingest and the work loops under one supervisor.

Nothing here opens a socket, reads a clock or draws a random number by itself, so the virtual world runs the same object
on a loop that jumps. `controller/cli` assembles the real parts.
"""

import asyncio
import random as random_module
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import structlog
from fastapi import FastAPI

from controller.api import create_api
from controller.carrier.lane import Lane, LaneLimits
from controller.carrier.port import Carrier, CarrierError
from controller.ingest.acknowledge import Acknowledger
from controller.ingest.batches import Ingest
from controller.link.keeper import Keeper
from controller.link.port import Link, LinkPort
from controller.notify.courier import Courier
from controller.notify.port import Notifier
from controller.services import revocations
from controller.services.database import Database
from controller.services.errors import DatabaseError
from controller.services.lane_forecast import Pace
from controller.work.dispatch import Dispatch
from controller.work.doorbells import Doorbells, NotifierRinger
from controller.work.enrolment import Identity
from controller.work.hubs import ACTOR, Hubs, owe_undelivered
from controller.work.link import LinkWatch
from controller.work.loop import Work, WorkLoop
from controller.work.metrics import Metrics
from controller.work.notices import Notices
from controller.work.revocations import Revocations
from controller.work.sims import Sims
from controller.work.timers import Timers
from controller.work.webhooks import carrier_router

CHANNELS: Final = ("reported", "telemetry", "event", "presence")
# How long a broker keeps what comes for a controller that is away; a hub's spool outlives it anyway.
SESSION_EXPIRY_S: Final = 3600
SHARED_SESSION_EXPIRY_S: Final = 30
LISTEN_RETRY_S: Final = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How one controller runs.

    Attributes:
        name: this controller among several; its MQTT client id and its name as holder of a lane.
        share_group: the controllers that share the hubs' messages; None: each takes in all of them, which is idempotent
            and loses nothing when one dies. A broker goes on handing a dead member its share until its session ends.
        lists_base_url: where hubs fetch category lists.
        carrier_account: names the lane.
        lane: the account's limits.
        callback_url: where the carrier sends webhooks; None: it is polled.
        webhook_secret: signs them.
        poll_s: the longest a loop sleeps, since another process's marks wake nobody here.
    """

    name: str = "controller"
    share_group: str | None = None
    lists_base_url: str = "http://127.0.0.1:8080"
    carrier_account: str = "default"
    lane: LaneLimits = field(default_factory=LaneLimits)
    callback_url: str | None = None
    webhook_secret: str = ""
    poll_s: float = 5.0


class Controller:
    """One controller process.

    `carrier`, `notifier` and `courier` may be None: what is owed then waits, and says so. Without an `identity` no hub
    is enrolled or renewed here, and the revocation list is another controller's to sign.
    """

    def __init__(
        self,
        options: Options,
        *,
        database: Database,
        link_port: LinkPort,
        carrier: Carrier | None,
        notifier: Notifier | None,
        courier: Courier | None = None,
        identity: Identity | None = None,
        now: Callable[[], datetime],
        random: random_module.Random,
    ) -> None:
        self.options = options
        self.database = database
        self.metrics = Metrics()
        self._now, self._carrier, self._identity = now, carrier, identity
        self._log = structlog.get_logger("controller")
        self.keeper = Keeper(
            link_port,
            # A session keeps its subscriptions: another kind of them is another session.
            client_id=f"{options.name}-shared" if options.share_group else options.name,
            subscriptions=_subscriptions(options.share_group),
            session_expiry_s=SHARED_SESSION_EXPIRY_S if options.share_group else SESSION_EXPIRY_S,
            random=random,
        )
        self._link_watch = LinkWatch(database, self.keeper, now, name=options.name)
        self._ingest = Ingest(database, Acknowledger(database, now), now, self.metrics)
        self.lane = Lane(options.lane, random=random)
        self.metrics.watch("link_connected", "1 while the broker is connected", lambda: self.keeper.current is not None)
        self.metrics.watch("ingest_waiting", "Messages that wait for a commit", lambda: self._ingest.waiting)
        self.metrics.watch("carrier_calls", "Calls made to the carrier", lambda: self.lane.calls)
        self.metrics.watch("carrier_held_seconds", "For how long nobody may call", self.lane.held_for)
        self._sims = None if carrier is None else self._make_sims(carrier)
        self._loops = self._make_loops(notifier, courier)
        self.api: FastAPI = create_api(
            database,
            now=now,
            include=[carrier_router(database, carrier, options.webhook_secret, now)] if carrier is not None else [],
            metrics=self.metrics.render,
            pace=lambda: Pace(calls_per_s=options.lane.calls_per_s, held_for=timedelta(seconds=self.lane.held_for())),
            identity=identity,
        )

    async def run(self) -> None:
        """Run everything until `stop` or cancellation. The database must be at this code's schema."""
        if self._identity is not None:
            await self.database.run(revocations.begin, actor=ACTOR, now=self._now())
        async with asyncio.TaskGroup() as group:
            link = group.create_task(self.keeper.run(self._serve_link), name="link")
            listening = group.create_task(self._listen(), name="webhooks")
            watching = group.create_task(self._link_watch.run(), name="link watch")
            loops = [group.create_task(loop.run(), name=type(loop).__name__) for loop in self._loops]
            try:
                await asyncio.gather(*loops)
                if self._sims is not None:
                    await self._sims.release()
            finally:
                link.cancel()
                listening.cancel()
                watching.cancel()

    async def _serve_link(self, link: Link) -> None:
        """Serve one connection, after owing again what a broker without its store may have forgotten."""
        try:
            await self.database.run(owe_undelivered, actor=ACTOR, now=self._now())
        except DatabaseError as error:
            self._log.warning("database_unavailable", error=error.message)
        await self._ingest.run(link)

    async def stop(self) -> None:
        """Claim nothing more, let what runs end (bounded), and let `run` return. Unfinished claims run out."""
        for loop in self._loops:
            loop.stop()

    def _make_loops(self, notifier: Notifier | None, courier: Courier | None) -> list[WorkLoop | Timers]:
        database, now, poll_s = self.database, self._now, self.options.poll_s
        hubs = Hubs(database, self.keeper, now, lists_base_url=self.options.lists_base_url)
        works = [hubs.work()]
        if self._sims is not None:
            # Woken first by a decision: the hour waits for the carrier, and for nothing else in this list.
            works.insert(0, self._sims.work())
        else:
            self._log.warning("no_carrier", remedy="give --carrier-url; until then changes of SIMs stay owed")
        if notifier is not None:
            works.append(Notices(database, notifier, now).work())
        else:
            self._log.warning("no_notifier", remedy="give --outbox or --smtp-url; until then notices stay owed")
        if courier is not None:
            works.append(Dispatch(database, courier, now).work())
        if notifier is not None:
            bearer = self._carrier is not None and self._carrier.management_bearer
            bells = Doorbells(database, NotifierRinger(notifier), now, management_bearer=bearer)
            works.append(Work("doorbell", 2, bells.handle))
        if self._identity is not None:
            works.append(Work("crl", 1, Revocations(database, self._identity.authority, now).handle))
        loops: list[WorkLoop | Timers] = [WorkLoop(work, database, now, poll_s=poll_s) for work in works]
        return [*loops, Timers(database, now, poll_s=poll_s)]

    def _make_sims(self, carrier: Carrier) -> Sims:
        # With webhooks the poll is only for lost ones.
        first_poll = timedelta(seconds=30 if self.options.callback_url else 1)
        return Sims(
            self.database,
            carrier,
            self.lane,
            self._now,
            account=self.options.carrier_account,
            holder=self.options.name,
            first_poll=first_poll,
        )

    async def _listen(self) -> None:
        """Have the carrier send its webhooks here; tried until it works, since polling covers meanwhile."""
        if self._carrier is None or self.options.callback_url is None:
            return
        while True:
            try:
                async with self.lane.turn():
                    await self._carrier.listen(self.options.callback_url, self.options.webhook_secret)
            except CarrierError as error:
                self._log.warning("webhooks_not_registered", error=str(error))
                await asyncio.sleep(LISTEN_RETRY_S)
            else:
                self._log.info("webhooks_registered")
                return


def _subscriptions(group: str | None) -> list[str]:
    share = f"$share/{group}/" if group else ""
    return [f"{share}minihub/v1/+/{channel}" for channel in CHANNELS]
