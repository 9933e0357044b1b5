"""Asking the controller for a certificate: one bounded HTTPS request, no redirects, each failure with its remedy."""

import json
import ssl
import urllib.error
import urllib.request
from http import HTTPStatus
from typing import IO, Any, Final
from urllib.parse import urlsplit

from device_agent.cli.exits import Exit

DEADLINE_S: Final = 30.0
_ANSWER_MOST: Final = 256 * 1024
_LOCAL: Final = {"127.0.0.1", "::1", "localhost"}


class EnrolmentError(Exception):
    """No certificate: why, ending with the remedy. `exit_code` tells a refusal from a controller that is away."""

    def __init__(self, reason: str, exit_code: Exit) -> None:
        super().__init__(reason)
        self.exit_code = exit_code


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A claim code is sent to the controller that was named and to nobody else."""

    def redirect_request(self, *_: Any) -> None:
        """Never."""


def post(controller: str, verb: str, body: dict[str, str], authority: str = "") -> dict[str, Any]:
    """POST to `{controller}/v1/enrolments/{verb}` and return the answer. Raises EnrolmentError."""
    url = f"{controller.rstrip('/')}/v1/enrolments/{verb}"
    parts = urlsplit(url)
    if not parts.hostname or not (parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOCAL)):
        raise EnrolmentError(f"{controller[:80]}: only https:// is asked (http:// on this machine)", Exit.USAGE)
    request = urllib.request.Request(  # noqa: S310  # the scheme was checked above
        url, json.dumps(body).encode(), {"Content-Type": "application/json", "Accept": "application/json"}
    )
    opener = _opener(authority)
    try:
        with opener.open(request, timeout=DEADLINE_S) as response:
            return _answer(response)
    except urllib.error.HTTPError as error:
        with error:
            raise _refusal(error) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        told = f"{parts.netloc}: no answer ({reason}); see that it runs and is reached, and try again"
        raise EnrolmentError(told, Exit.UNREACHABLE) from None


def _opener(authority: str) -> urllib.request.OpenerDirector:
    try:
        context = ssl.create_default_context(cafile=authority or None)
    except OSError as error:
        told = f"{authority}: cannot be used as CA ({error}); name the CA of the controller's certificate with --ca"
        raise EnrolmentError(told, Exit.USAGE) from None
    return urllib.request.build_opener(
        urllib.request.ProxyHandler({}), _NoRedirect(), urllib.request.HTTPSHandler(context=context)
    )


def _answer(response: IO[bytes]) -> dict[str, Any]:
    answer = json.loads(response.read(_ANSWER_MOST))
    if not isinstance(answer, dict):
        raise ValueError("no JSON object")  # noqa: TRY004  # the bytes are wrong, as any other bytes would be
    return answer


def _refusal(error: urllib.error.HTTPError) -> EnrolmentError:
    """What a status means here: come again later, or get a person."""
    if error.code == HTTPStatus.TOO_MANY_REQUESTS or error.code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return EnrolmentError(f"the controller answered {error.code}; try again later", Exit.UNREACHABLE)
    line, remedy = _told(error)
    return EnrolmentError(f"the controller refused ({error.code}: {line}); {remedy}", Exit.REFUSED)


def _told(error: urllib.error.HTTPError) -> tuple[str, str]:
    """Message and remedy of the API's error document, each one line; or what the status says."""
    texts: dict[str, Any] = {}
    try:
        texts = dict(json.loads(error.read(_ANSWER_MOST))["error"])
    except (OSError, ValueError, KeyError, TypeError):
        texts = {}
    message, remedy = (" ".join(str(texts.get(name) or "").split())[:200] for name in ("message", "remedy"))
    return message or str(error.reason), remedy or "ask the controller's operators for a new claim code"
