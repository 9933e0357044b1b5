"""Hearing a refusal that paho keeps to itself.

In TLS 1.3 the broker judges our certificate after our side of the handshake is done (RFC 8446 section 4.4.2). Its
alert is the first thing read, and paho only logs it: whoever waits for CONNACK sees silence. In TLS 1.2 the handshake
itself fails, and nothing of this is needed.
"""

import asyncio
import logging
import ssl
from typing import Any, Final

import aiomqtt

from device_agent.link.port import LinkError, LinkRefusedError, LinkUnreachableError

_PAHO = logging.getLogger("paho")
_UNREADABLE = "failed to receive on socket"
# MQTT 5 4.13: "server unavailable" and "server busy" are said by a broker that would have us later.
_LATER: Final = {0x88, 0x89}


class RefusalLog(logging.Logger):
    """The logger of one connection; `heard` becomes what ended it before CONNACK."""

    def __init__(self) -> None:
        super().__init__("paho.connection")
        self.parent = _PAHO
        self.heard: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def handle(self, record: logging.LogRecord) -> None:
        """Keep why the socket could not be read, and pass every record on."""
        text = record.getMessage()
        if text.startswith(_UNREADABLE):
            # paho connects in an executor's thread.
            self.heard.get_loop().call_soon_threadsafe(self._hear, text)
        super().handle(record)

    def _hear(self, text: str) -> None:
        if not self.heard.done():
            self.heard.set_result(text)


def log_for(tls: ssl.SSLContext | None) -> RefusalLog | None:
    """Return the logger of a connection whose certificate may be judged late; None: it never is."""
    return RefusalLog() if tls is not None and tls.maximum_version is not ssl.TLSVersion.TLSv1_2 else None


async def connect(client: aiomqtt.Client, log: RefusalLog | None) -> None:
    """Connect the client that writes to `log`; one that can't be read before CONNACK was refused, or hung up on.

    Raises for that, at once, what `connect_error` makes of it: an alert is a refusal, and a broker that goes away
    between the handshake and its answer (it restarts) is none. Raises aiomqtt.MqttError for anything else.
    """
    if log is None:
        await client.__aenter__()
        return
    entering = asyncio.ensure_future(client.__aenter__())
    waiting: set[asyncio.Future[Any]] = {entering, log.heard}
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        if not entering.done():
            raise aiomqtt.MqttError(f"it hung up before its answer: {log.heard.result()}")
        entering.result()
    finally:
        entering.cancel()
        await asyncio.gather(entering, return_exceptions=True)
        log.heard.cancel()


def connect_error(where: str, error: aiomqtt.MqttError) -> LinkError:
    """Tell a broker that said no from one that is not there."""
    code = getattr(getattr(error, "rc", None), "value", None)
    text = str(error)
    refused = f"the broker at {where} refused: {text}"
    if isinstance(code, int) and code >= 0x80 and code not in _LATER:
        return LinkRefusedError(refused, code)
    # A TLS alert or a certificate that does not verify is an answer, and one that waiting will not change.
    return (
        LinkRefusedError(refused)
        if "ALERT" in text or "CERTIFICATE_VERIFY" in text
        else LinkUnreachableError(f"no broker answers at {where} ({text}); see [broker], tried again")
    )
