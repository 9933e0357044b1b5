"""From rows to the facts that rules take: everything known of some accounts, in a fixed number of queries.

Every version of a fact comes along: the rules of endings judge the past by what was known then, and a decision can be
computed again as of then. Faults that are closed, now or at `as_of`, are left out: nothing is decided about them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import ColumnElement, Table, and_
from sqlmodel import Session

from controller.domain import facts as domain
from controller.domain.facts import NOT_SUPERSEDED, Facts
from controller.services import rows
from controller.services.fact_reading import Reading, Source
from controller.services.rows import Found
from controller.tables import accounts, faults, hubs
from controller.tables.sims import SimState

# Key to the accounts it belongs to.
Owners = Mapping[str, set[str]]

# Drops are counted over the 24 hours before a report or any later instant (T§10b); a line that was down when it was
# reported may have gone down days before, while nobody was at home.
_EVENTS_BEFORE_REPORT: Final = timedelta(days=7)

# Closed, in the version that is in force at an instant.
_CLOSED: Final = (
    "SELECT c.id FROM faults AS c WHERE c.line_id {own_lines} AND c.closed_at IS NOT NULL "
    "AND c.recorded_at <= {as_of} AND (c.superseded_at IS NULL OR c.superseded_at > {as_of})"
)

_OF_ACCOUNTS: Final = Reading(
    {
        "lines": Source(domain.Line, accounts.Line, "t.id {own_lines}", {"line_id": "id"}),
        "services": Source(domain.Service, accounts.Service, "t.line_id {own_lines}"),
        "plans": Source(domain.Plan, accounts.Plan, "t.account_id {accounts}"),
        "plan_sims": Source(domain.PlanSim, accounts.PlanSim, "t.plan_id {own_plans}", {"sim_id": "id"}),
        "add_ons": Source(domain.DataAddOn, accounts.AddOn, "t.plan_id {own_plans}"),
        "suspicions": Source(domain.Suspicion, accounts.Suspicion, "t.account_id {accounts}", {"suspicion_id": "id"}),
        "bills_past_due": Source(
            domain.BillPastDue, accounts.BillPastDue, "t.account_id {accounts}", {"bill_id": "id"}
        ),
        "hub_assignments": Source(domain.HubAssignment, hubs.HubAssignment, "t.hub_id {own_hubs}"),
        "faults": Source(
            domain.Fault, faults.Fault, f"t.line_id {{own_lines}} AND t.id NOT IN ({_CLOSED})", {"fault_id": "id"}
        ),
    },
    keys=("accounts",),
    values=("as_of",),
    found={
        "own_lines": "SELECT own.line_id FROM services AS own WHERE own.account_id {accounts}",
        "own_plans": "SELECT own.plan_id FROM plans AS own WHERE own.account_id {accounts}",
        # Wherever else such a hub has been: one that went on to another household is that one's to answer for.
        "own_hubs": "SELECT own.hub_id FROM hub_assignments AS own WHERE own.line_id {own_lines}",
    },
)


class _Copy(Struct, frozen=True, kw_only=True, gc=False):
    """A copy of a notice of an ending, on one channel."""

    fault_id: str
    kind: str
    channel: str
    state: str
    facts: dict[str, Any]
    owed_at: datetime
    sent_at: datetime | None
    settled_at: datetime | None


class _Covered(Struct, frozen=True, kw_only=True, gc=False):
    """A line that an outage covers."""

    outage_id: str
    line_id: str


class _Declared(domain.Fact, frozen=True, kw_only=True, gc=False):
    """A version of an outage, whatever it covers."""

    outage_id: str
    from_at: datetime
    declared_at: datetime
    until: datetime | None
    planned: bool
    whose: str


_ENDING_KINDS: Final = {
    "switch_off": domain.NoticeKind.SWITCH_OFF_ANNOUNCED,
    "switched_off": domain.NoticeKind.SWITCHED_OFF,
    "backup_off": domain.NoticeKind.SWITCHED_OFF,
}
_ENDING_NAMES: Final = ", ".join(f"'{kind}'" for kind in sorted(_ENDING_KINDS))

_OF_THINGS: Final = Reading(
    {
        "leave_requests": Source(domain.LeaveRequest, accounts.LeaveRequest, "t.service_id {services}"),
        "sims_abroad": Source(domain.SimAbroad, accounts.SimAbroad, "t.sim_id {sims}"),
        "observations": Source(domain.Observation, faults.Observation, "t.fault_id {faults}"),
        "diagnostics_finished": Source(
            domain.DiagnosticsFinished, faults.DiagnosticsFinished, "t.id {faults}", {"fault_id": "id"}
        ),
        "line_events": Source(domain.LineEvent, faults.LineEvent, "t.line_id {lines} AND t.at >= {since}"),
        "asked_restarts": Source(domain.AskedRestart, faults.AskedRestart, "t.line_id {lines}"),
        "brand_findings": Source(domain.BrandFinding, hubs.BrandFinding, "t.id {hubs}", {"hub_id": "id"}),
        "hub_losses": Source(domain.HubLoss, hubs.HubLoss, "t.hub_id {hubs}"),
        "sim_sightings": Source(domain.SimSighting, hubs.SimSighting, "t.hub_id {hubs}"),
        "equipment": Source(domain.EquipmentAssignment, hubs.EquipmentAssignment, "t.hub_id {hubs}"),
        "determinations": Source(
            domain.Determination, faults.Determination, "t.subject_id {subjects}", {"determination_id": "id"}
        ),
        "notices": Source(
            _Copy, faults.Notice, f"t.fault_id {{faults}} AND t.kind IN ({_ENDING_NAMES}) AND t.state <> 'withdrawn'"
        ),
        "covered": Source(_Covered, faults.OutageLine, "t.line_id {lines}"),
        "outages": Source(
            _Declared,
            faults.Outage,
            "t.id {among}SELECT o.outage_id FROM outage_lines AS o WHERE o.line_id {lines}{end}",
            {"outage_id": "id"},
        ),
    },
    keys=("services", "sims", "faults", "lines", "hubs", "subjects"),
    values=("since",),
)


@dataclass(frozen=True, slots=True)
class Gathered:
    """The facts of each account, and the states of all their SIMs."""

    facts: dict[str, Facts]
    sims: tuple[Found, ...]


def facts_of(session: Session, account_id: str, *, as_of: datetime | None = None) -> Facts:
    """Return everything known of one account and of whatever touches it."""
    return gather(session, [account_id], as_of=as_of).facts[account_id]


def gather(
    session: Session, account_ids: Sequence[str], *, as_of: datetime | None = None, hold_sims: bool = False
) -> Gathered:
    """Return the facts of each account; the number of queries doesn't grow with the number of accounts.

    `hold_sims` keeps observations of the SIMs waiting until the commit, so that none falls between what was decided
    and what it opens.
    """
    gathering = _Gathering(session, sorted(set(account_ids)), as_of=as_of, hold_sims=hold_sims)
    return Gathered(gathering.run(), tuple(gathering.sims))


class _Gathering:
    """One pass over the tables, and the distribution of what was found to accounts."""

    def __init__(
        self, session: Session, account_ids: Sequence[str], *, as_of: datetime | None, hold_sims: bool
    ) -> None:
        self._session = session
        self._as_of, self._hold_sims = as_of, hold_sims
        self.sims: list[Found] = []
        self._found: dict[str, dict[str, list[Any]]] = {id_: {} for id_ in account_ids}

    def run(self) -> dict[str, Facts]:
        as_of = NOT_SUPERSEDED if self._as_of is None else self._as_of
        found = _OF_ACCOUNTS.run(self._session, accounts=self._found, as_of=as_of)
        by_account = {id_: {id_} for id_ in self._found}
        lines = _owners(
            (each.line_id, (each.account_id,)) for each in found["services"] if each.account_id in by_account
        )
        self._give(found, ("plans", "suspicions", "bills_past_due"), "account_id", by_account)
        self._give(found, ("lines", "services", "faults"), "line_id", lines)
        plans = _owners((each.plan_id, by_account[each.account_id]) for each in found["plans"])
        self._give(found, ("plan_sims", "add_ons"), "plan_id", plans)
        sims = _owners((each.sim_id, plans[each.plan_id]) for each in found["plan_sims"])
        hubs = _owners((each.hub_id, lines.get(each.line_id, ())) for each in found["hub_assignments"])
        self._give(found, ("hub_assignments",), "hub_id", hubs)
        services = _owners((each.service_id, lines[each.line_id]) for each in found["services"])
        self._things(found["faults"], lines, services=services, sims=sims, hubs=hubs)
        self._states(sims, hubs)
        return {id_: Facts(**{k: tuple(v) for k, v in of_kind.items()}) for id_, of_kind in self._found.items()}

    def _things(self, reported: Sequence[domain.Fault], lines: Owners, **owners: Owners) -> None:
        """Give out what belongs to services, SIMs, hubs, faults, and lines with faults."""
        by_fault = _owners((each.fault_id, lines[each.line_id]) for each in reported)
        concerned = {each.line_id: lines[each.line_id] for each in reported}
        subjects = {**by_fault, **lines, **owners["hubs"]}
        since = _since(reported)
        found = _OF_THINGS.run(
            self._session,
            **owners,
            faults=by_fault,
            lines=concerned,
            subjects=subjects,
            since=min(since.values(), default=NOT_SUPERSEDED),
        )
        # What else is looked at in the same pass changes nothing: events are taken line by line.
        found["line_events"] = [each for each in found["line_events"] if each.at >= since[each.line_id]]
        self._give(found, ("leave_requests",), "service_id", owners["services"])
        self._give(found, ("sims_abroad",), "sim_id", owners["sims"])
        self._give(found, ("observations", "diagnostics_finished"), "fault_id", by_fault)
        self._give(found, ("line_events", "asked_restarts"), "line_id", concerned)
        self._give(found, ("brand_findings", "hub_losses", "sim_sightings", "equipment"), "hub_id", owners["hubs"])
        self._give(found, ("determinations",), "subject_id", subjects)
        self._outages(found, concerned)
        self._notices(found["notices"], by_fault)

    def _give(self, found: Mapping[str, Sequence[Any]], names: Iterable[str], by: str, owners: Owners) -> None:
        """Give facts to the accounts that own what their field `by` names."""
        key_of = attrgetter(by)
        for name in names:
            for fact in found[name]:
                for owner in owners[key_of(fact)]:
                    self._found[owner].setdefault(name, []).append(fact)

    def _states(self, mobile: Owners, hubs: Owners) -> None:
        """Read the SIMs' states; what was never seen switched on is unused."""
        found = rows.read_either(
            self._session, SimState, {"id": mobile, "hub_id": hubs}, columns=_STATE, for_update=self._hold_sims
        )
        self.sims += found
        for by, keys in (("id", mobile), ("hub_id", hubs)):
            of_kind = [row for row in found if getattr(row, by) in keys]
            used = {getattr(row, by) for row in of_kind if is_on(row)}
            for key in {getattr(row, by) for row in of_kind} - used:
                for owner in keys[key]:
                    self._found[owner].setdefault("unused", []).append(domain.Unused(subject_id=key))

    def _outages(self, found: Mapping[str, Sequence[Any]], lines: Owners) -> None:
        """Give each account the outages over its lines, which then name no other account's lines."""
        versions: dict[str, list[_Declared]] = {}
        for outage in found["outages"]:
            versions.setdefault(outage.outage_id, []).append(outage)
        own: dict[tuple[str, str], list[str]] = {}
        for each in found["covered"]:
            for owner in lines[each.line_id]:
                own.setdefault((owner, each.outage_id), []).append(each.line_id)
        for (owner, outage_id), line_ids in own.items():
            given = [_outage(each, frozenset(line_ids)) for each in versions[outage_id]]
            self._found[owner].setdefault("outages", []).extend(given)

    def _notices(self, copies: Iterable[_Copy], by_fault: Owners) -> None:
        grouped: dict[tuple[str, str, str], list[_Copy]] = {}
        for each in copies:
            grouped.setdefault((each.fault_id, each.kind, str(each.facts.get("since"))), []).append(each)
        for (fault_id, kind, _), of_one in grouped.items():
            for owner in by_fault[fault_id]:
                self._found[owner].setdefault("ending_notices", []).append(_ending_notice(fault_id, kind, of_one))


