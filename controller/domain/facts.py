"""Dated facts: what a rule needs to know, and when it became known.

Every fact has two times. Its own fields say when it was true of the world; `recorded_at` and `superseded_at` bound the
version in which this system knew it. A correction is a new version: the old one gets `superseded_at`, the new one the
same id and that instant as its `recorded_at`. So `Facts.as_known(t)` shows what was known at `t`, and any decision can
be computed again as of then.

Instants must be timezone-aware and are kept in UTC, so that every difference is elapsed time. A `date` is a day in
Europe/London; a last day counts whole, to its midnight.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, replace
from datetime import UTC, date, datetime
from enum import StrEnum
from functools import cache
from typing import Any, get_type_hints

from controller.domain.memory import Remembering

KNOWN_FROM_THE_START = datetime(1, 1, 1, tzinfo=UTC)
NOT_SUPERSEDED = datetime(9999, 12, 31, tzinfo=UTC)


class NaiveInstantError(ValueError):
    """An instant without a time zone reached the domain; the caller must attach one."""


def utc(instant: datetime) -> datetime:
    """Return the instant in UTC; raises NaiveInstantError where no zone is attached."""
    if instant.tzinfo is None:
        raise NaiveInstantError(f"{instant.isoformat()} has no time zone: attach one before it becomes a fact")
    return instant.astimezone(UTC)


@cache
def _instants_of(kind: "type[Fact]") -> tuple[str, ...]:
    """Name a kind's fields that hold an instant, looked up once a kind."""
    return tuple(name for name, hint in get_type_hints(kind).items() if hint in {datetime, datetime | None})


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One version of one fact; known from `recorded_at` (included) to `superseded_at` (not included)."""

    recorded_at: datetime = KNOWN_FROM_THE_START
    superseded_at: datetime = NOT_SUPERSEDED

    def __post_init__(self) -> None:
        for name in _instants_of(type(self)):  # type: ignore[arg-type]  # mypy asks the instances' hash
            instant = getattr(self, name)
            if instant is not None and instant.tzinfo is not UTC:
                object.__setattr__(self, name, utc(instant))


class Jurisdiction(StrEnum):
    """The three sets of bank holidays of the United Kingdom."""

    ENGLAND_AND_WALES = "england_and_wales"
    SCOTLAND = "scotland"
    NORTHERN_IRELAND = "northern_ireland"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account(Fact):
    """A billing account; mobile plans and Broadband Backup hang on it (T§3)."""

    account_id: str
    email: str | None = None
    mobile: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Line(Fact):
    """A line at a place; `remote` marks a place a courier usually needs an extra working day for (T§10d)."""

    line_id: str
    landline: str | None = None
    postcode: str | None = None
    jurisdiction: Jurisdiction = Jurisdiction.ENGLAND_AND_WALES
    remote: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Service(Fact):
    """One product on one line and one account for one period.

    A regrade, a move to another account or to another line ends one row (`last_day`) and starts another with the same
    `service_id` on the next day. `last_day` None: no end known.
    """

    service_id: str
    account_id: str
    line_id: str
    product: str
    starts_on: date
    last_day: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaveRequest(Fact):
    """A request to leave Plus on one service (T§6); `to_product` None: to another provider or to nothing."""

    service_id: str
    requested_at: datetime
    to_product: str | None = None
    withdrawn_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowanceFrom:
    """A plan's own monthly allowance from an instant on; None is unlimited."""

    effective_from: datetime
    allowance_mb: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan(Fact):
    """A mobile plan for one period on one account.

    A move to another account ends one row (`last_day`) and starts another (`live_from`), with the same `plan_id` and
    `purchased_at`. `live_from` None: live from the purchase. `allowances` in any order; the latest in effect counts.
    `extra_speed_from`: when the customer took the Extra Speed add-on, if they did.
    """

    plan_id: str
    account_id: str
    purchased_at: datetime
    allowances: tuple[AllowanceFrom, ...]
    live_from: datetime | None = None
    last_day: date | None = None
    extra_speed_from: datetime | None = None
    base_tier: str = "standard"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanSim(Fact):
    """A SIM on a plan; the Mini Hub's own SIM is never one."""

    sim_id: str
    plan_id: str
    msisdn: str | None = None
    live_from: datetime | None = None
    live_until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SimAbroad(Fact):
    """A plan's SIM is outside the UK from an instant to another (None: still)."""

    sim_id: str
    from_at: datetime
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DataAddOn(Fact):
    """Data a customer bought on top; never doubled (T§14)."""

    plan_id: str
    add_on_mb: int
    valid_from: datetime
    valid_until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hub(Fact):
    """A Mini Hub, known by the id minted at enrolment."""

    hub_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HubAssignment(Fact):
    """A hub belongs to a line from its dispatch on; a hub in the post exists already."""

    hub_id: str
    line_id: str
    dispatched_at: datetime
    delivered_at: datetime | None = None
    ended_at: datetime | None = None
    for_fault_id: str | None = None


