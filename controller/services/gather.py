"""From rows to the facts that rules take: everything known of some accounts, in a fixed number of queries.

Every version of a fact comes along: the rules of endings judge the past by what was known then, and a decision can be
computed again as of then. Faults that are closed, now or at `as_of`, are left out: nothing is decided about them.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from functools import cache
from operator import attrgetter
from typing import Any, Final

from sqlalchemy import ColumnElement, Table, and_, bindparam
from sqlmodel import Session, SQLModel

from controller.domain import facts as domain
from controller.domain.facts import NOT_SUPERSEDED, Facts
from controller.services import rows
from controller.services.rows import Found
from controller.tables import accounts, faults, hubs
from controller.tables.sims import SimState

# Key to the accounts it belongs to.
Owners = dict[str, set[str]]

# Drops are counted over the 24 hours before a report or any later instant (T§10b); a line that was down when it was
# reported may have gone down days before, while nobody was at home.
_EVENTS_BEFORE_REPORT: Final = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class _Source:
    """How the rows of one table become facts of one class."""

    fact: type[domain.Fact]
    model: type[SQLModel]
    id_field: str | None = None
    convert: Mapping[str, Callable[[Any], Any]] = field(default_factory=dict)

    def build(self, row: Found) -> Any:
        """Make the fact of a row."""
        names, columns = _reading(self)
        values: dict[str, Any] = dict(zip(names, columns(row), strict=True))
        for name, convert in self.convert.items():
            values[name] = convert(values[name])
        if values.get("superseded_at", NOT_SUPERSEDED) is None:
            values["superseded_at"] = NOT_SUPERSEDED
        return self.fact(**values)

    def __hash__(self) -> int:
        return hash(self.model)


@cache
def _fields(source: _Source) -> tuple[tuple[str, str], ...]:
    """Return the (field, column) pairs of a source."""
    columns = {each.name for each in rows.table_of(source.model).columns}
    pairs = ((each.name, "id" if each.name == source.id_field else each.name) for each in fields(source.fact))
    return tuple(pair for pair in pairs if pair[1] in columns)


@cache
def _reading(source: _Source) -> tuple[tuple[str, ...], Callable[[Found], tuple[Any, ...]]]:
    """Return the fields of a source's facts and what reads their values off a row, all in one call."""
    return tuple(name for name, _ in _fields(source)), attrgetter(*(column for _, column in _fields(source)))


@cache
def _columns(source: _Source, by: str) -> tuple[str, ...]:
    """Return the columns that facts are made of, and by which they are given out."""
    wanted = {by, "id", "closed_at", *(column for _, column in _fields(source))}
    return tuple(each.name for each in rows.table_of(source.model).columns if each.name in wanted)


def _allowances(values: Sequence[Mapping[str, Any]]) -> tuple[domain.AllowanceFrom, ...]:
    return tuple(
        domain.AllowanceFrom(effective_from=datetime.fromisoformat(v["effective_from"]), allowance_mb=v["allowance_mb"])
        for v in values
    )


