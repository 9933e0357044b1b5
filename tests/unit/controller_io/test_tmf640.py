"""What the TMF640 adapter makes of whatever comes back, or does not: what its caller does next hangs on the kind."""

import asyncio
import hashlib
import hmac
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import httpx
import pytest

from controller.carrier.port import (
    BusyError,
    CarrierError,
    HubSetting,
    NotUnderstoodError,
    OperationState,
    PlanSetting,
    RefusedError,
    Setting,
    ThrottledError,
    UnknownOutcomeError,
    UnknownSimError,
    UnreachableError,
    UntrustedWebhookError,
)
from controller.carrier.tmf640 import DEADLINE_S, Tmf640Carrier
from controller.domain.sim import SimState
from simulator.virtual.loop import run_virtual

Answer = Callable[[httpx.Request], Coroutine[None, None, httpx.Response]]


def service(iccid: str, state: str = "active") -> dict[str, Any]:
    at = "2026-11-20T09:00:00Z"
    return {"id": f"sim-{iccid}", "category": "hubData", "state": state, "serviceVersion": 1, "lastUpdate": at}


def plan() -> dict[str, Any]:
    return {**service("1"), "category": "mobileData"}


def holds(**values: str) -> dict[str, Any]:
    return {"serviceCharacteristic": [{"name": name, "value": value} for name, value in values.items()]}


def call(answer: Answer, act: Callable[[Tmf640Carrier], Awaitable[Any]]) -> Any:
    """Let the adapter act on a platform that answers so, in virtual time."""

    async def work() -> Any:
        async with httpx.AsyncClient(
            base_url="http://carrier", transport=httpx.MockTransport(answer), timeout=None
        ) as http:
            return await act(Tmf640Carrier(http))

    return run_virtual(work())


