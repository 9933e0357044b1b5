"""Figures of the carrier: SIM switches at a real osmo-hlr, beside a raw pipeline in the same run.

The register's database lies in memory (/dev/shm), as a register's on a fast disk would: on this kind of file a switch
is the register's work and not the disk's. The baseline writes the same VTY lines and CTRL reads from one plain socket
each, as many at a time, and parses nothing.
"""

import asyncio
import shutil
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from controller.carrier.osmo_hlr import OsmoHlrCarrier
from controller.carrier.osmo_wire import control_request
from controller.carrier.port import HubSetting
from controller.domain.sim import SimState
from tests.e2e.controller.register import CONTROL, TERMINAL, running_register

Figure = dict[str, Any]
SIMS = 500
ROUNDS = 12
AT_A_TIME = 64
STATES = (SimState.ACTIVE, SimState.PARKED)


def imsi_of(number: int) -> str:
    """Return a test IMSI."""
    return f"23430{number:010d}"


async def raw_switches(address: str, rounds: int) -> float:
    """Switch and read back over plain sockets; return switches per second."""
    terminal_in, terminal = await asyncio.open_connection(address, TERMINAL)
    control_in, control = await asyncio.open_connection(address, CONTROL)
    await terminal_in.readuntil(b"OsmoHLR> ")
    terminal.write(b"enable\n")
    await terminal_in.readuntil(b"OsmoHLR# ")
    begun = time.perf_counter()
    for number in range(rounds):
        mode = "cs+ps" if number % 2 == 0 else "cs"
        for start in range(0, SIMS, AT_A_TIME):
            numbers = range(start, min(start + AT_A_TIME, SIMS))
            lines = (f"subscriber imsi {imsi_of(n)} update network-access-mode {mode}\n" for n in numbers)
            terminal.write("".join(lines).encode())
            await _prompts(terminal_in, len(numbers))
            reads = (control_request(n + 1, "GET", f"subscriber.by-imsi-{imsi_of(n)}.info") for n in numbers)
            control.write(b"".join(reads))
            for _ in numbers:
                header = await control_in.readexactly(3)
                await control_in.readexactly(int.from_bytes(header[:2], "big"))
    took = time.perf_counter() - begun
    for writer in (terminal, control):
        writer.close()
        await writer.wait_closed()
    return rounds * SIMS / took


async def _prompts(reader: asyncio.StreamReader, count: int) -> None:
    for _ in range(count):
        await reader.readuntil(b"OsmoHLR# ")


async def adapter_switches(carrier: OsmoHlrCarrier, rounds: int) -> float:
    """Switch through the adapter, so many callers at a time; return switches per second."""
    begun = time.perf_counter()
    for number in range(rounds):
        await _in_parallel(carrier, HubSetting(STATES[number % 2]))
    return rounds * SIMS / (time.perf_counter() - begun)


async def _in_parallel(carrier: OsmoHlrCarrier, setting: HubSetting) -> None:
    numbers = iter(range(SIMS))

    async def caller() -> None:
        for number in numbers:
            await carrier.ask(str(number), setting)

    await asyncio.gather(*(caller() for _ in range(AT_A_TIME)))


def directory() -> Callable[[str], Awaitable[str | None]]:
    """Return the directory of IMSIs."""

    async def find(iccid: str) -> str | None:
        return imsi_of(int(iccid))

    return find


async def measure(address: str) -> tuple[float, float]:
    """Let the baseline and the adapter take turns; return the switches per second of each."""
    maker = OsmoHlrCarrier(address, imsi_of=directory(), now=lambda: datetime.now(UTC), create=True)
    await _in_parallel(maker, HubSetting(SimState.PARKED))
    await maker.close()
    carrier = OsmoHlrCarrier(address, imsi_of=directory(), now=lambda: datetime.now(UTC))
    raw, own = [], []
    for _ in range(ROUNDS // 4):
        raw.append(await raw_switches(address, 4))
        own.append(await adapter_switches(carrier, 4))
    await carrier.close()
    return sorted(raw)[len(raw) // 2], sorted(own)[len(own) // 2]


def figures() -> list[Figure]:
    """Measure; a few seconds."""
    if shutil.which("osmo-hlr") is None:
        return []
    memory = Path("/dev/shm")  # a file system in memory, in a directory of our own
    with (
        tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None, prefix="bench-hlr-") as where,
        running_register(Path(where)) as address,
    ):
        raw, own = asyncio.run(measure(address))
    goal = 2_000
    return [
        {
            "name": "controller.osmo_hlr_switches",
            "value": own,
            "unit": "switches/s",
            "baseline": raw,
            "ratio": own / raw,
            "goal": f">= {goal}",
            "met": own >= goal,
        }
    ]
