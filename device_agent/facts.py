"""What a hub knows of itself and of its goal, in hardware words: the frozen values that every module shares.

None means "not known", which is never the same as "no".
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from firmware_bridge.host.state import FilterReadBack, FirewallState, Rendered
from firmware_bridge.types import (
    Bearer,
    BearerSettings,
    Counters,
    Identity,
    Operator,
    Registration,
    Signal,
    Sim,
    Temperature,
)


class Reason(StrEnum):
    """Why forwarding is closed, or that it is open: the words of the condition `forwarding_open`."""

    OPEN = "open"
    NO_DOCUMENT = "no_document"
    UNSUPPORTED = "unsupported"
    INTERNET_OFF = "internet_off"
    CLOCK_UNKNOWN = "clock_unknown"
    LEASE_MISSING = "lease_missing"
    LEASE_ENDED = "lease_ended"
    SIM_UNKNOWN = "sim_unknown"
    SIM_FOREIGN = "sim_foreign"
    NETWORK_UNKNOWN = "network_unknown"
    NETWORK_NOT_UK = "network_not_uk"
    FILTER_ABSENT = "filter_absent"
    FILTER_CHANGING = "filter_changing"
    SETTLING = "settling"
    # Not the policy's: it would be open, and there is no bearer to forward over yet.
    BEARER_DOWN = "bearer_down"


# A document or its lease closed the hub: no flap, so nothing to wait for when it opens again.
PLANNED: Final = frozenset(
    {
        Reason.NO_DOCUMENT,
        Reason.UNSUPPORTED,
        Reason.INTERNET_OFF,
        Reason.LEASE_MISSING,
        Reason.LEASE_ENDED,
        Reason.FILTER_CHANGING,
    }
)


class FilterStatus(StrEnum):
    """What is in force of the parental controls. Only IN_FORCE and STALE let forwarding open."""

    IN_FORCE = "in_force"
    STALE = "stale"
    DEGRADED = "degraded"
    ABSENT = "absent"
    CHANGING = "changing"


FILTERING: Final = frozenset({FilterStatus.IN_FORCE, FilterStatus.STALE})


@dataclass(frozen=True, slots=True)
class ListWanted:
    """A category list by its digest (`sha256:<hex>`); `size` in bytes."""

    category: str
    digest: str
    size: int
    url: str


@dataclass(frozen=True, slots=True)
class ControlsWanted:
    """The parental controls a document asks for."""

    level: str
    enabled: bool = True
    lists: tuple[ListWanted, ...] = ()
    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    safe_search: bool = False


@dataclass(frozen=True, slots=True)
class Goal:
    """What the document asks for; times in Unix milliseconds. `revision` None: there is no document."""

    revision: int | None = None
    internet_on: bool = False
    until_ms: int | None = None
    unsupported: tuple[str, ...] = ()
    sims: frozenset[str] = frozenset()
    bearer: BearerSettings | None = None
    controls: ControlsWanted | None = None


@dataclass(frozen=True, slots=True)
class ModemFacts:
    """The modem as last read. `problem` is what stands in the way, in one line for a person."""

    present: bool = False
    family: str | None = None
    identity: Identity | None = None
    sim: Sim | None = None
    registration: Registration | None = None
    operator: Operator | None = None
    bearer: Bearer | None = None
    signal: Signal | None = None
    counters: Counters | None = None
    temperature: Temperature | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class GateFacts:
    """Firewall, filter and what should be in force. `wanted` is the rendered filter, None before there is one.

    `missing`: categories whose list is not here or not verified; `stale`: some list is an older verified one.
    """

    firewall: FirewallState | None = None
    filter: FilterReadBack | None = None
    wanted: Rendered | None = None
    level: str | None = None
    stale: bool = False
    missing: tuple[str, ...] = ()
    changing: bool = False
    problem: str = ""

    @property
    def filter_status(self) -> FilterStatus:
        """What is in force, as read back from the running tools."""
        if self.changing:
            return FilterStatus.CHANGING
        seen, wanted = self.filter, self.wanted
        if wanted is None or seen is None or not seen.running or seen.witness != wanted.witness:
            return FilterStatus.ABSENT
        if (wanted.enabled and not seen.refuses) or self.firewall is None or not self.firewall.installed:
            return FilterStatus.ABSENT
        if self.missing:
            return FilterStatus.DEGRADED
        return FilterStatus.STALE if self.stale else FilterStatus.IN_FORCE

    @property
    def open(self) -> bool:
        """Whether the kernel forwards; unknown counts as open, since it must then be closed."""
        return self.firewall is None or self.firewall.open_for_s is not None


class CertificateStatus(StrEnum):
    """How the hub's own certificate stands. `refused`: the controller will not renew it; a person must act.

    `unreadable`: what lies there is no certificate.
    """

    GOOD = "good"
    EXPIRING = "expiring"
    RENEWED = "renewed"
    REFUSED = "refused"
    EXPIRED = "expired"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class CertificateFacts:
    """The certificate by which the hub is known to the broker. `issuer` "" when it has none.

    `fallback` is why the broker is shown an earlier one than this, "" while it is shown this one.
    """

    status: CertificateStatus
    not_after_ms: int
    issuer: str = ""
    problem: str = ""
    fallback: str = ""


@dataclass(frozen=True, slots=True)
class NetworkPolicy:
    """Where this hub may be used: mobile country codes, without some networks (T§10: UK only)."""

    countries: frozenset[str] = frozenset({"234", "235"})
    excluded: frozenset[str] = field(default_factory=frozenset)

    def allows(self, operator: Operator | None, registration: Registration | None) -> bool | None:
        """True on an allowed network, False on another, None when it is not known which or not attached."""
        if registration is None or operator is None or not registration.state.attached or operator.mcc is None:
            return None
        if operator.mcc not in self.countries:
            return False
        return None if operator.mnc is None else f"{operator.mcc}{operator.mnc}" not in self.excluded
