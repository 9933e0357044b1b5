"""The conversation: hello on every connect, state on change, history until acknowledged, waits by kind of failure."""

import asyncio
import itertools
import random
import tempfile
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_agent import session as session_module
from device_agent.link import Link, LinkPort, Will
from device_agent.protocol import (
    Ack,
    BootAck,
    Channel,
    Desired,
    Event,
    Internet,
    Presence,
    PresenceState,
    Reported,
    decode,
    encode,
    parse_topic,
    topic,
)
from device_agent.session import BACKOFF_MOST_S, Session, SessionState, waits
from device_agent.store import Spooled, Store
from simulator.virtual.mqtt import MemoryBroker, MemoryLinkPort
from tests.unit.agent.virtual_hub import ERRORS, HUB, now_s, play


class WatchedPort:
    """Notes when it is asked for a link."""

    def __init__(self, broker: MemoryBroker) -> None:
        self.asked: list[float] = []
        self._port: LinkPort = MemoryLinkPort(broker, ERRORS)

    def open(
        self, *, client_id: str, will: Will | None, subscriptions: Sequence[str], session_expiry_s: int
    ) -> AbstractAsyncContextManager[Link]:
        self.asked.append(now_s())
        return self._port.open(
            client_id=client_id, will=will, subscriptions=subscriptions, session_expiry_s=session_expiry_s
        )


class Longest(random.Random):
    """Every wait is as long as it may be."""

    def uniform(self, a: float, b: float) -> float:
        return max(a, b)


class Conversation:
    """A session on a broker in memory, and what the controller hears."""

    def __init__(self, store: Store, rng: random.Random | None = None) -> None:
        self.broker = MemoryBroker()
        self.port = WatchedPort(self.broker)
        self.store = store
        self.heard: list[tuple[float, Any]] = []
        self.session = Session(
            HUB,
            self.port,
            store,
            render=lambda number: Reported(boot=store.boot, seq=1, uptime_ms=0, observed_revision=0, session=number),
            accept=lambda _: None,
            rng=rng or random.Random(7),
        )

    async def listen(self) -> None:
        topics = [topic(HUB, c) for c in (Channel.REPORTED, Channel.EVENT, Channel.PRESENCE)]
        port = MemoryLinkPort(self.broker, ERRORS)
        while True:
            try:
                async with port.open(client_id="c", will=None, subscriptions=topics, session_expiry_s=60) as ear:
                    async for delivery in ear.deliveries():
                        _, channel = parse_topic(delivery.topic)
                        self.heard.append((now_s(), decode(channel, delivery.payload)))
                        delivery.settle()
            except Exception:
                await asyncio.sleep(0.01)

    def add_event(self) -> int:
        seq = self.store.next_seq()
        event = Event(boot=self.store.boot, seq=seq, uptime_ms=0, kind="tested")
        self.store.spool_event(Spooled(self.store.boot, seq, "event", 0, encode(event)))
        self.session.send_history()
        return seq

    def ack(self, seq: int) -> None:
        self.broker.publish(topic(HUB, Channel.ACK), encode(Ack(boots=(BootAck(boot=self.store.boot, seq=seq),))))

    def of(self, kind: type[Any]) -> list[Any]:
        return [message for _, message in self.heard if isinstance(message, kind)]


def converse(story: Callable[[Conversation], Coroutine[Any, Any, None]], *, rng: random.Random | None = None) -> None:
    async def told() -> None:
        with tempfile.TemporaryDirectory() as directory, Store(Path(directory) / "s.db") as store:
            talk = Conversation(store, rng)
            ear = asyncio.create_task(talk.listen())
            await asyncio.sleep(0.1)
            running = asyncio.create_task(talk.session.run())
            try:
                await story(talk)
            finally:
                ear.cancel()
                running.cancel()
                await asyncio.gather(ear, running, return_exceptions=True)

    play(told())


def test_every_connect_begins_with_the_hub_whole() -> None:
    async def story(talk: Conversation) -> None:
        await asyncio.sleep(1.0)
        for _ in range(3):
            talk.broker.cut(HUB)
            await asyncio.sleep(30.0)
        assert [report.session for report in talk.of(Reported)] == [1, 2, 3, 4]
        assert [p.state for p in talk.of(Presence)] == [PresenceState.LOST] * 3

    converse(story)


def test_changes_within_a_moment_are_one_report() -> None:
    async def story(talk: Conversation) -> None:
        await asyncio.sleep(1.0)
        for _ in range(50):
            talk.session.report()
        await asyncio.sleep(1.0)
        assert len(talk.of(Reported)) == 2

    converse(story)


