"""From rows to the facts that rules take: everything known of some accounts, in a fixed number of queries.

Every version of a fact comes along: the rules of endings judge the past by what was known then, and a decision can be
computed again as of then. Closed faults are left out (nothing is decided about them any more) unless `with_closed`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, RowMapping, Table, select
from sqlmodel import Session, SQLModel

from controller.domain import facts as domain
from controller.domain.facts import NOT_SUPERSEDED, Facts
from controller.tables import accounts, faults, hubs

Row = RowMapping

# Drops are counted over the 24 hours before a report or any later instant (T§10b); an hour more for late clocks.
_IDS_A_STATEMENT: Final = 1000
_EVENTS_BEFORE_REPORT: Final = timedelta(hours=25)


@dataclass(frozen=True, slots=True)
class _Source:
    """How the rows of one table become facts of one class."""

    fact: type[domain.Fact]
    model: type[SQLModel]
    id_field: str | None
    convert: Mapping[str, Callable[[Any], Any]]

    def build(self, row: Row) -> Any:
        values = {name: row[name] for name in self.names() if name in row}
        if self.id_field is not None:
            values[self.id_field] = row["id"]
        for name, convert in self.convert.items():
            values[name] = convert(values[name])
        values["superseded_at"] = row.get("superseded_at") or NOT_SUPERSEDED
        return self.fact(**values)

    def names(self) -> tuple[str, ...]:
        return tuple(f.name for f in fields(self.fact) if f.name != "superseded_at")


def _allowances(values: Sequence[Mapping[str, Any]]) -> tuple[domain.AllowanceFrom, ...]:
    return tuple(
        domain.AllowanceFrom(effective_from=datetime.fromisoformat(v["effective_from"]), allowance_mb=v["allowance_mb"])
        for v in values
    )


_SOURCES: Final[dict[str, _Source]] = {
    "accounts": _Source(domain.Account, accounts.Account, "account_id", {}),
    "lines": _Source(domain.Line, accounts.Line, "line_id", {"jurisdiction": domain.Jurisdiction}),
    "services": _Source(domain.Service, accounts.Service, None, {}),
    "leave_requests": _Source(domain.LeaveRequest, accounts.LeaveRequest, None, {}),
    "plans": _Source(domain.Plan, accounts.Plan, None, {"allowances": _allowances}),
    "plan_sims": _Source(domain.PlanSim, accounts.PlanSim, "sim_id", {}),
    "sims_abroad": _Source(domain.SimAbroad, accounts.SimAbroad, None, {}),
    "add_ons": _Source(domain.DataAddOn, accounts.AddOn, None, {}),
    "hubs": _Source(domain.Hub, hubs.Hub, "hub_id", {}),
    "hub_assignments": _Source(domain.HubAssignment, hubs.HubAssignment, None, {}),
    "hub_losses": _Source(domain.HubLoss, hubs.HubLoss, None, {"fate": domain.HubFate}),
    "brand_findings": _Source(domain.BrandFinding, hubs.BrandFinding, "hub_id", {"verdict": domain.BrandVerdict}),
    "line_events": _Source(domain.LineEvent, faults.LineEvent, None, {"kind": domain.LineEventKind}),
    "asked_restarts": _Source(domain.AskedRestart, faults.AskedRestart, None, {}),
    "faults": _Source(domain.Fault, faults.Fault, "fault_id", {"symptom": domain.Symptom}),
    "observations": _Source(domain.Observation, faults.Observation, None, {}),
    "diagnostics_finished": _Source(domain.DiagnosticsFinished, faults.DiagnosticsFinished, "fault_id", {}),
    "determinations": _Source(
        domain.Determination, faults.Determination, "determination_id", {"kind": domain.DeterminationKind}
    ),
    "suspicions": _Source(domain.Suspicion, accounts.Suspicion, "suspicion_id", {"kind": domain.SuspicionKind}),
    "bills_past_due": _Source(domain.BillPastDue, accounts.BillPastDue, "bill_id", {}),
    "sim_sightings": _Source(domain.SimSighting, hubs.SimSighting, None, {}),
    "equipment": _Source(domain.EquipmentAssignment, hubs.EquipmentAssignment, None, {}),
}


def facts_of(session: Session, account_id: str, *, with_closed: bool = False) -> Facts:
    """Return everything known of one account and of whatever touches it."""
    return gather(session, [account_id], with_closed=with_closed)[account_id]


def gather(session: Session, account_ids: Sequence[str], *, with_closed: bool = False) -> dict[str, Facts]:
    """Return the facts of each account; the number of queries doesn't grow with the number of accounts."""
    return _Gathering(session, sorted(set(account_ids)), with_closed=with_closed).run()


