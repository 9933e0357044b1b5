"""SIMs as TMF640 services: what they hold, what a caller may change, and how they look on the wire.

Pure: a change is computed as a new value, nothing is stored here.
"""

from datetime import UTC, datetime
from typing import Annotated, Final, Literal

import msgspec

from simulator.faults import SimulatorError

State = Literal["active", "inactive", "suspended", "terminated"]
Category = Literal["hubData", "mobileData"]
Digits = Annotated[str, msgspec.Meta(pattern="^[0-9]{5,22}$")]

STATES: Final = ("active", "inactive", "suspended", "terminated")
SPEED_TIERS: Final = ("standard", "extra", "fastest")
_READ_ONLY: Final = frozenset(
    {
        "iccid",
        "imsi",
        "msisdn",
        "managementBearer",
        "seenImei",
        "countedUseMb",
        "uncountedUseMb",
    }
)


class ProvisioningError(SimulatorError):
    """A SIM to be provisioned is not described rightly, or is there already with other numbers."""

    exit_code = 3


class RequestRefusedError(Exception):
    """A request that cannot be carried out as it stands: answered with `status`, never tried again unchanged."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class SimOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """What the side door takes to provision one SIM."""

    iccid: Digits
    imsi: Digits
    category: Category = "hubData"
    state: State | None = None
    msisdn: str = ""
    allowance_mb: str = "unlimited"
    speed_tier: str = "standard"
    backup: str = "off"
    management_bearer: bool | None = None


class Service(msgspec.Struct, frozen=True):
    """One SIM as the network knows it. `updated_s` is Unix time in seconds."""

    iccid: str
    imsi: str
    category: Category
    state: State
    values: dict[str, str]
    version: int = 1
    updated_s: float = 0.0
    seen_imei: str = ""
    counted_mb: float = 0.0
    uncounted_mb: float = 0.0

    @property
    def id(self) -> str:
        """The service id of the contract."""
        return f"sim-{self.iccid}"


class ServicePatch(msgspec.Struct, frozen=True):
    """What a caller asked for, checked: the new state (or None) and the characteristics to set."""

    state: State | None
    values: dict[str, str]


def provision(order: SimOrder, *, management_bearer: bool, now_s: float) -> Service:
    """Make the service of a new SIM. Raises ProvisioningError."""
    bearer = management_bearer if order.management_bearer is None else order.management_bearer
    if order.category == "hubData":
        values = {"managementBearer": str(bearer).lower()}
        state: State = order.state or "inactive"
    else:
        values = {
            "msisdn": order.msisdn,
            "allowanceMb": order.allowance_mb,
            "speedTier": order.speed_tier,
            "backup": order.backup,
        }
        state = order.state or "active"
        try:
            for name in ("allowanceMb", "speedTier", "backup"):
                _check_characteristic(name, values[name])
        except RequestRefusedError as error:
            raise ProvisioningError(f"SIM {order.iccid}: {error.reason}") from None
    return Service(
        iccid=order.iccid, imsi=order.imsi, category=order.category, state=state, values=values, updated_s=now_s
    )


def read_patch(service: Service, body: object) -> ServicePatch:
    """Check the body of a PATCH against the service it is for. Raises RequestRefusedError (400)."""
    if not isinstance(body, dict):
        raise RequestRefusedError(400, "the body must be a JSON object: a part of a service")
    allowed = {"state", "serviceCharacteristic", "id", "href", "category", "@type"}
    strange = sorted(set(body) - allowed)
    if strange:
        raise RequestRefusedError(400, f"{strange[0]!r} cannot be changed")
    values = _read_characteristics(body.get("serviceCharacteristic", []))
    for name, value in values.items():
        if service.category != "mobileData":
            raise RequestRefusedError(400, f"a {service.category} service has no characteristic {name!r} to set")
        _check_characteristic(name, value)
    return ServicePatch(state=_read_state(service, body.get("state")), values=values)


def _read_state(service: Service, state: object) -> State | None:
    if state is None:
        return None
    for known in STATES:
        if state == known:
            if service.category == "mobileData" and known != "active":
                raise RequestRefusedError(400, "a mobileData service is always active")
            return known
    raise RequestRefusedError(400, f"state must be one of {', '.join(STATES)}")


def _read_characteristics(given: object) -> dict[str, str]:
    if not isinstance(given, list):
        raise RequestRefusedError(400, "serviceCharacteristic must be a list of {name, value}")
    values: dict[str, str] = {}
    for item in given:
        if not isinstance(item, dict) or not isinstance(item.get("name"), str):
            raise RequestRefusedError(400, "serviceCharacteristic must be a list of {name, value}")
        if not isinstance(item.get("value"), str):
            raise RequestRefusedError(400, f"the value of {item['name']!r} must be text")
        values[item["name"]] = item["value"]
    return values


def _check_characteristic(name: str, value: str) -> None:
    match name:
        case "allowanceMb":
            right = value == "unlimited" or (value.isascii() and value.isdecimal() and len(value) <= 12)
            wanted = "'unlimited' or a whole number"
        case "speedTier":
            right, wanted = value in SPEED_TIERS, f"one of {', '.join(SPEED_TIERS)}"
        case "backup":
            right, wanted = value in {"on", "off"}, "'on' or 'off'"
        case _ if name in _READ_ONLY:
            raise RequestRefusedError(400, f"{name} is read only")
        case _:
            raise RequestRefusedError(400, f"no characteristic is called {name!r}")
    if not right:
        raise RequestRefusedError(400, f"{name} must be {wanted}, not {value!r}")


def apply_patch(service: Service, patch: ServicePatch, now_s: float) -> Service:
    """Return the service after the change: one version later."""
    return msgspec.structs.replace(
        service,
        state=patch.state or service.state,
        values={**service.values, **patch.values},
        version=service.version + 1,
        updated_s=now_s,
    )


def changes_nothing(service: Service, patch: ServicePatch) -> bool:
    """Tell whether the service is already what the patch asks for."""
    same_values = all(service.values.get(name) == value for name, value in patch.values.items())
    return same_values and patch.state in {None, service.state}


def count_use(service: Service, megabytes: float) -> Service:
    """Count traffic: outside the allowance while `backup` is on (docs/carrier.md)."""
    if service.values.get("backup") == "on":
        return msgspec.structs.replace(service, uncounted_mb=service.uncounted_mb + megabytes)
    return msgspec.structs.replace(service, counted_mb=service.counted_mb + megabytes)


def render_service(service: Service, base: str) -> dict[str, object]:
    """The service as TMF640 JSON."""
    characteristics = {"iccid": service.iccid, "imsi": service.imsi, **service.values}
    if service.category == "hubData":
        characteristics["seenImei"] = service.seen_imei
    else:
        characteristics["countedUseMb"] = f"{service.counted_mb:.0f}"
        characteristics["uncountedUseMb"] = f"{service.uncounted_mb:.0f}"
    return {
        "id": service.id,
        "href": f"{base}/service/{service.id}",
        "@type": "Service",
        "category": service.category,
        "state": service.state,
        "serviceCharacteristic": [{"name": name, "value": value} for name, value in characteristics.items()],
        "serviceVersion": service.version,
        "lastUpdate": rfc3339(service.updated_s),
    }


def rfc3339(seconds: float) -> str:
    """Unix seconds as RFC 3339 with offset."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
