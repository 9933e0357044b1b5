"""How large a request may be: counted while it is read, so that nobody fills the memory, with a key or without."""

from typing import Final

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from controller.services import lists

# The largest honest body is 10,000 line events.
LARGEST: Final = 8 * 1024 * 1024
# Who has no key yet sends a request and a certificate.
LARGEST_WITHOUT_KEY: Final = 64 * 1024
WITHOUT_KEY: Final = "/v1/enrolments/"
# Lists of names are megabytes, and bounded by their own route, after it saw an administrator's key.
LISTS: Final = "/v1/lists"


class BodyLimit:
    """Ends the reading of a body that is over the limit; the answer is 413."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, its body counted."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        most = _most(scope["path"])
        read = 0

        async def counted() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > most:
                raise HTTPException(413, f"the body is over {most} bytes")
            return message

        return await self._app(scope, counted, send)


def _most(path: str) -> int:
    if path.startswith(WITHOUT_KEY):
        return LARGEST_WITHOUT_KEY
    return lists.MOST_BYTES + LARGEST if path.startswith(LISTS) else LARGEST
