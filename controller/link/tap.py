"""Between the transport and gmqtt's protocol: QoS 1 publishes are held for the link, everything else is gmqtt's.

gmqtt offers neither flow control nor a way round its own handling of publishes, so this reaches for its transport.
"""

import asyncio
import time
from typing import Any, cast

from controller.link.held import Held
from controller.link.publishes import MalformedError, PublishSplitter


class PublishTap(asyncio.Protocol):
    """Takes its place when it is made, which is before the first byte can come."""

    def __init__(self, connection: Any, held: Held, subscribed: asyncio.Event) -> None:
        self._connection, self._held, self._subscribed = connection, held, subscribed
        self._splitter = PublishSplitter()
        self._transport: asyncio.Transport = connection._transport  # noqa: SLF001  # gmqtt doesn't offer it
        self._theirs = cast("asyncio.Protocol", self._transport.get_protocol())
        for name in ("connection_lost", "eof_received", "pause_writing", "resume_writing"):
            setattr(self, name, getattr(self._theirs, name))
        self._transport.set_protocol(self)

    def data_received(self, data: bytes) -> None:
        """Hold the publishes, hand the rest on; a stream that is no MQTT ends the connection."""
        self._connection._last_data_in = time.monotonic()  # noqa: SLF001  # or it would take us for dead
        try:
            publishes, others = self._splitter.receive_data(data)
        except MalformedError:
            self._transport.abort()
            return
        if others:
            self._theirs.data_received(others)
        if publishes:
            self._held.take(publishes)
            self._regulate_reading()

    def send_acknowledgements(self, packets: bytes) -> None:
        """Write PUBACKs, and read on if there is room again."""
        self._connection._protocol.write_data(packets)  # noqa: SLF001  # gmqtt writes them one by one
        self._regulate_reading()

    def _regulate_reading(self) -> None:
        if full := self._held.is_full:
            # A resumed session filled us before SUBACK, which can't be read now: it has to wait.
            self._subscribed.set()
        if not self._transport.is_closing() and self._transport.is_reading() == full:
            (self._transport.pause_reading if full else self._transport.resume_reading)()
