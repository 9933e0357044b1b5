"""Many notices owed at once: what `notices.owe` does for one fault, in a fixed number of statements for any number."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlmodel import Session

from controller.services import alarms, journal, notices, owed, rows
from controller.services.on_record import OnRecord
from controller.tables.accounts import Account
from controller.tables.faults import Fault, Notice

_OF_FAULT: Final = ("id", "account_id", "reported_at")
_OF_HOLDER: Final = ("id", "email", "mobile")


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """A notice about a fault, told once for each kind and `since`; `facts` fill the template in."""

    fault_id: str
    kind: str
    facts: dict[str, Any] = field(default_factory=dict)
    since: datetime | None = None
    due_at: datetime | None = None

    def dedup(self, channel: str) -> str:
        """Name it, so that the same thing is told once."""
        return f"{self.kind}:{self.fault_id}:{channel}:{self.since.isoformat() if self.since else ''}"


def owe_many(session: Session, wanted: Sequence[Telling], now: datetime, found: OnRecord | None = None) -> None:
    """Owe notices on every channel; those that are known already are not owed again.

    What is on record of the faults is read unless it was `found` before.
    """
    states = _states(session, wanted) if found is None else {each.dedup: each.state for each in found.told}
    named = ((each, channel, each.dedup(channel)) for each in wanted for channel in notices.CHANNELS)
    _write(session, [copy for copy in named if copy[2] not in states], found, now)
    for each in wanted if "withdrawn" in states.values() else ():
        if any(states.get(each.dedup(channel)) == "withdrawn" for channel in notices.CHANNELS):
            notices.owe_facts(
                session, each.fault_id, each.kind, now, facts=each.facts, due_at=each.due_at, since=each.since
            )


def _states(session: Session, wanted: Iterable[Telling]) -> dict[str, str]:
    """Return the states of the notices there are, by name."""
    names = [each.dedup(channel) for each in wanted for channel in notices.CHANNELS]
    found = rows.read(session, Notice, "dedup", names, columns=("dedup", "state"))
    return {row.dedup: row.state for row in found}


def _addressed(session: Session, fault_ids: Iterable[str]) -> tuple[Mapping[str, rows.Found], Mapping[str, rows.Found]]:
    """Return faults, and the accounts of their holders, by id."""
    faults = {row.id: row for row in rows.read(session, Fault, "id", fault_ids, rows.present, columns=_OF_FAULT)}
    account_ids = {row.account_id for row in faults.values()}
    found = rows.read(session, Account, "id", account_ids, rows.present, columns=_OF_HOLDER)
    return faults, {row.id: row for row in found}


def _write(session: Session, new: Sequence[tuple[Telling, str, str]], found: OnRecord | None, now: datetime) -> None:
    """Write copies: of what, on which channel, and under which name."""
    if not new:
        return
    faults: Mapping[str, Any]
    holders: Mapping[str, Any]
    if found is None:
        faults, holders = _addressed(session, {each.fault_id for each, _, _ in new})
    else:
        faults, holders = found.reported, found.holders
    values, marks = [], []
    for each, channel, name in new:
        fault = faults[each.fault_id]
        row = {"channel": channel, "dedup": name, **_values(session, each, fault, now)}
        values.append(row)
        marks.append((row["id"], each.due_at, now))
        holder = holders[fault.account_id]
        if not (holder.email if channel == "email" else holder.mobile):
            message = f"account {holder.id} has no address for {channel}; {each.kind} can't be told"
            alarms.raise_alarm(
                session, f"missing_{channel}", "account", holder.id, severity="minor", message=message, now=now
            )
    for told in {(each.kind, each.fault_id, each.since): each for each, _, _ in new}.values():
        journal.changed(session, "fault", told.fault_id, "told", kind=told.kind)
    rows.add(session, Notice, values)
    owed.mark_many(session, notices.NOUN, marks, now=now)


def _values(session: Session, each: Telling, fault: Any, now: datetime) -> dict[str, Any]:
    told = {"fault_id": fault.id, "reported_at": fault.reported_at.isoformat(), **each.facts}
    if each.since is not None:
        told["since"] = each.since.isoformat()
    return {
        "id": journal.new_id(session),
        "account_id": fault.account_id,
        "fault_id": fault.id,
        "kind": each.kind,
        "facts": told,
        "state": "owed",
        "owed_at": now,
    }
