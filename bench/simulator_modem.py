"""Figures of the simulated modem: how fast it answers, and whether a thousand keep their times."""

import asyncio
import os
import resource
import select
import signal
import statistics
import tempfile
import time
import tty
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from simulator.clock import LoopClock
from simulator.modem import SimulatedModem, default_card, load
from simulator.modem.pty import PtyHub
from simulator.modem.wire import Wire, parse_listen

Figure = dict[str, object]
ROUNDS, SLICES, TRIPS = 5, 20, 100
FLEET, ASKED = 1000, 200
SERVING_S = 600
CHILD_REPLY = b"\r\n+CSQ: 21,99\r\n\r\nOK\r\n"


def figures() -> list[Figure]:
    """Measure; about half a minute."""
    return [*_against_trivial(), *_thousand()]


def _against_trivial() -> list[Figure]:
    """AT+CSQ round trips over a pty, personality latency off, against a responder that sends a constant.

    Both run in a loop of the same kind, each in a child of its own on the last core, and are asked by the same client
    in this process on the first one, as a modem is a device of its own. They take turns in short slices, so that
    whatever else the machine does meets both; the ratio is the median over the rounds of the ratio of a round's
    medians, none of them chosen.
    """
    with _serving(_serve_modem) as modem, _serving(_serve_trivial) as trivial:
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, cores[:1])
        try:
            _round(modem, trivial)  # both are warm
            rounds = [_round(modem, trivial) for _ in range(ROUNDS)]
        finally:
            os.sched_setaffinity(0, cores)
    rates = statistics.median(mine.rate / other.rate for mine, other in rounds)
    spent = statistics.median(mine.cpu_us / other.cpu_us for mine, other in rounds)
    return [
        {
            "name": "simulator.modem_csq_vs_trivial_responder",
            "value": round(statistics.median(mine.rate for mine, _ in rounds)),
            "unit": "round trips/s",
            "baseline": round(statistics.median(other.rate for _, other in rounds)),
            "ratio": round(rates, 2),
            "goal": ">= 0.5 of the trivial responder",
            "met": rates >= 0.5,
        },
        {
            "name": "simulator.modem_csq_cpu",
            "value": round(statistics.median(mine.cpu_us for mine, _ in rounds), 1),
            "unit": "us of the responder's CPU a trip",
            "baseline": round(statistics.median(other.cpu_us for _, other in rounds), 1),
            "ratio": round(spent, 2),
            "goal": "",
            "met": True,
        },
    ]


@dataclass(frozen=True)
class _Measured:
    """Round trips a second, and microseconds of the responder's processor for one."""

    rate: float
    cpu_us: float


class _Responder(NamedTuple):
    process: int
    terminal: int


def _round(*responders: _Responder) -> list[_Measured]:
    """Each of the responders in short slices by turns; the medians of its slices."""
    slices: list[list[_Measured]] = [[] for _ in responders]
    for _ in range(SLICES):
        for responder, seen in zip(responders, slices, strict=True):
            seen.append(_slice(responder))
    return [
        _Measured(statistics.median(one.rate for one in seen), statistics.median(one.cpu_us for one in seen))
        for seen in slices
    ]


def _slice(responder: _Responder) -> _Measured:
    spent, start = _cpu_ns(responder.process), time.perf_counter()
    for _ in range(TRIPS):
        _round_trip(responder.terminal, b"AT+CSQ\r")
    took = time.perf_counter() - start
    return _Measured(TRIPS / took, (_cpu_ns(responder.process) - spent) / TRIPS / 1000)


def _cpu_ns(process: int) -> int:
    return int(Path(f"/proc/{process}/schedstat").read_text().split()[0])


@contextmanager
def _serving(serve: Callable[[str], Coroutine[Any, Any, None]]) -> Iterator[_Responder]:
    """A responder in a child on the last core, its echo off."""
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/port"
        child = os.fork()
        if child == 0:
            try:
                asyncio.run(serve(path))
            finally:
                os._exit(0)
        try:
            os.sched_setaffinity(child, {max(os.sched_getaffinity(0))})
            terminal = _open(path)
            yield _Responder(child, terminal)
            os.close(terminal)
        finally:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


def _open(path: str) -> int:
    deadline = time.monotonic() + 10
    while not Path(path).exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    terminal = os.open(path, os.O_RDWR | os.O_NOCTTY)
    tty.setraw(terminal)
    time.sleep(0.5)
    _round_trip(terminal, b"ATE0\r")
    return terminal


def _round_trip(terminal: int, line: bytes) -> None:
    os.write(terminal, line)
    got = b""
    while b"OK\r\n" not in got:
        if not select.select([terminal], [], [], 5)[0]:
            raise TimeoutError(line)
        got += os.read(terminal, 4096)


