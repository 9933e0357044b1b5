"""Figures of hub-agent as a process: memory against its five imports, start, idle CPU, document to forwarding, a day.

`python -m bench.agent` prints them; `figures()` gives them as data. The host tools are the real ones in network
namespaces where this user may make them, stand-ins otherwise (then the document's way is left out: starting a
stand-in takes longer than what is measured). The modem is simulated, the broker mosquitto.
"""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from device_agent.protocol import Internet, Reporting
from simulator.host import install_standins
from simulator.stage.home import NamespaceHome, can_have_namespaces
from tests.e2e.agent import rig
from tests.e2e.mosquitto import Mosquitto, free_port

FIVE = "import asyncio, serial, aiomqtt, msgspec, ssl; ssl.create_default_context()"
IDLE_S = 30.0
TURNS = 5
GROWTH_MOST_PERCENT = 1.0
RSS_MOST_MB, RSS_RATIO_MOST, START_MOST_S, IDLE_MOST_PERCENT, OPEN_MOST_MS = 36.0, 1.4, 1.5, 0.5, 150.0


def figures() -> list[dict[str, Any]]:
    """Measure once; some three minutes, since a virtual day runs beside it at the lowest priority."""
    return asyncio.run(_measure())


async def _measure() -> list[dict[str, Any]]:
    day = await asyncio.create_subprocess_exec(
        *("nice", "-n", "19", sys.executable, "-m", "tests.unit.agent.a_day", "24"), stdout=asyncio.subprocess.PIPE
    )
    try:
        rows = await _measure_process()
        out, _ = await day.communicate()
    finally:
        if day.returncode is None:
            day.kill()
            await day.wait()
    return [
        *rows,
        _row("agent.rss_growth_24h", json.loads(out)["growth"] * 100, "%, virtual hours", GROWTH_MOST_PERCENT),
    ]


async def _measure_process() -> list[dict[str, Any]]:
    five_mb = _after(FIVE, "print(rss())")
    imports_s = _after(
        "import time; t = time.perf_counter(); import device_agent.cli.run", "print(time.perf_counter() - t)"
    )
    with tempfile.TemporaryDirectory() as directory:
        async with _hub(Path(directory)) as (voice, agent, real):
            start_s = max(0.0, await _first_report(voice, agent) - imports_s)
            now = (await voice.until(lambda m: getattr(m, "sent_at", None) is not None, 60)).sent_at
            await voice.publish(rig.desired(1, now, reporting=Reporting()))
            await voice.until(rig.is_open, 60)
            opening_ms = await _document_to_open(voice, now) if real else None
            await asyncio.sleep(5.0)
            assert agent.child is not None
            busy = _cpu_s(agent.child.pid)
            await asyncio.sleep(IDLE_S)
            idle = (_cpu_s(agent.child.pid) - busy) / IDLE_S * 100
            rss_mb = _rss_mb(agent.child.pid)
    rows = [
        _row("agent.rss_mb", rss_mb, "MB", RSS_MOST_MB, baseline=five_mb),
        _row("agent.rss_ratio", rss_mb / five_mb, "x", RSS_RATIO_MOST),
        _row("agent.start_to_first_report_s", start_s, "s after imports", START_MOST_S),
        _row("agent.idle_cpu_percent", idle, "% of a core" + ("" if real else ", tools left out"), IDLE_MOST_PERCENT),
    ]
    if opening_ms is not None:
        rows.append(_row("agent.document_to_open_ms", opening_ms, "ms, attached, to the report heard", OPEN_MOST_MS))
    return rows


@asynccontextmanager
async def _hub(directory: Path) -> AsyncIterator[tuple[rig.Controller, rig.Process, bool]]:
    """Broker, modem up and running, and an agent that is not started yet; whether the tools are real."""
    real = await can_have_namespaces()
    async with AsyncExitStack() as stack:
        broker = Mosquitto(directory)
        await broker.start()
        stack.push_async_callback(broker.stop)
        if real:
            place = NamespaceHome(directory, f"bench{os.getpid() % 10000}", [("127.0.0.1", broker.port)])
            stack.push_async_callback(place.tear_down)
            await place.build()
            config = rig.write_config(
                directory, broker.port, dns={"upstream": list(place.upstream)}, logging={"level": "info"}
            )
            agent = rig.agent(directory, config, {}, *place.agent_argv([]))
        else:
            install_standins(directory / "tools", directory / "host")
            dns = {"port": free_port(), "listen": ["127.0.0.1"]}
            config = rig.write_config(directory, broker.port, dns=dns, logging={"level": "info"})
            agent = rig.agent(directory, config, {"PATH": f"{directory / 'tools'}{os.pathsep}{os.environ['PATH']}"})
        voice = await stack.enter_async_context(rig.controller(broker.port))
        await stack.enter_async_context(rig.running(rig.modem(directory)))
        await asyncio.sleep(5.0)
        stack.push_async_callback(agent.stop)
        yield voice, agent, real


async def _first_report(voice: rig.Controller, agent: rig.Process) -> float:
    began = time.perf_counter()
    await agent.start()
    await voice.until(lambda m: hasattr(m, "observed_revision"), 30)
    return time.perf_counter() - began


async def _document_to_open(voice: rig.Controller, now: int) -> float:
    """Off and on again; the best of some turns, since the machine is shared."""
    took = []
    for turn in range(TURNS):
        await voice.publish(rig.desired(10 + 2 * turn, now, internet=Internet(on=False), reporting=Reporting()))
        await voice.until(rig.is_closed("internet_off"))
        voice.forget()
        began = time.perf_counter()
        await voice.publish(rig.desired(11 + 2 * turn, now, reporting=Reporting()))
        await voice.until(rig.is_open)
        took.append((time.perf_counter() - began) * 1000)
        voice.forget()
        await asyncio.sleep(0.5)
    return min(took)


def _after(imports: str, tell: str) -> float:
    """The least that a fresh interpreter tells after some imports, once the bytecode is compiled."""
    rss = "def rss():\n    return int(open('/proc/self/status').read().split('VmRSS:')[1].split()[0]) / 1024\n"
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", f"{rss}{imports}\n{tell}"], capture_output=True, text=True, check=True
        )
    return float(done.stdout)


def _rss_mb(pid: int) -> float:
    text = Path(f"/proc/{pid}/status").read_text()
    return int(text.split("VmRSS:")[1].split()[0]) / 1024


def _cpu_s(pid: int) -> float:
    """User and system time of the process and of the tools it waited for."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return sum(int(field) for field in fields[11:15]) / os.sysconf("SC_CLK_TCK")


def _row(name: str, value: float, unit: str, goal: float, baseline: float | None = None) -> dict[str, Any]:
    return {
        "name": name,
        "value": round(value, 3),
        "unit": unit,
        "baseline": None if baseline is None else round(baseline, 1),
        "ratio": None if baseline is None else round(value / baseline, 3),
        "goal": f"<= {goal:g}",
        "met": value <= goal,
    }


if __name__ == "__main__":
    for figure in figures():
        print(figure)
