"""TM Forum TMF640 Service Activation v4, as docs/carrier.md tells it.

A change is a PATCH answered by a Monitor (202) or by the service (200). The response may be lost after the effect and a
5xx may hide a success: both are an unknown outcome. Only 429, 409 and 503 with Retry-After say that nothing happened.
"""

import asyncio
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Final, TypeVar

import httpx
import msgspec

from controller.carrier.port import (
    Accepted,
    BusyError,
    Done,
    HubSetting,
    News,
    NotUnderstoodError,
    Observation,
    OperationNews,
    OperationState,
    PlanSetting,
    RefusedError,
    Setting,
    ThrottledError,
    UnknownOutcomeError,
    UnknownSimError,
    UnreachableError,
    UntrustedWebhookError,
    Webhook,
    iccid_of_service,
)
from controller.domain.sim import SimState

T = TypeVar("T")

BASE: Final = "/tmf-api/ServiceActivationAndConfiguration/v4"
PAGE: Final = 50  # the most services of one list page
DEADLINE_S: Final = 10.0
LONGEST_WAIT_S: Final = 300.0
UNLIMITED: Final = "unlimited"
SIGNATURE: Final = "x-signature"

_STATES: Final = {"active": SimState.ACTIVE, "inactive": SimState.PARKED, "suspended": SimState.BARRED}
_NAMES: Final = {state: name for name, state in _STATES.items()}
_PROGRESS: Final = {
    "acknowledged": OperationState.RUNNING,
    "inProgress": OperationState.RUNNING,
    "completed": OperationState.COMPLETED,
    "failed": OperationState.FAILED,
}


class _Characteristic(msgspec.Struct, frozen=True):
    name: str
    value: str


class _Service(msgspec.Struct, frozen=True, rename="camel"):
    id: str
    category: str
    state: str
    service_version: int
    last_update: datetime
    service_characteristic: tuple[_Characteristic, ...] = ()


class _Monitor(msgspec.Struct, frozen=True, rename="camel"):
    id: str
    state: str
    source_href: str = ""


class _Event(msgspec.Struct, frozen=True):
    service: _Service | None = None
    monitor: _Monitor | None = None


class _Webhook(msgspec.Struct, frozen=True, rename="camel"):
    event_id: Annotated[str, msgspec.Meta(pattern=r"^[\x21-\x7e]{1,100}$")]
    event_type: str
    event: _Event


class Tmf640Carrier:
    """The adapter. `http` is injected, with base URL and bearer token; it is the caller's to close."""

    def __init__(self, http: httpx.AsyncClient, *, management_bearer: bool = True) -> None:
        self._http = http
        self._management_bearer = management_bearer

    @property
    def management_bearer(self) -> bool:
        """Whether a parked SIM can still be reached."""
        return self._management_bearer

    async def ask(self, iccid: str, setting: Setting) -> Accepted | Done:
        """PATCH the SIM's service."""
        response = await self._call("PATCH", f"/service/sim-{iccid}", changes=True, json=_patch(setting))
        if response.status_code == httpx.codes.ACCEPTED:
            return Accepted(_understood(response.content, _Monitor).id)
        return Done(observation_of(_understood(response.content, _Service)))

    async def read(self, iccid: str) -> Observation:
        """GET the SIM's service."""
        response = await self._call("GET", f"/service/sim-{iccid}")
        return observation_of(_understood(response.content, _Service))

    async def read_many(self, iccids: Sequence[str]) -> tuple[Observation, ...]:
        """GET list pages, 50 SIMs a call."""
        found: list[Observation] = []
        for start in range(0, len(iccids), PAGE):
            ids = ",".join(f"sim-{iccid}" for iccid in iccids[start : start + PAGE])
            response = await self._call("GET", "/service", params={"id": ids, "limit": str(PAGE)})
            services = _understood(response.content, tuple[_Service, ...])
            found += [observation_of(service) for service in services if service.state in _STATES]
        return tuple(found)

    async def progress(self, operation: str) -> OperationState:
        """GET the Monitor; a forgotten one is no error."""
        try:
            response = await self._call("GET", f"/monitor/{operation}")
        except UnknownSimError:
            return OperationState.FORGOTTEN
        return _progress(_understood(response.content, _Monitor))

    async def listen(self, callback: str, secret: str) -> None:
        """POST the callback to the hub; the same callback twice is one listener."""
        body = {"callback": callback, "query": "", "secret": secret}
        await self._call("POST", "/hub", json=body)

    def read_webhook(self, headers: Mapping[str, str], body: bytes, secret: str) -> Webhook:
        """Check the HMAC over the bytes, then read one event. Repetition and order don't matter: versions do."""
        given = {name.lower(): value for name, value in headers.items()}.get(SIGNATURE, "")
        wanted = "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
        if not secret or not hmac.compare_digest(given.encode(), wanted.encode()):
            raise UntrustedWebhookError("the webhook's signature is missing or wrong")
        read = _understood(body, _Webhook)
        return Webhook(read.event_id, _news(read.event))

    async def _call(self, method: str, path: str, *, changes: bool = False, **options: Any) -> httpx.Response:
        try:
            async with asyncio.timeout(DEADLINE_S):
                response = await self._http.request(method, BASE + path, **options)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise UnreachableError(f"the carrier can't be reached ({type(error).__name__})") from error
        except (httpx.HTTPError, TimeoutError) as error:
            kind = UnknownOutcomeError if changes else UnreachableError
            raise kind(f"the carrier's answer was lost ({type(error).__name__})") from error
        _raise_for(response, path, changes=changes)
        return response


