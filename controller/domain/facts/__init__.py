"""Dated facts: what a rule needs to know, and when it became known.

Every fact has two times. Its own fields say when it was true of the world; `recorded_at` and `superseded_at` bound the
version in which this system knew it. A correction is a new version: the old one gets `superseded_at`, the new one the
same id and that instant as its `recorded_at`. So `Facts.as_known(t)` shows what was known at `t`, and any decision can
be computed again as of then.

Instants must be timezone-aware and are kept in UTC, so that every difference is elapsed time. A `date` is a day in
Europe/London; a last day counts whole, to its midnight.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import chain
from operator import attrgetter
from typing import Any

from msgspec.structs import fields, replace

from controller.domain.facts.households import (
    Account,
    BillPastDue,
    Jurisdiction,
    LeaveRequest,
    Line,
    Service,
    Suspicion,
    SuspicionKind,
)
from controller.domain.facts.hubs import (
    BrandFinding,
    BrandVerdict,
    EquipmentAssignment,
    Hub,
    HubAssignment,
    HubFate,
    HubLoss,
    SimSighting,
    Unused,
)
from controller.domain.facts.lines import (
    CUSTOMER_POWER_CYCLE,
    OUR_RESTART,
    AskedRestart,
    LineEvent,
    LineEventKind,
    Outage,
)
from controller.domain.facts.mobile import AllowanceFrom, DataAddOn, Plan, PlanSim, SimAbroad
from controller.domain.facts.reports import (
    Determination,
    DeterminationKind,
    DiagnosticsFinished,
    EndingNotice,
    Fault,
    NoticeKind,
    Observation,
    Symptom,
)
from controller.domain.facts.version import KNOWN_FROM_THE_START, NOT_SUPERSEDED, Fact, NaiveInstantError, utc
from controller.domain.memory import Remembering

__all__ = [
    "CUSTOMER_POWER_CYCLE",
    "KNOWN_FROM_THE_START",
    "NOT_SUPERSEDED",
    "OUR_RESTART",
    "Account",
    "AllowanceFrom",
    "AskedRestart",
    "BillPastDue",
    "BrandFinding",
    "BrandVerdict",
    "DataAddOn",
    "Determination",
    "DeterminationKind",
    "DiagnosticsFinished",
    "EndingNotice",
    "EquipmentAssignment",
    "Fact",
    "Facts",
    "Fault",
    "Hub",
    "HubAssignment",
    "HubFate",
    "HubLoss",
    "Jurisdiction",
    "LeaveRequest",
    "Line",
    "LineEvent",
    "LineEventKind",
    "NaiveInstantError",
    "NoticeKind",
    "Observation",
    "Outage",
    "Plan",
    "PlanSim",
    "Service",
    "SimAbroad",
    "SimSighting",
    "Suspicion",
    "SuspicionKind",
    "Symptom",
    "Unused",
    "utc",
]


class Facts(Remembering, frozen=True, kw_only=True):
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
        known_at = utc(known_at)
        memory = self.memory()
        for start, end, known in memory.get("stretches", ()):
            if start <= known_at < end:
                return self if known is None else known
        start, end, known = self._known_around(known_at)
        # These facts are not kept in a memory of their own: they would never be let go of by counting references.
        memory["stretches"] = ((start, end, None if known is self else known), *memory.get("stretches", ()))
        return known

    def _known_around(self, known_at: datetime) -> "tuple[datetime, datetime, Facts]":
        """Return from when and until when nothing else was known than at `known_at`, and what that was."""
        newest, first_end = self.newest(), min(map(_SUPERSEDED_AT, self._all()), default=_LAST_INSTANT)
        if newest <= known_at < first_end:
            # Most often nothing was ever corrected: every version is known, and nothing needs to be chosen.
            return newest, first_end, self
        kept: dict[str, tuple[Any, ...]] = {}
        passed, ahead, count = [_FIRST_INSTANT], [_LAST_INSTANT], 0
        for name, of_kind in self.by_kind():
            known = []
            for each in of_kind:
                begins, ends = each.recorded_at, each.superseded_at
                if begins <= known_at < ends:
                    known.append(each)
                    passed.append(begins)
                    ahead.append(ends)
                elif known_at < begins:
                    ahead.append(begins)
                else:
                    passed.append(ends)
            kept[name] = tuple(known)
            count += len(of_kind) - len(known)
        return max(passed), min(ahead), Facts(**kept) if count else self

    def newest(self) -> datetime:
        """Return when the newest version became known."""
        memory = self.memory()
        found: datetime | None = memory.get("newest")
        if found is None:
            found = memory["newest"] = max(map(_RECORDED_AT, self._all()), default=_FIRST_INSTANT)
        return found

    def _all(self) -> Iterable[Fact]:
        return chain.from_iterable([of_kind for _, of_kind in self.by_kind()])

    def by_kind(self) -> tuple[tuple[str, tuple[Any, ...]], ...]:
        """Return the name and the facts of each kind that there is any of."""
        memory = self.memory()
        found: tuple[tuple[str, tuple[Any, ...]], ...] | None = memory.get("kinds")
        if found is None:
            found = memory["kinds"] = tuple([each for each in zip(_KINDS, _OF_KINDS(self), strict=True) if each[1]])
        return found

    def adding(self, **more: Iterable[Fact]) -> "Facts":
        """Return these facts and the given ones, by field name."""
        return replace(self, **{name: (*getattr(self, name), *extra) for name, extra in more.items()})


_KINDS = tuple(each.name for each in fields(Facts))
_OF_KINDS = attrgetter(*_KINDS)
_RECORDED_AT, _SUPERSEDED_AT = attrgetter("recorded_at"), attrgetter("superseded_at")
_FIRST_INSTANT = datetime.min.replace(tzinfo=UTC)
_LAST_INSTANT = datetime.max.replace(tzinfo=UTC)
