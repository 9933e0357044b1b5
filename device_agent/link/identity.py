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
    """The TLS context of every connection to come. `generations` names what is on the disk now, the newest first.

    `told` hears after each change why an earlier certificate than the newest is shown, "" while the newest is.
    """

    def __init__(self, context: ssl.SSLContext, generations: Callable[[], Sequence[Files]]) -> None:
        self.told: Callable[[str], None] = lambda _: None
        self._context: Final = context
        self._generations = generations
        self._shown = 0

    def take_up(self) -> None:
        """The next connection shows the newest that can be used."""
        self._show(0, "")

    def turn(self, refusal: str) -> None:
        """After a refusal the next connection shows another than the last one did, if another is kept."""
        self._show(self._shown + 1, refusal)

    def _show(self, first: int, why: str) -> None:
        kept = self._generations()
        for number in range(first, first + len(kept)):
            problem = self._load(kept[number % len(kept)])
            if not problem:
                self._shown = number % len(kept)
                break
            why = why or problem
        else:
            # None can be used: what the context holds since before stays.
            self.told(why)
            return
        if self._shown:
            _log.warning("an earlier certificate is shown", extra={"generations_back": self._shown, "error": why})
        self.told(why if self._shown else "")

    def _load(self, files: Files) -> str:
        """Why it cannot be used, "" when it is."""
        try:
            # A chain that fails half-way stays half-loaded: it is tried elsewhere first.
            for context in (ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), self._context):
                context.load_verify_locations(files["ca"])
                context.load_cert_chain(files["certificate"], files["key"])
        except (OSError, ssl.SSLError) as error:
            _log.error("a certificate cannot be used", extra={"error": str(error)})
            return f"it cannot be used: {error}"
        return ""


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
            except LinkRefusedError as error:
                self.identity.turn(str(error))
                raise
            yield link
