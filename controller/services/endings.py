"""Endings carried out: told first, withdrawn when another fault holds the benefit, closed when nothing is left on."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final

from sqlmodel import Session

from controller.domain.decisions import Outcome
from controller.domain.ending import Benefit, Ending, EndingState
from controller.domain.facts import Fault
from controller.services import alarms, journal, notices, promises, rows, versions
from controller.services import reasons as reason_rows
from controller.services.on_record import TO_CONFIRM, OnRecord, Told
from controller.services.outcome import FaultOutcome
from controller.services.telling import Telling, owe_many
from controller.tables import faults

_KEPT: Final = frozenset({EndingState.HELD, EndingState.NOT_ENDING})
_BENEFITS: Final = frozenset(Benefit)
_OWED: Final = frozenset({Outcome.REACTIVATE, Outcome.DISPATCH, Outcome.OWED})
# What tells that a fault was resolved, or that all was off before.
_TELL_RESOLVED: Final = frozenset({"fault_resolved", "switch_off", "switched_off", "backup_off", "order_cancelled"})
_LASTING: Final = frozenset({EndingState.TELL, EndingState.WAITING, EndingState.HELD, EndingState.CONFIRM})


def follow(session: Session, outcomes: Sequence[FaultOutcome], found: OnRecord, now: datetime) -> None:
    """Owe, withdraw or hold what the endings of faults ask for."""
    tellings = [telling for each in outcomes for telling in _tellings(each.fault, each.endings, now)]
    tellings += _resolved_untold(session, outcomes, found, now)
    owe_many(session, tellings, now, found)
    for fault_id in _told_in_vain(outcomes, found, now):
        if notices.withdraw(session, fault_id, "switch_off", now):
            notices.owe(session, fault_id, "switch_off_withdrawn", now, since=now)
    for fault_id in _refused_in_vain(outcomes, found):
        notices.withdraw(session, fault_id, "refused", now)
    _ask_people(session, outcomes, found, now)


def close(session: Session, outcomes: Sequence[FaultOutcome], now: datetime) -> None:
    """Close the resolved faults for which nothing is on any more."""
    over = [each.fault for each in outcomes if _is_over(each, now)]
    held = reason_rows.held_by(session, [fault.fault_id for fault in over])
    gone = [fault.fault_id for fault in over if not held.get(fault.fault_id)]
    promises.end_many(session, [(fault_id, benefit) for fault_id in gone for benefit in Benefit], "over", now)
    for fault_id in gone:
        row = versions.present(session, faults.Fault, fault_id)
        versions.revise(session, row, now, closed_at=now, action="closed")
        journal.changed(session, "fault", fault_id, "closed")


def _is_over(outcome: FaultOutcome, now: datetime) -> bool:
    resolved_at = outcome.fault.resolved_at
    if resolved_at is None or resolved_at > now:
        return False
    return not any(end.state in _LASTING for end in outcome.endings)


def _told_in_vain(outcomes: Sequence[FaultOutcome], found: OnRecord, now: datetime) -> list[str]:
    """Return the faults whose switch-off was announced for a time to come and does not happen after all.

    Another fault holds the benefit, or it is owed again: not fixed after all, a bill paid, a suspicion cleared.
    """
    kept = {each.fault.fault_id: each.endings for each in outcomes if _is_kept(each.endings)}
    standing = [
        row for row in found.told if row.kind == "switch_off" and row.state != "withdrawn" and row.fault_id in kept
    ]
    return sorted(
        {
            row.fault_id
            for row in standing
            if row.state == "owed" or _is_held(kept[row.fault_id]) or now < _named_time(row)
        }
    )


def _refused_in_vain(outcomes: Sequence[FaultOutcome], found: OnRecord) -> list[str]:
    """Return the open faults of which a refusal waits to be sent that holds no longer; told again if it ever does."""
    waiting = {row.fault_id for row in found.told if row.kind == "refused" and row.state == "owed"}
    given = (each.fault.fault_id for each in outcomes if each.decisions and each.refusal is None)
    return sorted(waiting.intersection(given))


def _is_kept(found: Sequence[Ending]) -> bool:
    """Say whether something stays on, and nothing of the fault is about to be switched off."""
    return any(end.state in _KEPT for end in found) and not _is_ending(found)


def _is_held(found: Sequence[Ending]) -> bool:
    return any(end.state is EndingState.HELD for end in found)


def _named_time(row: Told) -> datetime:
    """Return the switch-off that a notice named; one that has passed was no empty word."""
    return datetime.fromisoformat(row.facts["at"])


def _ask_people(session: Session, outcomes: Sequence[FaultOutcome], found: OnRecord, now: datetime) -> None:
    """Raise an alarm for each fault whose ending waits for a person, and clear it once none does."""
    new: dict[str, str] = {}
    for each in outcomes:
        fault_id = each.fault.fault_id
        confirm = [end for end in each.endings if end.state is EndingState.CONFIRM]
        if confirm and fault_id not in found.to_confirm:
            what = " and ".join(end.benefit.value for end in confirm)
            new[fault_id] = f"{what} of fault {fault_id} waits for a person's confirmation: {confirm[0].reason}"
        elif not confirm and fault_id in found.to_confirm:
            alarms.clear(session, TO_CONFIRM, "fault", fault_id, now=now)
    if new:
        alarms.raise_many(session, TO_CONFIRM, "fault", new, severity="major", now=now)


def _tellings(fault: Fault, found: Sequence[Ending], now: datetime) -> Iterator[Telling]:
    """Name the time beforehand; where a benefit ends at once, say so with the reason (T§10f, 12e)."""
    to_tell = [end for end in found if end.state is EndingState.TELL]
    if to_tell:
        at = max((end.switch_off_at for end in to_tell if end.switch_off_at is not None), default=now)
        since = min((end.ceased_at for end in to_tell if end.ceased_at is not None), default=now)
        facts: Mapping[str, str] = {"at": at.isoformat(), "reason": to_tell[0].reason}
        yield Telling(fault_id=fault.fault_id, kind="switch_off", since=since, facts=dict(facts))
    for end in found:
        is_at_once = end.state is EndingState.OFF and end.ceased_at is not None and end.switch_off_at == end.ceased_at
        if is_at_once and end.ceased_at != fault.resolved_at:
            kind = "switched_off" if end.benefit is Benefit.MINI_HUB else "backup_off"
            facts = {"at": now.isoformat(), "benefit": end.benefit.value, "reason": end.reason}
            yield Telling(fault_id=fault.fault_id, kind=kind, since=end.ceased_at, facts=dict(facts))


def _resolved_untold(
    session: Session, outcomes: Sequence[FaultOutcome], found: OnRecord, now: datetime
) -> Iterator[Telling]:
    """Tell of faults that were resolved before anything that was owed for them came on: no switch-off tells of it.

    While another fault of the line entitles there is nothing to tell: what is to come comes for that one.
    """
    over = {each.fault.fault_id: each.fault for each in outcomes if _is_over(each, now)}
    if not over:
        return
    standing = found.decisions.values()
    entitled = {row.fault_id for row in standing if row.outcome in _OWED and row.question in _BENEFITS}
    held = {each.fault.line_id for each in outcomes if each.fault.fault_id in entitled and not _is_over(each, now)}
    over = {fault_id: fault for fault_id, fault in over.items() if fault.line_id not in held}
    told = rows.read(session, faults.Notice, "fault_id", entitled & over.keys(), columns=("fault_id", "kind", "state"))
    heard = {row.fault_id for row in told if row.kind in _TELL_RESOLVED and row.state != "withdrawn"}
    for fault_id in sorted((entitled & over.keys()) - heard):
        at = over[fault_id].resolved_at or now
        yield Telling(fault_id=fault_id, kind="fault_resolved", since=at, facts={"at": at.isoformat()})


def _is_ending(found: Sequence[Ending]) -> bool:
    return any(end.state in {EndingState.TELL, EndingState.WAITING} for end in found)
