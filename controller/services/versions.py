"""How a fact with history is written: a change closes the present version and adds the next one."""

from datetime import datetime
from typing import Any, TypeVar

from sqlmodel import Session, col, select

from controller.services import journal, rows
from controller.services.errors import NotFoundError, VersionConflictError
from controller.tables.versioned import Versioned

V = TypeVar("V", bound=Versioned)

_BOOKKEEPING = frozenset({"row_id", "version", "recorded_at", "superseded_at"})


def noun_of(model: type[Versioned]) -> str:
    """Return the noun of a table's rows, as the feed and errors name it."""
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in model.__name__).lstrip("_")


def add(session: Session, row: V, *, action: str = "created", **facts: Any) -> V:
    """Add the first version of a fact, audited and fed."""
    session.add(row)
    session.flush()
    _tell(session, row, action, facts)
    return row


def send(session: Session, row: V, *, action: str = "created", **facts: Any) -> V:
    """Do what `add` does without waiting for it; the row returned is none of the session's."""
    values = {name: getattr(row, name) for name in type(row).model_fields if name != "row_id"}
    rows.add(session, type(row), [values])
    _tell(session, row, action, facts)
    return row


def present(session: Session, model: type[V], id_: str) -> V:
    """Return the present version. Raises NotFoundError."""
    found = find(session, model, id_)
    if found is None:
        raise NotFoundError(noun_of(model), id_)
    return found


def find(session: Session, model: type[V], id_: str) -> V | None:
    """Return the present version, or None."""
    return session.exec(select(model).where(model.id == id_, col(model.superseded_at).is_(None))).first()


def revise(
    session: Session, row: V, now: datetime, *, expected: int | None = None, action: str = "changed", **changes: Any
) -> V:
    """Close the present version and add the next one with `changes`; nothing happens when nothing changes.

    Raises VersionConflictError when `expected` is given and isn't the row's version.
    """
    if expected is not None and expected != row.version:
        raise VersionConflictError(noun_of(type(row)), row.id, expected=expected, found=row.version)
    if all(getattr(row, name) == value for name, value in changes.items()):
        return row
    values = {name: getattr(row, name) for name in type(row).model_fields if name not in _BOOKKEEPING}
    row.superseded_at = now
    session.add(row)
    session.flush()
    newer = type(row)(**{**values, **changes}, version=row.version + 1, recorded_at=now)
    session.add(newer)
    session.flush()
    _tell(session, newer, action, {"fields": sorted(changes)})
    return newer


def _tell(session: Session, row: Versioned, action: str, facts: dict[str, Any]) -> None:
    noun = noun_of(type(row))
    journal.audited(session, noun, row.id, action, version=row.version, **facts)
    journal.changed(session, noun, row.id, action)
