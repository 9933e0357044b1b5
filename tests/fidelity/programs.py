"""Other people's programs: found, run with a deadline, and gone afterwards."""

import asyncio
import importlib.util
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from simulator.clock import LoopClock
from simulator.faults import FaultBoard
from simulator.modem import SimulatedModem, default_card, load
from simulator.modem.pty import PtyHub
from simulator.modem.wire import Wire, parse_listen
from simulator.radio import Air, AskNetwork, cells_of
from simulator.uicc import Uicc

PACKAGES = {
    "ModemManager": "modemmanager",
    "mmcli": "modemmanager",
    "dbus-daemon": "dbus",
    "gdbus": "libglib2.0-bin",
    "gammu": "gammu",
    "chat": "ppp",
    "comgt": "comgt",
    "osmo-hlr": "osmo-hlr",
    "osmo-hlr-db-tool": "osmo-hlr",
    "unshare": "util-linux",
    "mount": "mount",
    "smsd": "smstools",
}


def need(*programs: str) -> None:
    """Skip with the command that installs what is missing; where CI is set, fail instead."""
    reason = _missing(programs)
    if reason and os.environ.get("CI", "").lower() in {"true", "1"}:
        pytest.fail(reason)
    if reason:
        pytest.skip(reason)


def use(*programs: str) -> None:
    """Skip with the command that installs what is missing, in CI too: one client more, not one that must be there."""
    if reason := _missing(programs):
        pytest.skip(reason)


def _missing(programs: Sequence[str]) -> str:
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    missing = [program for program in programs if shutil.which(program, path=path) is None]
    packages = " ".join(sorted({PACKAGES[program] for program in missing}))
    return f"{', '.join(missing)} missing: apt-get install -y --no-install-recommends {packages}" if missing else ""


def need_package(module: str, package: str) -> None:
    """As `need`, for a Python package."""
    if importlib.util.find_spec(module) is not None:
        return
    reason = f"{module} missing: pip install {package}"
    if os.environ.get("CI", "").lower() in {"true", "1"}:
        pytest.fail(reason)
    pytest.skip(reason)


def private_namespace() -> list[str]:
    """The command that runs another in a mount namespace of its own; skips (fails in CI) where there is none."""
    command = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-rm"]
    if os.spawnvp(os.P_WAIT, command[0], [*command, "true"]) == 0:
        return command
    reason = "a private mount namespace is not allowed here: run as root or allow user namespaces"
    if os.environ.get("CI", "").lower() in {"true", "1"}:
        pytest.fail(reason)
    pytest.skip(reason)


@dataclass(frozen=True)
class Outcome:
    """How a program ended and what it wrote."""

    code: int
    text: str


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment with system tools on the path, in the C locale."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    return {**os.environ, "PATH": path, "LC_ALL": "C", **(extra or {})}


async def run(*command: str, env: Mapping[str, str] | None = None, within_s: float = 30.0) -> Outcome:
    """Run a program to its end, both outputs together; it is killed at the deadline."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=environment(env),
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(within_s):
            output, _ = await process.communicate()
    except TimeoutError:
        await end(process)
        pytest.fail(f"{' '.join(command)} did not end within {within_s:g} s")
    assert process.returncode is not None
    return Outcome(process.returncode, output.decode("utf-8", "replace"))


async def end(process: asyncio.subprocess.Process) -> None:
    """Stop a program and everything it started: its process group."""
    for number, patience in ((signal.SIGTERM, 3.0), (signal.SIGKILL, 3.0)):
        if process.returncode is not None:
            return
        os.killpg(process.pid, number)
        try:
            async with asyncio.timeout(patience):
                await process.wait()
        except TimeoutError:
            continue


@asynccontextmanager
async def background(
    command: Sequence[str], log: Path, *, env: Mapping[str, str] | None = None
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A program that runs while the context lasts, writing to `log`."""
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environment(env),
            start_new_session=True,
        )
    try:
        yield process
    finally:
        await end(process)


async def until(holds: Callable[[], Awaitable[bool]], *, within_s: float) -> bool:
    """Ask again and again; False when it does not hold in time."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within_s
    while not await holds():
        if loop.time() > deadline:
            return False
        await asyncio.sleep(0.1)
    return True


async def exists(path: Path) -> bool:
    """Whether a file is there."""
    return _is_there(path)


def _is_there(path: Path) -> bool:
    return path.exists()


async def check_side_by_side(check: Callable[[str], Awaitable[None]], names: Sequence[str]) -> None:
    """Run a check for several names at once: these programs mostly wait. A failure says whose it is."""

    async def named(name: str) -> None:
        try:
            await check(name)
        except BaseException as error:
            error.add_note(f"with {name}")
            raise

    async with asyncio.TaskGroup() as group:
        for name in names:
            group.create_task(named(name), name=name)


@dataclass
class Bench:
    """A simulated modem with its front ends, and a directory of its own with a short name."""

    modem: SimulatedModem
    faults: FaultBoard
    directory: Path
    addresses: tuple[str, ...]

    @property
    def port(self) -> str:
        """The modem's name of its first port."""
        return next(iter(self.modem.ports))

    async def registered(self) -> None:
        """Wait until the modem has service."""

        async def has_service() -> bool:
            return self.modem.registration.registered

        assert await until(has_service, within_s=15), "no service"


@asynccontextmanager
async def bench(
    personality: str, *listens: str, card: Uicc | None = None, network: AskNetwork | None = None, factor: float = 4.0
) -> AsyncIterator[Bench]:
    """A modem that is up; `{d}` in a listen address is its directory. Simulated time runs `factor` times as fast."""
    loop = asyncio.get_running_loop()
    directory = Path(tempfile.mkdtemp(prefix="fid-"))
    hub = PtyHub(loop)
    faults = FaultBoard()
    clock = LoopClock(loop.time, factor=factor)
    modem = SimulatedModem(
        load(personality), clock=clock, random=Random(7), card=card or default_card(), faults=faults,
        air=Air(cells_of(), seed=7), network=network,
    )  # fmt: skip
    fronts = tuple(parse_listen(listen.format(d=directory)) for listen in listens)
    try:
        async with Wire(modem, clock, fronts, hub=hub) as wire:
            modem.power_on(boot=False)
            yield Bench(modem, faults, directory, wire.addresses)
    finally:
        hub.close()
        shutil.rmtree(directory)
