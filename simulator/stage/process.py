"""Child processes of the stage: started with their own log, watched, and always stopped."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

# How long a child may take to leave after SIGTERM before it is killed.
GRACE_S = 5.0
_TAIL_BYTES = 4096


def program(name: str) -> str:
    """The console script beside the running Python, else the one on PATH."""
    beside = Path(sys.executable).parent / name
    return str(beside) if beside.exists() else name


class ProcessEndedError(Exception):
    """A child of the stage ended by itself: its exit code and the end of its log say why."""

    def __init__(self, name: str, code: int, tail: str) -> None:
        last = tail.strip().splitlines()[-1] if tail.strip() else "it printed nothing"
        super().__init__(f"{name} ended with exit code {code}: {last}")
        self.name = name
        self.code = code
        self.tail = tail


class Process:
    """One child: in its own process group, so that a Ctrl-C in the terminal reaches only the stage."""

    def __init__(
        self, name: str, argv: Sequence[str], *, log: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self.argv = list(argv)
        self.log = log
        self._environment = {**os.environ, **(environment or {})}
        self._child: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._child.pid if self.running and self._child else None

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._child is not None and self._child.returncode is None

    async def start(self) -> None:
        """Start it; its output is appended to the log."""
        with self.log.open("ab") as log:
            self._child = await asyncio.create_subprocess_exec(
                *self.argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=asyncio.subprocess.STDOUT,
                env=self._environment,
                start_new_session=True,
            )

    async def stop(self) -> None:
        """Ask it to leave, kill its group if it does not; returns when it is gone. Idempotent."""
        if not self.running or self._child is None:
            return
        self._child.terminate()
        try:
            async with asyncio.timeout(GRACE_S):
                await self._child.wait()
        except TimeoutError:
            await self.kill()

    async def kill(self) -> None:
        """Kill it and its group at once, as a power cut would."""
        if self._child is None or not self.running:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._child.pid, signal.SIGKILL)
        await self._child.wait()

    def raise_if_ended(self) -> None:
        """Raise ProcessEndedError when it ended by itself."""
        if self._child is not None and self._child.returncode is not None:
            raise ProcessEndedError(self.name, self._child.returncode, self.tail())

    def tail(self) -> str:
        """The end of its log."""
        if not self.log.exists():
            return ""
        with self.log.open("rb") as log:
            log.seek(max(0, self.log.stat().st_size - _TAIL_BYTES))
            return log.read().decode(errors="replace")
