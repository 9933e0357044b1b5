"""One suite for every link: the controller's and the hub's on a real mosquitto, and the virtual world's in memory."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from controller.link.port import Will
from tests.e2e.link_benches import KINDS, Bench, Peer, open_bench

pytestmark = pytest.mark.e2e

DEADLINE_S = 8.0
QUIET_S = 0.4


@pytest.fixture(params=KINDS)
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    async with open_bench(request.param, tmp_path) as made:
        yield made


def connect(peer: Peer, client_id: str, *topics: str, will: Will | None = None, session_s: int = 60) -> Any:
    opened: AbstractAsyncContextManager[Any] = peer.port.open(
        client_id=client_id, will=will, subscriptions=topics, session_expiry_s=session_s
    )
    return opened


async def take(link: Any, count: int, *, settle: bool = True) -> list[tuple[str, bytes]]:
    """Return the next `count` messages."""
    got: list[tuple[str, bytes]] = []
    async with asyncio.timeout(DEADLINE_S):
        async for delivery in link.deliveries():
            got.append((delivery.topic, bytes(delivery.payload)))
            if settle:
                delivery.settle()
            if len(got) == count:
                return got
    raise AssertionError("deliveries() ended without saying that the link was lost")


async def drain(link: Any, got: list[Any], *, settle: bool = True) -> None:
    """Collect until cancelled."""
    async for delivery in link.deliveries():
        got.append(delivery)
        if settle:
            delivery.settle()


async def publish_for_ever(link: Any) -> None:
    """Publish until the link says that it is lost; the loss may be noticed only after a few."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            await link.publish("t", b"1")


async def until_quiet(link: Any, *, settle: bool = True) -> list[Any]:
    """Return everything that comes until nothing has come for a while."""
    got: list[Any] = []
    task = asyncio.create_task(drain(link, got, settle=settle))
    seen = -1
    while seen != len(got):
        seen = len(got)
        await asyncio.sleep(QUIET_S)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return got


async def test_a_message_arrives_with_its_topic_and_bytes(bench: Bench) -> None:
    async with connect(await bench.peer(), "a", "t/+") as a, connect(await bench.peer(), "b") as b:
        await b.publish("t/1", b"\x00\xffbytes")
        assert await take(a, 1) == [("t/1", b"\x00\xffbytes")]


async def test_messages_of_one_publisher_keep_their_order(bench: Bench) -> None:
    async with connect(await bench.peer(), "a", "t/#") as a, connect(await bench.peer(), "b") as b:
        sent = [(f"t/{n % 3}", b"%d" % n) for n in range(200)]
        for topic, payload in sent:
            await b.publish(topic, payload)
        assert await take(a, 200) == sent


async def test_many_publishes_at_once_are_all_acknowledged(bench: Bench) -> None:
    async with connect(await bench.peer(), "a", "t/#") as a, connect(await bench.peer(), "b") as b:
        async with asyncio.timeout(DEADLINE_S):
            await asyncio.gather(*(b.publish("t/x", b"%d" % n) for n in range(300)))
        assert sorted(int(p) for _, p in await take(a, 300)) == list(range(300))


async def test_a_duplicate_is_delivered_as_it_comes(bench: Bench) -> None:
    async with connect(await bench.peer(), "a", "t") as a, connect(await bench.peer(), "b") as b:
        await b.publish("t", b"same")
        await b.publish("t", b"same")
        assert await take(a, 2) == [("t", b"same")] * 2


async def test_unsettled_comes_again_and_settled_does_not(bench: Bench) -> None:
    if not bench.settles:
        pytest.skip("this link acknowledges on arrival; its state is level-triggered")
    peer = await bench.peer()
    async with connect(await bench.peer(), "b") as b:
        async with connect(peer, "a", "t") as a:
            for n in range(4):
                await b.publish("t", b"%d" % n)
            first = await until_quiet(a, settle=False)
            first[0].settle()
            first[0].settle()
            first[2].settle()
            await asyncio.sleep(0.1)
        async with connect(peer, "a", "t") as a:
            assert [d.payload for d in await until_quiet(a)] == [b"1", b"3"]


async def test_settling_after_the_connection_died_acknowledges_nothing(bench: Bench) -> None:
    if not bench.settles:
        pytest.skip("this link acknowledges on arrival; its state is level-triggered")
    peer = await bench.peer()
    async with connect(await bench.peer(), "b") as b:
        async with connect(peer, "a", "t") as a:
            await b.publish("t", b"1")
            held = await until_quiet(a, settle=False)
            await peer.cut("a")
            with pytest.raises(bench.lost):
                await take(a, 1)
        held[0].settle()
        async with connect(peer, "a", "t") as a:
            held[0].settle()
            assert await take(a, 1) == [("t", b"1")]


async def test_closing_the_link_acknowledges_nothing(bench: Bench) -> None:
    if not bench.settles:
        pytest.skip("this link acknowledges on arrival; its state is level-triggered")
    peer = await bench.peer()
    async with connect(await bench.peer(), "b") as b:
        async with connect(peer, "a", "t") as a:
            await b.publish("t", b"1")
            await until_quiet(a, settle=False)
        async with connect(peer, "a", "t") as a:
            assert await take(a, 1) == [("t", b"1")]


async def test_the_same_client_id_takes_the_session_over(bench: Bench) -> None:
    first, second = await bench.peer(), await bench.peer()
    async with connect(first, "a", "t") as old, connect(second, "a", "t") as new:
        with pytest.raises(bench.lost):
            await take(old, 1)
        with pytest.raises(bench.lost):
            await old.publish("t", b"from the old one")
        await new.publish("t", b"1")
        assert await take(new, 1) == [("t", b"1")]