class _Gathering:
    """One pass over the tables, and the distribution of what was found to accounts."""

    def __init__(self, session: Session, account_ids: Sequence[str], *, with_closed: bool) -> None:
        self._connection = session.connection()
        session.flush()
        self._ids = account_ids
        self._with_closed = with_closed
        self._found: dict[str, dict[str, list[Any]]] = {id_: {} for id_ in account_ids}

    def run(self) -> dict[str, Facts]:
        by_account = {id_: {id_} for id_ in self._ids}
        self._take("accounts", "id", by_account)
        own = self._take("services", "account_id", by_account)
        lines = _owners(((row["line_id"], row["account_id"]) for row in own), by_account)
        self._take("lines", "id", lines)
        self._replace("services", "line_id", lines)
        self._account_side(by_account)
        self._fault_side(lines)
        self._hub_side(lines)
        return {id_: Facts(**{k: tuple(v) for k, v in found.items()}) for id_, found in self._found.items()}

    def _account_side(self, by_account: dict[str, set[str]]) -> None:
        plans = self._owned("plans", "account_id", by_account, "plan_id")
        sims = self._owned("plan_sims", "plan_id", plans, "id")
        self._take("sims_abroad", "sim_id", sims)
        self._take("add_ons", "plan_id", plans)
        self._take("suspicions", "account_id", by_account)
        self._take("bills_past_due", "account_id", by_account)

    def _fault_side(self, lines: dict[str, set[str]]) -> None:
        rows = self._take("faults", "line_id", lines, None if self._with_closed else _is_open())
        by_fault = _owners(((row["id"], owner) for row in rows for owner in lines[row["line_id"]]), None)
        self._take("observations", "fault_id", by_fault)
        self._take("diagnostics_finished", "id", by_fault)
        self._notices(by_fault)
        self._determinations(by_fault, lines)
        self._events(rows, lines)
        self._take("asked_restarts", "line_id", lines)
        self._outages(lines)

    def _hub_side(self, lines: dict[str, set[str]]) -> None:
        rows = self._take("hub_assignments", "line_id", lines)
        by_hub = _owners(((row["hub_id"], owner) for row in rows for owner in lines[row["line_id"]]), None)
        self._take("hubs", "id", by_hub)
        self._take("brand_findings", "id", by_hub)
        for name in ("hub_losses", "sim_sightings", "equipment"):
            self._take(name, "hub_id", by_hub)
        self._take("determinations", "subject_id", by_hub)

    def _determinations(self, by_fault: dict[str, set[str]], lines: dict[str, set[str]]) -> None:
        self._take("determinations", "subject_id", {**by_fault, **lines})

    def _events(self, rows: Sequence[Row], lines: dict[str, set[str]]) -> None:
        concerned = {row["line_id"]: lines[row["line_id"]] for row in rows}
        if concerned:
            since = min(row["reported_at"] for row in rows) - _EVENTS_BEFORE_REPORT
            self._take("line_events", "line_id", concerned, faults.LineEvent.__table__.c.at >= since)  # type: ignore[attr-defined]

    def _owned(self, name: str, column: str, keys: dict[str, set[str]], id_: str) -> dict[str, set[str]]:
        rows = self._take(name, column, keys)
        return _owners(((row[id_], owner) for row in rows for owner in keys[row[column]]), None)

    def _replace(self, name: str, column: str, keys: dict[str, set[str]]) -> None:
        for found in self._found.values():
            found.pop(name, None)
        self._take(name, column, keys)

    def _take(
        self, name: str, column: str, keys: dict[str, set[str]], condition: ColumnElement[bool] | None = None
    ) -> Sequence[Row]:
        """Read the rows whose `column` is one of `keys` and give each to the accounts that own the key."""
        source = _SOURCES[name]
        rows = self._rows(source.model, column, list(keys), condition)
        for row in rows:
            fact = source.build(row)
            for owner in keys[row[column]]:
                self._found[owner].setdefault(name, []).append(fact)
        return rows

    def _rows(
        self, model: type[SQLModel], column: str, keys: Sequence[str], condition: ColumnElement[bool] | None = None
    ) -> Sequence[Row]:
        table: Table = model.__table__  # type: ignore[attr-defined]  # SQLModel doesn't declare it
        found: list[Row] = []
        for chunk in _chunks(keys):
            statement = select(table).where(table.c[column].in_(chunk))
            if condition is not None:
                statement = statement.where(condition)
            found.extend(self._connection.execute(statement).mappings())
        return found

    def _outages(self, lines: dict[str, set[str]]) -> None:
        covered = self._rows(faults.OutageLine, "line_id", list(lines))
        by_outage: dict[str, list[str]] = {}
        for row in covered:
            by_outage.setdefault(row["outage_id"], []).append(row["line_id"])
        for row in self._rows(faults.Outage, "id", list(by_outage)):
            for owner in {o for line in by_outage[row["id"]] for o in lines[line]}:
                own = frozenset(line for line in by_outage[row["id"]] if owner in lines[line])
                self._found[owner].setdefault("outages", []).append(_outage(row, own))

    def _notices(self, by_fault: dict[str, set[str]]) -> None:
        grouped: dict[tuple[str, str, str], list[Row]] = {}
        for row in self._rows(faults.Notice, "fault_id", list(by_fault)):
            if row["kind"] in _ENDING_KINDS and row["state"] != "withdrawn":
                grouped.setdefault((row["fault_id"], row["kind"], str(row["facts"].get("since"))), []).append(row)
        for (fault_id, kind, _), copies in grouped.items():
            for owner in by_fault[fault_id]:
                self._found[owner].setdefault("ending_notices", []).append(_ending_notice(fault_id, kind, copies))


