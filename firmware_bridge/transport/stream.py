"""`socket://host:port` and `unix:/path`: a modem behind a byte stream (serial server, simulator)."""

import errno
import os
import socket

from firmware_bridge.errors import PortBusyError, PortError, PortLostError, PortNotFoundError
from firmware_bridge.transport.port import DescriptorTransport


def open_unix(url: str) -> DescriptorTransport:
    """Connect to a Unix socket; `unix:@name` is an abstract one. Raises PortNotFoundError, PortBusyError."""
    path = url.removeprefix("unix:").removeprefix("//")
    address = "\0" + path[1:] if path.startswith("@") else path
    return _connect(url, socket.AF_UNIX, address)


def open_tcp(url: str) -> DescriptorTransport:
    """Connect to `socket://host:port`; the connection is made while the loop runs, a refusal is PortLostError.

    Give an address: a name is resolved here, which may block. Raises PortNotFoundError, PortError.
    """
    host, _, port = url.removeprefix("socket://").rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or int(port) > 65_535:
        raise PortError(url, "write it as socket://host:port")
    try:
        found = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)
    except OSError as error:
        raise PortNotFoundError(url, f"unknown host: {error.strerror}") from error
    family, _, _, _, address = found[0]
    return _connect(url, family, address)


def _connect(url: str, family: int, address: object) -> DescriptorTransport:
    link = socket.socket(family, socket.SOCK_STREAM)
    link.settimeout(0)
    try:
        number = link.connect_ex(address)  # type: ignore[arg-type]  # the address is of this family
    except (OSError, ValueError) as error:
        number = (error.errno if isinstance(error, OSError) else None) or errno.ENOENT
    if number not in {0, errno.EINPROGRESS}:
        link.close()
        raise _refusal(url, number)
    if family != socket.AF_UNIX:
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return DescriptorTransport(url, link.fileno(), link.close, connecting=number == errno.EINPROGRESS)


def _refusal(url: str, number: int) -> PortError:
    if number == errno.EAGAIN:
        return PortBusyError(url, "the listener takes no more connections")
    if number in {errno.ENOENT, errno.ECONNREFUSED}:
        return PortNotFoundError(url, "nobody listens there")
    return PortLostError(url, os.strerror(number))
