"""The link over aiomqtt, MQTT 5.

Holds at most INBOX_MOST deliveries that were not read, then as many again in the client, then drops with a
warning in the log: a hub is sent one document at a time.
"""

import asyncio
import math
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from device_agent.link.port import Delivery, Link, LinkLostError, Will
from device_agent.link.refusals import RefusalLog, connect, connect_error, log_for

INBOX_MOST: Final = 512
CONNECT_DEADLINE_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class _Delivery:
    topic: str
    payload: bytes

    def settle(self) -> None:
        """See Delivery."""


class _AiomqttLink:
    def __init__(self, client: aiomqtt.Client) -> None:
        self._client = client
        self._inbox: asyncio.Queue[_Delivery | None] = asyncio.Queue(INBOX_MOST)
        self._lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def pump(self) -> None:
        """Fill the inbox; its end is the loss of the link, which fails every publish under way."""
        reason = "the connection ended"
        try:
            async for message in self._client.messages:
                await self._inbox.put(_Delivery(str(message.topic), bytes(message.payload)))
        except aiomqtt.MqttError as error:
            reason = str(error.__cause__ or error)
        self._lost.set_result(reason)
        await self._inbox.put(None)

    async def publish(self, topic: str, payload: bytes, *, retain: bool = False, expiry_s: int | None = None) -> None:
        self._raise_if_lost()
        properties = _properties(PacketTypes.PUBLISH, "MessageExpiryInterval", expiry_s)
        sending = asyncio.ensure_future(self._client.publish(topic, payload, 1, retain, properties, timeout=math.inf))
        try:
            waiting: set[asyncio.Future[Any]] = {sending, self._lost}
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            if not sending.done():
                self._raise_if_lost()
            sending.result()
        except aiomqtt.MqttError as error:
            raise LinkLostError(str(error)) from None
        finally:
            sending.cancel()

    async def deliveries(self) -> AsyncIterator[Delivery]:
        while not (self._lost.done() and self._inbox.empty()):
            delivery = await self._inbox.get()
            if delivery is None:
                break
            yield delivery
        self._raise_if_lost()

    def _raise_if_lost(self) -> None:
        if self._lost.done():
            raise LinkLostError(self._lost.result())


@dataclass(frozen=True, slots=True)
class AiomqttPort:
    """Opens links."""

    host: str
    port: int
    tls: ssl.SSLContext | None = None
    keepalive_s: int = 60

    @asynccontextmanager
    async def open(
        self, *, client_id: str, will: Will | None, subscriptions: Sequence[str], session_expiry_s: int
    ) -> AsyncIterator[Link]:
        """See LinkPort."""
        log = log_for(self.tls)
        client = self._client(client_id, will, session_expiry_s, log)
        try:
            await connect(client, log)
            if subscriptions:
                await client.subscribe([(topic, 1) for topic in subscriptions])
        except aiomqtt.MqttError as error:
            raise connect_error(f"{self.host}:{self.port}", error) from None
        link = _AiomqttLink(client)
        pumping = asyncio.create_task(link.pump(), name="link pump")
        try:
            yield link
        finally:
            pumping.cancel()
            await asyncio.gather(pumping, return_exceptions=True)
            # One that was lost already has nobody to say goodbye to.
            with suppress(aiomqtt.MqttError):
                await client.__aexit__(None, None, None)

    def _client(
        self, client_id: str, will: Will | None, session_expiry_s: int, log: RefusalLog | None
    ) -> aiomqtt.Client:
        client = aiomqtt.Client(
            self.host,
            self.port,
            identifier=client_id,
            protocol=aiomqtt.ProtocolVersion.V5,
            will=None if will is None else aiomqtt.Will(will.topic, will.payload, 1),
            clean_start=session_expiry_s == 0,
            properties=_properties(PacketTypes.CONNECT, "SessionExpiryInterval", session_expiry_s),
            keepalive=self.keepalive_s,
            timeout=CONNECT_DEADLINE_S,
            max_queued_incoming_messages=INBOX_MOST,
            tls_context=self.tls,
            logger=log,
        )
        client.pending_calls_threshold = INBOX_MOST
        return client


def _properties(packet: int, name: str, value: int | None) -> Properties | None:
    if value is None:
        return None
    properties = Properties(packet)  # type: ignore[no-untyped-call]  # paho leaves it untyped
    setattr(properties, name, value)
    return properties
