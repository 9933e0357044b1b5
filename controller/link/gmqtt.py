"""The link over gmqtt: PUBACK goes out when the handler's coroutine returns 0, and never otherwise.

A client lives for one connection and never reconnects: an acknowledgement dies with the connection of its message.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final, Self

from gmqtt import Client, Message, Subscription
from gmqtt.mqtt.handler import MQTTConnectError
from gmqtt.storage import PersistentStorage

from controller.link.port import Link, LinkLostError, LinkRefusedError, LinkUnreachableError, Will

ACKNOWLEDGED: Final = 0  # MQTT 5 section 3.4.2.1, PUBACK reason code Success
NEVER_RECONNECT: Final = -2  # gmqtt reads -1 as "for ever" and 0 as "once"
DEADLINE_S: Final = 10.0
KEEPALIVE_S: Final = 30
MOST_PUBLISHES: Final = 64


class _Inflight(PersistentStorage):  # type: ignore[misc]  # gmqtt ships no types
    """gmqtt's store of publishes without a PUBACK, which here also tells their publishers."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting: dict[int, asyncio.Future[None]] = {}

    def push_message(self, mid: int, raw_package: bytes) -> None:
        super().push_message(mid, raw_package)
        self.waiting[mid] = self.latest = asyncio.get_running_loop().create_future()

    def remove_message_by_mid(self, mid: int) -> None:
        super().remove_message_by_mid(mid)
        _finish(self.waiting.pop(mid, None))


def _finish(waiter: asyncio.Future[None] | None) -> None:
    if waiter is not None and not waiter.done():
        waiter.set_result(None)


@dataclass(slots=True, eq=False)
class _Delivery:
    topic: str
    payload: bytes
    settled: asyncio.Future[None]

    def settle(self) -> None:
        _finish(self.settled)


class _Link:
    """One connection of one gmqtt client, and the iterator of its deliveries."""

    def __init__(self, client: Any, inflight: _Inflight, bound: int) -> None:
        self._client, self._inflight, self._bound = client, inflight, bound
        # At most `bound` and one read of the socket: at the bound reading stops.
        self._arrived: asyncio.Queue[_Delivery | None] = asyncio.Queue()
        self._unsettled: set[asyncio.Future[None]] = set()
        self.slots = asyncio.Semaphore(MOST_PUBLISHES)
        self.lost, self.subscribed = asyncio.Event(), asyncio.Event()
        client.on_message = self._receive
        client.on_disconnect = lambda *_: self.lose()
        client.on_subscribe = lambda *_: self.subscribed.set()

    async def publish(self, topic: str, payload: bytes, *, retain: bool = False, expiry_s: int | None = None) -> None:
        async with self.slots:
            if self.lost.is_set():
                raise LinkLostError(f"the connection was lost before {topic} was published")
            properties = {} if expiry_s is None else {"message_expiry_interval": expiry_s}
            self._client.publish(topic, payload, qos=1, retain=retain, **properties)
            await self._inflight.latest

    def deliveries(self) -> Self:
        return self

    __aiter__ = deliveries

    async def __anext__(self) -> _Delivery:
        delivery = None if self.lost.is_set() else await self._arrived.get()
        if delivery is None or self.lost.is_set():
            raise LinkLostError("the connection to the broker was lost")
        return delivery

    def lose(self) -> None:
        self.lost.set()
        self._arrived.put_nowait(None)
        for settled in self._unsettled:
            settled.cancel()
        for waiter in self._inflight.waiting.values():
            if not waiter.done():
                waiter.set_exception(LinkLostError("the connection was lost before the PUBACK"))

    async def _receive(self, _client: Any, topic: str, payload: bytes, _qos: int, _properties: object) -> int:
        settled: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if not self.lost.is_set():
            self._unsettled.add(settled)
            self._arrived.put_nowait(_Delivery(topic, bytes(payload), settled))
            self._regulate_reading()
            with suppress(
                asyncio.CancelledError
            ):  # of the future, by lose(): the transport is closing, nothing is sent
                await settled
            self._unsettled.discard(settled)
            self._regulate_reading()
        return ACKNOWLEDGED

    def _regulate_reading(self) -> None:
        transport = self._client._connection._transport  # noqa: SLF001  # gmqtt offers no flow control
        if full := len(self._unsettled) >= self._bound:
            self.subscribed.set()  # a resumed session filled us before SUBACK, which can't be read now: it has to wait
        if not transport.is_closing() and transport.is_reading() == full:
            (transport.pause_reading if full else transport.resume_reading)()


@dataclass(frozen=True, slots=True)
class GmqttPort:
    """Links to the broker at (host, port). `bound` is the most unsettled deliveries a link holds."""

    host: str
    port: int
    tls: ssl.SSLContext | None = None
    bound: int = 10_000

    @asynccontextmanager
    async def open(  # noqa: D102  # the contract is LinkPort's
        self, *, client_id: str, will: Will | None, subscriptions: Sequence[str], session_expiry_s: int
    ) -> AsyncIterator[Link]:
        message = Message(will.topic, will.payload, qos=1) if will else None
        session = {"clean_session": session_expiry_s == 0, "session_expiry_interval": session_expiry_s}
        options = {**session, "will_message": message, "persistent_storage": (store := _Inflight())}
        client = Client(client_id, optimistic_acknowledgement=False, **options)
        client.set_config({"reconnect_retries": NEVER_RECONNECT})
        link = _Link(client, store, self.bound)
        try:
            await self._connect(client, link, subscriptions)
            yield link
        finally:
            with suppress(OSError, TimeoutError):
                async with asyncio.timeout(DEADLINE_S):
                    await client.disconnect()  # closes the transport before anything unsettled can be acknowledged
            link.lose()

    async def _connect(self, client: Any, link: _Link, subscriptions: Sequence[str]) -> None:
        where = f"{self.host}:{self.port}"
        try:
            async with asyncio.timeout(DEADLINE_S):
                await client.connect(self.host, self.port, ssl=self.tls or False, keepalive=KEEPALIVE_S)
                # The broker's receive maximum (section 3.2.2.3.3): gmqtt keeps one of it and SUBSCRIBE may need one.
                most = client._package_handler.id_generator._max - 2  # noqa: SLF001  # not offered
                link.slots = asyncio.Semaphore(max(1, min(MOST_PUBLISHES, most)))
                if subscriptions:
                    client.subscribe([Subscription(each, qos=1) for each in subscriptions])
                    await link.subscribed.wait()
        except MQTTConnectError as error:
            raise LinkRefusedError(f"the broker at {where} refused: {error}", error._code) from error  # noqa: SLF001
        except (OSError, TimeoutError) as error:
            raise LinkUnreachableError(f"no broker answers at {where} ({type(error).__name__})") from error
