"""One-off requests: each id at most once in all lives of this hub, its expiry honoured, its outcome always told."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from device_agent.clock import Clock
from device_agent.protocol import Request, RequestKind, RequestState
from device_agent.store import Store, StoreError

_log = logging.getLogger(__name__)

# No request may take longer (s); a network scan alone may take three minutes.
REQUEST_DEADLINE_S: Final = 240.0


class RejectedError(Exception):
    """The request would do harm now, or this hub cannot do it: why, in one line."""


Handler = Callable[[], Awaitable[dict[str, str]]]


class Requests:
    """Carries requests out one at a time, in the document's order."""

    def __init__(
        self, store: Store, clock: Clock, handlers: dict[RequestKind, Handler], told: Callable[[], None]
    ) -> None:
        self._store = store
        self._clock = clock
        self._handlers = handlers
        self._told = told
        self._asked: tuple[Request, ...] = ()
        self._wake = asyncio.Event()
        self._end_interrupted()

    def ask(self, requests: Sequence[Request]) -> None:
        """These are the document's requests now."""
        self._asked = tuple(requests)
        self._wake.set()

    def look(self) -> None:
        """Something a request waits for may have come (trusted time)."""
        if self._asked:
            self._wake.set()

    async def run(self) -> None:
        """Carry out what is asked; for ever."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            for request in self._asked:
                try:
                    # While another was carried out a document may have come that holds this one no more.
                    if request in self._asked:
                        await self._carry_out(request)
                except StoreError as error:
                    # Not begun, or its end not kept: what cannot be remembered is not done twice either.
                    _log.error("a request cannot be kept", extra={"kind": request.kind, "error": str(error)})

    def _end_interrupted(self) -> None:
        """What an earlier life began and did not end: a restart of the agent is done by being here."""
        for row in self._store.requests().values():
            if row.state == RequestState.BEGUN:
                done = row.kind == RequestKind.RESTART_AGENT
                message = "restarted" if done else "interrupted by a restart; not tried again"
                self._store.end_request(row.id, RequestState.DONE if done else RequestState.FAILED, message)

    async def _carry_out(self, request: Request) -> None:
        now = self._clock.now_ms()
        if now is None or request.id in self._store.requests():
            return
        if not self._store.begin_request(request.id, request.kind):
            return
        state, message, result = RequestState.EXPIRED, "came too late", dict[str, str]()
        if now < request.expires_at:
            self._told()
            state, message, result = await self._outcome(request)
        _log.info("request ended", extra={"kind": request.kind, "state": str(state)})
        self._store.end_request(request.id, state, message, result)
        self._told()

    async def _outcome(self, request: Request) -> tuple[RequestState, str, dict[str, str]]:
        handler = next((h for kind, h in self._handlers.items() if kind == request.kind), None)
        if handler is None:
            return RequestState.REJECTED, "this hub does not know such a request", {}
        try:
            async with asyncio.timeout(REQUEST_DEADLINE_S):
                return RequestState.DONE, "", await handler()
        except RejectedError as error:
            return RequestState.REJECTED, str(error), {}
        except TimeoutError:
            return RequestState.FAILED, f"no end within {REQUEST_DEADLINE_S:g} s", {}
        except Exception as error:
            # The outcome is always told, whatever a handler ran into.
            _log.warning("request failed", extra={"kind": request.kind, "error": str(error)})
            return RequestState.FAILED, f"{type(error).__name__}: {error}"[:256], {}
