"""Figures of the fleet: processor and memory of thousands of hubs in one process, against a real mosquitto.

Each hub sends one telemetry message a second at QoS 1 and takes its PUBACK. The count is 18,000, or the descriptor
limit less 1,000 where that is lower: the figure states it. Processor is the fleet process's own, over a window after
every hub is connected; memory is what the process grew by, a hub.

The baseline is a bare protocol that sends the same bytes again and again from the same timer wheel: what the network
costs here and now. Both are taken from 2,000 connections in the same process, before the large fleet.
"""

import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, cast

from device_agent.protocol import Channel, topic
from simulator.fleet import Broker, Fleet, Habits, make_hub_id, packets, possible_hubs
from simulator.fleet.wheel import Wheel

WANTED = 18_000
INTERVAL_S = 1.0
SETTLE_S = 3.0
WINDOW_S = 8.0
BASELINE_HUBS = 2_000
BASELINE_S = 4.0
RATIO_GOAL = 2.0
CONNECT_S = 90.0
CORES_GOAL = 0.5
KILOBYTES_GOAL = 10.0


def figures() -> list[dict[str, Any]]:
    """Start a broker, play the fleet in a process of its own, and return its figures; none without mosquitto."""
    executable = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if executable is None:
        return []
    hubs = min(WANTED, possible_hubs())
    with tempfile.TemporaryDirectory() as folder:
        port = _free_port()
        broker = _start_broker(executable, Path(folder), port)
        try:
            command = [sys.executable, "-m", "bench.simulator_fleet", str(hubs), str(port)]
            done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
        finally:
            broker.terminate()
            broker.wait()
    if done.returncode != 0:
        raise RuntimeError(done.stderr[-2000:])
    return _rows(json.loads(done.stdout))


def _rows(seen: dict[str, Any]) -> list[dict[str, Any]]:
    rate = seen["messages"] / seen["window_s"]
    due = seen["hubs"] / INTERVAL_S
    # On a machine that is busy with something else fewer messages pass: the cost is then stated for all that were due.
    cores = seen["cores"] * max(1.0, due / rate)
    return [
        _row("simulator.fleet_hubs", seen["hubs"], "hubs in one process", WANTED, seen["hubs"] >= WANTED),
        _row("simulator.fleet_messages", round(rate), "acknowledged messages/s", round(due), rate >= 0.98 * due),
        _row("simulator.fleet_cpu", round(cores, 3), "cores", CORES_GOAL, cores <= CORES_GOAL),
        _row(
            "simulator.fleet_memory",
            round(seen["kilobytes"], 2),
            "kB/hub",
            KILOBYTES_GOAL,
            seen["kilobytes"] <= KILOBYTES_GOAL,
        ),
        {
            "name": "simulator.fleet_message_cost",
            "value": round(seen["fleet_us"], 1),
            "unit": "µs processor/message",
            "baseline": round(seen["bare_us"], 1),
            "ratio": round(seen["fleet_us"] / seen["bare_us"], 2),
            "goal": RATIO_GOAL,
            "met": seen["fleet_us"] <= RATIO_GOAL * seen["bare_us"],
        },
    ]


def _row(name: str, value: float, unit: str, goal: float, met: bool) -> dict[str, Any]:  # noqa: FBT001 - one row's fields
    return {"name": name, "value": value, "unit": unit, "baseline": None, "ratio": None, "goal": goal, "met": met}


def _start_broker(executable: str, folder: Path, port: int) -> "subprocess.Popen[bytes]":
    configuration = folder / "mosquitto.conf"
    configuration.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\nlog_type error\nuser root\n"
    )
    broker = subprocess.Popen([executable, "-c", str(configuration)], stderr=subprocess.DEVNULL)
    for _ in range(100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return broker
        time.sleep(0.05)
    raise RuntimeError("mosquitto does not listen")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _resident_kilobytes() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1024


class _Bare(asyncio.BufferedProtocol):
    """A connection that sends one packet a second and counts what comes back."""

    buffer = bytearray(65536)
    answers = 0

    def __init__(self, wheel: Wheel, number: int) -> None:
        self._wheel = wheel
        hub = make_hub_id(2, number)
        self._hello = packets.connect(hub, keep_alive_s=60, session_expiry_s=0, will_topic="w", will=b"", clean=True)
        payload = b"x" * 160
        self._message = packets.publish(packets.text(topic(hub, Channel.TELEMETRY)), 1, payload)
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)
        self._transport.write(self._hello)

    def get_buffer(self, sizehint: int) -> bytearray:
        del sizehint
        return _Bare.buffer

    def buffer_updated(self, nbytes: int) -> None:
        del nbytes
        _Bare.answers += 1

    def tick(self) -> None:
        if self._transport is not None:
            self._transport.write(self._message)
            self._wheel.after(INTERVAL_S, self.tick)


async def _bare(port: int) -> float:
    """Microseconds of processor a message of the bare protocol."""
    loop = asyncio.get_running_loop()
    wheel = Wheel(loop)
    made = [
        await loop.create_connection(partial(_Bare, wheel, number), "127.0.0.1", port)
        for number in range(BASELINE_HUBS)
    ]
    for number, (_, protocol) in enumerate(made):
        wheel.after(INTERVAL_S * number / BASELINE_HUBS, protocol.tick)
    await asyncio.sleep(1.5 * INTERVAL_S)
    answers, spent = _Bare.answers, time.process_time()
    await asyncio.sleep(BASELINE_S)
    cost = (time.process_time() - spent) / (_Bare.answers - answers) * 1e6
    wheel.stop()
    for transport, _ in made:
        transport.abort()
    await asyncio.sleep(0.1)
    return cost


async def _small_fleet(port: int) -> float:
    """Microseconds of processor a message of a fleet as large as the baseline."""
    habits = Habits(interval_s=INTERVAL_S)
    async with Fleet(Broker("127.0.0.1", port), BASELINE_HUBS, seed=3, habits=habits, sampling=False) as fleet:
        await fleet.connected(CONNECT_S)
        fleet.begin_sampling()
        await asyncio.sleep(1.5 * INTERVAL_S)
        answers, spent = fleet.counts.acknowledged, time.process_time()
        await asyncio.sleep(BASELINE_S)
        return (time.process_time() - spent) / (fleet.counts.acknowledged - answers) * 1e6


async def _play(hubs: int, port: int) -> dict[str, Any]:
    before = _resident_kilobytes()
    costs = {"bare_us": await _bare(port), "fleet_us": await _small_fleet(port)}
    habits = Habits(interval_s=INTERVAL_S)
    async with Fleet(Broker("127.0.0.1", port), hubs, seed=1, habits=habits, sampling=False) as fleet:
        await fleet.connected(CONNECT_S)
        fleet.begin_sampling()
        await asyncio.sleep(SETTLE_S)
        acknowledged, spent, started = fleet.counts.acknowledged, time.process_time(), time.perf_counter()
        await asyncio.sleep(WINDOW_S)
        window = time.perf_counter() - started
        return {
            "hubs": hubs,
            "messages": fleet.counts.acknowledged - acknowledged,
            "window_s": window,
            "cores": (time.process_time() - spent) / window,
            "kilobytes": (_resident_kilobytes() - before) / hubs,
            "counts": asdict(fleet.counts),
            **costs,
        }


if __name__ == "__main__":
    possible_hubs()
    print(json.dumps(asyncio.run(_play(int(sys.argv[1]), int(sys.argv[2])))))
