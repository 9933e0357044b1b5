"""Figures of firmware_bridge: round trips against a raw loop and other clients, lines per second, memory of a channel.

`python -m bench.bridge` prints them; `figures()` gives them as data. Every ratio is taken within one run, as the median
of five rounds. In each the channel, the raw loop and a bare asyncio loop take turns in short slices, all on the same
core, their modems on another; a round's rate is the median of its slices, so that what else the machine does in some
of them does not count. The bare asyncio loop (a callback that reads, one future) shows what any asyncio client can
reach on this interpreter.
"""

import asyncio
import gc
import os
import random
import statistics
import time
import tracemalloc
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, NamedTuple

from bench.bridge_clients import (
    CSQ,
    TRIPS,
    BareLoop,
    Trips,
    channel_trips,
    other_clients,
    own_core,
    raw_trips,
    responder,
)
from firmware_bridge.at.channel import Channel
from firmware_bridge.at.commands import Arrival, Command, Prefixed, Shape, Urc
from firmware_bridge.at.connection import Answered, Connection
from firmware_bridge.at.forms import is_registration_read
from firmware_bridge.at.urcs import GENERIC
from firmware_bridge.transport import open_transport

ROUNDS = 5
SLICES = 20  # of a round
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


class Measured(NamedTuple):
    """One round of one client: its trips, and this process's CPU seconds for all of them."""

    times: Trips
    cpu_s: float


def rate(one: Measured) -> float:
    """Trips a second: the median over the slices."""
    count = min(TRIPS, len(one.times))
    slices = [one.times[start : start + count] for start in range(0, len(one.times), count)]
    return statistics.median(len(part) / sum(part) for part in slices)


def p99(one: Measured) -> float:
    return statistics.quantiles(one.times, n=100)[98]


def cpu_per_trip(one: Measured) -> float:
    return one.cpu_s / len(one.times)


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
    with ExitStack() as held:
        raw_port, bare_port, our_port = (held.enter_context(responder()) for _ in range(3))
        others = held.enter_context(other_clients())
        runner = held.enter_context(asyncio.Runner())
        raw = os.open(raw_port, os.O_RDWR | os.O_NOCTTY)
        bare = runner.run(_open_bare(bare_port))
        channel = runner.run(_open(our_port))
        runner.run(channel.execute(CSQ))
        runs = {
            "raw": lambda: raw_trips(raw),
            "ours": lambda: runner.run(channel_trips(channel)),
            "bare": lambda: runner.run(bare.trips()),
        }
        with own_core():
            alternated(runs)  # all are warm
            for _ in range(ROUNDS):
                found = alternated(runs) | {name: measured(trips) for name, trips in others.items()}
                for name, one in found.items():
                    rounds.setdefault(name, []).append(one)
        runner.run(channel.close())
        runner.run(bare.close())
        os.close(raw)
    return rounds


async def _open_bare(port: str) -> BareLoop:
    return BareLoop(os.open(port, os.O_RDWR | os.O_NOCTTY))


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
    name: str, value: float, unit: str, goal: str, *, met: bool, baseline: str = "", ratio: float | None = None
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
    """Round trips: against the raw loop, a bare asyncio loop and other clients."""
    rounds = round_trips()
    ours, raw, bare = rounds.pop("ours"), rounds.pop("raw"), rounds.pop("bare")
    return [
        *_against_raw(ours, raw),
        _rates("bridge.bare_asyncio", bare, "raw", raw),
        _rates("bridge.round_trips_over_bare_asyncio", ours, "bare", bare),
        *(
            _rates(f"bridge.round_trips_over_{name}", ours, name, trips, least=_LEAST_OVER.get(name))
            for name, trips in rounds.items()
        ),
    ]


_LEAST_OVER = {"python-gsmmodem-new": 3.0}


def _rates(
    name: str, mine: list[Measured], other: str, theirs: list[Measured], *, least: float | None = None
) -> Figure:
    """Round trips a second beside another client's; without `least` the ratio is only shown."""
    ratio = _paired(mine, theirs, rate)
    return _figure(
        name,
        _median(mine, rate),
        "1/s",
        "" if least is None else f">= {least:g} x",
        met=least is None or ratio >= least,
        baseline=f"{other} {_median(theirs, rate):.0f}",
        ratio=ratio,
    )


def _against_raw(ours: list[Measured], raw: list[Measured]) -> list[Figure]:
    share, tail = _paired(ours, raw, rate), _paired(ours, raw, p99)
    return [
        _figure(
            "bridge.round_trips",
            _median(ours, rate),
            "1/s",
            ">= 0.60 of raw",
            met=share >= 0.60,
            baseline=f"raw {_median(raw, rate):.0f}",
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
            "",
            met=True,
            baseline=f"raw {_median(raw, cpu_per_trip) * 1e6:.1f}",
            ratio=_paired(ours, raw, cpu_per_trip),
        ),
    ]


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