def test_what_changes_while_a_report_is_on_its_way_is_reported_after_it() -> None:
    async def story(talk: Conversation) -> None:
        await asyncio.sleep(1.0)
        talk.broker.latency_s = 2.0
        talk.session.report()
        await asyncio.sleep(1.0)
        talk.session.report()
        await asyncio.sleep(10.0)
        assert len(talk.of(Reported)) == 3

    converse(story)


def test_a_hub_that_does_not_change_is_reported_as_often_as_its_document_says() -> None:
    async def story(talk: Conversation) -> None:
        talk.session.report_interval_s = 90.0
        await asyncio.sleep(275.0)
        assert [round(at) for at, message in talk.heard if isinstance(message, Reported)] == [0, 90, 180, 270]

    converse(story)


@pytest.mark.parametrize("ends", [False, True])
def test_state_and_the_goodbye_do_not_wait_for_history(*, ends: bool) -> None:
    async def story(talk: Conversation) -> None:
        await asyncio.sleep(1.0)
        talk.broker.latency_s = 1.0
        for _ in range(12):
            talk.add_event()
        await asyncio.sleep(3.5)
        (talk.session.stop if ends else talk.session.report)()
        await asyncio.sleep(3.5)
        assert len(talk.of(Presence)) == int(ends)
        assert len(talk.of(Reported)) == 1 + int(not ends)
        assert len(talk.of(Event)) < 12

    converse(story)


def test_history_is_sent_again_on_every_connect_until_acknowledged() -> None:
    async def story(talk: Conversation) -> None:
        seqs = [talk.add_event() for _ in range(3)]
        await asyncio.sleep(1.0)
        assert [e.seq for e in talk.of(Event)] == seqs
        talk.ack(2)
        await asyncio.sleep(0.1)
        talk.broker.cut(HUB)
        await asyncio.sleep(30.0)
        assert [e.seq for e in talk.of(Event)] == [*seqs, 3]
        talk.ack(3)
        await asyncio.sleep(0.1)
        talk.broker.cut(HUB)
        await asyncio.sleep(30.0)
        assert [e.seq for e in talk.of(Event)] == [*seqs, 3]

    converse(story)


def test_unacknowledged_history_is_sent_again_on_a_long_connection() -> None:
    async def story(talk: Conversation) -> None:
        talk.add_event()
        await asyncio.sleep(session_module.RESEND_S + 5)
        assert [e.seq for e in talk.of(Event)] == [1, 1]

    converse(story)


def test_a_broker_that_lost_its_store_costs_nothing() -> None:
    async def story(talk: Conversation) -> None:
        talk.add_event()
        await asyncio.sleep(1.0)
        talk.broker.restart(keep_store=False)
        talk.heard.clear()
        await asyncio.sleep(30.0)
        assert [e.seq for e in talk.of(Event)] == [1]
        assert talk.of(Reported)

    converse(story)


def test_an_unreachable_broker_is_tried_with_growing_waits_and_found_again() -> None:
    async def story(talk: Conversation) -> None:
        talk.broker.available = False
        talk.broker.cut(HUB)
        await asyncio.sleep(1200.0)
        assert talk.session.state is SessionState.UNREACHABLE
        talk.heard.clear()
        talk.broker.available = True
        await asyncio.sleep(BACKOFF_MOST_S + 1)
        assert talk.of(Reported)

    converse(story)


def test_a_refusal_is_told_apart_and_asked_again_seldom() -> None:
    async def story(talk: Conversation) -> None:
        talk.broker.refuse.add(HUB)
        talk.broker.cut(HUB)
        await asyncio.sleep(600.0)
        assert talk.session.state is SessionState.REFUSED
        assert "refused" in talk.session.problem

    converse(story)


def waited(talk: Conversation) -> list[int]:
    """Whole seconds between the last attempts."""
    return [round(later - sooner) for sooner, later in itertools.pairwise(talk.port.asked)]


def test_waits_begin_at_a_second_for_a_broker_that_is_away_and_at_thirty_for_one_that_refuses() -> None:
    async def story(talk: Conversation) -> None:
        await asyncio.sleep(1.0)
        talk.broker.available = False
        talk.broker.cut(HUB)
        await asyncio.sleep(32.0)
        # The first is that of the connection that was lost.
        assert waited(talk)[1:] == [1, 2, 4, 8]
        talk.broker.available, talk.port.asked = True, []
        talk.broker.refuse.add(HUB)
        await asyncio.sleep(1200.0)
        assert waited(talk)[:6] == [30, 60, 120, 240, 300, 300]

    converse(story, rng=Longest())