def says(status: int, *, after: str | None = None, body: Any = None) -> Answer:
    async def answer(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(status, headers={} if after is None else {"Retry-After": after}, json=body)

    return answer


def fails(error: type[httpx.TransportError]) -> Answer:
    async def answer(_request: httpx.Request) -> httpx.Response:
        raise error("as played")

    return answer


async def is_silent(_request: httpx.Request) -> httpx.Response:
    await asyncio.sleep(3600)
    raise AssertionError("nobody waits so long")


@pytest.mark.parametrize(
    ("answer", "ask", "read"),
    [
        (is_silent, UnknownOutcomeError, UnreachableError),
        (fails(httpx.ReadTimeout), UnknownOutcomeError, UnreachableError),
        (fails(httpx.ReadError), UnknownOutcomeError, UnreachableError),
        (fails(httpx.WriteError), UnknownOutcomeError, UnreachableError),
        (fails(httpx.RemoteProtocolError), UnknownOutcomeError, UnreachableError),
        # The request did not leave.
        (fails(httpx.ConnectError), UnreachableError, UnreachableError),
        (fails(httpx.ConnectTimeout), UnreachableError, UnreachableError),
        (fails(httpx.PoolTimeout), UnreachableError, UnreachableError),
        (says(500), UnknownOutcomeError, UnreachableError),
        # Only with Retry-After does it say that nothing happened.
        (says(503), UnknownOutcomeError, UnreachableError),
        (says(503, after="7"), ThrottledError, ThrottledError),
        (says(429), ThrottledError, ThrottledError),
        (says(409), BusyError, BusyError),
        (says(404), UnknownSimError, UnknownSimError),
        (says(400), RefusedError, RefusedError),
        (says(302), NotUnderstoodError, NotUnderstoodError),
        (says(200, body=[]), NotUnderstoodError, NotUnderstoodError),
        (says(202, body={"state": "acknowledged"}), NotUnderstoodError, NotUnderstoodError),
        (says(200, body=service("1", "terminated")), NotUnderstoodError, NotUnderstoodError),
        (says(200, body={**service("1"), "id": "line-1"}), NotUnderstoodError, NotUnderstoodError),
    ],
)
def test_what_comes_back_decides_what_is_done_next(
    answer: Answer, ask: type[CarrierError], read: type[CarrierError]
) -> None:
    with pytest.raises(ask) as asked:
        call(answer, lambda carrier: carrier.ask("1", HubSetting(SimState.ACTIVE)))
    with pytest.raises(read) as was_read:
        call(answer, lambda carrier: carrier.read("1"))
    assert (type(asked.value), type(was_read.value)) == (ask, read)


@pytest.mark.parametrize(
    ("after", "waits"), [("7", 7.0), (None, 1.0), ("0", 1.0), ("9999", 300.0), ("Fri, 20 Nov 2026 09:00:00 GMT", 1.0)]
)
def test_how_long_to_wait_is_believed_within_bounds(after: str | None, waits: float) -> None:
    with pytest.raises(ThrottledError) as caught:
        call(says(429, after=after), lambda carrier: carrier.read("1"))
    assert caught.value.retry_after_s == waits


def test_silence_is_waited_for_no_longer_than_a_call_may_take() -> None:
    async def ask(carrier: Tmf640Carrier) -> float:
        with pytest.raises(UnknownOutcomeError):
            await carrier.ask("1", HubSetting(SimState.PARKED))
        return asyncio.get_running_loop().time()

    assert call(is_silent, ask) == DEADLINE_S


def test_many_sims_are_read_by_pages_and_one_that_is_no_sim_any_more_is_left_out() -> None:
    pages: list[tuple[int, str]] = []

    async def answer(request: httpx.Request) -> httpx.Response:
        ids = request.url.params["id"].split(",")
        pages.append((len(ids), request.url.params["limit"]))
        gone = "sim-7"
        shown = [service(id_.removeprefix("sim-"), "terminated" if id_ == gone else "active") for id_ in ids]
        return httpx.Response(200, json=shown)

    found = call(answer, lambda carrier: carrier.read_many([str(n) for n in range(51)]))
    assert pages == [(50, "50"), (1, "50")]
    assert [each.iccid for each in found] == [str(n) for n in range(51) if n != 7]


@pytest.mark.parametrize(
    ("shown", "setting", "seen_imei"),
    [
        ({**service("1", "suspended")}, HubSetting(SimState.BARRED), None),
        ({**service("1", "inactive"), **holds(seenImei="")}, HubSetting(SimState.PARKED), None),
        ({**service("1"), **holds(seenImei="86")}, HubSetting(SimState.ACTIVE), "86"),
        ({**plan(), **holds(allowanceMb="unlimited", backup="on")}, PlanSetting(None, "standard", True), None),
        ({**plan(), **holds(allowanceMb="0", speedTier="extra")}, PlanSetting(0, "extra", False), None),
    ],
)
def test_what_the_platform_shows_is_told_in_our_words(
    shown: dict[str, Any], setting: Setting, seen_imei: str | None
) -> None:
    found = call(says(200, body=shown), lambda carrier: carrier.read("1"))
    assert (found.setting, found.seen_imei) == (setting, seen_imei)


@pytest.mark.parametrize(
    ("status", "state", "told"),
    [
        (200, "acknowledged", OperationState.RUNNING),
        (200, "inProgress", OperationState.RUNNING),
        (200, "completed", OperationState.COMPLETED),
        (200, "failed", OperationState.FAILED),
        (404, "", OperationState.FORGOTTEN),
    ],
)
def test_how_an_operation_goes_is_told_in_our_words(status: int, state: str, told: OperationState) -> None:
    answer = says(status, body={"id": "m", "state": state})
    assert call(answer, lambda carrier: carrier.progress("m")) is told


def test_without_a_secret_nobody_is_believed() -> None:
    async def read(carrier: Tmf640Carrier) -> None:
        signed = {"X-Signature": "sha256=" + hmac.new(b"", b"{}", hashlib.sha256).hexdigest()}
        with pytest.raises(UntrustedWebhookError):
            carrier.read_webhook(signed, b"{}", "")

    call(is_silent, read)
