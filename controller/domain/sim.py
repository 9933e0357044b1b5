"""The data state due to a hub's SIM: a fold over open reasons (T§10c-f)."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from controller.domain.facts import Facts
from controller.domain.rule_sets import RuleSet


class SimState(StrEnum):
    """Data states of a hub's SIM: internet; management bearer only; nothing, for cause."""

    ACTIVE = "active"
    PARKED = "parked"
    BARRED = "barred"


class ReasonKind(StrEnum):
    """Why a SIM is on, or barred."""

    FAULT = "fault"
    DISCRETION = "discretion"
    BAR = "bar"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One reason, open from `opened_at` (included) to `closed_at` (not included; None: open)."""

    reason_id: str
    kind: ReasonKind
    opened_at: datetime
    closed_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SimDue:
    """The state due, and the reasons it rests on."""

    state: SimState
    reasons: tuple[str, ...]


def state_due(reasons: Iterable[Reason], at: datetime) -> SimDue:
    """Fold open reasons: any bar → barred; else any reason → active; else parked. Order and repetition don't matter."""
    raise NotImplementedError


def reasons_for_hub(facts: Facts, hub_id: str, at: datetime, rules: RuleSet) -> tuple[Reason, ...]:
    """Return the reasons open at `at` for this hub, computed from facts: entitling faults of its line, faults ending, bars."""
    raise NotImplementedError


class SimStep(StrEnum):
    """What to ask of the carrier next."""

    ACTIVATE = "activate"
    PARK = "park"
    BAR = "bar"


def next_step(due: SimState, observed: SimState | None) -> SimStep | None:
    """Return the next thing to ask of the carrier, or None when it is already so; unknown (None) is asked for anew."""
    raise NotImplementedError
