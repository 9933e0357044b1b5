"""A loop whose time jumps to the next timer when nothing is ready: waiting costs nothing."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
MAX_VIRTUAL_S = 100_000.0


class _JumpingSelector(selectors.DefaultSelector):
    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout is None:
            raise RuntimeError("the test would wait for ever")
        if not ready and timeout is not None:
            self.now += timeout
        if self.now > MAX_VIRTUAL_S:
            raise RuntimeError("the test waits too long")
        return ready


class JumpingLoop(asyncio.SelectorEventLoop):
    """asyncio on virtual time."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now

    def pass_by(self, seconds: float) -> None:
        """So much time passes in one call, while nothing else has its turn."""
        self._jumping.now += seconds


def run(test: Coroutine[Any, Any, T]) -> T:
    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        return runner.run(test)
