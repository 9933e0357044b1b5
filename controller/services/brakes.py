"""Brakes (decision 15): a plan of change says what it touches and refuses above a share without a named override.

They hold on operators' edits and on switching off; never on activations that are owed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlmodel import Session, col, func, select

from controller.services import gather, journal
from controller.services.errors import BrakeError
from controller.services.policy import Policy
from controller.tables.faults import Fault


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A change as a value: what kind, how many open entitlements it touches, and of how many."""

    what: str
    touches: int
    of: int
    policy: Policy

    @property
    def share(self) -> float:
        """Return the share of the open entitlements that is touched."""
        return self.touches / self.of if self.of else 0.0

    def is_safe(self) -> bool:
        """Tell whether the change may go ahead without anybody's name under it."""
        return self.touches <= self.policy.brake_floor or self.share <= self.policy.brake_share

    def raise_if_unsafe(self, override: str | None) -> None:
        """Raise BrakeError unless the change is safe or somebody put a name under it."""
        if self.is_safe() or (override is not None and override.strip()):
            return
        raise BrakeError(
            f"this {self.what} touches {self.touches} of {self.of} open faults ({self.share:.0%})",
            remedy="look at what it covers; to go ahead send `override` with the name of who decided it",
            touches=self.touches,
            of=self.of,
        )


def of_lines(session: Session, line_ids: Sequence[str], *, what: str) -> Plan:
    """Return the plan of a change that may end what is on for the open faults of some lines."""
    present = (col(Fault.superseded_at).is_(None), col(Fault.closed_at).is_(None))
    whole = session.exec(select(func.count(col(Fault.row_id))).where(*present)).one()
    touched = len(gather.open_faults_on(session, line_ids))
    return Plan(what=what, touches=touched, of=whole, policy=journal.policy_of(session))
