"""Facts with history: a change is a new version, so that any decision can be computed again as of then."""

from datetime import datetime

from sqlalchemy import Index, text
from sqlmodel import SQLModel

from controller.tables.columns import BIG_KEY, ID, INSTANT, Retention, column

_KEPT = Retention.CONTRACT


class Versioned(SQLModel):
    """One version of one fact, known from `recorded_at` (included) to `superseded_at` (not included; None: still)."""

    row_id: int | None = column("names this version", _KEPT, type=BIG_KEY, primary_key=True, default=None)
    id: str = column("names the thing over all its versions", _KEPT, type=ID)
    version: int = column("counts the versions", _KEPT, default=1)
    recorded_at: datetime = column("when this became known", _KEPT, type=INSTANT)
    superseded_at: datetime | None = column("when a newer version became known", _KEPT, type=INSTANT, default=None)


def indexes(table: str, *by: str) -> tuple[Index, ...]:
    """Index a versioned table: at most one present version of an id, and look-ups by the given columns."""
    present = text("superseded_at IS NULL")
    return (
        Index(f"uq_{table}_present", "id", unique=True, sqlite_where=present, postgresql_where=present),
        *(Index(f"ix_{table}_{name}", name) for name in by),
    )
