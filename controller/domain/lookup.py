"""Finding facts by id and instant."""

from datetime import datetime

from controller.domain.errors import UnknownSubjectError
from controller.domain.facts import Determination, DeterminationKind, Facts, Fault, Line


def fault_of(facts: Facts, fault_id: str) -> Fault:
    """Return the fault, or raise UnknownSubjectError."""
    for each in facts.faults:
        if each.fault_id == fault_id:
            return each
    raise UnknownSubjectError("fault", fault_id)


def line_of(facts: Facts, line_id: str) -> Line:
    """Return the line, or a plain one of that id where nothing more is known of it."""
    return next((each for each in facts.lines if each.line_id == line_id), None) or Line(line_id=line_id)


def is_open_between(start: datetime, end: datetime | None, at: datetime) -> bool:
    """Say whether `at` lies from `start` (included) to `end` (not included; None: no end)."""
    return start <= at and (end is None or at < end)


def determinations(
    facts: Facts, subject_id: str, kinds: frozenset[DeterminationKind], at: datetime
) -> tuple[Determination, ...]:
    """Return the determinations in effect at `at`, oldest first; those without a name or a reason have no effect."""
    if not facts.determinations:
        return ()
    found = [
        each
        for each in facts.determinations
        if each.subject_id == subject_id
        and each.kind in kinds
        and each.by.strip()
        and each.reason.strip()
        and is_open_between(each.at, each.withdrawn_at, at)
    ]
    return tuple(sorted(found, key=lambda each: (each.at, each.recorded_at, each.determination_id)))


def latest_determination(
    facts: Facts, subject_id: str, kinds: frozenset[DeterminationKind], at: datetime
) -> Determination | None:
    """Return the latest determination of those kinds in effect at `at`."""
    found = determinations(facts, subject_id, kinds, at)
    return found[-1] if found else None
