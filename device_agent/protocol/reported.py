"""What a hub is: sent whole on connect (the hello), on change (coalesced) and hourly; never spooled.

`boot` is the hub's boot counter, `seq` grows within a boot over reported documents only: a receiver drops an older
(boot, seq). Times are uptime in milliseconds of that boot; `*_at` is Unix milliseconds and absent while the hub's
clock is not trusted. Units follow TR-181 Device.Cellular: dBm for RSSI and RSRP, dB for RSRQ and SINR.
"""

from enum import StrEnum
from typing import Annotated

import msgspec

from device_agent.protocol.desired import PROTOCOL_VERSION, Digest, Milliseconds, Revision, Wire

Counter = Annotated[int, msgspec.Meta(ge=0, lt=2**53)]
ShortText = Annotated[str, msgspec.Meta(max_length=256)]


class ConditionType(StrEnum):
    """What a hub says about itself; a condition is a state, sent until it is no longer true."""

    FORWARDING_OPEN = "forwarding_open"
    FILTER_IN_FORCE = "filter_in_force"
    MODEM_PRESENT = "modem_present"
    SIM_READY = "sim_ready"
    NETWORK_REGISTERED = "network_registered"
    BEARER_UP = "bearer_up"
    CLOCK_TRUSTED = "clock_trusted"
    CONVERGED = "converged"
    CERTIFICATE = "certificate"


class ConditionStatus(StrEnum):
    """Three-valued: what is not known is neither true nor false."""

    TRUE = "true"
    FALSE = "false"
    UNKNOWN = "unknown"


class Condition(Wire, frozen=True, kw_only=True):
    """One fact of state. `reason` is a word for programs, `message` a sentence for people, `since_ms` uptime."""

    type: Annotated[str, msgspec.Meta(max_length=64)]
    status: ConditionStatus
    reason: Annotated[str, msgspec.Meta(max_length=64)] = ""
    message: ShortText = ""
    since_ms: Milliseconds = 0


class IdentityEvidence(Wire, frozen=True, kw_only=True):
    """Evidence for the controller's verdict on brand and assignment; every field is what was read, or absent."""

    serial: ShortText | None = None
    imei: Annotated[str, msgspec.Meta(max_length=17)] | None = None
    iccid: Annotated[str, msgspec.Meta(max_length=22)] | None = None
    modem_manufacturer: ShortText | None = None
    modem_model: ShortText | None = None
    modem_firmware: ShortText | None = None
    hub_model: ShortText | None = None
    hub_firmware: ShortText | None = None
    usb_id: Annotated[str, msgspec.Meta(max_length=9)] | None = None
    lan_mac: Annotated[str, msgspec.Meta(max_length=17)] | None = None
    branding: ShortText | None = None
    certificate_issuer: ShortText | None = None


class NetworkReport(Wire, frozen=True, kw_only=True):
    """Registration as the modem tells it. `registration` is a word: home, roaming, searching, denied, idle, …."""

    registration: Annotated[str, msgspec.Meta(max_length=32)] = "unknown"
    mcc: Annotated[str, msgspec.Meta(pattern="^[0-9]{3}$")] | None = None
    mnc: Annotated[str, msgspec.Meta(pattern="^[0-9]{2,3}$")] | None = None
    operator: ShortText | None = None
    technology: Annotated[str, msgspec.Meta(max_length=32)] | None = None
    reject_cause: int | None = None


class BearerReport(Wire, frozen=True, kw_only=True):
    """The data bearer. Byte counters are monotonic over resets of the modem since the hub was enrolled."""

    up: bool = False
    apn: ShortText | None = None
    tx_bytes: Counter = 0
    rx_bytes: Counter = 0


class FilterState(StrEnum):
    """`stale`: old but verified lists, still safe to open. `degraded`: not all that the document says is in force."""

    IN_FORCE = "in_force"
    STALE = "stale"
    DEGRADED = "degraded"
    ABSENT = "absent"


class FilterReport(Wire, frozen=True, kw_only=True):
    """The parental controls read back from the hub; `digest` names the rendered rule set in force."""

    state: FilterState = FilterState.ABSENT
    level: Annotated[str, msgspec.Meta(max_length=32)] | None = None
    digest: Digest | None = None
    reason: ShortText = ""
    refused_by_category: dict[str, Counter] = msgspec.field(default_factory=dict)


class RequestState(StrEnum):
    """How a request ended, or that it has begun."""

    BEGUN = "begun"
    DONE = "done"
    FAILED = "failed"
    EXPIRED = "expired"
    REJECTED = "rejected"


class RequestOutcome(Wire, frozen=True, kw_only=True):
    """The answer to one request, repeated until the document no longer holds it."""

    id: Annotated[str, msgspec.Meta(max_length=64)]
    state: RequestState
    message: ShortText = ""
    result: Annotated[dict[str, str], msgspec.Meta(max_length=64)] = msgspec.field(default_factory=dict)


class SpoolReport(Wire, frozen=True, kw_only=True):
    """What history the hub still holds of one boot: everything below `oldest` that is not acknowledged is lost."""

    boot: Counter
    oldest: Counter
    newest: Counter


class DoorbellReport(Wire, frozen=True, kw_only=True):
    """SMS since the agent's start: those that rang, and those ignored (unsigned, of another hub, heard before)."""

    rung: Counter = 0
    ignored: Counter = 0


class Reported(Wire, frozen=True, kw_only=True):
    """The hub, whole (`minihub/v1/{hub}/reported`)."""

    boot: Counter
    seq: Counter
    uptime_ms: Milliseconds
    observed_revision: Revision
    sent_at: Milliseconds | None = None
    protocol: int = PROTOCOL_VERSION
    features: tuple[str, ...] = ()
    agent_version: Annotated[str, msgspec.Meta(max_length=64)] = ""
    session: Counter = 0
    conditions: Annotated[tuple[Condition, ...], msgspec.Meta(max_length=32)] = ()
    identity: IdentityEvidence = IdentityEvidence()
    network: NetworkReport = NetworkReport()
    bearer: BearerReport = BearerReport()
    filter: FilterReport = FilterReport()
    requests: Annotated[tuple[RequestOutcome, ...], msgspec.Meta(max_length=32)] = ()
    spool: Annotated[tuple[SpoolReport, ...], msgspec.Meta(max_length=64)] = ()
    doorbell: DoorbellReport = DoorbellReport()
