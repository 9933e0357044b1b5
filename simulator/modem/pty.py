"""Pseudo-terminals that behave like a USB serial port, many on one event loop.

A master whose slave nobody has open reports a hang-up for ever, so a level-triggered loop would spin. Such masters
therefore sit in one edge-triggered epoll, whose own descriptor the loop watches: an edge comes when a terminal first
writes. From then on until it closes the loop watches the master itself, which costs one system call a line less.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import select
import termios
import tty
from collections.abc import Callable

READ_SIZE = 4096  # what a terminal line holds; a rest is read at the loop's next turn
SPEED_CHECK_S = 0.2  # how often a terminal's speed is looked at while it carries data
BACKLOG = 65536  # octets for a slow reader; beyond it output is lost, as on a serial line


class PtyHub:
    """All pseudo-terminals of one event loop. Close it last."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._lines: dict[int, PtyLine] = {}
        self._epoll = select.epoll()
        loop.add_reader(self._epoll.fileno(), self._ready)

    def open(self, received: Callable[[bytes], None], gone: Callable[[], None]) -> PtyLine:
        """Make a raw pseudo-terminal; `received` gets bytes, `gone` is called when the terminal closes it."""
        line = PtyLine(self, received, gone)
        self._lines[line.master] = line
        self.await_terminal(line.master)
        return line

    def await_terminal(self, master: int) -> None:
        """Tell the line when somebody writes to it; that it is hung up until then is no news."""
        self._epoll.register(master, select.EPOLLIN | select.EPOLLET)

    def stop_awaiting(self, master: int) -> None:
        """The terminal is there: its line listens to it."""
        self._epoll.unregister(master)

    def forget(self, master: int) -> None:
        """The line is closing."""
        self._lines.pop(master, None)

    def _ready(self) -> None:
        for master, event in self._epoll.poll(0):
            line = self._lines.get(master)
            if line is not None and event & select.EPOLLIN:
                line.terminal_came()

    def close(self) -> None:
        """Close every line and stop watching; idempotent."""
        for line in list(self._lines.values()):
            line.close()
        if not self._epoll.closed:
            self.loop.remove_reader(self._epoll.fileno())
            self._epoll.close()


class PtyLine:
    """One pseudo-terminal. `slave_name` is what a terminal opens."""

    def __init__(self, hub: PtyHub, received: Callable[[bytes], None], gone: Callable[[], None]) -> None:
        self._hub = hub
        self._received = received
        self._gone = gone
        self.hung_up_at_zero_speed: Callable[[], bool] = lambda: False
        self.master, slave = os.openpty()
        self.slave_name = os.ttyname(slave)
        tty.setraw(slave)
        os.set_blocking(self.master, False)
        os.close(slave)  # from here on the terminal's own open and close are what counts
        self._present = False
        self._backlog = bytearray()
        self._holder: int | None = None
        self._speed_check: asyncio.TimerHandle | None = None

    def terminal_came(self) -> None:
        """A terminal has the line open: listen to it until it closes."""
        if self._present or self.master < 0:
            return
        self._present = True
        self._hub.stop_awaiting(self.master)
        self._hub.loop.add_reader(self.master, self._readable)

    def _readable(self) -> None:
        try:
            data = os.read(self.master, READ_SIZE)
        except BlockingIOError:
            return
        except OSError:  # EIO: nobody has it open any more, and all it wrote is read
            data = b""
        if data:
            self._received(data)
        else:
            self._terminal_left()

    def _terminal_left(self) -> None:
        self._stop_listening()
        self._backlog.clear()
        self._hub.await_terminal(self.master)
        self._gone()

    def _stop_listening(self) -> None:
        self._present = False
        self._hub.loop.remove_reader(self.master)
        self._hub.loop.remove_writer(self.master)

    def _hung_up(self) -> bool:
        poll = select.poll()
        poll.register(self.master, select.POLLHUP)
        return any(event & select.POLLHUP for _, event in poll.poll(0))

    def write(self, data: bytes) -> None:
        """Send; what nobody is there to read is lost."""
        if not self._present:
            if self.master < 0 or self._hung_up():
                return
            self.terminal_came()
        self._watch_speed()
        if self._backlog:
            self._backlog += data[: BACKLOG - len(self._backlog)]
            return
        try:
            sent = os.write(self.master, data)
        except BlockingIOError:
            sent = 0
        except OSError:
            return
        if sent < len(data):
            self._backlog += data[sent : sent + BACKLOG]
            self._hub.loop.add_writer(self.master, self._write_backlog)

    def _write_backlog(self) -> None:
        try:
            sent = os.write(self.master, self._backlog)
        except BlockingIOError:
            return
        except OSError:  # hung up: what is read next says so
            self._backlog.clear()
            sent = 0
        del self._backlog[:sent]
        if not self._backlog:
            self._hub.loop.remove_writer(self.master)

    def hold(self, wanted: bool) -> None:  # noqa: FBT001 - a state, not an option
        """Hold the terminal side exclusively, as another program does; or let go."""
        if wanted and self._holder is None:
            self._holder = os.open(self.slave_name, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
            fcntl.ioctl(self._holder, termios.TIOCEXCL)
            with contextlib.suppress(OSError):
                fcntl.flock(self._holder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        elif not wanted and self._holder is not None:
            fcntl.ioctl(self._holder, termios.TIOCNXCL)
            os.close(self._holder)
            self._holder = None

    def _watch_speed(self) -> None:
        if self._speed_check is None and self.hung_up_at_zero_speed():
            self._speed_check = self._hub.loop.call_later(SPEED_CHECK_S, self._check_speed)

    def _check_speed(self) -> None:
        """A terminal that sets speed B0 drops DTR; nothing tells the master, so it is asked while a call is up."""
        self._speed_check = None
        if self.master < 0 or not self.hung_up_at_zero_speed():
            return
        if termios.tcgetattr(self.master)[5] == termios.B0:
            self._gone()
        else:
            self._watch_speed()

    def close(self) -> None:
        """Hang up on the terminal; idempotent."""
        if self.master < 0:
            return
        self.hold(wanted=False)
        if self._speed_check is not None:
            self._speed_check.cancel()
        self._hub.forget(self.master)
        if self._present:
            self._stop_listening()
        else:
            self._hub.stop_awaiting(self.master)
        os.close(self.master)
        self.master = -1
