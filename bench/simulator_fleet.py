"""Figures of the fleet: processor and memory of thousands of hubs in one process, against a real mosquitto.

Each hub sends one telemetry message a second at QoS 1 and takes its PUBACK. The count is 18,000, or the descriptor
limit less 1,000 where that is lower: the figure states it. Processor is the fleet process's own, over a window after
every hub is connected; memory is what the process grew by, a hub.
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
from pathlib import Path
from typing import Any

from simulator.fleet import Broker, Fleet, Habits, possible_hubs

WANTED = 18_000
INTERVAL_S = 1.0
SETTLE_S = 3.0
WINDOW_S = 12.0
CONNECT_S = 40.0
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
            done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
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


async def _play(hubs: int, port: int) -> dict[str, Any]:
    before = _resident_kilobytes()
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
        }


if __name__ == "__main__":
    possible_hubs()
    print(json.dumps(asyncio.run(_play(int(sys.argv[1]), int(sys.argv[2])))))
