"""Running a host tool: the one place where this room starts a process.

`Runner` is the boundary that a test or a virtual world replaces; everything above it speaks in argument vectors.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from firmware_bridge.errors import HostToolError

# A tool that has not ended this long (s) after SIGTERM is killed.
STOP_GRACE_S = 2.0
_PACKAGES = {"nft": "nftables", "dnsmasq": "dnsmasq-base", "hostapd_cli": "hostapd"}


@dataclass(frozen=True, slots=True)
class Completed:
    """How a tool ended."""

    returncode: int
    stdout: bytes
    stderr: bytes


class Child(Protocol):
    """A tool that stays: its pid, its end, and what it complained of."""

    @property
    def pid(self) -> int:
        """The process id."""
        ...

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        ...

    async def wait(self) -> int:
        """Return its exit code once it has ended; several may wait."""
        ...

    async def stop(self) -> None:
        """Terminate, kill after STOP_GRACE_S; returns when it is gone. A second call does nothing."""
        ...

    def complaint(self) -> str:
        """What it wrote to its standard error, the last 2 kB."""
        ...


class Runner(Protocol):
    """Starts tools found on PATH. Raises HostToolError for a missing tool and for a missed deadline."""

    async def run(self, argv: Sequence[str], *, stdin: bytes = b"", deadline_s: float) -> Completed:
        """Run to the end; the exit code is the caller's to judge."""
        ...

    async def spawn(self, argv: Sequence[str]) -> Child:
        """Start a tool that stays in the foreground."""
        ...

    async def stop_leftover(self, pid_file: Path, marker: str) -> None:
        """Stop what an earlier life of ours left running: the pid in the file, if its command line holds `marker`."""
        ...


class SystemRunner:
    """The real one: asyncio subprocesses, no shell, C locale."""

    async def run(self, argv: Sequence[str], *, stdin: bytes = b"", deadline_s: float) -> Completed:
        """See Runner."""
        process = await _start(argv, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE)
        try:
            async with asyncio.timeout(deadline_s):
                stdout, stderr = await process.communicate(stdin)
        except TimeoutError:
            raise HostToolError(argv[0], f"no end within {deadline_s:g} s") from None
        finally:
            await _reap(process)
        return Completed(process.returncode or 0, stdout, stderr)

    async def spawn(self, argv: Sequence[str]) -> Child:
        """See Runner."""
        log = os.memfd_create("stderr")
        try:
            process = await _start(argv, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log)
        except BaseException:
            os.close(log)
            raise
        return _SystemChild(process, log)

    async def stop_leftover(self, pid_file: Path, marker: str) -> None:
        """See Runner."""
        pid = _leftover_pid(pid_file, marker)
        if pid is None:
            return
        for sign in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, sign)
            for _ in range(int(STOP_GRACE_S / 0.02)):
                if _leftover_pid(pid_file, marker) is None:
                    return
                await asyncio.sleep(0.02)


class _SystemChild:
    """A child whose standard error lies in memory, so that nothing has to drain a pipe."""

    def __init__(self, process: asyncio.subprocess.Process, log: int) -> None:
        self._process = process
        self._log = log

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.returncode is None

    async def wait(self) -> int:
        return await self._process.wait()

    async def stop(self) -> None:
        if self._process.returncode is None:
            self._process.terminate()
            try:
                async with asyncio.timeout(STOP_GRACE_S):
                    await self._process.wait()
            except TimeoutError:
                pass
            finally:
                await _reap(self._process)
        if self._log >= 0:
            os.close(self._log)
            self._log = -1

    def complaint(self) -> str:
        if self._log < 0:
            return ""
        size = os.fstat(self._log).st_size
        return os.pread(self._log, 2048, max(0, size - 2048)).decode(errors="replace")


async def _start(
    argv: Sequence[str], *, stdin: int, stdout: int, stderr: int = asyncio.subprocess.PIPE
) -> asyncio.subprocess.Process:
    env = {**os.environ, "LC_ALL": "C"}
    try:
        return await asyncio.create_subprocess_exec(*argv, stdin=stdin, stdout=stdout, stderr=stderr, env=env)
    except FileNotFoundError:
        package = _PACKAGES.get(argv[0], argv[0])
        raise HostToolError(argv[0], f"not found on PATH (Debian package: {package})") from None
    except OSError as error:
        raise HostToolError(argv[0], f"cannot be started: {error.strerror}") from None


async def _reap(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _leftover_pid(pid_file: Path, marker: str) -> int | None:
    try:
        pid = int(pid_file.read_text())
        status = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (OSError, ValueError):
        return None
    return pid if marker.encode() in status else None
