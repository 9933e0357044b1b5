"""A serial port or pty: raw, exclusive, without blocking."""

import errno
import fcntl
import os
import termios

import serial

from firmware_bridge.errors import PortBusyError, PortError, PortNotFoundError, Remedy
from firmware_bridge.transport.port import DescriptorTransport


def open_serial(path: str, baudrate: int) -> DescriptorTransport:
    """Open `path` with pyserial: 8N1, raw, O_NONBLOCK (a stale pty can't block), flock and TIOCEXCL.

    Raises:
        PortNotFoundError: no such port, or one whose other end is gone.
        PortBusyError: another program holds it.
        PortError: it is no serial port, or we may not open it.
    """
    try:
        # A write timeout of 0 keeps pyserial from waiting; reading and writing are the event loop's.
        port = serial.Serial(path, baudrate, timeout=0, write_timeout=0, exclusive=True)
    except serial.SerialException as error:
        raise _port_error(path, error) from error
    except (OSError, termios.error, ValueError) as error:
        raise PortError(path, f"cannot be set up: {error}; name the modem's AT port") from error
    descriptor: int = port.fileno()
    os.set_blocking(descriptor, False)
    fcntl.ioctl(descriptor, termios.TIOCEXCL)
    return DescriptorTransport(path, descriptor, port.close)


def _port_error(path: str, error: serial.SerialException) -> PortError:
    number = error.errno
    if number in {errno.ENOENT, errno.ENXIO, errno.EIO, errno.ENODEV}:
        return PortNotFoundError(path, "no such port: plug the modem in or correct the name")
    if number == errno.EBUSY or "exclusively lock" in str(error):
        return PortBusyError(path, "another program holds the port: stop it or tell it to leave this port alone")
    if number in {errno.EACCES, errno.EPERM}:
        refused = PortError(path, "no permission: add this user to the port's group (dialout)")
        refused.remedy = Remedy.FIX_SETUP
        return refused
    return PortError(path, "no serial port: name the modem's AT port, such as /dev/ttyUSB2")
