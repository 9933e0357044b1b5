"""Keeps one link to the broker open: connects, serves, reconnects with jittered back-off, and shows its state."""

import asyncio
import random as random_module
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from controller.link.port import Link, LinkError, LinkLostError, LinkPort, LinkRefusedError

FIRST_DELAY_S: Final = 0.2
LONGEST_DELAY_S: Final = 15.0
# A refusal needs a person: asking every few seconds would only fill the broker's log.
REFUSED_DELAY_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class LinkState:
    """What an operator sees: `word` is connecting, connected, unreachable, refused or lost."""

    word: str
    detail: str = ""


class Keeper:
    """Owns the link; `current` is None while there is none."""

    def __init__(
        self,
        port: LinkPort,
        *,
        client_id: str,
        subscriptions: Sequence[str],
        session_expiry_s: int,
        random: random_module.Random,
    ) -> None:
        self._port, self._client_id, self._subscriptions = port, client_id, tuple(subscriptions)
        self._session_expiry_s, self._random = session_expiry_s, random
        self._connected = asyncio.Event()
        self._log = structlog.get_logger("controller.link")
        self.current: Link | None = None
        self.state = LinkState("connecting")

    async def run(self, serve: Callable[[Link], Awaitable[None]]) -> None:
        """Open a link, let `serve` use it until it is lost, and again, until cancelled."""
        failures = 0
        while True:
            try:
                async with self._port.open(
                    client_id=self._client_id,
                    will=None,
                    subscriptions=self._subscriptions,
                    session_expiry_s=self._session_expiry_s,
                ) as link:
                    failures = 0
                    self._show(LinkState("connected"))
                    self.current = link
                    self._connected.set()
                    await serve(link)
            except LinkError as error:
                failures += 1
                self._show(_state_after(error))
            else:
                return
            finally:
                self.current = None
                self._connected.clear()
            await asyncio.sleep(self._delay(failures))

    async def wait(self) -> Link:
        """Return the present link, or the next one."""
        while self.current is None:
            await self._connected.wait()
        return self.current

    def _show(self, state: LinkState) -> None:
        if state.word != self.state.word:
            log = self._log.info if state.word == "connected" else self._log.warning
            log("link", state=state.word, detail=state.detail)
        self.state = state

    def _delay(self, failures: int) -> float:
        if self.state.word == "refused":
            return REFUSED_DELAY_S * (0.5 + 0.5 * self._random.random())
        longest = min(FIRST_DELAY_S * 2.0 ** min(failures - 1, 10), LONGEST_DELAY_S)
        return longest * (0.5 + 0.5 * self._random.random())


def _state_after(error: LinkError) -> LinkState:
    word = {LinkRefusedError: "refused", LinkLostError: "lost"}.get(type(error), "unreachable")
    return LinkState(word, str(error))