_SOURCES: Final[dict[str, _Source]] = {
    "lines": _Source(domain.Line, accounts.Line, "line_id", {"jurisdiction": domain.Jurisdiction}),
    "services": _Source(domain.Service, accounts.Service),
    "leave_requests": _Source(domain.LeaveRequest, accounts.LeaveRequest),
    "plans": _Source(domain.Plan, accounts.Plan, None, {"allowances": _allowances}),
    "plan_sims": _Source(domain.PlanSim, accounts.PlanSim, "sim_id"),
    "sims_abroad": _Source(domain.SimAbroad, accounts.SimAbroad),
    "add_ons": _Source(domain.DataAddOn, accounts.AddOn),
    "hub_assignments": _Source(domain.HubAssignment, hubs.HubAssignment),
    "hub_losses": _Source(domain.HubLoss, hubs.HubLoss, None, {"fate": domain.HubFate}),
    "brand_findings": _Source(domain.BrandFinding, hubs.BrandFinding, "hub_id", {"verdict": domain.BrandVerdict}),
    "line_events": _Source(domain.LineEvent, faults.LineEvent, None, {"kind": domain.LineEventKind}),
    "asked_restarts": _Source(domain.AskedRestart, faults.AskedRestart),
    "faults": _Source(domain.Fault, faults.Fault, "fault_id", {"symptom": domain.Symptom}),
    "observations": _Source(domain.Observation, faults.Observation),
    "diagnostics_finished": _Source(domain.DiagnosticsFinished, faults.DiagnosticsFinished, "fault_id"),
    "determinations": _Source(
        domain.Determination, faults.Determination, "determination_id", {"kind": domain.DeterminationKind}
    ),
    "suspicions": _Source(domain.Suspicion, accounts.Suspicion, "suspicion_id", {"kind": domain.SuspicionKind}),
    "bills_past_due": _Source(domain.BillPastDue, accounts.BillPastDue, "bill_id"),
    "sim_sightings": _Source(domain.SimSighting, hubs.SimSighting),
    "equipment": _Source(domain.EquipmentAssignment, hubs.EquipmentAssignment),
}


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
        by_account = {id_: {id_} for id_ in self._found}
        own = self._read("services", "account_id", by_account)
        lines = _owners(((row.line_id, row.account_id) for row in own), by_account)
        self._take("lines", "id", lines)
        services = self._take("services", "line_id", lines)
        of_service = _owners(((row.service_id, owner) for row in services for owner in lines[row.line_id]), None)
        self._take("leave_requests", "service_id", of_service)
        mobile = self._account_side(by_account)
        faults = self._fault_side(lines)
        hubs = self._hub_side(lines)
        self._take("determinations", "subject_id", {**faults, **lines, **hubs})
        self._states(mobile, hubs)
        return {id_: Facts(**{k: tuple(v) for k, v in found.items()}) for id_, found in self._found.items()}

    def _account_side(self, by_account: Owners) -> Owners:
        plans = self._owned("plans", "account_id", by_account, "plan_id")
        sims = self._owned("plan_sims", "plan_id", plans, "id")
        self._take("sims_abroad", "sim_id", sims)
        self._take("add_ons", "plan_id", plans)
        self._take("suspicions", "account_id", by_account)
        self._take("bills_past_due", "account_id", by_account)
        return sims

    def _states(self, mobile: Owners, hubs: Owners) -> None:
        """Read the SIMs' states; what was never seen switched on is unused."""
        for by, keys in (("id", mobile), ("hub_id", hubs)):
            found = rows.read(self._session, SimState, by, keys, for_update=self._hold_sims)
            self.sims += found
            used = {getattr(row, by) for row in found if _is_on(row)}
            for key in {getattr(row, by) for row in found} - used:
                for owner in keys[key]:
                    self._found[owner].setdefault("unused", []).append(domain.Unused(subject_id=key))

    def _fault_side(self, lines: Owners) -> Owners:
        found = self._read("faults", "line_id", lines)
        closed = {row.id for row in found if _is_closed(row, self._as_of)}
        kept = [row for row in found if row.id not in closed]
        self._give("faults", "line_id", kept, lines)
        by_fault = _owners(((row.id, owner) for row in kept for owner in lines[row.line_id]), None)
        self._take("observations", "fault_id", by_fault)
        self._take("diagnostics_finished", "id", by_fault)
        self._notices(by_fault)
        concerned = {row.line_id: lines[row.line_id] for row in kept}
        self._events(kept, concerned)
        self._take("asked_restarts", "line_id", concerned)
        self._outages(concerned)
        return by_fault

    def _hub_side(self, lines: Owners) -> Owners:
        by_hub = self._owned("hub_assignments", "line_id", lines, "hub_id")
        self._take("brand_findings", "id", by_hub)
        for name in ("hub_losses", "sim_sightings", "equipment"):
            self._take(name, "hub_id", by_hub)
        return by_hub

    def _events(self, faults_known: Sequence[Found], concerned: Owners) -> None:
        """Take the line events that may matter to a fault, line by line: what else is looked at changes nothing."""
        since: dict[str, datetime] = {}
        for row in faults_known:
            begin = row.reported_at - _EVENTS_BEFORE_REPORT
            since[row.line_id] = min(begin, since.get(row.line_id, begin))
        if since:
            found = self._read("line_events", "line_id", concerned, _is_since, values={"since": min(since.values())})
            self._give("line_events", "line_id", [row for row in found if row.at >= since[row.line_id]], concerned)

    def _owned(self, name: str, column: str, keys: Owners, id_: str) -> Owners:
        found = self._take(name, column, keys)
        return _owners(((getattr(row, id_), owner) for row in found for owner in keys[getattr(row, column)]), None)

    def _take(self, name: str, column: str, keys: Owners) -> list[Found]:
        """Read the rows whose `column` is one of `keys` and give each to the accounts that own the key."""
        found = self._read(name, column, keys)
        self._give(name, column, found, keys)
        return found

    def _give(self, name: str, column: str, found: Iterable[Found], keys: Owners) -> None:
        build = _SOURCES[name].build
        for row in found:
            fact = build(row)
            for owner in keys[getattr(row, column)]:
                self._found[owner].setdefault(name, []).append(fact)

    def _read(
        self, name: str, column: str, keys: Owners, condition: rows.Condition | None = None, **more: Any
    ) -> list[Found]:
        source = _SOURCES[name]
        return rows.read(self._session, source.model, column, keys, condition, columns=_columns(source, column), **more)

    def _outages(self, lines: Owners) -> None:
        by_outage: dict[str, list[str]] = {}
        for row in rows.read(self._session, faults.OutageLine, "line_id", lines):
            by_outage.setdefault(row.outage_id, []).append(row.line_id)
        for row in rows.read(self._session, faults.Outage, "id", by_outage):
            for owner in {owner for line in by_outage[row.id] for owner in lines[line]}:
                own = frozenset(line for line in by_outage[row.id] if owner in lines[line])
                self._found[owner].setdefault("outages", []).append(_outage(row, own))

    def _notices(self, by_fault: Owners) -> None:
        grouped: dict[tuple[str, str, str], list[Found]] = {}
        for row in rows.read(self._session, faults.Notice, "fault_id", by_fault, _is_of_ending):
            grouped.setdefault((row.fault_id, row.kind, str(row.facts.get("since"))), []).append(row)
        for (fault_id, kind, _), copies in grouped.items():
            for owner in by_fault[fault_id]:
                self._found[owner].setdefault("ending_notices", []).append(_ending_notice(fault_id, kind, copies))


