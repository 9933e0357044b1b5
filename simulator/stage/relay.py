"""A byte relay between two addresses: how a hub in a network namespace reaches a broker outside it.

`python -m simulator.stage.relay tcp:127.0.0.1:1883 unix:/path` listens on the first and connects to the second.
Unix sockets belong to the file system, not to a namespace, so two relays back to back cross the border.
"""

import asyncio
import contextlib
import signal
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

_CHUNK = 64 * 1024
_CONNECT_S = 5.0

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Address:
    """`tcp:HOST:PORT` or `unix:PATH`."""

    kind: str
    host: str
    port: int = 0

    @classmethod
    def parse(cls, text: str) -> "Address":
        """Parse the text form. Raises ValueError."""
        kind, _, rest = text.partition(":")
        if kind == "unix" and rest:
            return cls(kind, rest)
        host, _, port = rest.rpartition(":")
        if kind != "tcp" or not host or not port.isdigit():
            raise ValueError(f"not tcp:HOST:PORT or unix:PATH: {text!r}")
        return cls(kind, host, int(port))

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect to it within a few seconds."""
        async with asyncio.timeout(_CONNECT_S):
            if self.kind == "unix":
                return await asyncio.open_unix_connection(self.host)
            return await asyncio.open_connection(self.host, self.port)

    async def listen(self, handler: Handler) -> asyncio.Server:
        """Listen on it."""
        if self.kind == "unix":
            return await asyncio.start_unix_server(handler, self.host)
        return await asyncio.start_server(handler, self.host, self.port)


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy until the source ends or the target breaks, then close the target."""
    with contextlib.suppress(OSError):
        while chunk := await reader.read(_CHUNK):
            writer.write(chunk)
            await writer.drain()
    writer.close()


def relay_to(target: Address) -> Handler:
    """A connection handler that joins each caller with a connection of its own to the target."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await target.connect()
        except (OSError, TimeoutError):
            writer.close()
            return
        async with asyncio.TaskGroup() as group:
            group.create_task(pump(reader, far_writer))
            group.create_task(pump(far_reader, writer))

    return handle


async def serve(listen: Address, target: Address) -> None:
    """Relay until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    server = await listen.listen(relay_to(target))
    try:
        await stop.wait()
    finally:
        server.close()


if __name__ == "__main__":
    asyncio.run(serve(Address.parse(sys.argv[1]), Address.parse(sys.argv[2])))
