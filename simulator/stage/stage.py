"""The stage: carrier, broker, controller and hubs as real processes, each on a port or path of its own."""

import asyncio
import contextlib
import json
import os
import secrets
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from simulator.faults import SimulatorError
from simulator.stage.home import Home, NamespaceHome, StandInHome, can_have_namespaces
from simulator.stage.hub import HubUnit
from simulator.stage.parts import Break, HubModel
from simulator.stage.process import Process, program
from simulator.stage.record import StepFailedError
from simulator.stage.watch import Admin, watch_for

START_S = 20.0
# A Unix socket's whole name has at most 107 bytes (unix(7)); the run's own part below this folder stays under 50.
LONGEST_FOLDER = 57


@dataclass(frozen=True, slots=True)
class StageOptions:
    """How the stage is set. `broken` breaks one thing; `stand_ins` keeps to stand-in host tools even for root."""

    broken: Break | None = None
    stand_ins: bool = False
    seed: int = 1
    port: int = 0


@dataclass(slots=True)
class Stage:
    """The running stage. Made by `open_stage`."""

    options: StageOptions
    directory: Path
    carrier: Process
    carrier_url: str
    broker: Process
    broker_address: tuple[str, int]
    controller: Process
    controller_url: str
    admin: Admin
    key: str
    namespaces: bool
    hubs: list[HubUnit] = field(default_factory=list)

    async def provision(self, orders: list[dict[str, Any]]) -> None:
        """Give the carrier's platform its SIMs, as a supplier's order would have."""
        async with httpx.AsyncClient(timeout=5, trust_env=False) as client:
            answer = await client.post(f"{self.carrier_url}/sim/sims", json=orders)
            if answer.is_error:
                raise StepFailedError(f"the carrier did not take the SIMs: {answer.status_code} {answer.text[:200]}")

    async def place_hub(self, hub: str, model: HubModel) -> HubUnit:
        """Put a hub into a home: powered off, its SIM inserted."""
        number = len(self.hubs)
        folder = self.directory / f"hub{number}"
        folder.mkdir()
        unit = HubUnit(
            hub=hub,
            directory=folder,
            home=self._home(number, folder),
            carrier_url=self.carrier_url,
            broken=self.options.broken,
            seed=self.options.seed + number,
            model=model,
        )
        self.hubs.append(unit)
        await unit.home.build()
        return unit

    @property
    def broken(self) -> Break | None:
        """What is to be broken."""
        return self.options.broken

    @property
    def outbox(self) -> Path:
        """Where the controller's file notifier writes what a customer gets."""
        return self.directory / "outbox"

    def _home(self, number: int, folder: Path) -> Home:
        if self.namespaces:
            controller = httpx.URL(self.controller_url)
            reachable = [self.broker_address, (controller.host, controller.port or 80)]
            return NamespaceHome(folder, f"mh{os.getpid()}-{number}", reachable)
        return StandInHome(folder, self.broker_address, free_port())


class FolderError(SimulatorError):
    """The run has no folder that suits it."""

    exit_code = 2


@contextlib.asynccontextmanager
async def open_stage(options: StageOptions) -> AsyncIterator[Stage]:
    """Start everything but the hubs; at the end stop it all and leave no file, whatever happened in between."""
    directory = _make_folder()
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(shutil.rmtree, directory, ignore_errors=True)
        token = secrets.token_hex(16)
        carrier = Process("hub-sim carrier", _carrier_argv(token, options), log=directory / "carrier.log")
        carrier_url = await _start_announced(stack, carrier)
        broker_port = free_port()
        broker = Process("broker", _broker_argv(broker_port), log=directory / "broker.log")
        await _start(stack, broker)
        await _await_port("127.0.0.1", broker_port, broker)
        environment = {
            "MINIHUB_DATABASE_URL": f"sqlite:///{directory / 'controller.db'}",
            "MINIHUB_CARRIER_TOKEN": token,
        }
        key = await _make_key(environment)
        controller = Process(
            "hub-controller",
            _controller_argv(directory, broker_port, carrier_url, options),
            log=directory / "controller.log",
            environment=environment,
        )
        controller_url = await _start_announced(stack, controller)
        admin = Admin(controller_url, key)
        stack.push_async_callback(admin.close)
        stage = Stage(
            options=options,
            directory=directory,
            carrier=carrier,
            carrier_url=carrier_url,
            broker=broker,
            broker_address=("127.0.0.1", broker_port),
            controller=controller,
            controller_url=controller_url,
            admin=admin,
            key=key,
            namespaces=not options.stand_ins and await can_have_namespaces(),
        )
        stack.push_async_callback(_take_hubs_away, stage)
        yield stage


def _make_folder() -> Path:
    """A folder of the run's own, whose Unix sockets have names that fit. Raises FolderError."""
    place = tempfile.gettempdir()
    if len(os.fsencode(place)) > LONGEST_FOLDER:
        raise FolderError(
            f"the folder for temporary files has a name too long for Unix sockets in it: {place}",
            remedy=f"set TMPDIR to one of at most {LONGEST_FOLDER} bytes",
        )
    return Path(tempfile.mkdtemp(prefix="minihub-demo-", dir=place))


def free_port() -> int:
    """A TCP port nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _carrier_argv(token: str, options: StageOptions) -> list[str]:
    words = ["carrier", "--port", "0", "--token", token, "--manners", "good", "--seed", str(options.seed), "--json"]
    return [program("hub-sim"), *words]


def _broker_argv(port: int) -> list[str]:
    return [program("hub-controller"), "broker", "--host", "127.0.0.1", "--port", str(port)]


def _controller_argv(directory: Path, broker_port: int, carrier_url: str, options: StageOptions) -> list[str]:
    words = ["serve", "--host", "127.0.0.1", "--port", str(options.port), "--json"]
    words += ["--broker-url", f"mqtt://127.0.0.1:{broker_port}", "--carrier-url", carrier_url]
    words += ["--outbox", str(directory / "outbox"), "--quiet-window", "immediate"]
    return [program("hub-controller"), *words]


async def _start(stack: contextlib.AsyncExitStack, process: Process) -> None:
    stack.push_async_callback(process.stop)
    await process.start()


async def _start_announced(stack: contextlib.AsyncExitStack, process: Process) -> str:
    """Start a server that announces `{"listening": url}` as its first line of JSON."""
    await _start(stack, process)

    async def announced() -> dict[str, Any] | None:
        for line in process.tail().splitlines():
            if line.startswith("{") and '"listening"' in line:
                found: dict[str, Any] = json.loads(line)
                return found
        return None

    seen = await watch_for(f"{process.name} to listen", announced, within_s=START_S, processes=(process,))
    return str(seen["listening"]).rstrip("/")


async def _await_port(host: str, port: int, process: Process) -> None:
    async def answers() -> dict[str, Any] | None:
        try:
            _, writer = await asyncio.open_connection(host, port)
        except OSError:
            return None
        writer.close()
        return {"port": port}

    await watch_for(f"{process.name} on port {port}", answers, within_s=START_S, processes=(process,))


async def _make_key(environment: dict[str, str]) -> str:
    child = await asyncio.create_subprocess_exec(
        program("hub-controller"),
        *("keys", "create", "--role", "operator", "--json"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **environment},
    )
    out, err = await child.communicate()
    if child.returncode:
        raise StepFailedError(f"hub-controller keys create failed: {err.decode(errors='replace').strip()}")
    return str(json.loads(out)["key"])


async def _take_hubs_away(stage: Stage) -> None:
    for unit in reversed(stage.hubs):
        await unit.unplug()
        await unit.home.tear_down()
