"""Who a hub is at a real mosquitto: judged by what arrives, never by SUBACK or a publish that returned."""

import asyncio
import ssl
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta

import pytest

from controller.pki.own import KeyPair
from device_agent.link import Link, LinkLostError, LinkRefusedError, LinkUnreachableError, Will
from tests.e2e.broker.stage import HUB_A, HUB_B, HUB_OUT, Authorities, Broker, RawClient, Watch

pytestmark = [
    pytest.mark.e2e,
    # paho leaves the socket of a failed handshake to the garbage collector.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
]

OUT = {
    "revoked": "it is on the list",
    "expired": "it ended a year ago",
    "foreign": "another authority of the same name signed it",
    "copied": "another authority signed the name of a hub that is in",
    "controller-1": "it is a controller's",
    "copied-by-service": "the services' authority signed a hub's name",
}


async def _certificates(authorities: Authorities, broker: Broker) -> KeyPair:
    foreign = Authorities.make()
    stranger = Authorities(authorities.services, authorities.services)
    revoked = await authorities.hub(HUB_OUT)
    pairs = {
        "a": await authorities.hub(HUB_A),
        "b": await authorities.hub(HUB_B),
        "revoked": revoked,
        "expired": await authorities.hub(HUB_OUT, datetime.now(UTC) - timedelta(days=3650 + 365)),
        "foreign": await foreign.hub(HUB_OUT),
        "copied": await foreign.hub(HUB_A),
        "copied-by-service": await stranger.hub(HUB_A),
    }
    for name, pair in pairs.items():
        broker.save(name, pair)
    return revoked


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    authorities = Authorities.make()
    broker = Broker(tmp_path_factory.mktemp("broker"), authorities, ["controller-1", "controller-2"])

    async def prepare() -> None:
        revoked = await _certificates(authorities, broker)
        broker.put_list(await authorities.revocation_list(1, revoked))

    asyncio.run(prepare())
    broker.start()
    yield broker
    broker.stop()


def topic(hub: str, channel: str) -> str:
    return f"minihub/v1/{hub}/{channel}"


async def test_a_hub_writes_its_own_topics_and_no_other(broker: Broker) -> None:
    own = [topic(HUB_A, channel) for channel in ("reported", "telemetry", "event", "presence")]
    foreign = [topic(HUB_B, "reported"), topic(HUB_B, "telemetry"), topic(HUB_B, "desired"), topic(HUB_A, "desired")]
    async with (
        broker.watching() as watch,
        broker.hub("b").open(
            client_id=HUB_B, will=None, subscriptions=[topic(HUB_B, "desired")], session_expiry_s=0
        ) as other,
        broker.hub("a").open(
            client_id=HUB_A, will=None, subscriptions=[topic(HUB_A, "desired")], session_expiry_s=0
        ) as link,
        broker.controller("controller-2").open(
            client_id="controller-2", will=None, subscriptions=[], session_expiry_s=0
        ) as controller,
    ):
        for each in [*foreign, *own]:
            await link.publish(each, b"from a")
        await link.publish(own[0], b"end")
        assert await watch.until(b"end") == [(each, b"from a") for each in own]
        for hub, deliveries in ((HUB_A, link.deliveries()), (HUB_B, other.deliveries())):
            await controller.publish(topic(hub, "desired"), b"end")
            assert await Watch(deliveries).until(b"end") == []


async def test_a_hub_reads_its_own_topics_and_no_other(broker: Broker) -> None:
    everything = [topic(HUB_A, "desired"), topic(HUB_A, "+"), "minihub/v1/+/desired", "minihub/#", "#", "$SYS/#"]
    mine = [topic(HUB_B, "desired"), topic(HUB_B, "ack")]
    async with (
        broker.hub("b").open(
            client_id=HUB_B, will=None, subscriptions=[*everything, *mine], session_expiry_s=0
        ) as link,
        broker.hub("a").open(client_id=HUB_A, will=None, subscriptions=[], session_expiry_s=0) as other,
        broker.controller("controller-1").open(
            client_id="controller-1", will=None, subscriptions=[], session_expiry_s=0
        ) as controller,
    ):
        await other.publish(topic(HUB_A, "telemetry"), b"of a")
        for channel in ("desired", "ack"):
            await controller.publish(topic(HUB_A, channel), b"for a")
            await controller.publish(topic(HUB_B, channel), b"for b")
        await controller.publish(topic(HUB_B, "ack"), b"end")
        seen = await Watch(link.deliveries()).until(b"end")
        # It matches several of its own subscriptions; what counts is that nothing else came.
        assert set(seen) == {(topic(HUB_B, "desired"), b"for b"), (topic(HUB_B, "ack"), b"for b")}


