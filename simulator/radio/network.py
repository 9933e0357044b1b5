"""The core network's side of an attach: may this SIM in this device have service, and for what?"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

# The first label of the access point name that a parked SIM may still use.
MANAGEMENT_LABEL: Final = "management"


class Service(StrEnum):
    """What an attached subscriber may connect to: everything, or the operator's management network alone."""

    INTERNET = "internet"
    MANAGEMENT = "management"

    def allows(self, apn: str) -> bool:
        """Whether a PDN connection to this access point is granted; without a name the subscribed one is meant."""
        return self is Service.INTERNET or apn.partition(".")[0].lower() in {"", MANAGEMENT_LABEL}


@dataclass(frozen=True, slots=True)
class Verdict:
    """Accepted for a service, or refused with an EMM cause (TS 24.301 annex A)."""

    accepted: bool
    cause: int | None = None
    service: Service = Service.INTERNET


ACCEPTED = Verdict(accepted=True)


class Network(Protocol):
    """Answers at once: the simulated carrier in the same process."""

    def may_attach(self, *, iccid: str, imsi: str, imei: str) -> Verdict:
        """Whether the network lets this subscriber in."""
        ...


class AskNetwork(Protocol):
    """Answers later: a carrier in another process. `answer` may be called at any later time, at most once."""

    def ask_attach(self, answer: Callable[[Verdict], None], *, iccid: str, imsi: str, imei: str) -> None:
        """Ask; without an answer the attach times out as an unanswered one does (T3410)."""
        ...


@dataclass(slots=True)
class OpenNetwork:
    """Lets everybody in, unless `refusal` is set."""

    refusal: int | None = None

    def may_attach(self, *, iccid: str, imsi: str, imei: str) -> Verdict:  # noqa: ARG002 - the port's signature
        """Accepted, or the configured EMM cause."""
        return ACCEPTED if self.refusal is None else Verdict(accepted=False, cause=self.refusal)