class HubFate(StrEnum):
    """What became of a hub. Only the first two are T§10e(v)."""

    LOST_BY_CUSTOMER = "lost_by_customer"
    DAMAGED_BY_CUSTOMER = "damaged_by_customer"
    LOST_IN_POST = "lost_in_post"
    STOLEN = "stolen"
    DEAD = "dead"
    RETURNED = "returned"


@dataclass(frozen=True, slots=True, kw_only=True)
class HubLoss(Fact):
    """A hub is gone or useless from `at` until it turns up again (`undone_at`)."""

    hub_id: str
    fate: HubFate
    at: datetime
    undone_at: datetime | None = None


class BrandVerdict(StrEnum):
    """What the evidence says of a unit's branding (T§10c)."""

    BT_BRANDED = "bt_branded"
    NOT_BT_BRANDED = "not_bt_branded"
    UNDETERMINED = "undetermined"
    INCONSISTENT = "inconsistent"


@dataclass(frozen=True, slots=True, kw_only=True)
class BrandFinding(Fact):
    """A verdict on a hub's branding, by `brand.judge_brand` or by a named person."""

    hub_id: str
    verdict: BrandVerdict
    found_at: datetime
    by: str = "domain"


class LineEventKind(StrEnum):
    """A change of a line's sync or PPP state."""

    SYNC_LOST = "sync_lost"
    SYNC_GAINED = "sync_gained"
    PPP_LOST = "ppp_lost"
    PPP_GAINED = "ppp_gained"


OUR_RESTART = "our_restart"
CUSTOMER_POWER_CYCLE = "customer_power_cycle"


@dataclass(frozen=True, slots=True, kw_only=True)
class LineEvent(Fact):
    """One source saw one change on one line; `cause` is `our_restart`, `customer_power_cycle` or unknown."""

    line_id: str
    kind: LineEventKind
    at: datetime
    source: str
    cause: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedRestart(Fact):
    """We asked for a restart (ours or a guided step): the first drop from `at` to `until` is none of the line's."""

    line_id: str
    at: datetime
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage(Fact):
    """A planned or unplanned outage over lines, from `from_at` (included) to `until` (not included; None: still)."""

    outage_id: str
    line_ids: frozenset[str]
    from_at: datetime
    declared_at: datetime
    until: datetime | None = None
    planned: bool = False
    whose: str = "ours"


class Symptom(StrEnum):
    """What the customer says is wrong."""

    NO_SERVICE = "no_service"
    DROPPING = "dropping"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault(Fact):
    """What a customer, or someone for them, reported; a line event never opens one."""

    fault_id: str
    line_id: str
    reported_at: datetime
    symptom: Symptom = Symptom.OTHER
    channel: str = "phone"
    reporter: str = "account_holder"
    resolved_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation(Fact):
    """A result of diagnostics; `rule_sets.OBSERVATION_MEANINGS` says what a (kind, result) bears on."""

    fault_id: str
    kind: str
    result: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DiagnosticsFinished(Fact):
    """The tests of a fault are done; a visit still to come (`engineer_booked`) holds no benefit up (T§10d, 12c)."""

    fault_id: str
    at: datetime
    engineer_booked: bool = False


class DeterminationKind(StrEnum):
    """What a named person may determine."""

    FAULT_QUALIFIES = "fault_qualifies"
    FAULT_DOES_NOT_QUALIFY = "fault_does_not_qualify"
    CAUSE_IS_LINE = "cause_is_line"
    CAUSE_IS_OUTAGE = "cause_is_outage"
    CAUSE_IS_HOME = "cause_is_home"
    CAUSE_IS_EQUIPMENT = "cause_is_equipment"
    GOODWILL_REACTIVATION = "goodwill_reactivation"
    GRANT_REPLACEMENT = "grant_replacement"
    SEND_NEW_HUB = "send_new_hub"
    WITHDRAW_DESPITE_USE = "withdraw_despite_use"
    RELEASE_HUB_SIM = "release_hub_sim"


@dataclass(frozen=True, slots=True, kw_only=True)
class Determination(Fact):
    """A named person's discretion with a reason.

    `subject_id` is a fault for most kinds; a line for GRANT_REPLACEMENT; a hub for RELEASE_HUB_SIM. Without a name or a
    reason it has no effect.
    """

    determination_id: str
    kind: DeterminationKind
    subject_id: str
    by: str
    reason: str
    at: datetime
    withdrawn_at: datetime | None = None


class SuspicionKind(StrEnum):
    """The grounds of T§10e(iv) and 12d(iii) other than an unpaid bill."""

    NOT_GENUINE = "not_genuine"
    FRAUD = "fraud"
    TERMS_BROKEN = "terms_broken"


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspicion(Fact):
    """A reasonable suspicion: it needs recorded grounds and a named person, else it excludes nobody.

    `fault_id` None: it concerns the whole account.
    """

    suspicion_id: str
    account_id: str
    kind: SuspicionKind
    grounds: str
    by: str
    raised_at: datetime
    fault_id: str | None = None
    cleared_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BillPastDue(Fact):
    """A bill unpaid after its due day (T§10e iv); holds from the day after `due_on` until `paid_at`."""

    bill_id: str
    account_id: str
    due_on: date
    by: str
    grounds: str = "bill unpaid after its due date"
    paid_at: datetime | None = None


