"""Brakes (decision 15): a plan of change says what it touches and refuses above a share without a named override.

They hold on operators' edits and on switching off; never on activations that are owed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Table, and_
from sqlmodel import Session, col, func, select

from controller.domain.decisions import Basis, Outcome, Question
from controller.services import decisions, gather, journal, rows
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
    return _plan(session, what, len(gather.open_faults_on(session, line_ids)))


def of_recoveries(session: Session, recovered: Mapping[str, datetime], *, what: str) -> Plan:
    """Return the plan of recoveries that come in: line to the first instant at which it came back.

    They touch the open faults that line events alone made qualify (T§10b i) and that were reported since: such a line
    was not down when its customer said so. What came back after the report does not contradict it, so that a mended
    network is never braked.
    """
    if len(recovered) <= journal.policy_of(session).brake_floor:
        return _plan(session, what, 0)
    found = rows.read(session, Fault, "line_id", recovered, _is_open, columns=("id", "line_id", "reported_at"))
    contradicted = [row.id for row in found if recovered[row.line_id] <= row.reported_at]
    standing = decisions.standing_on(session, contradicted).values()
    return _plan(session, what, sum(map(_rests_on_events, standing)))


def _plan(session: Session, what: str, touches: int) -> Plan:
    policy = journal.policy_of(session)
    if touches <= policy.brake_floor:
        return Plan(what=what, touches=touches, of=touches, policy=policy)
    present = (col(Fault.superseded_at).is_(None), col(Fault.closed_at).is_(None))
    whole = session.exec(select(func.count(col(Fault.row_id))).where(*present)).one()
    return Plan(what=what, touches=touches, of=whole, policy=policy)


def _rests_on_events(decision: rows.Found) -> bool:
    return bool(
        decision.question == Question.QUALIFIES
        and decision.outcome == Outcome.QUALIFIES
        and decision.code == "no_service"
        and decision.basis == Basis.READING
    )


def _is_open(table: Table) -> ColumnElement[bool]:
    return and_(table.c.superseded_at.is_(None), table.c.closed_at.is_(None))