def _news(event: _Event) -> tuple[News, ...]:
    if event.service is not None:
        return (observation_of(event.service),)
    if event.monitor is not None:
        iccid = iccid_of_service(event.monitor.source_href.rstrip("/").rsplit("/", 1)[-1])
        return (OperationNews(event.monitor.id, iccid, _progress(event.monitor)),)
    return ()


def observation_of(service: _Service) -> Observation:
    """Translate a service. Raises NotUnderstoodError for a state or category that is not of docs/carrier.md."""
    values = {c.name: c.value for c in service.service_characteristic}
    return Observation(
        iccid=iccid_of_service(service.id),
        setting=_setting(service, values),
        version=service.service_version,
        at=service.last_update,
        imsi=values.get("imsi"),
        seen_imei=values.get("seenImei") or None,
        counted_use_mb=_whole(values.get("countedUseMb")),
        uncounted_use_mb=_whole(values.get("uncountedUseMb")),
    )


def _setting(service: _Service, values: Mapping[str, str]) -> Setting:
    if service.category == "hubData" and service.state in _STATES:
        return HubSetting(_STATES[service.state])
    if service.category == "mobileData":
        allowance = values.get("allowanceMb", "")
        megabytes = None if allowance == UNLIMITED else _whole(allowance)
        if megabytes is not None or allowance == UNLIMITED:
            return PlanSetting(megabytes, values.get("speedTier", "standard"), values.get("backup") == "on")
    raise NotUnderstoodError(f"a {service.category!r} service in state {service.state!r} is not of this protocol")


def _patch(setting: Setting) -> dict[str, Any]:
    if isinstance(setting, HubSetting):
        return {"state": _NAMES[setting.state]}
    allowance = UNLIMITED if setting.allowance_mb is None else str(setting.allowance_mb)
    values = {"allowanceMb": allowance, "speedTier": setting.speed_tier, "backup": "on" if setting.backup else "off"}
    return {"serviceCharacteristic": [{"name": name, "value": value} for name, value in values.items()]}


def _raise_for(response: httpx.Response, path: str, *, changes: bool) -> None:
    status = response.status_code
    if status < httpx.codes.BAD_REQUEST:
        return
    wait = _whole(response.headers.get("retry-after"))
    if status == httpx.codes.TOO_MANY_REQUESTS or (status == httpx.codes.SERVICE_UNAVAILABLE and wait is not None):
        raise ThrottledError(f"the carrier answered {status}", min(float(wait or 1), LONGEST_WAIT_S))
    if status == httpx.codes.CONFLICT:
        raise BusyError("another change of this SIM is under way")
    if status == httpx.codes.NOT_FOUND:
        raise UnknownSimError(f"the carrier doesn't know {path.rsplit('/', 1)[0]}/…")
    if status >= httpx.codes.INTERNAL_SERVER_ERROR:
        kind = UnknownOutcomeError if changes else UnreachableError
        raise kind(f"the carrier answered {status}")
    raise RefusedError(f"the carrier refused with {status}", status)


def _understood(body: bytes, type_: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=type_)
    except msgspec.MsgspecError as error:
        raise NotUnderstoodError(f"the carrier's answer is not understood: {error}") from error


def _progress(monitor: _Monitor) -> OperationState:
    try:
        return _PROGRESS[monitor.state]
    except KeyError:
        raise NotUnderstoodError(f"an operation in state {monitor.state!r} is not of this protocol") from None


def _whole(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() else None
