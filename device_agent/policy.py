"""Whether the hub may forward. The only place that decides it; every unknown is closed, with the reason."""

from dataclasses import dataclass

from device_agent.facts import FILTERING, FilterStatus, Reason


@dataclass(frozen=True, slots=True)
class Inputs:
    """All that counts. `settled`: nothing flapped within the last 60 s."""

    document_on: bool | None
    supported: bool
    clock_trusted: bool
    lease_live: bool | None
    known_sim: bool | None
    uk_network: bool | None
    filter: FilterStatus
    settled: bool


def decide(i: Inputs) -> Reason:
    """Return Reason.OPEN, or the first reason to be closed."""
    rules = (
        (i.document_on is None, Reason.NO_DOCUMENT),
        (not i.supported, Reason.UNSUPPORTED),
        (not i.document_on, Reason.INTERNET_OFF),
        (not i.clock_trusted, Reason.CLOCK_UNKNOWN),
        (i.lease_live is None, Reason.LEASE_MISSING),
        (not i.lease_live, Reason.LEASE_ENDED),
        (i.known_sim is None, Reason.SIM_UNKNOWN),
        (not i.known_sim, Reason.SIM_FOREIGN),
        (i.uk_network is None, Reason.NETWORK_UNKNOWN),
        (not i.uk_network, Reason.NETWORK_NOT_UK),
        (i.filter is FilterStatus.CHANGING, Reason.FILTER_CHANGING),
        (i.filter not in FILTERING, Reason.FILTER_ABSENT),
        (not i.settled, Reason.SETTLING),
    )
    return next((reason for closed, reason in rules if closed), Reason.OPEN)
