"""The door to a carrier's SIM platform: what is intended of a SIM, what was observed of it, and what a call may end as.

Errors say what the caller does next:

    CarrierError
    ├── ThrottledError      wait `retry_after_s`; nothing took effect (429, or 503 in maintenance)
    ├── BusyError           another change of this SIM runs: look at the SIM again soon (409)
    ├── UnreachableError    nothing was sent: try again with back-off
    ├── UnknownOutcomeError it may have taken effect: read the SIM, never ask again blindly
    ├── RefusedError        the platform won't do this: a person must look
    ├── UnknownSimError     the platform has no such SIM: a person must look
    └── NotUnderstoodError  the answer is not of the protocol: read the SIM
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from controller.domain.sim import SimState


class CarrierError(Exception):
    """Root of the carrier's errors."""


class ThrottledError(CarrierError):
    """Nothing took effect; the account's lane must wait."""

    def __init__(self, reason: str, retry_after_s: float) -> None:
        super().__init__(f"{reason}: wait {retry_after_s:g} s")
        self.retry_after_s = retry_after_s


class BusyError(CarrierError):
    """Another change of this SIM is under way."""


class UnreachableError(CarrierError):
    """The request did not leave."""


class UnknownOutcomeError(CarrierError):
    """The request may have taken effect."""


class RefusedError(CarrierError):
    """The platform refuses this request and will refuse it again."""

    def __init__(self, reason: str, status: int | None = None) -> None:
        super().__init__(reason)
        self.status = status


class UnknownSimError(CarrierError):
    """The platform knows no such SIM."""


class NotUnderstoodError(CarrierError):
    """The platform's answer is not of its protocol."""


class UntrustedWebhookError(CarrierError):
    """The signature is missing or wrong: answer 401 and believe nothing of it."""


@dataclass(frozen=True, slots=True)
class HubSetting:
    """What a hub's SIM may carry."""

    state: SimState


@dataclass(frozen=True, slots=True)
class PlanSetting:
    """What a customer's SIM may use; `allowance_mb` None is unlimited, `backup` is free and uncounted use (T§12)."""

    allowance_mb: int | None
    speed_tier: str
    backup: bool


Setting = HubSetting | PlanSetting


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One SIM as the platform says it is. `version` grows with every effect: an older one is not news."""

    iccid: str
    setting: Setting
    version: int
    at: datetime
    imsi: str | None = None
    seen_imei: str | None = None
    counted_use_mb: int | None = None
    uncounted_use_mb: int | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """The platform will do it; `operation` names its progress, which it may forget."""

    operation: str


@dataclass(frozen=True, slots=True)
class Done:
    """The platform has done it."""

    observation: Observation


class OperationState(StrEnum):
    """Progress of an accepted request; FORGOTTEN: the platform no longer knows it."""

    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    FORGOTTEN = "forgotten"


@dataclass(frozen=True, slots=True)
class OperationNews:
    """An operation ended or moved on; it says "read the SIM", never what the SIM is."""

    operation: str
    iccid: str
    state: OperationState


News = Observation | OperationNews


@dataclass(frozen=True, slots=True)
class Webhook:
    """One event of the platform's: `event_id` is the same each time it is delivered."""

    event_id: str
    news: tuple[News, ...]


class Carrier(Protocol):
    """One account on one platform. Every call has a deadline and raises CarrierError, nothing else.

    `management_bearer`: a parked SIM still reaches the controller.
    """

    @property
    def management_bearer(self) -> bool:
        """Whether a parked SIM can still be reached."""

    async def ask(self, iccid: str, setting: Setting) -> Accepted | Done:
        """Ask for the setting. On UnknownOutcomeError read the SIM before anything else."""

    async def read(self, iccid: str) -> Observation:
        """Read one SIM; may lag behind the last effect."""

    async def read_many(self, iccids: Sequence[str]) -> tuple[Observation, ...]:
        """Read several SIMs in as few calls as the platform allows; unknown ones are left out."""

    async def progress(self, operation: str) -> OperationState:
        """Look at an accepted operation."""

    async def listen(self, callback: str, secret: str) -> None:
        """Have changes sent to `callback`, signed with `secret`. Idempotent."""

    def read_webhook(self, headers: Mapping[str, str], body: bytes, secret: str) -> Webhook:
        """Check the signature and return the event. Raises UntrustedWebhookError or NotUnderstoodError."""


def iccid_of_service(service_id: str) -> str:
    """Return the ICCID in a service id `sim-<iccid>`. Raises NotUnderstoodError."""
    prefix, _, iccid = service_id.partition("-")
    if prefix != "sim" or not iccid.isdigit():
        raise NotUnderstoodError(f"not a SIM's service id: {service_id[:40]!r}")
    return iccid
