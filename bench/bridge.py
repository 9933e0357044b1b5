"""Figures of firmware_bridge: round trips against a raw loop and other clients, lines per second, memory of a channel.

`python -m bench.bridge` prints them; `figures()` gives them as data. Every ratio is taken within one run, as the median
of five rounds; in each the channel and the raw loop take turns in short slices.
"""

import asyncio
import gc
import logging
import multiprocessing
import os
import pty
import random
import statistics
import time
import tracemalloc
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from firmware_bridge.at.channel import Channel
from firmware_bridge.at.commands import Arrival, Command, Prefixed, Shape, Urc
from firmware_bridge.at.connection import Answered, Connection
from firmware_bridge.at.forms import is_registration_read
from firmware_bridge.at.urcs import GENERIC
from firmware_bridge.transport import open_transport

ROUNDS = 5
SLICES = 20  # of a round
TRIPS = 100  # of a slice
SLOW_TRIPS = 300
POLLED_TRIPS = 20
ASK = b"AT+CSQ\r"
END = b"\r\nOK\r\n"
CSQ = Command("AT+CSQ", Prefixed("+CSQ"))
IDLE_CHANNELS = 20

# The parser


def mixed_transcript(size: int, seed: int = 1) -> tuple[list[tuple[Command, bytes]], int]:
    """About `size` octets of replies and unsolicited lines as a 4G modem sends them, and their number of lines."""
    rng = random.Random(seed)
    exchanges, octets, lines = [], 0, 0
    while octets < size:
        command, reply = rng.choice(_EXCHANGES)(rng)
        reply += [rng.choice(_UNASKED)(rng) for _ in range(rng.randrange(3))]
        data = "".join(f"\r\n{line}\r\n" for line in reply).encode()
        exchanges.append((command, data))
        octets += len(data)
        lines += len(reply)
    return exchanges, lines


def _command(text: str, shape: Shape) -> Command:
    return Command(text, shape, 3.0)


_READ_CSQ = _command("AT+CSQ", Prefixed("+CSQ"))
_READ_CEREG = _command("AT+CEREG?", Prefixed("+CEREG", form=is_registration_read))
_READ_QENG = _command('AT+QENG="servingcell"', Prefixed("+QENG"))
_READ_CGDCONT = _command("AT+CGDCONT?", Prefixed("+CGDCONT", required=False))
_READ_CGPADDR = _command("AT+CGPADDR=1", Prefixed("+CGPADDR"))
_READ_COPS = _command("AT+COPS?", Prefixed("+COPS"))

_EXCHANGES: list[Callable[[random.Random], tuple[Command, list[str]]]] = [
    lambda rng: (_READ_CSQ, [f"+CSQ: {rng.randrange(32)},99", "OK"]),
    lambda rng: (_READ_CEREG, [f'+CEREG: 2,1,"{rng.randrange(65536):04X}","{rng.randrange(1 << 28):07X}",7', "OK"]),
    lambda rng: (_READ_COPS, [f'+COPS: 0,2,"234{rng.randrange(10, 99)}",7', "OK"]),
    lambda rng: (
        _READ_QENG,
        [
            f'+QENG: "servingcell","NOCONN","LTE","FDD",234,30,{rng.randrange(1 << 28):X},63,1850,3,5,5,B504,-85,-10',
            "OK",
        ],
    ),
    lambda rng: (
        _READ_CGDCONT,
        [f'+CGDCONT: {cid},"IPV4V6","internet{rng.randrange(99)}","0.0.0.0",0,0,0,0' for cid in range(1, 4)] + ["OK"],
    ),
    lambda rng: (_READ_CGPADDR, [f'+CGPADDR: 1,"10.{rng.randrange(256)}.{rng.randrange(256)}.2"', "OK"]),
]
_UNASKED: list[Callable[[random.Random], str]] = [
    lambda rng: f'+CREG: 1,"{rng.randrange(65536):04X}","{rng.randrange(1 << 28):07X}",7',
    lambda rng: f'+CMTI: "ME",{rng.randrange(255)}',
    lambda rng: f"^RSSI:{rng.randrange(32)}",
    lambda rng: f'^HCSQ:"LTE",{rng.randrange(80)},{rng.randrange(80)},{rng.randrange(200)},{rng.randrange(34)}',
    lambda rng: f"+CGEV: NW PDN DEACT {rng.randrange(1, 5)}",
]
URCS = GENERIC.extended(Urc("^RSSI", Arrival.LATEST), Urc("^HCSQ", Arrival.LATEST))


def parse(exchanges: list[tuple[Command, bytes]]) -> int:
    """Feed all, take all events, read the parameters of each line; the number of lines that became typed values."""
    connection = Connection(URCS, in_step=True)
    events = connection.events
    typed = 0
    for command, data in exchanges:
        connection.send(command)
        connection.receive_data(data)
        while events:
            event = events.popleft()
            if isinstance(event, Answered):
                typed += len(event.reply.rows) + 1
            else:
                typed += 1
    return typed


def lines_per_second() -> float:
    """Per second of this process's own time: nothing is waited for, and machines are shared."""
    exchanges, lines = mixed_transcript(1_000_000)
    rates = []
    for _ in range(ROUNDS):
        gc.collect()
        start = time.process_time()
        if parse(exchanges) != lines:
            raise RuntimeError("some lines were not classified")
        rates.append(lines / (time.process_time() - start))
    return statistics.median(rates)


# Round trips


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


async def channel_trips(channel: Channel) -> Trips:
    times = []
    for _ in range(TRIPS):
        start = time.perf_counter()
        reply = await channel.execute(CSQ)
        if reply.parameters != ("21", "99"):
            raise RuntimeError("a wrong answer")
        times.append(time.perf_counter() - start)
    return times


