"""A real osmo-hlr on loopback, and a relay before it that loses what a test wants lost."""

import asyncio
import os
import shutil
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

import pytest

CONTROL, TERMINAL, GSUP = 4259, 4258, 4222
MISSING = "osmo-hlr is not installed: apt-get install -y osmo-hlr"
SETTINGS = """log stderr
 logging filter all 1
 logging color 0
 logging level main error
line vty
 bind {address}
ctrl
 bind {address}
hlr
 database {database}
 gsup
  bind ip {address}
"""


@contextmanager
def running_register(directory: Path, number: int = 1, database: Path | None = None) -> Iterator[str]:
    """Run a register on a loopback address of its own (its ports are fixed); yields the address."""
    if shutil.which("osmo-hlr") is None or shutil.which("osmo-hlr-db-tool") is None:
        if os.environ.get("CI") == "true":
            pytest.fail(MISSING)
        pytest.skip(MISSING)
    address = f"127.{os.getpid() % 200 + 20}.8.{number}"
    store = database or directory / "hlr.db"
    (directory / "hlr.cfg").write_text(SETTINGS.format(address=address, database=store))
    make = ["osmo-hlr-db-tool", "-l", str(store), "create"]
    subprocess.run(make, check=True, capture_output=True, timeout=20, cwd=directory)
    command = ["osmo-hlr", "-c", str(directory / "hlr.cfg"), "-l", str(store)]
    with (directory / "hlr.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=directory)
    try:
        _wait_for(address, process)
        yield address
    finally:
        process.kill()
        process.wait(timeout=10)


def _wait_for(address: str, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 10
    while process.poll() is None and time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection((address, CONTROL), timeout=1):
            return
        time.sleep(0.02)
    raise AssertionError("osmo-hlr did not start")


class Relay:
    """Passes bytes on to one port of the register, and counts the lines that switch somebody."""

    def __init__(self) -> None:
        self.port = 0
        self.switches = 0
        self.lose_answers_to = b""
        self.lose_requests_with = b""
        self.garble_answers = False
        self.hold_answers: asyncio.Event | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, port: int) -> None:
        """Relay one connection until an end closes, or something is to be lost."""
        far_reader, far_writer = await asyncio.open_connection(host, port)
        losing = asyncio.Event()
        ways = [
            asyncio.create_task(self._requests(reader, far_writer, losing)),
            asyncio.create_task(self._answers(far_reader, writer, losing)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            for end in (writer, far_writer):
                end.transport.abort()
            await asyncio.gather(*ways, return_exceptions=True)

    async def _requests(self, reader: asyncio.StreamReader, far: asyncio.StreamWriter, losing: asyncio.Event) -> None:
        while data := await reader.read(65536):
            if self.lose_requests_with and self.lose_requests_with in data:
                return
            self.switches += data.count(b"network-access-mode")
            if self.lose_answers_to and self.lose_answers_to in data:
                losing.set()
            far.write(data)

    async def _answers(self, far: asyncio.StreamReader, writer: asyncio.StreamWriter, losing: asyncio.Event) -> None:
        while data := await far.read(65536):
            if losing.is_set():
                return
            if self.hold_answers is not None:
                await self.hold_answers.wait()
            writer.write(b"\x00\x05\xee\x00what" if self.garble_answers else data)


@asynccontextmanager
async def relayed(host: str, port: int) -> AsyncIterator[Relay]:
    """Run a relay to one port of the register."""
    relay = Relay()
    serving: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(relay.serve(reader, writer, host, port))
        serving.add(task)
        task.add_done_callback(serving.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    relay.port = server.sockets[0].getsockname()[1]
    try:
        yield relay
    finally:
        server.close()
        await server.wait_closed()
        for task in tuple(serving):
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)
