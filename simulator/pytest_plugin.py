"""Hardware-in-the-loop tests for anybody's modem software: `pytest --target sim` or `--target serial:/dev/ttyUSB2`.

Fixtures: `hil` (the bench: its ports and everything that can be done to them), `hil_port` (the first port's path) and
`hil_faults` (inject and clear faults). The same tests run on the simulated modem and on a real one; a test that asks
for what a real modem cannot do (a fault, a button) is skipped there with that reason.

A marker chooses what is simulated: `@pytest.mark.hil(personality="simcom-sim7600", ports=2, scenario="mute-modem")`.
The markers of module, class and test add up, the closest winning.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from simulator.control.client import ControlClient

START_S: Final = 30.0
STOP_S: Final = 10.0
DEFAULT_SEED: Final = 1

_SCENARIO: Final = """\
title = "hardware in the loop"
description = "One modem for one test."
duration_s = 86400
speed = {speed}
[modem]
personality = {personality}
boots = {boots}
"""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("hil", "hardware in the loop (minihub simulator)")
    group.addoption(
        "--target", default="sim", help="what to test on: sim (default), or serial:/dev/ttyUSB2[,/dev/ttyUSB3 ...]"
    )
    group.addoption(
        "--hil-personality", default="quectel-ec25", help="the modem that is simulated unless a test's marker names one"
    )
    group.addoption(
        "--hil-seed", type=int, default=DEFAULT_SEED, help="the simulation's seed; printed when a test fails"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Add the marker; refuse a target that means nothing."""
    config.addinivalue_line(
        "markers", "hil(personality=, scenario=, ports=, boots=, speed=): what the simulator plays for this test"
    )
    _serial_ports(config.getoption("--target"))


@dataclass(slots=True)
class Faults:
    """Faults of the simulated modem; `hub-sim faults` lists them."""

    bench: Bench

    def inject(
        self, kind: str, *, point: str | None = None, for_s: float | None = None, times: int | None = None, **given: Any
    ) -> int:
        """Let a fault begin now; `given` are its parameters. Returns its number (of no use for momentary ones)."""
        fields = {"kind": kind, "point": point, "for_s": for_s, "times": times, "with": given}
        return int(self.bench.command("inject", **fields)["id"])

    def clear(self, number: int | None = None) -> int:
        """Take a fault down, or all; returns how many there were."""
        return int(self.bench.command("clear", id=number)["cleared"])

    def active(self) -> list[dict[str, Any]]:
        """The faults that hold."""
        found: list[dict[str, Any]] = self.bench.command("faults")["faults"]
        return found


class Bench:
    """A modem to test against: on `ports`, real or simulated."""

    def __init__(self, ports: tuple[str, ...], client: ControlClient | None) -> None:
        self.ports = ports
        self.faults = Faults(self)
        self._client = client

    @property
    def simulated(self) -> bool:
        """Whether this modem is played."""
        return self._client is not None

    def command(self, do: str, **fields: Any) -> dict[str, Any]:
        """Send a control command (docs/simulator.md); on real hardware the test is skipped."""
        if self._client is None:
            pytest.skip(f"{do!r} needs the simulator: the target is real hardware")
        return self._client.send(do, **fields)

    def state(self) -> dict[str, Any]:
        """How the simulated world stands."""
        return self.command("state")

    def press_power_button(self) -> bool:
        """Press the hub's button; returns whether it is on now."""
        return bool(self.command("power_button")["on"])

    def deliver_sms(self, text: str, sender: str = "+447700900002") -> None:
        """Send the modem a short message."""
        self.command("sms", text=text, sender=sender)

    def move(self, path_loss_db: float) -> None:
        """Put every cell at this path loss, dB."""
        self.command("move", path_loss_db=path_loss_db)

    def remove_sim(self) -> None:
        """Take the card out."""
        self.command("sim", inserted=False)

    def insert_sim(self, *, iccid: str | None = None, imsi: str | None = None) -> None:
        """Put a card in; the same again without numbers."""
        self.command("sim", inserted=True, iccid=iccid, imsi=imsi)

    def carry_traffic(self, *, tx_bytes: int = 0, rx_bytes: int = 0) -> None:
        """Move the byte counters."""
        self.command("traffic", tx_bytes=tx_bytes, rx_bytes=rx_bytes)


