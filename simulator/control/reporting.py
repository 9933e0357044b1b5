"""Telling a controller's API what happened on the line, as an operator's monitoring would."""

import asyncio
import logging
from collections import deque
from typing import Any, Final

import httpx

logger = logging.getLogger(__name__)

DEADLINE_S: Final = 10.0
# Reports that wait while the API is away; beyond it the oldest is dropped.
QUEUE_LIMIT: Final = 1000
RETRY_S: Final = 5.0
_BATCH: Final = 100


class Reporter:
    """Posts line events in batches and outages one by one, in order; the API is idempotent, so it repeats at will."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self._waiting: deque[tuple[str, dict[str, Any]]] = deque(maxlen=QUEUE_LIMIT)
        self._more = asyncio.Event()

    def report(self, path: str, item: dict[str, Any]) -> None:
        """Owe one item to `/v1/line-events` or `/v1/outages`."""
        self._waiting.append((path, item))
        self._more.set()

    async def run(self) -> None:
        """Post until cancelled; what the API refuses as wrong (4xx) is logged and left."""
        while True:
            await self._more.wait()
            self._more.clear()
            while self._waiting:
                if not await self._post_next():
                    await asyncio.sleep(RETRY_S)

    async def _post_next(self) -> bool:
        path = self._waiting[0][0]
        batch = [item for where, item in list(self._waiting)[:_BATCH] if where == path]
        body = {"events": batch} if path == "/v1/line-events" else batch[0]
        taken = len(batch) if path == "/v1/line-events" else 1
        try:
            async with asyncio.timeout(DEADLINE_S):
                answer = await self._client.post(path, json=body)
        except (httpx.HTTPError, TimeoutError, OSError):
            return False
        if answer.status_code >= 500:
            return False
        if answer.is_error:
            logger.warning("%s was refused with %d: %s", path, answer.status_code, answer.text[:200])
        self._settle(path, taken)
        return True

    def _settle(self, path: str, taken: int) -> None:
        left = deque(maxlen=QUEUE_LIMIT)  # type: deque[tuple[str, dict[str, Any]]]
        for where, item in self._waiting:
            if where == path and taken > 0:
                taken -= 1
            else:
                left.append((where, item))
        self._waiting = left