class NoticeKind(StrEnum):
    """The service notices an ending depends on."""

    SWITCH_OFF_ANNOUNCED = "switch_off_announced"
    SWITCHED_OFF = "switched_off"


@dataclass(frozen=True, slots=True, kw_only=True)
class EndingNotice(Fact):
    """The customer is told that a benefit ends, and when (T§10f, 12e); `names_time` is the switch-off it names."""

    fault_id: str
    sent_at: datetime
    delivered_at: datetime | None = None
    undeliverable_at: datetime | None = None
    names_time: datetime | None = None
    kind: NoticeKind = NoticeKind.SWITCH_OFF_ANNOUNCED


@dataclass(frozen=True, slots=True, kw_only=True)
class SimSighting(Fact):
    """A hub's SIM was seen in an IMEI (carrier's or hub's own word)."""

    hub_id: str
    imei: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class EquipmentAssignment(Fact):
    """The IMEI a hub's SIM belongs in, from an instant to another."""

    hub_id: str
    imei: str
    from_at: datetime
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unused(Fact):
    """A hub, or a plan's SIM, that the carrier has not shown to be switched on; its benefit ends without any wait."""

    subject_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts(Remembering):
    """Everything known of one billing account and of whatever touches it; the input of every rule.

    The caller gathers it (one account, its services, their lines, hubs, plans, faults, …). Rules look up by id, so
    facts of others in it do no harm. A rule expects one version of each fact: pass `facts.as_known(known_at)`. Only
    `ending`, `sim` and `allowance`, which also look at what was known before, take every version.
    """

    accounts: tuple[Account, ...] = ()
    lines: tuple[Line, ...] = ()
    services: tuple[Service, ...] = ()
    leave_requests: tuple[LeaveRequest, ...] = ()
    plans: tuple[Plan, ...] = ()
    plan_sims: tuple[PlanSim, ...] = ()
    sims_abroad: tuple[SimAbroad, ...] = ()
    add_ons: tuple[DataAddOn, ...] = ()
    hubs: tuple[Hub, ...] = ()
    hub_assignments: tuple[HubAssignment, ...] = ()
    hub_losses: tuple[HubLoss, ...] = ()
    brand_findings: tuple[BrandFinding, ...] = ()
    line_events: tuple[LineEvent, ...] = ()
    asked_restarts: tuple[AskedRestart, ...] = ()
    outages: tuple[Outage, ...] = ()
    faults: tuple[Fault, ...] = ()
    observations: tuple[Observation, ...] = ()
    diagnostics_finished: tuple[DiagnosticsFinished, ...] = ()
    determinations: tuple[Determination, ...] = ()
    suspicions: tuple[Suspicion, ...] = ()
    bills_past_due: tuple[BillPastDue, ...] = ()
    ending_notices: tuple[EndingNotice, ...] = ()
    sim_sightings: tuple[SimSighting, ...] = ()
    equipment: tuple[EquipmentAssignment, ...] = ()
    unused: tuple[Unused, ...] = ()

    def as_known(self, known_at: datetime) -> "Facts":
        """Keep the versions that were known at `known_at`: the same value from one edge of a version to the next."""
        edges = self.remember(Facts._edges)
        passed = bisect_right(edges, utc(known_at))
        known = self.remember(Facts._known_at, edges[passed - 1]) if passed else Facts()
        return self if known is None else known

    def _edges(self) -> list[datetime]:
        """Return the instants at which a version becomes or ceases to be known, in order."""
        found = {each.recorded_at for _, of_kind in self.by_kind() for each in of_kind}
        return sorted(found.union(each.superseded_at for _, of_kind in self.by_kind() for each in of_kind))

    def _known_at(self, known_at: datetime) -> "Facts | None":
        """Return what was known at `known_at`; None where that is all of this."""
        kept = {
            name: tuple([each for each in found if each.recorded_at <= known_at < each.superseded_at])
            for name, found in self.by_kind()
        }
        return None if all(len(found) == len(kept[name]) for name, found in self.by_kind()) else Facts(**kept)

    def by_kind(self) -> Iterator[tuple[str, tuple[Any, ...]]]:
        """Yield the name and the facts of each kind that there is any of."""
        for name in _KINDS:
            found = getattr(self, name)
            if found:
                yield name, found

    def adding(self, **more: Iterable[Fact]) -> "Facts":
        """Return these facts and the given ones, by field name."""
        return replace(self, **{name: (*getattr(self, name), *extra) for name, extra in more.items()})


_KINDS = tuple(each.name for each in fields(Facts))