@pytest.mark.parametrize(("lives_s", "pauses"), [(40.0, [1, 1, 1, 1]), (5.0, [1, 2, 4, 8])])
def test_a_connection_that_lived_begins_the_waits_anew_and_a_short_one_does_not(
    lives_s: float, pauses: list[int]
) -> None:
    async def story(talk: Conversation) -> None:
        found = []
        for _ in pauses:
            await asyncio.sleep(lives_s)
            cut, attempts = now_s(), len(talk.port.asked)
            talk.broker.cut(HUB)
            await asyncio.sleep(9.0)
            found.append(round(talk.port.asked[attempts] - cut))
        assert found == pauses

    converse(story, rng=Longest())


@pytest.mark.parametrize(("gap", "reports"), [("lost", 2), ("another boot's", 1), ("none", 1)])
def test_only_a_gap_in_what_is_held_is_told_at_once_at_an_acknowledgement(gap: str, reports: int) -> None:
    async def story(talk: Conversation) -> None:
        if gap == "another boot's":
            talk.store.spool_event(Spooled(0, 7, "event", 0, encode(Event(boot=0, seq=7, uptime_ms=0, kind="tested"))))
        talk.add_event()
        if gap == "lost":
            talk.store.next_seq()
        talk.add_event()
        talk.add_event()
        await asyncio.sleep(1.0)
        talk.ack(0)
        await asyncio.sleep(1.0)
        assert len(talk.of(Reported)) == reports

    converse(story)


def test_a_document_brings_what_was_not_acknowledged_again_soon() -> None:
    async def story(talk: Conversation) -> None:
        talk.add_event()
        await asyncio.sleep(10.0)
        document = Desired(revision=1, issued_at=0, internet=Internet(on=False))
        talk.broker.publish(topic(HUB, Channel.DESIRED), encode(document))
        await asyncio.sleep(session_module.RESEND_SOON_S / 2)
        # Another one does not put it off.
        talk.broker.publish(topic(HUB, Channel.DESIRED), encode(document))
        await asyncio.sleep(session_module.RESEND_SOON_S / 2 + 0.5)
        assert [e.seq for e in talk.of(Event)] == [1, 1]

    converse(story)


def test_a_knock_ends_the_wait() -> None:
    async def story(talk: Conversation) -> None:
        talk.broker.refuse.add(HUB)
        talk.broker.cut(HUB)
        await asyncio.sleep(100.0)
        talk.broker.refuse.clear()
        talk.heard.clear()
        talk.session.knock()
        await asyncio.sleep(1.0)
        assert talk.of(Reported)

    converse(story)


def test_a_knock_is_one_attempt_also_where_nobody_answers() -> None:
    async def story(talk: Conversation) -> None:
        await asyncio.sleep(1.0)
        talk.broker.available, talk.port.asked = False, []
        talk.session.knock()
        await asyncio.sleep(14.0)
        # As after any loss: the first wait is that of the connection that ended.
        assert waited(talk) == [1, 1, 2, 4]

    converse(story, rng=Longest())


def test_who_waits_for_a_broker_is_stopped_at_once() -> None:
    async def story(talk: Conversation) -> None:
        talk.broker.refuse.add(HUB)
        talk.broker.cut(HUB)
        await asyncio.sleep(100.0)
        talk.session.stop()
        await asyncio.sleep(0.1)
        assert talk.session.state is SessionState.STOPPED

    converse(story, rng=Longest())


def test_the_goodbye_is_the_last_word() -> None:
    async def story(talk: Conversation) -> None:
        await asyncio.sleep(1.0)
        talk.session.stop()
        await asyncio.sleep(1.0)
        assert talk.session.state is SessionState.STOPPED
        assert talk.of(Presence) == [Presence(state=PresenceState.GOODBYE, boot=1, session=1)]

    converse(story)


def test_what_is_not_understood_ends_nothing() -> None:
    async def story(talk: Conversation) -> None:
        await asyncio.sleep(1.0)
        talk.broker.publish(topic(HUB, Channel.DESIRED), b"\xff not json")
        talk.broker.publish(topic(HUB, Channel.DESIRED), b"{}")
        await asyncio.sleep(1.0)
        assert talk.session.state is SessionState.CONNECTED

    converse(story)


@given(seed=st.integers(), first=st.floats(0.1, 60))
def test_waits_are_full_jitter_under_a_doubling_ceiling(seed: int, first: float) -> None:
    ceiling = first
    for wait in itertools.islice(waits(random.Random(seed), first), 30):
        assert 0 <= wait <= min(ceiling, BACKOFF_MOST_S)
        ceiling *= 2


def test_waits_are_spread_over_everything_below_the_ceiling() -> None:
    drawn = sorted(itertools.islice(waits(random.Random(1), BACKOFF_MOST_S), 60))
    assert drawn[5] < BACKOFF_MOST_S / 5
    assert drawn[-5] > BACKOFF_MOST_S * 4 / 5