_STATE: Final = ("id", "version", "kind", "hub_id", "account_id", "intended", "observed")


def _outage(declared: _Declared, line_ids: frozenset[str]) -> domain.Outage:
    return domain.Outage(
        outage_id=declared.outage_id,
        line_ids=line_ids,
        from_at=declared.from_at,
        declared_at=declared.declared_at,
        until=declared.until,
        planned=declared.planned,
        whose=declared.whose,
        recorded_at=declared.recorded_at,
        superseded_at=declared.superseded_at,
    )


def _since(reported: Iterable[domain.Fault]) -> dict[str, datetime]:
    """Return from when on the events of each line may matter to a fault."""
    since: dict[str, datetime] = {}
    for each in reported:
        begin = each.reported_at - _EVENTS_BEFORE_REPORT
        since[each.line_id] = min(begin, since.get(each.line_id, begin))
    return since


def _ending_notice(fault_id: str, kind: str, copies: Sequence[_Copy]) -> domain.EndingNotice:
    """Make one fact of the copies of a notice: delivered when one is, undeliverable when none can be."""
    delivered = [instant for row in copies if (instant := _told_at(row)) is not None]
    named = copies[0].facts.get("at")
    hopeless = [row.settled_at for row in copies if row.state == "undeliverable" and row.settled_at is not None]
    return domain.EndingNotice(
        fault_id=fault_id,
        kind=_ENDING_KINDS[kind],
        sent_at=min(row.owed_at for row in copies),
        names_time=datetime.fromisoformat(named) if named else None,
        delivered_at=min(delivered) if delivered else None,
        undeliverable_at=max(hopeless) if len(hopeless) == len(copies) else None,
        recorded_at=min(row.owed_at for row in copies),
    )