def rate(one: "Measured") -> float:
    return len(one.times) / sum(one.times)


def p99(one: "Measured") -> float:
    return statistics.quantiles(one.times, n=100)[98]


def cpu_per_trip(one: "Measured") -> float:
    return one.cpu_s / len(one.times)


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


class Measured(NamedTuple):
    """One round of one client: its trips, and this process's CPU seconds for all of them."""

    times: Trips
    cpu_s: float


def measured(run: Callable[[], Trips]) -> Measured:
    start = time.process_time()
    times = run()
    return Measured(times, time.process_time() - start)


def alternated(runs: dict[str, Callable[[], Trips]]) -> dict[str, Measured]:
    """One round: short slices in turn, so that whatever else the machine does meets all of them alike."""
    slices: dict[str, list[Measured]] = {name: [] for name in runs}
    for _ in range(SLICES):
        for name, run in runs.items():
            slices[name].append(measured(run))
    return {
        name: Measured([trip for part in parts for trip in part.times], sum(part.cpu_s for part in parts))
        for name, parts in slices.items()
    }


def round_trips() -> dict[str, list[Measured]]:
    """Trips of every client in five alternating rounds."""
    rounds: dict[str, list[Measured]] = {}
    with responder() as raw_port, responder() as our_port, other_clients() as others, asyncio.Runner() as runner:
        raw = os.open(raw_port, os.O_RDWR | os.O_NOCTTY)
        channel = runner.run(_open(our_port))
        runner.run(channel.execute(CSQ))
        runs = {"raw": lambda: raw_trips(raw), "ours": lambda: runner.run(channel_trips(channel))}
        with own_core():
            alternated(runs)  # both are warm
            for _ in range(ROUNDS):
                found = alternated(runs) | {name: measured(trips) for name, trips in others.items()}
                for name, one in found.items():
                    rounds.setdefault(name, []).append(one)
        runner.run(channel.close())
        os.close(raw)
    return rounds


async def _open(port: str) -> Channel:
    return Channel(open_transport(port))


# Memory


class _SilentPort:
    """A port on which nothing happens."""

    name = "silent"

    async def read(self) -> bytes:
        await asyncio.Event().wait()
        return b"never"

    def write(self, data: bytes) -> None:
        """Nobody listens."""

    async def drain(self) -> None:
        """Nothing waits."""

    def close(self) -> None:
        """Nothing is held."""


async def _idle_octets() -> float:
    first = Channel(_SilentPort(), in_step=True)
    await asyncio.sleep(0)
    gc.collect()
    tracemalloc.start()
    channels = [Channel(_SilentPort(), in_step=True) for _ in range(IDLE_CHANNELS)]
    await asyncio.sleep(0)
    gc.collect()
    used = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    for channel in [first, *channels]:
        await channel.close()
    return used / IDLE_CHANNELS


# The figures

Figure = dict[str, Any]


def _figure(
    name: str, value: float, unit: str, goal: str, *, met: bool | None, baseline: str = "", ratio: float | None = None
) -> Figure:
    return {
        "name": name,
        "value": round(value, 3),
        "unit": unit,
        "baseline": baseline,
        "ratio": None if ratio is None else round(ratio, 3),
        "goal": goal,
        "met": met,
    }


def _median(rounds: list[Measured], measure: Callable[[Measured], float]) -> float:
    return statistics.median(map(measure, rounds))


def _paired(ours: list[Measured], theirs: list[Measured], measure: Callable[[Measured], float]) -> float:
    """The median of the rounds' ratios: the two of a round met the same machine."""
    return statistics.median(measure(mine) / measure(other) for mine, other in zip(ours, theirs, strict=True))


def trip_figures() -> list[Figure]:
    rounds = round_trips()
    ours, raw = rounds.pop("ours"), rounds.pop("raw")
    mine, base = _median(ours, rate), _median(raw, rate)
    share, tail = _paired(ours, raw, rate), _paired(ours, raw, p99)
    figures = [
        _figure(
            "bridge.round_trips",
            mine,
            "1/s",
            ">= 0.60 of raw",
            met=share >= 0.60,
            baseline=f"raw {base:.0f}",
            ratio=share,
        ),
        _figure(
            "bridge.round_trip_p99",
            _median(ours, p99) * 1e6,
            "us",
            "<= 3 x raw",
            met=tail <= 3,
            baseline=f"raw {_median(raw, p99) * 1e6:.0f}",
            ratio=tail,
        ),
        _figure(
            "bridge.round_trip_cpu",
            _median(ours, cpu_per_trip) * 1e6,
            "us of this process's CPU",
            "shown",
            met=None,
            baseline=f"raw {_median(raw, cpu_per_trip) * 1e6:.1f}",
            ratio=_paired(ours, raw, cpu_per_trip),
        ),
    ]
    for name, trips in rounds.items():
        times = _paired(ours, trips, rate)
        wanted = name == "python-gsmmodem-new"
        figures.append(
            _figure(
                f"bridge.round_trips_over_{name}",
                mine,
                "1/s",
                ">= 3 x" if wanted else "shown",
                met=times >= 3 if wanted else None,
                baseline=f"{name} {_median(trips, rate):.0f}",
                ratio=times,
            )
        )
    return figures


def figures() -> list[Figure]:
    """All figures of the bridge."""
    lines = lines_per_second()
    memory = asyncio.run(_idle_octets()) / 1000
    return [
        *trip_figures(),
        _figure("bridge.lines", lines, "lines/s of CPU", ">= 300000", met=lines >= 300_000),
        _figure("bridge.idle_channel", memory, "kB", "< 100", met=memory < 100),
    ]


if __name__ == "__main__":
    for figure in figures():
        print(figure)
