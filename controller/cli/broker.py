"""The embedded broker of the demo: iotcore (rumqttd) in a child process, on loopback.

Its limits: no access lists, no persistence, it keeps delivered messages in memory. Good for a demo, nothing else.
"""

import asyncio
import json
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

from controller.cli.failures import CliError, Exit, cannot_listen

LIMITS: Final = "the embedded broker has no access lists and no persistence: use it for demonstrations only"
START_DEADLINE_S: Final = 15.0
STOP_DEADLINE_S: Final = 5.0

_CONFIGURATION: Final = """\
id = 0

[router]
id = 0
max_connections = 2000
max_outgoing_packet_count = 200
max_segment_size = 104857600
max_segment_count = 10

[v5.1]
name = "v5-1"
listen = "{host}:{port}"
next_connection_delay_ms = 1

    [v5.1.connections]
    connection_timeout_ms = 60000
    max_payload_size = 262144
    max_inflight_count = 500
    dynamic_filters = true
"""


def run_broker(host: str, port: int) -> None:
    """Run the broker in this process until a signal ends it."""
    from iotcore import IotCoreBroker

    check_free(host, port)
    with tempfile.TemporaryDirectory(prefix="hub-broker-") as directory:
        # It is read when the broker is made. The Rust broker has no shutdown and holds no state worth one: a signal
        # ends the process at once, and nothing could be tidied up then.
        path = _write_configuration(Path(directory), host, port)
        broker = IotCoreBroker(config_path=str(path), listen=host, port=port)
    for wanted in (signal.SIGTERM, signal.SIGINT):
        signal.signal(wanted, signal.SIG_DFL)
    sys.stdout.write(json.dumps({"listening": f"mqtt://{host}:{port}"}) + "\n")
    sys.stdout.flush()
    broker.run_forever()


@asynccontextmanager
async def embedded_broker(host: str = "127.0.0.1") -> AsyncIterator[int]:
    """Start the broker as a child on a free port, yield the port, stop it. The child ends with its parent's stdin."""
    port = free_port(host)
    with tempfile.TemporaryDirectory(prefix="hub-broker-") as directory:
        options = {"config_path": str(_write_configuration(Path(directory), host, port)), "listen": host, "port": port}
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            "from iotcore._serve import main; main()",
            json.dumps(options),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            # Ctrl-C at a terminal reaches the whole group; the broker goes last, when its parent says so.
            start_new_session=True,
        )
        try:
            await _wait_for(host, port, child)
            yield port
        finally:
            await _stop(child)


def _write_configuration(directory: Path, host: str, port: int) -> Path:
    path = directory / "broker.toml"
    path.write_text(_CONFIGURATION.format(host=host, port=port), encoding="utf-8")
    return path


def check_free(host: str, port: int) -> None:
    """Raise CliError when the address can't be listened on."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise cannot_listen(host, port, error) from error


def free_port(host: str) -> int:
    """Return a port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


async def _wait_for(host: str, port: int, child: asyncio.subprocess.Process) -> None:
    try:
        async with asyncio.timeout(START_DEADLINE_S):
            while child.returncode is None:
                try:
                    _, writer = await asyncio.open_connection(host, port)
                except OSError:
                    await asyncio.sleep(0.05)
                    continue
                writer.close()
                return
    except TimeoutError:
        pass
    raise CliError(Exit.BROKER, "the embedded broker did not start", "give --broker-url of a broker of your own")


async def _stop(child: asyncio.subprocess.Process) -> None:
    if child.stdin is not None:
        child.stdin.close()
    if child.returncode is None:
        with suppress(ProcessLookupError):
            child.terminate()
    try:
        async with asyncio.timeout(STOP_DEADLINE_S):
            await child.wait()
    except TimeoutError:
        child.kill()
        await child.wait()