_ENDING_KINDS: Final = {
    "switch_off": domain.NoticeKind.SWITCH_OFF_ANNOUNCED,
    "switched_off": domain.NoticeKind.SWITCHED_OFF,
    "backup_off": domain.NoticeKind.SWITCHED_OFF,
}


def _ending_notice(fault_id: str, kind: str, copies: Sequence[Row]) -> domain.EndingNotice:
    """Make one fact of the copies of a notice: delivered when one is, undeliverable when none can be."""
    delivered = [instant for row in copies if (instant := _told_at(row)) is not None]
    named = copies[0]["facts"].get("at")
    hopeless = [row["settled_at"] for row in copies if row["state"] == "undeliverable"]
    return domain.EndingNotice(
        fault_id=fault_id,
        kind=_ENDING_KINDS[kind],
        sent_at=min(row["owed_at"] for row in copies),
        names_time=datetime.fromisoformat(named) if named else None,
        delivered_at=min(delivered) if delivered else None,
        undeliverable_at=max(hopeless) if len(hopeless) == len(copies) else None,
        recorded_at=min(row["owed_at"] for row in copies),
    )


def _told_at(row: Row) -> datetime | None:
    """Return when a copy reached the customer; an e-mail that was taken over counts, there is no receipt for one."""
    told: datetime | None = None
    if row["state"] == "delivered":
        told = row["settled_at"] or row["sent_at"]
    elif row["state"] == "sent" and row["channel"] == "email":
        told = row["sent_at"]
    return told


def _is_open() -> ColumnElement[bool]:
    """Keep every version of the faults whose present version is not closed."""
    table: Table = faults.Fault.__table__  # type: ignore[attr-defined]
    present = table.alias()
    return table.c.id.in_(select(present.c.id).where(present.c.superseded_at.is_(None), present.c.closed_at.is_(None)))


def _outage(row: Row, line_ids: frozenset[str]) -> domain.Outage:
    return domain.Outage(
        outage_id=row["id"],
        line_ids=line_ids,
        from_at=row["from_at"],
        declared_at=row["declared_at"],
        until=row["until"],
        planned=row["planned"],
        whose=row["whose"],
        recorded_at=row["recorded_at"],
        superseded_at=row["superseded_at"] or NOT_SUPERSEDED,
    )


def _owners(pairs: Iterable[tuple[str, str]], known: dict[str, set[str]] | None) -> dict[str, set[str]]:
    """Group (key, owner) pairs by key; owners that aren't asked for are dropped."""
    found: dict[str, set[str]] = {}
    for key, owner in pairs:
        if known is None or owner in known:
            found.setdefault(key, set()).add(owner)
    return found


def accounts_on_lines(session: Session, line_ids: Sequence[str]) -> tuple[str, ...]:
    """Return the accounts that the present services and open faults of some lines belong to, in order."""
    service: Table = accounts.Service.__table__  # type: ignore[attr-defined]
    found: set[str] = set(accounts_with_open_faults(session, line_ids))
    for chunk in _chunks(line_ids):
        where = (service.c.line_id.in_(chunk), service.c.superseded_at.is_(None))
        found.update(session.connection().execute(select(service.c.account_id).where(*where)).scalars())
    return tuple(sorted(found))


def accounts_with_open_faults(session: Session, line_ids: Sequence[str]) -> tuple[str, ...]:
    """Return the accounts of the open faults of some lines, in order."""
    return tuple(sorted({account for _, account in open_faults_on(session, line_ids)}))


def open_faults_on(session: Session, line_ids: Sequence[str]) -> list[tuple[str, str]]:
    """Return (fault, account) of every fault of some lines that is not closed."""
    fault: Table = faults.Fault.__table__  # type: ignore[attr-defined]
    found: list[tuple[str, str]] = []
    for chunk in _chunks(line_ids):
        where = (fault.c.line_id.in_(chunk), fault.c.superseded_at.is_(None), fault.c.closed_at.is_(None))
        rows = session.connection().execute(select(fault.c.id, fault.c.account_id).where(*where))
        found.extend((row.id, row.account_id) for row in rows)
    return found


def _chunks(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    """Cut a long list into pieces that a statement's parameters hold."""
    for start in range(0, len(ids), _IDS_A_STATEMENT):
        yield ids[start : start + _IDS_A_STATEMENT]
