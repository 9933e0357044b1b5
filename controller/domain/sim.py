"""The data state due to a hub's SIM: a fold over open reasons (T§10c-f)."""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum

from msgspec import Struct

from controller.domain.eligibility import is_service_live
from controller.domain.ending import Benefit, ending_of
from controller.domain.facts import Facts, Fault, HubFate, SuspicionKind, utc
from controller.domain.hub_benefit import hubs_of_line, is_reusable, loss_of
from controller.domain.identity import identity_alarm
from controller.domain.lookup import is_open_between
from controller.domain.rule_sets import RuleSet

# A hub that is out of its customer's hands; a damaged or dead one can do no harm.
_OUT_OF_HANDS = frozenset({HubFate.LOST_BY_CUSTOMER, HubFate.LOST_IN_POST, HubFate.STOLEN})


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


class Reason(Struct, frozen=True, kw_only=True, gc=False):
    """One reason, open from `opened_at` (included) to `closed_at` (not included; None: open)."""

    reason_id: str
    kind: ReasonKind
    opened_at: datetime
    closed_at: datetime | None = None


class SimDue(Struct, frozen=True, kw_only=True, gc=False):
    """The state due, and the reasons it rests on."""

    state: SimState
    reasons: tuple[str, ...]


class SimStep(StrEnum):
    """What to ask of the carrier next."""

    ACTIVATE = "activate"
    PARK = "park"
    BAR = "bar"


_STEPS = {SimState.ACTIVE: SimStep.ACTIVATE, SimState.PARKED: SimStep.PARK, SimState.BARRED: SimStep.BAR}


def state_due(reasons: Iterable[Reason], at: datetime) -> SimDue:
    """Fold open reasons: any bar → barred; else any reason → active; else parked. Order and repetition don't matter."""
    at = utc(at)
    held = [each for each in reasons if is_open_between(each.opened_at, each.closed_at, at)]
    if not held:
        return SimDue(state=SimState.PARKED, reasons=())
    bars = {each.reason_id for each in held if each.kind is ReasonKind.BAR}
    if bars:
        return SimDue(state=SimState.BARRED, reasons=tuple(sorted(bars)))
    return SimDue(state=SimState.ACTIVE, reasons=tuple(sorted({each.reason_id for each in held})))


def next_step(due: SimState, observed: SimState | None) -> SimStep | None:
    """Return what to ask of the carrier next, or None when it is so already; an unknown state is asked for anew."""
    return None if due is observed else _STEPS[due]


def reasons_for_hub(facts: Facts, hub_id: str, at: datetime, rules: RuleSet) -> tuple[Reason, ...]:
    """Return the reasons open at `at` for this hub; takes every version of the facts.

    Faults that entitle and that it serves, faults whose ending is not over, and bars: the SIM seen in
    foreign equipment, the hub out of its customer's hands, an account suspected of fraud.
    """
    at = utc(at)
    known = facts.as_known(at)
    faults = [each for each in known.faults if each.reported_at <= at]
    return (*_of_faults(facts, known, hub_id, faults, at=at, rules=rules), *_bars(known, hub_id, at, rules))


def hub_sim_due(facts: Facts, hub_id: str, at: datetime, rules: RuleSet) -> SimDue:
    """Return the data state due to a hub's SIM at `at`."""
    return state_due(reasons_for_hub(facts, hub_id, at, rules), at)


def serves(known: Facts, hub_id: str, fault: Fault, at: datetime) -> bool:
    """Say whether this hub serves the fault's line: the newest that can, or an older one while newer are in the post.

    Reading (T§10c): a hub on its way counts as existing, but a home that is online does not go dark until it is there.
    """
    for each in hubs_of_line(known, fault.line_id, at):
        usable = is_reusable(known, each.hub_id, fault, at)
        if each.hub_id == hub_id:
            return usable
        if usable and each.delivered_at is not None and each.delivered_at <= at:
            return False
    return False


def _of_faults(
    facts: Facts, known: Facts, hub_id: str, faults: list[Fault], *, at: datetime, rules: RuleSet
) -> tuple[Reason, ...]:
    found = []
    for fault in sorted(faults, key=lambda each: (each.reported_at, each.fault_id)):
        if serves(known, hub_id, fault, at):
            ending = ending_of(facts, fault.fault_id, Benefit.MINI_HUB, at, rules)
            if ending.is_on:
                found.append(Reason(reason_id=fault.fault_id, kind=ReasonKind.FAULT, opened_at=fault.reported_at))
    return tuple(found)


def _bars(known: Facts, hub_id: str, at: datetime, rules: RuleSet) -> tuple[Reason, ...]:
    found = []
    alarm = identity_alarm(known, hub_id, at, rules)
    if alarm is not None:
        found.append(Reason(reason_id=f"identity:{alarm.imei}", kind=ReasonKind.BAR, opened_at=alarm.seen_at))
    loss = loss_of(known, hub_id, at)
    if loss is not None and loss.fate in _OUT_OF_HANDS:
        found.append(Reason(reason_id=f"loss:{loss.fate.value}", kind=ReasonKind.BAR, opened_at=loss.at))
    return (*found, *_fraud_bars(known, hub_id, at))


def _fraud_bars(known: Facts, hub_id: str, at: datetime) -> Iterable[Reason]:
    """Bar the SIM where fraud is suspected of the account; suspicion of one fault only ends that fault's benefit."""
    if not known.suspicions:
        return ()
    accounts = {
        each.account_id
        for each in known.services
        if is_service_live(each, at) and any(h.hub_id == hub_id for h in hubs_of_line(known, each.line_id, at))
    }
    return tuple(
        Reason(reason_id=f"fraud:{each.suspicion_id}", kind=ReasonKind.BAR, opened_at=each.raised_at)
        for each in known.suspicions
        if each.kind is SuspicionKind.FRAUD
        and each.fault_id is None
        and each.account_id in accounts
        and each.grounds.strip()
        and each.by.strip()
        and is_open_between(each.raised_at, each.cleared_at, at)
    )
