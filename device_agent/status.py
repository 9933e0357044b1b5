"""The running agent's local socket: one connection, one JSON document, closed. Nothing can be changed through it."""

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

_log = logging.getLogger(__name__)
DEADLINE_S: Final = 3.0
_MOST: Final = 1024 * 1024


class NotRunningError(Exception):
    """No agent answers on that socket."""


@asynccontextmanager
async def serve(path: Path, snapshot: Callable[[], dict[str, Any]]) -> AsyncIterator[None]:
    """Answer on a Unix socket, readable by its owner's group, until the block is left.

    Where there can be none (no such folder, read-only) it is said in the log: no home goes without for want of it.
    """

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(DEADLINE_S):
                writer.write(json.dumps(snapshot()).encode())
                await writer.drain()
        except (OSError, TimeoutError) as error:
            _log.debug("status not sent", extra={"error": str(error)})
        finally:
            writer.close()

    try:
        server = await _listen(path, answer)
    except OSError as error:
        told = {"path": str(path), "error": error.strerror, "remedy": "set status.socket to a folder that is writable"}
        _log.error("nobody can ask for the status", extra=told)
        yield
        return
    try:
        yield
    finally:
        server.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DEADLINE_S):
                await server.wait_closed()
        _remove(path)


async def _listen(path: Path, answer: Any) -> asyncio.Server:
    _remove(path)
    server = await asyncio.start_unix_server(answer, path)
    _share(path)
    return server


def _share(path: Path) -> None:
    """The service's group may ask; nobody else."""
    path.chmod(0o660)


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)


async def ask(path: Path) -> dict[str, Any]:
    """Ask the running agent. Raises NotRunningError."""
    try:
        async with asyncio.timeout(DEADLINE_S):
            reader, writer = await asyncio.open_unix_connection(path)
            try:
                shown: dict[str, Any] = json.loads(await reader.read(_MOST))
                return shown
            finally:
                writer.close()
    except PermissionError:
        raise NotRunningError(
            f"{path}: this user may not ask; run it as the agent's user, or one of its group"
        ) from None
    except (OSError, TimeoutError, ValueError) as error:
        told = f"no hub-agent answers on {path} ({type(error).__name__}); start it, or name its socket with --socket"
        raise NotRunningError(told) from None
