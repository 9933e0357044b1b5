"""A program under test: the signal of a modem on a serial port, in dBm, by 3GPP TS 27.007 +CSQ."""

import os
import re
import select
import time
import tty


class NoAnswerError(Exception):
    """The modem did not finish its reply in time, three times over."""


def read_signal(port: str, *, timeout_s: float = 2.0, attempts: int = 3) -> int | None:
    """Return the signal strength in dBm, or None when the modem does not know it. Raises NoAnswerError."""
    for _ in range(attempts):
        reply = _ask(port, b"AT+CSQ\r", timeout_s)
        found = re.search(rb"\+CSQ: (\d+),", reply)
        if found and b"\r\nOK\r\n" in reply:
            level = int(found[1])
            return None if level == 99 else -113 + 2 * level
    raise NoAnswerError(port)


def _ask(port: str, command: bytes, timeout_s: float) -> bytes:
    handle = os.open(port, os.O_RDWR | os.O_NOCTTY)
    try:
        tty.setraw(handle)
        os.write(handle, command)
        reply, deadline = b"", time.monotonic() + timeout_s
        while b"\r\nOK\r\n" not in reply and (left := deadline - time.monotonic()) > 0:
            if select.select([handle], [], [], left)[0]:
                reply += os.read(handle, 4096)
        return reply
    finally:
        os.close(handle)
