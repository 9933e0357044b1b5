"""Looking until something is seen: every observation of the demo has a deadline and says what it waited for."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

import httpx

from simulator.stage.process import ProcessEndedError
from simulator.stage.record import StepFailedError

_LOOK_EVERY_S = 0.1

Seen = dict[str, Any] | None
Look = Callable[[], Awaitable[Seen]]


class Admin:
    """The admin API as an operator's program uses it. Raises StepFailedError with the API's own words."""

    def __init__(
        self, base_url: str, key: str, *, deadline_s: float = 10.0, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self._client = httpx.AsyncClient(
            base_url=base_url,
            headers={"Authorization": f"Bearer {key}"},
            timeout=deadline_s,
            trust_env=False,
            transport=transport,
        )

    async def close(self) -> None:
        """Close its connections."""
        await self._client.aclose()

    async def get(self, path: str, **query: str) -> Any:
        """GET and return the JSON body."""
        return await self._ask("GET", path, params=query)

    async def post(self, path: str, body: dict[str, Any]) -> Any:
        """POST and return the JSON body."""
        return await self._ask("POST", path, json=body)

    async def _ask(self, method: str, path: str, **kwargs: Any) -> Any:
        try:
            response = await self._client.request(method, path, **kwargs)
        except httpx.HTTPError as error:
            raise StepFailedError(f"the controller did not answer {method} {path}: {error!r}") from None
        if response.is_error:
            raise StepFailedError(f"{method} {path} was answered {response.status_code}: {response.text[:300]}")
        return response.json()


class Watched(Protocol):
    """What may end by itself while one waits."""

    def raise_if_ended(self) -> None:
        """Raise ProcessEndedError when it did."""


async def watch_for(
    what: str, look: Look, *, within_s: float, processes: Sequence[Watched] = (), every_s: float = _LOOK_EVERY_S
) -> dict[str, Any]:
    """Look again and again until something is seen. Raises StepFailedError with what was last known.

    A look that cannot be carried out just now (the controller restarting) is no observation, and is tried again.
    `processes` are watched meanwhile: one that ends by itself is the reason.
    """
    last = "nothing was seen"
    try:
        async with asyncio.timeout(within_s):
            while True:
                _raise_if_any_ended(processes)
                try:
                    seen = await look()
                except StepFailedError as error:
                    seen, last = None, error.reason
                if seen is not None:
                    return seen
                await asyncio.sleep(every_s)
    except TimeoutError:
        raise StepFailedError(f"not seen within {within_s:g} s: {what} ({last})") from None


def _raise_if_any_ended(processes: Sequence[Watched]) -> None:
    for process in processes:
        try:
            process.raise_if_ended()
        except ProcessEndedError as error:
            raise StepFailedError(str(error), {"log": error.tail.splitlines()[-5:]}) from None
