"""Which certificate a connection shows: the newest generation of the identity, the one before it if that is no use.

A new certificate may not load (a worn-out disk), or a broker may refuse what the one before it lets in (it has not been
told of a new authority yet). Each refusal therefore turns to the next generation that is kept, and around.
"""

import logging
import ssl
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final

from device_agent.link.port import Link, LinkPort, LinkRefusedError, Will

_log = logging.getLogger(__name__)

# `ca`, `certificate` and `key` of one generation: paths.
Files = Mapping[str, str]


class ShownIdentity:
    """The TLS context of every connection to come. `generations` names what is on the disk now, the newest first."""

    def __init__(self, context: ssl.SSLContext, generations: Callable[[], Sequence[Files]]) -> None:
        self._context: Final = context
        self._generations = generations
        self._shown = 0

    def take_up(self) -> None:
        """The next connection shows the newest."""
        self._show(0)

    def turn(self) -> None:
        """The next connection shows another than the last one did, if another is kept."""
        self._show(self._shown + 1)

    def _show(self, first: int) -> None:
        kept = self._generations()
        for number in range(first, first + len(kept)):
            self._shown = number % len(kept)
            if self._load(kept[self._shown]):
                if self._shown:
                    _log.warning("an earlier certificate is shown", extra={"generations_back": self._shown})
                return

    def _load(self, files: Files) -> bool:
        try:
            self._context.load_verify_locations(files["ca"])
            self._context.load_cert_chain(files["certificate"], files["key"])
        except (OSError, ssl.SSLError) as error:
            _log.error("a certificate cannot be used", extra={"error": str(error)})
            return False
        return True


@dataclass(frozen=True, slots=True)
class IdentifiedPort:
    """Opens links of `port`, and turns the identity after each refusal."""

    port: LinkPort
    identity: ShownIdentity

    @asynccontextmanager
    async def open(
        self, *, client_id: str, will: Will | None, subscriptions: Sequence[str], session_expiry_s: int
    ) -> AsyncIterator[Link]:
        """See LinkPort."""
        opening = self.port.open(
            client_id=client_id, will=will, subscriptions=subscriptions, session_expiry_s=session_expiry_s
        )
        async with AsyncExitStack() as stack:
            try:
                link = await stack.enter_async_context(opening)
            except LinkRefusedError:
                self.identity.turn()
                raise
            yield link