@pytest.fixture
def hil(request: pytest.FixtureRequest) -> Iterator[Bench]:
    """The bench; a fresh simulated modem for each test, or the real one that --target names."""
    config = request.config
    ports = _serial_ports(config.getoption("--target"))
    if ports:
        yield Bench(ports, None)
        return
    wanted: dict[str, Any] = {"personality": config.getoption("--hil-personality")}
    for marker in reversed(list(request.node.iter_markers("hil"))):  # the closest comes first
        wanted |= marker.kwargs
    seed = int(config.getoption("--hil-seed"))
    request.node.add_report_section("setup", "hil", f"simulated {wanted['personality']}, --hil-seed {seed}")
    with tempfile.TemporaryDirectory(prefix="hil-") as folder, _simulator(Path(folder), wanted, seed) as bench:
        yield bench


@pytest.fixture
def hil_port(hil: Bench) -> str:
    """The path of the first port."""
    return hil.ports[0]


@pytest.fixture
def hil_faults(hil: Bench) -> Faults:
    """The fault handle; a test that asks for it is skipped on real hardware."""
    if not hil.simulated:
        pytest.skip("fault injection needs the simulator: the target is real hardware")
    return hil.faults


def _serial_ports(target: str) -> tuple[str, ...]:
    """The ports of a serial target; none for the simulator. Raises pytest.UsageError."""
    if target == "sim":
        return ()
    kind, _, paths = target.partition(":")
    ports = tuple(path for path in paths.split(",") if path)
    if kind != "serial" or not ports:
        raise pytest.UsageError(f"--target {target!r}: say sim, or serial:/dev/ttyUSB2[,/dev/ttyUSB3]")
    return ports


@contextlib.contextmanager
def _simulator(folder: Path, wanted: dict[str, Any], seed: int) -> Iterator[Bench]:
    from simulator.control.client import ControlClient

    ports = tuple(str(folder / f"ttyUSB{number + 2}") for number in range(wanted.get("ports", 1)))
    socket, trace, log = folder / "control.sock", folder / "trace", folder / "log"
    command = [sys.executable, "-m", "simulator.cli", "run", _scenario(folder, wanted), "--seed", str(seed)]
    command += [f"--control={socket}", f"--trace={trace}", *(f"--listen=pty:{port}" for port in ports)]
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, stdin=subprocess.DEVNULL)
        try:
            _await_ready(process, log)
            with ControlClient(socket) as client:
                _await(
                    lambda: all(Path(port).exists() for port in ports) or not wanted.get("boots", False), process, log
                )
                yield Bench(ports, client)
        finally:
            _stop(process)


def _scenario(folder: Path, wanted: dict[str, Any]) -> str:
    if "scenario" in wanted:
        return str(wanted["scenario"])
    path = folder / "scenario.toml"
    personality, boots = json.dumps(wanted["personality"]), json.dumps(bool(wanted.get("boots", False)))
    speed = float(wanted.get("speed", 1.0))
    path.write_text(_SCENARIO.format(personality=personality, boots=boots, speed=speed))
    return str(path)


def _await_ready(process: subprocess.Popen[bytes], log: Path) -> None:
    _await(lambda: b"\nready: " in log.read_bytes(), process, log)


def _await(condition: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_S
    while not condition():
        if process.poll() is not None or time.monotonic() > deadline:
            pytest.fail(f"the simulator did not start: {log.read_text(errors='replace').strip()[-500:]}", pytrace=False)
        time.sleep(0.02)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
