"""Ports as byte streams: serial, socket, Unix socket, a trace that is recorded and one that is replayed."""

from collections.abc import Callable
from typing import TypeAlias

from firmware_bridge.errors import PortError
from firmware_bridge.transport.port import LookingTransport, PushTransport, Transport
from firmware_bridge.transport.replay import open_replay
from firmware_bridge.transport.serial import open_serial
from firmware_bridge.transport.stream import open_tcp, open_unix
from firmware_bridge.transport.trace import TracingTransport

DEFAULT_BAUDRATE = 115_200

TransportOpener: TypeAlias = Callable[[str], Transport]
"""What drivers take, so that a test or a virtual world brings its own ports."""

__all__ = [
    "DEFAULT_BAUDRATE",
    "LookingTransport",
    "PushTransport",
    "TracingTransport",
    "Transport",
    "TransportOpener",
    "open_transport",
]


def open_transport(url: str, *, baudrate: int = DEFAULT_BAUDRATE) -> Transport:
    """Open a port inside a running loop.

    `/dev/ttyUSB2` or any pty path, `socket://host:port`, `unix:/path`, `replay:/file` (a trace).

    Raises PortNotFoundError, PortBusyError, PortError.
    """
    if url.startswith("socket://"):
        return open_tcp(url)
    if url.startswith("unix:"):
        return open_unix(url)
    if url.startswith("replay:"):
        return open_replay(url)
    if "://" in url:
        raise PortError(url, "unknown kind of port; use a device path, socket://host:port, unix:/path or replay:/file")
    return open_serial(url, baudrate)