async def _serve_modem(path: str) -> None:
    loop = asyncio.get_running_loop()
    clock = LoopClock(loop.time)
    modem = SimulatedModem(load("quectel-ec25"), clock=clock, random=Random(1), card=default_card(), latency=False)
    async with Wire(modem, clock, (parse_listen(f"pty:{path}"),), hub=PtyHub(loop)):
        modem.power_on(boot=False)
        await asyncio.sleep(SERVING_S)


def _link(path: str, slave: int) -> None:
    Path(path).symlink_to(os.ttyname(slave))


async def _serve_trivial(path: str) -> None:
    loop = asyncio.get_running_loop()
    master, slave = os.openpty()
    tty.setraw(slave)

    def ready() -> None:
        if os.read(master, 4096).endswith(b"\r"):
            os.write(master, CHILD_REPLY)

    loop.add_reader(master, ready)
    _link(path, slave)
    await asyncio.sleep(SERVING_S)


def _thousand() -> list[Figure]:
    asked, memory, cpu = asyncio.run(_fleet())
    worst, lag = _p99(asked.errors), _p99(asked.lags)
    return [
        {
            "name": "simulator.1000_modems_timing_error_p99",
            "value": round(worst * 1000, 2),
            "unit": "ms outside the personality's shortest and longest; baseline: how late the loop's own timers are",
            "baseline": round(lag * 1000, 2),
            "ratio": None,
            "goal": "<= 20 ms more than the baseline: a thousand modems on a thousand ptys keep their timings",
            "met": worst <= lag + 0.020 and len(asked.errors) == FLEET,
        },
        {
            "name": "simulator.1000_modems_memory",
            "value": round(memory / FLEET),
            "unit": "kB a modem",
            "baseline": None,
            "ratio": None,
            "goal": "stated",
            "met": True,
        },
        {
            "name": "simulator.1000_modems_cpu",
            "value": round(cpu, 2),
            "unit": f"cores at {ASKED} commands/s, client included",
            "baseline": None,
            "ratio": None,
            "goal": "stated",
            "met": True,
        },
    ]


def _p99(values: list[float]) -> float:
    return sorted(values)[int(len(values) * 0.99)]


@dataclass
class Asked:
    """Seconds each answer came too early or too late, and seconds that timers of the same loop were late meanwhile."""

    errors: list[float] = field(default_factory=list)
    lags: list[float] = field(default_factory=list)


async def _fleet() -> tuple[Asked, float, float]:
    """(what was asked, kB of memory, cores) for a thousand modems."""
    loop = asyncio.get_running_loop()
    before = _resident_kb()
    hub, made, ends = PtyHub(loop), load("quectel-ec25"), []
    with tempfile.TemporaryDirectory() as folder:
        wires = []
        for number in range(FLEET):
            clock = LoopClock(loop.time)
            modem = SimulatedModem(made, clock=clock, random=Random(number), card=default_card())
            wire = Wire(modem, clock, (parse_listen(f"pty:{folder}/p{number}"),), hub=hub)
            await wire.__aenter__()
            modem.power_on(boot=False)
            wires.append(wire)
            ends.append(os.open(f"{folder}/p{number}", os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK))
        memory = _resident_kb() - before
        await asyncio.sleep(2)
        start, spent = loop.time(), time.process_time()
        asked = await _ask_all(ends, made.latency_s["plain"])
        cpu = (time.process_time() - spent) / (loop.time() - start)
        for wire in wires:
            await wire.__aexit__()
        hub.close()
        for end in ends:
            os.close(end)
    return asked, memory, cpu


async def _ask_all(ends: list[int], times: tuple[float, float]) -> Asked:
    """Ask every modem once, spread over a few seconds, and note how far each answer is from its times."""
    loop = asyncio.get_running_loop()
    seen = Asked()
    shortest, longest = times

    async def ask(end: int, delay: float) -> None:
        due = loop.time() + delay
        await asyncio.sleep(delay)
        seen.lags.append(loop.time() - due)
        done, got = loop.create_future(), bytearray()

        def ready() -> None:
            got.extend(os.read(end, 4096))
            if got.endswith(b"OK\r\n") and not done.done():
                done.set_result(loop.time())

        loop.add_reader(end, ready)
        asked = loop.time()
        os.write(end, b"AT+CSQ\r")
        async with asyncio.timeout(10):
            answered = await done
        loop.remove_reader(end)
        took = answered - asked
        seen.errors.append(max(0.0, shortest - took, took - longest))

    await asyncio.gather(*(ask(end, place / ASKED) for place, end in enumerate(ends)))
    return seen


def _resident_kb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1024


if __name__ == "__main__":
    for figure in figures():
        print(figure)