def _told_at(row: _Copy) -> datetime | None:
    """Return when a copy reached the customer; an e-mail that was taken over counts, there is no receipt for one."""
    told: datetime | None = None
    if row.state == "delivered":
        told = row.settled_at or row.sent_at
    elif row.state == "sent" and row.channel == "email":
        told = row.sent_at
    return told


def is_on(row: Found) -> bool:
    """Say whether the carrier showed a SIM to be on: a hub's active, a mobile one with Backup."""
    return row.observed.get("state") == "active" or row.observed.get("backup") is True


def _owners(pairs: Iterable[tuple[str, Iterable[str]]]) -> dict[str, set[str]]:
    """Group (key, owners) pairs by key."""
    found: dict[str, set[str]] = {}
    for key, owners in pairs:
        found.setdefault(key, set()).update(owners)
    return found


def accounts_on_lines(session: Session, line_ids: Iterable[str]) -> tuple[str, ...]:
    """Return the accounts that the present services and open faults of some lines belong to, in order."""
    ids = sorted(set(line_ids))
    found = rows.read(session, accounts.Service, "line_id", ids, rows.present, columns=("account_id",))
    return tuple(sorted({row.account_id for row in found}.union(accounts_with_open_faults(session, ids))))


def accounts_with_open_faults(session: Session, line_ids: Iterable[str]) -> tuple[str, ...]:
    """Return the accounts of the open faults of some lines, in order."""
    return tuple(sorted({account for _, account in open_faults_on(session, line_ids)}))


def open_faults_on(session: Session, line_ids: Iterable[str]) -> list[tuple[str, str]]:
    """Return (fault, account) of every fault of some lines that is not closed."""
    found = rows.read(session, faults.Fault, "line_id", line_ids, _is_open, columns=("id", "account_id"))
    return [(row.id, row.account_id) for row in found]


def _is_open(table: Table) -> ColumnElement[bool]:
    return and_(table.c.superseded_at.is_(None), table.c.closed_at.is_(None))