@pytest.mark.parametrize("most", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("name", OUT)
async def test_who_is_out_is_refused_and_the_link_says_so(broker: Broker, name: str, most: ssl.TLSVersion) -> None:
    with pytest.raises(LinkRefusedError):
        await _assert_works(broker, name, most=most)


@pytest.mark.parametrize("most", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_good_certificate_is_let_in(broker: Broker, most: ssl.TLSVersion) -> None:
    await _assert_works(broker, "a", most=most)


async def test_without_a_certificate_nobody_is_let_in(broker: Broker) -> None:
    tls = ssl.create_default_context(cafile=str(broker.directory / "services-ca.pem"))
    tls.maximum_version = ssl.TLSVersion.TLSv1_2
    for port in (broker.hubs_port, broker.controllers_port):
        with pytest.raises(OSError):
            await asyncio.to_thread(RawClient, port, tls, "nobody")


async def test_nobody_there_is_unreachable(broker: Broker) -> None:
    port = broker.hubs_port
    broker.hubs_port = 1
    try:
        with pytest.raises(LinkUnreachableError):
            await _assert_works(broker, "a")
    finally:
        broker.hubs_port = port


async def test_a_hub_cannot_take_anothers_session_by_its_client_id(broker: Broker) -> None:
    subscriptions = [topic(HUB_A, "ack")]
    port = broker.hub("a")
    async with port.open(client_id=HUB_A, will=None, subscriptions=subscriptions, session_expiry_s=60):
        pass
    async with broker.controller("controller-1").open(
        client_id="controller-1", will=None, subscriptions=[], session_expiry_s=0
    ) as controller:
        await controller.publish(topic(HUB_A, "ack"), b"while away")
        async with broker.hub("b").open(
            client_id=HUB_A, will=None, subscriptions=[topic(HUB_B, "ack")], session_expiry_s=60
        ) as thief:
            await controller.publish(topic(HUB_B, "ack"), b"end")
            assert await Watch(thief.deliveries()).until(b"end") == []
        async with port.open(client_id=HUB_A, will=None, subscriptions=subscriptions, session_expiry_s=60) as link:
            await controller.publish(topic(HUB_A, "ack"), b"end")
            assert await Watch(link.deliveries()).until(b"end") == [(topic(HUB_A, "ack"), b"while away")]
            # Connected, it is not thrown out either.
            async with broker.hub("b").open(client_id=HUB_A, will=None, subscriptions=[], session_expiry_s=0):
                await controller.publish(topic(HUB_A, "ack"), b"still here")
                assert await Watch(link.deliveries()).until(b"still here") == []


async def test_a_hub_cannot_forge_a_will(broker: Broker) -> None:
    async with broker.watching() as watch:
        forger = await asyncio.to_thread(
            RawClient, broker.hubs_port, broker.tls("b"), HUB_B, (topic(HUB_A, "presence"), b"forged")
        )
        forger.die()
        honest = await asyncio.to_thread(
            RawClient, broker.hubs_port, broker.tls("b"), HUB_B, (topic(HUB_B, "presence"), b"honest")
        )
        assert honest.reason == 0
        honest.die()
        assert await watch.until(b"honest") == []


async def test_controllers_run_side_by_side_and_only_by_name(broker: Broker) -> None:
    async with (
        broker.watching(name="controller-1") as first,
        broker.watching(name="controller-2") as second,
        broker.watching(name="unlisted") as unlisted,
        broker.hub("a").open(client_id=HUB_A, will=None, subscriptions=[], session_expiry_s=0) as link,
    ):
        await link.publish(topic(HUB_A, "reported"), b"end")
        assert await first.until(b"end") == []
        assert await second.until(b"end") == []
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await unlisted.until(b"end")


async def test_a_hubs_certificate_does_not_open_the_controllers_listener(broker: Broker) -> None:
    with pytest.raises(OSError):
        await asyncio.to_thread(RawClient, broker.controllers_port, broker.tls("a"), "controller-1")


async def test_the_brokers_own_certificate_is_nobodys(broker: Broker) -> None:
    for port in (broker.hubs_port, broker.controllers_port):
        with pytest.raises(OSError):
            await asyncio.to_thread(RawClient, port, broker.tls("broker"), "controller-1")


async def test_what_is_larger_than_the_contract_allows_does_not_pass(broker: Broker) -> None:
    largest = 128 * 1024
    async with broker.watching() as watch:
        async with _publisher(broker) as link:
            await link.publish(topic(HUB_A, "telemetry"), b"x" * largest)
            # The broker answers the next one by hanging up.
            with pytest.raises(LinkLostError):
                await asyncio.gather(*(link.publish(topic(HUB_A, "telemetry"), b"y" * (largest + n)) for n in (1, 2)))
        async with _publisher(broker) as link:
            await link.publish(topic(HUB_A, "telemetry"), b"end")
        assert [payload[:1] for _, payload in await watch.until(b"end")] == [b"x"]


def _publisher(broker: Broker) -> AbstractAsyncContextManager[Link]:
    return broker.hub("a").open(client_id=HUB_A, will=None, subscriptions=[], session_expiry_s=0)


async def _assert_works(broker: Broker, name: str, most: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2) -> None:
    """Open a link and prove that it works: in TLS 1.3 a refusal comes after the handshake."""
    will = Will(topic(HUB_OUT, "presence"), b"gone")
    async with broker.hub(name, most=most).open(
        client_id=HUB_OUT, will=will, subscriptions=[topic(HUB_OUT, "desired")], session_expiry_s=0
    ) as link:
        await link.publish(topic(HUB_OUT, "presence"), b"in")
