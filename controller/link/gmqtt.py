"""The link over gmqtt: a PUBACK goes out when a delivery is settled, and never otherwise.

gmqtt makes a task and a write for each. Here its handler of QoS 1 publishes is ours, and what is settled in one turn of
the loop is one write. A client lives for one connection: an acknowledgement dies with the connection of its message.
"""

import asyncio
import ssl
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final, Self

from gmqtt import Client, Message, Subscription
from gmqtt.mqtt.handler import MQTTConnectError

from controller.link.inflight import MOST_PUBLISHES, Inflight
from controller.link.port import Link, LinkLostError, LinkRefusedError, LinkUnreachableError, Will

PUBACK: Final = b"\x40\x02"  # MQTT 5 section 3.4: no reason code is Success
NEVER_RECONNECT: Final = -2  # gmqtt reads -1 as "for ever" and 0 as "once"
DEADLINE_S, KEEPALIVE_S = 10.0, 30


@dataclass(slots=True, eq=False)
class _Delivery:
    topic: str
    payload: bytes
    mid: int
    link: "_Link"

    def settle(self) -> None:
        self.link.acknowledge(self)


class _Link:
    """One connection of one gmqtt client, and the iterator of its deliveries."""

    def __init__(self, client: Any, inflight: Inflight, bound: int) -> None:
        self._client, self._inflight, self._bound = client, inflight, bound
        self._arrived: deque[_Delivery] = deque()  # at most `bound` and one read of the socket: then reading stops
        self._unsettled: set[_Delivery] = set()
        self._settled: list[_Delivery] = []
        self._more, self.subscribed = asyncio.Event(), asyncio.Event()
        self._lost = False
        client._package_handler._handle_qos_1_publish_packet = self._receive  # noqa: SLF001  # see above
        client.on_disconnect = lambda *_: self.lose()
        client.on_subscribe = lambda *_: self.subscribed.set()

    async def publish(self, topic: str, payload: bytes, *, retain: bool = False, expiry_s: int | None = None) -> None:
        async with self._inflight.slots:
            if self._lost:
                raise LinkLostError(f"the connection was lost before {topic} was published")
            expiry = {} if expiry_s is None else {"message_expiry_interval": expiry_s}
            self._client.publish(topic, payload, qos=1, retain=retain, **expiry)
            await self._inflight.latest

    def deliveries(self) -> Self:
        return self

    __aiter__ = deliveries

    async def __anext__(self) -> _Delivery:
        while not self._arrived and not self._lost:
            self._more.clear()
            await self._more.wait()
        if self._lost:
            raise LinkLostError("the connection to the broker was lost")
        return self._arrived.popleft()

    def acknowledge(self, delivery: _Delivery) -> None:
        if delivery in self._unsettled:
            self._unsettled.discard(delivery)
            if not self._settled:
                asyncio.get_running_loop().call_soon(self._send_acknowledgements)
            self._settled.append(delivery)

    def lose(self) -> None:
        self._lost = True
        self._more.set()
        self._unsettled.clear()
        self._settled.clear()
        self._inflight.lose()

    def _receive(self, mid: int, payload: bytes, topic: str | bytes, _properties: object) -> None:
        if not self._lost:
            name = topic if isinstance(topic, str) else topic.decode(errors="replace")  # no UTF-8: left as it came
            self._arrived.append(delivery := _Delivery(name, payload, mid, self))
            self._unsettled.add(delivery)
            self._more.set()
            self._regulate_reading()

    def _send_acknowledgements(self) -> None:
        packets = b"".join(PUBACK + each.mid.to_bytes(2, "big") for each in self._settled)
        self._settled.clear()
        if packets:
            self._client._connection._protocol.write_data(packets)  # noqa: SLF001  # gmqtt writes them one by one
            self._regulate_reading()

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
        kept = {"clean_session": session_expiry_s == 0, "session_expiry_interval": session_expiry_s}
        client = Client(client_id, **kept, will_message=message, persistent_storage=(store := Inflight()))
        client.set_config({"reconnect_retries": NEVER_RECONNECT})
        link = _Link(client, store, self.bound)
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
