"""Somebody else's certificate authority, behind an executable or an HTTP service that takes a request and gives PEM.

Both are asked for the same two things; what they give is checked by `reading.check_issued` all the same.

| | executable | HTTP |
|---|---|---|
| a certificate | `PROGRAM … sign HUB_ID`, request on stdin | `POST URL/sign/HUB_ID`, body the request |
| the revocation list | `PROGRAM … crl`, JSON on stdin | `POST URL/crl`, body the JSON |
| later | exit code 75 (sysexits' EX_TEMPFAIL) | 429, 5xx, no answer |
| never | any other code | any other status |

The JSON is {"number", "this_update", "next_update", "revoked": [{"serial", "at"}]}; serials are hexadecimal, times
RFC 3339.
"""

import asyncio
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import httpx

from controller.pki.port import AuthorityBrokenError, AuthorityUnavailableError, Revoked, SigningRequest

DEADLINE_S: Final = 20.0
LARGEST: Final = 4 * 1024 * 1024
TRY_LATER: Final = 75


@dataclass(frozen=True, slots=True)
class CommandAuthority:
    """An authority behind an executable; `command` is its argument vector, without a shell."""

    command: tuple[str, ...]

    async def issue(self, request: SigningRequest, *, hub_id: str, now: datetime) -> str:
        """See Authority."""
        del now
        return (await self._ask(("sign", hub_id), request.pem.encode())).decode("ascii", "replace")

    async def revocation_list(
        self, revoked: Sequence[Revoked], *, number: int, now: datetime, next_update: datetime
    ) -> bytes:
        """See Authority."""
        return await self._ask(("crl",), _wanted(revoked, number, now, next_update))

    async def _ask(self, words: tuple[str, ...], given: bytes) -> bytes:
        pipe = asyncio.subprocess.PIPE
        try:
            process = await asyncio.create_subprocess_exec(*self.command, *words, stdin=pipe, stdout=pipe)
        except OSError as error:
            why = f"{self.command[0]} can't be started ({error.strerror})"
            raise AuthorityBrokenError(why) from error
        try:
            async with asyncio.timeout(DEADLINE_S):
                answer, _ = await process.communicate(given)
        except TimeoutError as error:
            raise AuthorityUnavailableError(f"{self.command[0]} took over {DEADLINE_S:g} s") from error
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        if process.returncode == TRY_LATER:
            raise AuthorityUnavailableError(f"{self.command[0]} says: later")
        if process.returncode != 0 or len(answer) > LARGEST:
            raise AuthorityBrokenError(f"{self.command[0]} {words[0]} ended with {process.returncode}")
        return answer


@dataclass(frozen=True, slots=True)
class HttpAuthority:
    """An authority behind an HTTP service; `http` carries its credentials."""

    http: httpx.AsyncClient
    url: str

    async def issue(self, request: SigningRequest, *, hub_id: str, now: datetime) -> str:
        """See Authority."""
        del now
        answer = await self._ask(f"sign/{hub_id}", request.pem.encode(), "application/pkcs10")
        return answer.decode("ascii", "replace")

    async def revocation_list(
        self, revoked: Sequence[Revoked], *, number: int, now: datetime, next_update: datetime
    ) -> bytes:
        """See Authority."""
        return await self._ask("crl", _wanted(revoked, number, now, next_update), "application/json")

    async def _ask(self, path: str, body: bytes, media_type: str) -> bytes:
        url = f"{self.url.rstrip('/')}/{path}"
        try:
            async with asyncio.timeout(DEADLINE_S):
                response = await self.http.post(url, content=body, headers={"Content-Type": media_type})
        except (httpx.HTTPError, TimeoutError) as error:
            raise AuthorityUnavailableError(f"the authority does not answer ({type(error).__name__})") from error
        if response.status_code == httpx.codes.TOO_MANY_REQUESTS or response.is_server_error:
            raise AuthorityUnavailableError(f"the authority answered {response.status_code}")
        if not response.is_success or len(response.content) > LARGEST:
            raise AuthorityBrokenError(f"the authority answered {response.status_code}")
        return response.content


def _wanted(revoked: Sequence[Revoked], number: int, now: datetime, next_update: datetime) -> bytes:
    document = {
        "number": number,
        "this_update": now.isoformat(),
        "next_update": next_update.isoformat(),
        "revoked": [{"serial": each.serial, "at": each.at.isoformat()} for each in revoked],
    }
    return json.dumps(document).encode()
