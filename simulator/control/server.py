"""The control socket: one JSON command a line in, one JSON answer a line out, on a Unix socket of the user's own."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Final

import msgspec

from simulator.control.commands import Command
from simulator.faults import SimulatorError

LINE_LIMIT: Final = 64 * 1024

_DECODER: Final = msgspec.json.Decoder(Command)


class SocketError(SimulatorError):
    """The control socket cannot be opened there."""

    exit_code = 4


def answer_line(line: bytes, act: Callable[[Command], dict[str, Any]]) -> bytes:
    """Carry out one line and render its answer; a wrong command is an answer too."""
    try:
        result = {"ok": True, **act(_DECODER.decode(line))}
    except msgspec.MsgspecError as error:
        result = {"ok": False, "error": f"not a command: {error}", "remedy": "docs/simulator.md lists them"}
    except SimulatorError as error:
        result = {"ok": False, "error": error.message, "remedy": error.remedy}
    return msgspec.json.encode(result) + b"\n"


@contextlib.asynccontextmanager
async def serve_control(path: Path, act: Callable[[Command], dict[str, Any]]) -> AsyncIterator[None]:
    """Answer on the socket while the block runs; it is gone afterwards. Raises SocketError."""
    writers: set[asyncio.StreamWriter] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.add(writer)
        with contextlib.suppress(OSError, ValueError):
            while line := await reader.readline():
                writer.write(answer_line(line, act))
                await writer.drain()
        writers.discard(writer)
        writer.close()

    server = await _listen(path, handle)
    try:
        yield
    finally:
        server.close()
        for writer in list(writers):
            writer.close()
        await server.wait_closed()
        _remove(path)


async def _listen(path: Path, handle: Any) -> asyncio.Server:
    if await _answers(path):
        raise SocketError(f"{path}: another simulator answers there", remedy="choose another --control")
    try:
        _remove(path)
        server = await asyncio.start_unix_server(handle, path, limit=LINE_LIMIT)
        _keep_private(path)
    except OSError as error:
        raise SocketError(f"{path}: {error.strerror or error}", remedy="choose another --control") from None
    return server


async def _answers(path: Path) -> bool:
    try:
        _, writer = await asyncio.open_unix_connection(path)
    except OSError:
        return False
    writer.close()
    return True


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)


def _keep_private(path: Path) -> None:
    path.chmod(0o600)
