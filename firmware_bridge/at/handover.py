"""Waiting for an answer without a further turn of the event loop.

An asyncio.Future wakes its task by `call_soon`: one more turn of the loop, with a system call of its own, for each
answer. A Handover resumes the task in the callback that brings the result. It is a Future-like object as
`asyncio.isfuture` describes them; a task that waits for it is cancelled as usual.
"""

import asyncio
from collections.abc import Callable, Generator
from contextvars import Context
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Handover(Generic[T]):
    """One result for one waiting task: the first `give`, `fail` or cancellation counts, later ones are ignored.

    `give` resumes the task before it returns, unless a task is running now: then it does so in the loop's next turn.
    So let it be the last thing a callback does. A failure always comes in the next turn, and is no accident worth a log
    line when nobody waits.
    """

    __slots__ = ("_asyncio_future_blocking", "_context", "_done", "_failure", "_loop", "_result", "_wake")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._asyncio_future_blocking = False
        self._loop = loop
        self._done = False
        self._wake: Callable[[Any], object] | None = None
        self._failure: BaseException | None = None

    def done(self) -> bool:
        """Whether it has a result, a failure, or was cancelled."""
        return self._done

    def give(self, result: T) -> None:
        """Hand the result over."""
        if self._done:
            return
        self._done = True
        self._result = result
        wake = self._wake
        if wake is None:
            return
        if asyncio.current_task(self._loop) is None:
            self._wake = None
            self._context.run(wake, self)
        else:
            self._resume_soon()

    def fail(self, failure: BaseException) -> None:
        """Let the waiting task have an exception."""
        if not self._done:
            self._done = True
            self._failure = failure
            self._resume_soon()

    def _resume_soon(self) -> None:
        wake, self._wake = self._wake, None
        if wake is not None:
            self._loop.call_soon(wake, self, context=self._context)

    def __await__(self) -> Generator["Handover[T]", None, T]:
        """Wait for the result."""
        if not self._done:
            self._asyncio_future_blocking = True
            yield self
        return self.result()

    # What asyncio.Task asks of a Future.

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """The loop it belongs to."""
        return self._loop

    def add_done_callback(self, wake: Callable[[Any], object], *, context: Context) -> None:
        """The task's own: only one task may wait."""
        self._wake, self._context = wake, context
        if self._done:
            self._resume_soon()

    def cancel(self, msg: object = None) -> bool:
        """The waiting task is being cancelled; False when the result came before."""
        if self._done:
            return False
        self.fail(asyncio.CancelledError() if msg is None else asyncio.CancelledError(msg))
        return True

    def result(self) -> T:
        """The result; raises the failure."""
        if self._failure is not None:
            raise self._failure
        return self._result
