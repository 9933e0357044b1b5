"""Clients that ask a modem on a pty for AT+CSQ, and that modem: all placed alike, each trip timed.

Used by `bench.bridge`; has no figures of its own.
"""

import asyncio
import logging
import multiprocessing
import os
import pty
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from firmware_bridge.at.channel import Channel
from firmware_bridge.at.commands import Command, Prefixed

TRIPS = 100  # of a slice
SLOW_TRIPS = 300
POLLED_TRIPS = 20
ASK = b"AT+CSQ\r"
END = b"\r\nOK\r\n"
CSQ = Command("AT+CSQ", Prefixed("+CSQ"))


def respond(master: int) -> None:
    """The modem of every client: answers AT+CSQ, says OK to anything else, echoes after ATE1."""
    echo = False
    pending = b""
    while True:
        try:
            pending += os.read(master, 4096)
        except OSError:
            return
        *lines, pending = pending.replace(b"\n", b"").split(b"\r")
        for line in lines:
            echo = {b"ATE1": True, b"ATE0": False}.get(line, echo)
            answer = b"\r\n+CSQ: 21,99\r\n\r\nOK\r\n" if line == b"AT+CSQ" else END
            os.write(master, line + b"\r" + answer if echo else answer)


@contextmanager
def own_core() -> Iterator[None]:
    """This process on one core and responders on another, as a modem is: else the scheduler's choice is measured."""
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, cores[:1])
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


@contextmanager
def responder() -> Iterator[str]:
    """The path of a pty whose other end is a process of its own, on the last core there is."""
    master, slave = pty.openpty()
    tty.setraw(slave)
    process = multiprocessing.get_context("fork").Process(target=respond, args=(master,), daemon=True)
    process.start()
    os.sched_setaffinity(process.pid or 0, {max(os.sched_getaffinity(0))})
    os.close(master)
    try:
        yield os.ttyname(slave)
    finally:
        os.close(slave)
        process.terminate()
        process.join()


Trips = list[float]  # seconds of each round trip


def timed(trip: Callable[[], Any], count: int) -> Trips:
    times = []
    for _ in range(count):
        start = time.perf_counter()
        trip()
        times.append(time.perf_counter() - start)
    return times


def raw_trips(descriptor: int) -> Trips:
    def trip() -> None:
        os.write(descriptor, ASK)
        answer = b""
        while not answer.endswith(END):
            answer += os.read(descriptor, 4096)

    return timed(trip, TRIPS)


class BareLoop:
    """What an asyncio client cannot do without: a callback that reads, a future that wakes the one who asked."""

    def __init__(self, descriptor: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._descriptor = descriptor
        self._heard = b""
        self._answer: asyncio.Future[None] = self._loop.create_future()
        os.set_blocking(descriptor, False)
        self._loop.add_reader(descriptor, self._readable)

    def _readable(self) -> None:
        self._heard += os.read(self._descriptor, 4096)
        if self._heard.endswith(END):
            self._heard = b""
            self._answer.set_result(None)

    async def trips(self) -> Trips:
        """Round trips, each timed."""
        times = []
        for _ in range(TRIPS):
            start = time.perf_counter()
            self._answer = self._loop.create_future()
            os.write(self._descriptor, ASK)
            await self._answer
            times.append(time.perf_counter() - start)
        return times

    async def close(self) -> None:
        """Give the descriptor back."""
        self._loop.remove_reader(self._descriptor)
        os.close(self._descriptor)


async def channel_trips(channel: Channel) -> Trips:
    times = []
    for _ in range(TRIPS):
        start = time.perf_counter()
        reply = await channel.execute(CSQ)
        if reply.parameters != ("21", "99"):
            raise RuntimeError("a wrong answer")
        times.append(time.perf_counter() - start)
    return times


@contextmanager
def other_clients() -> Iterator[dict[str, Callable[[], Trips]]]:
    """Clients from PyPI, each on a responder of its own; one that is not installed is left out."""
    logging.disable(logging.CRITICAL)
    with responder() as gsm_port, responder() as atlib_port, responder() as pyat_port:
        clients: dict[str, Callable[[], Trips]] = {}
        closers: list[Callable[[], None]] = []
        for opener, port in ((_gsmmodem, gsm_port), (_atlib, atlib_port), (_pyatcommand, pyat_port)):
            try:
                name, trips, close = opener(port)
            except ImportError:
                continue
            clients[name] = trips
            closers.append(close)
        try:
            yield clients
        finally:
            for close in closers:
                close()
    logging.disable(logging.NOTSET)


Client = tuple[str, Callable[[], Trips], Callable[[], None]]


def _gsmmodem(port: str) -> Client:
    from gsmmodem.serial_comms import SerialComms

    client = SerialComms(port)  # its lowest layer: the modem class above it only adds work
    client.timeout = 0.2
    client.connect()
    return "python-gsmmodem-new", lambda: timed(lambda: client.write("AT+CSQ\r"), SLOW_TRIPS), client.close


def _atlib(port: str) -> Client:
    from atlib import AT_Device

    client = AT_Device(port, 115200)
    return "atlib", lambda: timed(lambda: client.command("AT+CSQ"), POLLED_TRIPS), client.serial.close


def _pyatcommand(port: str) -> Client:
    from pyatcommand import AtClient

    client = AtClient()
    client.connect(port=port, baudrate=115200, autobaud=False, retry_timeout=5)
    return "pyatcommand", lambda: timed(lambda: client.send_command("AT+CSQ", 3), POLLED_TRIPS), client.disconnect
