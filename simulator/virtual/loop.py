"""An event loop whose clock jumps: days pass in seconds, and the same seed gives the same trace.

Theory of operation: the selector is asked to wait until the next timer; instead of waiting it moves the clock there.
Nothing real may take part, so the loop refuses what would bring real time in: it raises when nothing is ready and no
timer is set (a deadlock that a real loop would sleep through), raises when another thread calls in, and runs executor
jobs inline. Tasks hash by a serial number, because TaskGroup, all_tasks() and wait() keep sets, and sets of objects
are ordered by address otherwise. For the same trace in two processes PYTHONHASHSEED must be fixed as well.
"""

import asyncio
import selectors
import threading
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context
from typing import Any, TypeVar, TypeVarTuple

# Timers closer than this (s) fire together.
RESOLUTION_S = 1e-6

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class VirtualTimeError(RuntimeError):
    """Something happened that virtual time cannot follow; the message says what to change."""


class SerialTask(asyncio.Task[Any]):
    """A task that hashes by the order of its making, so that sets of tasks iterate the same in every process."""

    def __init__(self, *args: Any, serial: int, **kwargs: Any) -> None:
        # Before the task registers itself in asyncio's weak set, which hashes it.
        self.serial = serial
        super().__init__(*args, **kwargs)

    def __hash__(self) -> int:
        """The serial number."""
        return self.serial

    def __eq__(self, other: object) -> bool:
        """Identity, as for every task."""
        return self is other


class _JumpingSelector(selectors.SelectSelector):
    """Waits by moving the loop's clock."""

    def __init__(self, advance: Callable[[float | None], None]) -> None:
        super().__init__()
        self._advance = advance

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and (timeout is None or timeout > 0):
            self._advance(timeout)
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """A SelectorEventLoop on virtual time. `time()` starts at 0 and is the only clock its code may see."""

    def __init__(self) -> None:
        self._now = 0.0
        self._serial = 0
        self._thread = threading.get_ident()
        super().__init__(_JumpingSelector(self._jump))
        # A timer is due within the resolution; a nanosecond is lost in a float that counts a year.
        self._clock_resolution = RESOLUTION_S
        self.set_task_factory(self._make_task)

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._now

    def call_soon_threadsafe(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """Only the loop's own thread may call; another thread would bring in real time."""
        if threading.get_ident() != self._thread:
            raise VirtualTimeError("another thread called into virtual time: make the route, dependency or job async")
        return super().call_soon_threadsafe(callback, *args, context=context)

    def run_in_executor(self, _executor: Any, func: Callable[..., T], *args: Any) -> asyncio.Future[T]:  # type: ignore[override]
        """Run the job here and now; it takes no virtual time."""
        future: asyncio.Future[T] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # whatever the job raises is the future's to tell, as from a real executor
            future.set_exception(error)
        return future

    def _jump(self, timeout: float | None) -> None:
        if timeout is None:
            raise VirtualTimeError(
                "nothing is ready and no timer is set: every task waits for something that cannot come"
            )
        self._now += timeout

    def _make_task(
        self,
        loop: asyncio.AbstractEventLoop,
        coro: Coroutine[Any, Any, T] | Generator[Any, None, T],
        **kwargs: Any,
    ) -> asyncio.Task[T]:
        self._serial += 1
        return SerialTask(coro, loop=loop, serial=self._serial, **kwargs)


def run_virtual(main: Coroutine[Any, Any, T]) -> T:
    """Run the coroutine to its end on a fresh VirtualLoop and return its result."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)