async def test_the_will_is_published_when_the_connection_dies(bench: Bench) -> None:
    peer = await bench.peer()
    async with connect(await bench.peer(), "watcher", "will/#") as watcher:
        async with connect(peer, "a", will=Will("will/a", b"lost")) as a:
            await peer.cut("a")
            with pytest.raises(bench.lost):
                await take(a, 1)
        assert await take(watcher, 1) == [("will/a", b"lost")]


async def test_a_goodbye_publishes_no_will(bench: Bench) -> None:
    async with connect(await bench.peer(), "watcher", "will/#") as watcher:
        async with connect(await bench.peer(), "a", will=Will("will/a", b"lost")):
            pass
        assert await until_quiet(watcher) == []


async def test_a_session_keeps_what_came_while_away(bench: Bench) -> None:
    peer = await bench.peer()
    async with connect(await bench.peer(), "b") as b:
        async with connect(peer, "a", "t"):
            pass
        for n in range(20):
            await b.publish("t", b"%d" % n)
        async with connect(peer, "a", "t") as a:
            assert await take(a, 20) == [("t", b"%d" % n) for n in range(20)]


async def test_without_session_expiry_nothing_is_kept(bench: Bench) -> None:
    peer = await bench.peer()
    async with connect(await bench.peer(), "b") as b:
        async with connect(peer, "a", "t", session_s=0):
            pass
        await asyncio.sleep(0.05)
        await b.publish("t", b"missed")
        async with connect(peer, "a", "t", session_s=0) as a:
            await b.publish("t", b"seen")
            assert await take(a, 1) == [("t", b"seen")]


async def test_a_lost_session_is_subscribed_anew(bench: Bench) -> None:
    peer, other = await bench.peer(), await bench.peer()
    async with connect(peer, "a", "t") as a:
        await bench.restart(False)
        with pytest.raises(bench.lost):
            await take(a, 1)
    async with connect(peer, "a", "t") as a, connect(other, "b") as b:
        await b.publish("t", b"1")
        assert await take(a, 1) == [("t", b"1")]


async def test_a_retained_message_waits_for_the_subscriber_until_it_expires(bench: Bench) -> None:
    async with connect(await bench.peer(), "b") as b:
        await b.publish("t/kept", b"old", retain=True, expiry_s=60)
        await b.publish("t/kept", b"new", retain=True, expiry_s=60)
        await b.publish("t/short", b"gone", retain=True, expiry_s=1)
        await asyncio.sleep(2.1)
        async with connect(await bench.peer(), "a", "t/#") as a:
            assert [d.payload for d in await until_quiet(a)] == [b"new"]


async def test_publishing_on_a_lost_link_says_so(bench: Bench) -> None:
    peer = await bench.peer()
    async with connect(peer, "a") as a:
        await peer.cut("a")
        with pytest.raises(bench.lost):
            await publish_for_ever(a)


async def test_a_publish_under_way_learns_that_the_link_is_lost(bench: Bench) -> None:
    peer = await bench.peer()
    async with connect(peer, "a") as a:
        peer.hush()
        publishing = asyncio.create_task(a.publish("t", b"1"))
        await asyncio.sleep(0.1)
        assert not publishing.done()
        await peer.cut("a")
        with pytest.raises(bench.lost):
            async with asyncio.timeout(DEADLINE_S):
                await publishing


async def test_no_broker_is_unreachable(bench: Bench) -> None:
    with pytest.raises(bench.unreachable):
        async with connect(Peer(bench.nowhere, _nothing, _not_at_all), "a"):
            pytest.fail("connected to nothing")


async def test_a_share_group_gets_each_message_once(bench: Bench) -> None:
    if bench.kind == "hub":
        pytest.skip("hubs share no subscription")
    one, two = await bench.peer(), await bench.peer()
    async with connect(one, "one", "$share/g/t/#") as a, connect(two, "two", "$share/g/t/#") as b:
        async with connect(await bench.peer(), "c") as c:
            for n in range(40):
                await c.publish("t/x", b"%d" % n)
        got = [*await until_quiet(a), *await until_quiet(b)]
        assert sorted(int(d.payload) for d in got) == list(range(40))


async def test_unsettled_deliveries_are_bounded_and_nothing_is_dropped(bench: Bench) -> None:
    if bench.bound is None:
        pytest.skip("this link acknowledges on arrival")
    total, size = 4000, 1024
    async with connect(await bench.peer(), "a", "t") as a, connect(await bench.peer(), "b") as b:
        for _ in range(total // 100):
            await asyncio.gather(*(b.publish("t", bytes(size)) for _ in range(100)))
        held = await until_quiet(a, settle=False)
        # One read of the socket (256 KiB in asyncio) may arrive beyond the bound.
        assert bench.bound <= len(held) <= bench.bound + 2 * 256 * 1024 // size
        for delivery in held:
            delivery.settle()
        assert len(held) + len(await until_quiet(a)) == total


async def test_a_session_with_more_than_the_bound_is_resumed(bench: Bench) -> None:
    if bench.bound is None:
        pytest.skip("a hub gets a handful of documents, and drops what is beyond its queue: the state comes again")
    peer, total = await bench.peer(), 3000
    async with connect(peer, "a", "t"):
        pass
    async with connect(await bench.peer(), "b") as b:
        for _ in range(total // 100):
            await asyncio.gather(*(b.publish("t", bytes(1024)) for _ in range(100)))
    async with connect(peer, "a", "t") as a:
        assert len(await take(a, total)) == total


async def _nothing(_client_id: str) -> None:
    """There is nothing to cut."""


def _not_at_all() -> None:
    """There is nothing to hush."""
