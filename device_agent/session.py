"""The hub's conversation with the controller: hello on every connect, state on change, history until acknowledged.

One connection at a time, each used once. Sending is one message after the other, state before history; what the
controller has not acknowledged is sent again on every connect and, on a long-lived one, every RESEND_S.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import Final

from device_agent.link import Link, LinkError, LinkPort, LinkRefusedError, Will
from device_agent.protocol import (
    Ack,
    Channel,
    Desired,
    Presence,
    PresenceState,
    ProtocolError,
    Reported,
    TopicError,
    decode,
    encode,
    parse_topic,
    topic,
)
from device_agent.store import Store, StoreError

_log = logging.getLogger(__name__)

# Full jitter between nothing and a ceiling that doubles to this (s).
BACKOFF_MOST_S: Final = 300.0
# A broker that is not there is likely to be back soon; one that refused us needs a person (s).
BACKOFF_UNREACHABLE_S: Final = 1.0
BACKOFF_REFUSED_S: Final = 30.0
# A connection that lived this long (s) was a good one: the next wait starts anew.
GOOD_S: Final = 30.0
# Changes within this time (s) go out as one report.
COALESCE_S: Final = 0.05
RESEND_S: Final = 600.0
# A document is a sign that the controller has just come (back): what it did not acknowledge by then (s) goes again.
RESEND_SOON_S: Final = 5.0
_BATCH: Final = 16


class SessionState(StrEnum):
    """How the hub stands with the broker."""

    CONNECTING = "connecting"
    CONNECTED = "connected"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    LOST = "lost"
    STOPPED = "stopped"


def waits(rng: random.Random, first_s: float) -> Iterator[float]:
    """Waits in seconds, each uniform below a ceiling that doubles from `first_s` to BACKOFF_MOST_S; never ends."""
    ceiling = first_s
    while True:
        yield rng.uniform(0, ceiling)
        ceiling = min(BACKOFF_MOST_S, ceiling * 2)


class Session:
    """Runs until `stop`. `render(session)` gives the hub whole; `accept` takes each document that comes."""

    def __init__(
        self,
        hub: str,
        link_port: LinkPort,
        store: Store,
        *,
        render: Callable[[int], Reported],
        accept: Callable[[Desired], None],
        rng: random.Random,
    ) -> None:
        self.state = SessionState.CONNECTING
        self.problem = ""
        self.report_interval_s = 3600.0
        self._hub = hub
        self._port = link_port
        self._store = store
        self._render = render
        self._accept = accept
        self._rng = rng
        self._number = 0
        self._owes_report = False
        self._stopping = asyncio.Event()
        self._wake = asyncio.Event()
        self._resend_soon = False
        self._knock = asyncio.Event()

    def report(self) -> None:
        """The hub changed: send it whole, soon."""
        self._owes_report = True
        self._wake.set()

    def send_history(self) -> None:
        """There is something new in the spool."""
        self._wake.set()

    def knock(self) -> None:
        """Somebody rang: connect now, anew if there is a connection, since whoever rings does not hear us on it."""
        self._knock.set()

    def stop(self) -> None:
        """Say goodbye and end `run`."""
        self._stopping.set()
        self._wake.set()
        if self.state is not SessionState.CONNECTED:
            self._knock.set()

    async def run(self) -> None:
        """Connect, talk, wait; until stopped."""
        loop = asyncio.get_running_loop()
        backoff: tuple[SessionState, Iterator[float]] | None = None
        while not self._stopping.is_set():
            began = loop.time()
            await self._connect_once()
            if self._stopping.is_set():
                break
            if self._knock.is_set():
                self._knock.clear()
                continue
            if backoff is None or backoff[0] is not self.state or loop.time() - began > GOOD_S:
                first = BACKOFF_REFUSED_S if self.state is SessionState.REFUSED else BACKOFF_UNREACHABLE_S
                backoff = (self.state, waits(self._rng, first))
            await self._pause(next(backoff[1]))
        self.state = SessionState.STOPPED

    async def _connect_once(self) -> None:
        self._number += 1
        try:
            async with self._port.open(
                client_id=self._hub,
                will=Will(topic(self._hub, Channel.PRESENCE), encode(self._presence(PresenceState.LOST))),
                subscriptions=[topic(self._hub, Channel.DESIRED), topic(self._hub, Channel.ACK)],
                session_expiry_s=0,
            ) as link:
                self._enter(SessionState.CONNECTED)
                await self._talk(link)
        except* LinkRefusedError as group:
            self._enter(SessionState.REFUSED, str(group.exceptions[0]))
        except* LinkError as group:
            was = self.state
            now = SessionState.LOST if was is SessionState.CONNECTED else SessionState.UNREACHABLE
            self._enter(now, str(group.exceptions[0]))

    def _enter(self, state: SessionState, problem: str = "") -> None:
        if (state, problem) != (self.state, self.problem):
            level = logging.INFO if state is SessionState.CONNECTED else logging.WARNING
            _log.log(level, "session", extra={"state": str(state), "problem": problem})
        self.state, self.problem = state, problem

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._knock.wait()
        except TimeoutError:
            return
        finally:
            self._knock.clear()

    async def _talk(self, link: Link) -> None:
        """Until the goodbye, the loss of the link, or a knock: a publish under way then ends with its link."""
        self._knock.clear()
        async with asyncio.TaskGroup() as group:
            sending = group.create_task(self._send(link), name="session send")
            others = [
                group.create_task(self._listen(link), name="session listen"),
                group.create_task(self._knocked(), name="session knock"),
            ]
            await asyncio.wait({sending, others[1]}, return_when=asyncio.FIRST_COMPLETED)
            for task in (sending, *others):
                task.cancel()

    async def _knocked(self) -> None:
        await self._knock.wait()

    async def _listen(self, link: Link) -> None:
        async for delivery in link.deliveries():
            try:
                _, channel = parse_topic(delivery.topic)
                message = decode(channel, delivery.payload)
            except (ProtocolError, TopicError) as error:
                _log.warning("not understood", extra={"topic": delivery.topic, "error": str(error)})
            else:
                self._take(message)
            delivery.settle()

    def _take(self, message: object) -> None:
        match message:
            case Desired():
                self._accept(message)
                # Also for a document we have already: the controller asks by sending it, and our hello may be lost.
                self._resend_soon = True
                self.report()
            case Ack(boots=boots):
                for item in boots:
                    self._forget(item.boot, item.seq)
                if self._has_gap():
                    self.report()
            case _:
                _log.warning("not for a hub", extra={"type": type(message).__name__})

    def _forget(self, boot: int, seq: int) -> None:
        try:
            self._store.acknowledge(boot, seq)
        except StoreError as error:
            # It is sent again later, and acknowledged again.
            _log.error("history is not forgotten", extra={"error": str(error)})

    def _has_gap(self) -> bool:
        """Whether something between two held messages is lost: only the next report can tell the controller."""
        held = self._store.history((0, 0), limit=2)
        return len(held) == 2 and held[0].boot == held[1].boot and held[1].seq != held[0].seq + 1

    async def _send(self, link: Link) -> None:
        """State first, then history in order; returns after the goodbye."""
        loop = asyncio.get_running_loop()
        cursor = (0, 0)
        resend_at = loop.time() + RESEND_S
        # The hello is due at once.
        report_at = loop.time()
        while not self._stopping.is_set():
            self._wake.clear()
            if self._resend_soon:
                self._resend_soon, resend_at = False, min(resend_at, loop.time() + RESEND_SOON_S)
            if self._owes_report or loop.time() >= report_at:
                self._owes_report = False
                await link.publish(topic(self._hub, Channel.REPORTED), encode(self._render(self._number)))
                report_at = loop.time() + self.report_interval_s
                await asyncio.sleep(COALESCE_S)
                continue
            if loop.time() >= resend_at:
                cursor, resend_at = (0, 0), loop.time() + RESEND_S
            moved = await self._send_history(link, cursor)
            if moved is None:
                await self._idle(min(report_at, resend_at) - loop.time())
            else:
                cursor = moved
        await link.publish(topic(self._hub, Channel.PRESENCE), encode(self._presence(PresenceState.GOODBYE)))

    async def _send_history(self, link: Link, cursor: tuple[int, int]) -> tuple[int, int] | None:
        """Send some; returns where it got to, None when there was nothing."""
        messages = self._store.history(cursor, _BATCH)
        for message in messages:
            await link.publish(topic(self._hub, Channel(message.channel)), message.payload)
            cursor = (message.boot, message.seq)
            if self._owes_report or self._stopping.is_set():
                break
        return cursor if messages else None

    async def _idle(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                await self._wake.wait()
        except TimeoutError:
            return

    def _presence(self, state: PresenceState) -> Presence:
        return Presence(state=state, boot=self._store.boot, session=self._number)