_ENDING_KINDS: Final = {
    "switch_off": domain.NoticeKind.SWITCH_OFF_ANNOUNCED,
    "switched_off": domain.NoticeKind.SWITCHED_OFF,
    "backup_off": domain.NoticeKind.SWITCHED_OFF,
}


def _ending_notice(fault_id: str, kind: str, copies: Sequence[Found]) -> domain.EndingNotice:
    """Make one fact of the copies of a notice: delivered when one is, undeliverable when none can be."""
    delivered = [instant for row in copies if (instant := _told_at(row)) is not None]
    named = copies[0].facts.get("at")
    hopeless = [row.settled_at for row in copies if row.state == "undeliverable"]
    return domain.EndingNotice(
        fault_id=fault_id,
        kind=_ENDING_KINDS[kind],
        sent_at=min(row.owed_at for row in copies),
        names_time=datetime.fromisoformat(named) if named else None,
        delivered_at=min(delivered) if delivered else None,
        undeliverable_at=max(hopeless) if len(hopeless) == len(copies) else None,
        recorded_at=min(row.owed_at for row in copies),
    )


def _told_at(row: Found) -> datetime | None:
    """Return when a copy reached the customer; an e-mail that was taken over counts, there is no receipt for one."""
    told: datetime | None = None
    if row.state == "delivered":
        told = row.settled_at or row.sent_at
    elif row.state == "sent" and row.channel == "email":
        told = row.sent_at
    return told


def _is_on(row: Found) -> bool:
    return row.observed.get("state") == "active" or row.observed.get("backup") is True


def _is_of_ending(table: Table) -> ColumnElement[bool]:
    return and_(table.c.kind.in_(sorted(_ENDING_KINDS)), table.c.state != "withdrawn")


def _is_since(table: Table) -> ColumnElement[bool]:
    return table.c.at >= bindparam("since")


def _is_closed(row: Found, as_of: datetime | None) -> bool:
    """Say whether this is the version in force, now or then, and it is closed."""
    if as_of is None:
        return row.superseded_at is None and row.closed_at is not None
    in_force = row.recorded_at <= as_of and (row.superseded_at is None or as_of < row.superseded_at)
    return in_force and row.closed_at is not None


def _outage(row: Found, line_ids: frozenset[str]) -> domain.Outage:
    return domain.Outage(
        outage_id=row.id,
        line_ids=line_ids,
        from_at=row.from_at,
        declared_at=row.declared_at,
        until=row.until,
        planned=row.planned,
        whose=row.whose,
        recorded_at=row.recorded_at,
        superseded_at=row.superseded_at or NOT_SUPERSEDED,
    )


def _owners(pairs: Iterable[tuple[str, str]], known: Owners | None) -> Owners:
    """Group (key, owner) pairs by key; owners that aren't asked for are dropped."""
    found: Owners = {}
    for key, owner in pairs:
        if known is None or owner in known:
            found.setdefault(key, set()).add(owner)
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
