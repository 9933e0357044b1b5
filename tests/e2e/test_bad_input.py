"""What a person gets wrong at each of the three programs, and what a hub has to live with while it keeps trying."""

import asyncio
import contextlib
import json
import os
import shutil
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest

from simulator.host import install_standins
from tests.e2e.agent import rig
from tests.e2e.mosquitto import free_port

pytestmark = pytest.mark.e2e

BIN = Path(sys.executable).parent
# Root may open a port that is held exclusively; this is root without that right (ioctl_tty(2), TIOCEXCL).
WITHOUT_ADMIN = ("setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin")
HOLD = "import fcntl, os, sys, termios; d = os.open(sys.argv[1], os.O_RDWR | os.O_NOCTTY)"
HOLD += "; fcntl.ioctl(d, termios.TIOCEXCL); print('held', flush=True); sys.stdin.read()"


async def run(
    *words: str, directory: Path, prefix: tuple[str, ...] = (), environment: dict[str, str] | None = None
) -> tuple[int, str]:
    """A program's exit code and what it said on standard error."""
    program, *rest = words
    child = await asyncio.create_subprocess_exec(
        *prefix,
        str(BIN / program),
        *rest,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **(environment or {})},
        cwd=directory,
    )
    async with asyncio.timeout(30):
        _, err = await child.communicate()
    assert child.returncode is not None
    return child.returncode, err.decode()


def is_one_clear_line(said: str, program: str, *names: str) -> bool:
    """One line, by the program, with every word wanted."""
    return said.startswith(f"{program}: ") and said.count("\n") == 1 and all(name in said for name in names)


@asynccontextmanager
async def simulated(directory: Path, *words: str) -> AsyncIterator[Path]:
    """A modem on a pty, for the length of a block."""
    port = directory / "modem"
    async with rig.running(rig.modem(directory, *words)):
        async with asyncio.timeout(20):
            while not port.exists():
                await asyncio.sleep(0.05)
        yield port


@asynccontextmanager
async def held(port: Path) -> AsyncIterator[None]:
    """Another program has the port open and exclusive."""
    pipe = asyncio.subprocess.PIPE
    holder = await asyncio.create_subprocess_exec(sys.executable, "-c", HOLD, str(port), stdin=pipe, stdout=pipe)
    assert holder.stdin is not None
    assert holder.stdout is not None
    async with asyncio.timeout(10):
        assert await holder.stdout.readline() == b"held\n"
    try:
        yield
    finally:
        holder.stdin.close()
        await holder.wait()


def as_anybody() -> tuple[str, ...]:
    """The prefix under which TIOCEXCL counts."""
    if os.geteuid() != 0:
        return ()
    if shutil.which("setpriv") is None:
        reason = "setpriv is not installed: apt-get install -y util-linux"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return WITHOUT_ADMIN


@pytest.mark.parametrize(
    ("words", "code", "names"),
    [
        (("hub-agent", "probe", "--port", "/dev/ttyNOWHERE"), 6, ("/dev/ttyNOWHERE", "no such port", "plug")),
        (("hub-agent", "probe", "--port", "/dev/null"), 6, ("/dev/null", "no serial port", "AT port")),
        (("hub-agent", "status", "--socket", "absent.sock"), 10, ("absent.sock", "start it")),
        (("hub-agent", "run", "--config", "broken.toml"), 3, ("broken.toml", "line 1")),
        (("hub-controller", "--config", "broken.toml", "serve"), 3, ("broken.toml", "mend")),
        (("hub-controller", "serve", "--host", "203.0.113.7", "--port", "0"), 3, ("203.0.113.7", "--host")),
        (("hub-sim", "modem", "--listen", "tcp:127.0.0.1:99999"), 2, ("tcp:127.0.0.1:99999", "65535")),
        (("hub-sim", "modem", "--listen", "pty:absent/modem"), 4, ("absent", "create it")),
        (("hub-sim", "modem", "--listen", "pty:p", "--personality", "brick"), 3, ("brick", "quectel-ec25")),
    ],
    ids=lambda value: " ".join(value[:2]) if isinstance(value, tuple) else None,
)
async def test_a_mistake_is_one_line_with_a_code_of_its_own(
    tmp_path: Path, words: tuple[str, ...], code: int, names: tuple[str, ...]
) -> None:
    (tmp_path / "broken.toml").write_text('hub = "\n')
    found, said = await run(*words, directory=tmp_path)
    assert found == code, said
    assert is_one_clear_line(said, words[0], *names), said


@pytest.mark.parametrize(
    ("words", "code", "variable", "value"),
    [
        (("hub-agent", "check-config", "--config", "hub.toml"), 3, "MINIHUB_AGENT_BROKER__PORT", "many"),
        (("hub-agent", "run", "--config", "hub.toml"), 3, "MINIHUB_AGENT_SURPRISE", "1"),
        (("hub-controller", "serve", "--port", "0"), 3, "MINIHUB_BROKER_URL", "amqp://nowhere"),
        (("hub-controller", "migrate"), 4, "MINIHUB_DATABASE_URL", "nonsense"),
    ],
)
async def test_a_broken_environment_value_is_named(
    tmp_path: Path, words: tuple[str, ...], code: int, variable: str, value: str
) -> None:
    rig.write_config(tmp_path, 1883)
    found, said = await run(*words, directory=tmp_path, environment={variable: value})
    assert found == code, said
    assert is_one_clear_line(said, words[0]), said
    assert variable in said or value in said or "database URL" in said


