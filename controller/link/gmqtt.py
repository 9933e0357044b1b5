"""The link over gmqtt: a PUBACK goes out when a delivery is settled, and never otherwise.

gmqtt makes a task and a write for each message. Here the QoS 1 publishes are taken out of the stream before it reaches
gmqtt, which keeps the session, and what is settled in one turn of the loop is one write. A client lives for one
connection: an acknowledgement dies with the connection of its message.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final, Self

from gmqtt import Client, Message, Subscription
from gmqtt.mqtt.handler import MQTTConnectError

from controller.link.held import Held, HeldDelivery
from controller.link.inflight import MOST_PUBLISHES, Inflight
from controller.link.port import Link, LinkLostError, LinkRefusedError, LinkUnreachableError, Will
from controller.link.publishes import MOST_PACKET
from controller.link.tap import PublishTap

NEVER_RECONNECT: Final = -2  # gmqtt reads -1 as "for ever" and 0 as "once"
DEADLINE_S, KEEPALIVE_S = 10.0, 30


class _Client(Client):  # type: ignore[misc]  # gmqtt ships no types
    """A client whose transport is tapped before the first byte comes."""

    link: "_Link"

    async def _create_connection(self, *args: Any, **kwargs: Any) -> Any:
        connection = await super()._create_connection(*args, **kwargs)
        self.link.tap = PublishTap(connection, self.link.held, self.link.subscribed)
        return connection


class _Link:
    """One connection of one gmqtt client, and the iterator of its deliveries."""

    tap: PublishTap

    def __init__(self, client: _Client, inflight: Inflight, most: int, most_bytes: int) -> None:
        self._client, self._inflight = client, inflight
        self.subscribed = asyncio.Event()
        self.held = Held(most, most_bytes, lambda packets: self.tap.send_acknowledgements(packets))
        client.link = self
        client.on_disconnect = lambda *_: self.lose()
        client.on_subscribe = lambda *_: self.subscribed.set()

    async def publish(self, topic: str, payload: bytes, *, retain: bool = False, expiry_s: int | None = None) -> None:
        async with self._inflight.slots:
            if self.held.is_lost:
                raise LinkLostError(f"the connection was lost before {topic} was published")
            expiry = {} if expiry_s is None else {"message_expiry_interval": expiry_s}
            self._client.publish(topic, payload, qos=1, retain=retain, **expiry)
            await self._inflight.latest

    def deliveries(self) -> Self:
        return self

    __aiter__ = deliveries

    async def __anext__(self) -> HeldDelivery:
        return await self.held.next()

    def lose(self) -> None:
        self.held.lose()
        self._inflight.lose()


@dataclass(frozen=True, slots=True)
class GmqttPort:
    """Links to the broker at (host, port), each holding so many unsettled deliveries, and bytes of them, at most."""

    host: str
    port: int
    tls: ssl.SSLContext | None = None
    bound: int = 10_000
    bound_bytes: int = 32 * 1024 * 1024

    @asynccontextmanager
    async def open(  # noqa: D102  # the contract is LinkPort's
        self, *, client_id: str, will: Will | None, subscriptions: Sequence[str], session_expiry_s: int
    ) -> AsyncIterator[Link]:
        message = Message(will.topic, will.payload, qos=1) if will else None
        kept = {"clean_session": session_expiry_s == 0, "session_expiry_interval": session_expiry_s}
        kept["maximum_packet_size"] = MOST_PACKET
        client = _Client(client_id, **kept, will_message=message, persistent_storage=(store := Inflight()))
        client.set_config({"reconnect_retries": NEVER_RECONNECT})
        link = _Link(client, store, self.bound, self.bound_bytes)
        try:
            await self._connect(client, link, store, subscriptions)
            yield link
        finally:
            with suppress(OSError, TimeoutError):
                async with asyncio.timeout(DEADLINE_S):
                    await client.disconnect()  # closes the transport before anything unsettled can be acknowledged
            link.lose()

    async def _connect(self, client: Any, link: _Link, store: Inflight, subscriptions: Sequence[str]) -> None:
        where = f"{self.host}:{self.port}"
        try:
            async with asyncio.timeout(DEADLINE_S):
                await client.connect(self.host, self.port, ssl=self.tls or False, keepalive=KEEPALIVE_S)
                # The broker's receive maximum (section 3.2.2.3.3): gmqtt keeps one of it and SUBSCRIBE may need one.
                most = max(1, client._package_handler.id_generator._max - 2)  # noqa: SLF001  # not offered
                store.slots = asyncio.Semaphore(min(MOST_PUBLISHES, most))
                if subscriptions:
                    client.subscribe([Subscription(each, qos=1) for each in subscriptions])
                    await link.subscribed.wait()
        except MQTTConnectError as error:
            raise LinkRefusedError(f"the broker at {where} refused: {error}", error._code) from error  # noqa: SLF001
        except (OSError, TimeoutError) as error:
            raise LinkUnreachableError(f"no broker answers at {where} ({type(error).__name__})") from error