async def test_an_address_in_use_is_named_by_every_program_that_listens(tmp_path: Path) -> None:
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    port = str(server.sockets[0].getsockname()[1])
    busy = (
        (("hub-controller", "serve", "--port", port), 7),
        (("hub-controller", "broker", "--port", port), 7),
        (("hub-sim", "carrier", "--port", port), 4),
        (("hub-sim", "modem", "--listen", f"tcp:127.0.0.1:{port}"), 4),
    )
    async with server:
        ends = await asyncio.gather(*(run(*words, directory=tmp_path) for words, _ in busy))
    for (words, code), (found, said) in zip(busy, ends, strict=True):
        assert found == code, said
        # The embedded broker's own warning may stand before it.
        assert is_one_clear_line(f"{said.splitlines()[-1]}\n", words[0], f"127.0.0.1:{port}", "in use"), said
        assert "Traceback" not in said


async def test_an_agent_leaves_a_database_of_newer_code_alone(tmp_path: Path) -> None:
    config = rig.write_config(tmp_path, 1883)
    (tmp_path / "state").mkdir()
    path = tmp_path / "state" / "agent.db"
    with closing(sqlite3.connect(path)) as database:
        database.executescript("PRAGMA user_version = 9999; CREATE TABLE future (what TEXT)")
        before = "".join(database.iterdump())
    found, said = await run("hub-agent", "run", "--config", str(config), directory=tmp_path)
    assert found == 4, said
    assert is_one_clear_line(said, "hub-agent", "agent.db", "newer"), said
    with closing(sqlite3.connect(path)) as database:
        assert "".join(database.iterdump()) == before


async def test_a_port_that_another_program_holds_is_named(tmp_path: Path) -> None:
    prefix = as_anybody()
    async with simulated(tmp_path) as port, held(port):
        found, said = await run("hub-agent", "probe", "--port", str(port), directory=tmp_path, prefix=prefix)
        assert found == 7, said
        assert is_one_clear_line(said, "hub-agent", str(port), "stop"), said


async def test_a_sim_that_is_missing_is_named(tmp_path: Path) -> None:
    async with simulated(tmp_path, "--no-sim") as port:
        found, said = await run("hub-agent", "probe", "--port", str(port), directory=tmp_path)
        assert found == 9, said
        assert is_one_clear_line(said, "hub-agent", "SIM", "insert"), said


async def told(config: Path) -> dict[str, Any]:
    """What `hub-agent status --json` says; empty while no agent answers."""
    words = ("status", "--json", "--config", str(config))
    child = await asyncio.create_subprocess_exec(
        str(BIN / "hub-agent"), *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    out, _ = await child.communicate()
    return dict(json.loads(out)) if child.returncode == 0 else {}


async def told_when(config: Path, condition: str, reason: str) -> dict[str, Any]:
    """What the agent says once a condition is false for a reason."""
    async with asyncio.timeout(25):
        while True:
            shown = await told(config)
            found = {c["type"]: (c["status"], c["reason"]) for c in shown.get("conditions", ())}
            if found.get(condition) == ("false", reason) and shown["session"]["state"] == "unreachable":
                return shown
            await asyncio.sleep(0.2)


@pytest.mark.parametrize("trouble", ["no modem", "port busy", "no SIM"])
async def test_a_hub_keeps_trying_and_shows_what_it_lacks(tmp_path: Path, trouble: str) -> None:
    broker = free_port()
    config = rig.write_config(tmp_path, broker)
    # Stand-ins: a hub's firewall has no business on the machine that runs the tests.
    install_standins(tmp_path / "tools", tmp_path / "host")
    tools = {"PATH": f"{tmp_path / 'tools'}{os.pathsep}{os.environ['PATH']}"}
    agent = rig.agent(tmp_path, config, tools, *(as_anybody() if trouble == "port busy" else ()))
    async with contextlib.AsyncExitStack() as stack:
        if trouble != "no modem":
            words = ("--no-sim",) if trouble == "no SIM" else ()
            port = await stack.enter_async_context(simulated(tmp_path, *words))
            if trouble == "port busy":
                await stack.enter_async_context(held(port))
        await stack.enter_async_context(rig.running(agent))
        shown = await told_when(config, "sim_ready" if trouble == "no SIM" else "modem_present", "absent")
        assert f"127.0.0.1:{broker}" in shown["session"]["problem"]
        says = {c["type"]: c["message"] for c in shown["conditions"]}["modem_present"]
        assert {"no modem": "no such port", "port busy": "stop it", "no SIM": ""}[trouble] in says
        assert await agent.stop() == 0
    lines = agent.text().splitlines()
    assert all(isinstance(json.loads(line), dict) for line in lines)
    assert "Traceback" not in agent.text()
    assert rig.ICCID not in agent.text()
