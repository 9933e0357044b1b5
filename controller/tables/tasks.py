"""What only a person can do: one row each, with a reason, closed by somebody."""

from datetime import datetime

from sqlalchemy import Index, text
from sqlmodel import SQLModel

from controller.tables.columns import ID, INSTANT, Retention, column

_KEPT = Retention.HISTORY


class OperatorTask(SQLModel, table=True):
    """A task for an operator: someone who can't be reached must be called, a parcel must be stopped."""

    __tablename__ = "operator_tasks"
    __table_args__ = (
        Index("ix_operator_tasks_open", "closed_at", "opened_at"),
        Index(
            "uq_operator_tasks_open",
            "kind",
            "key",
            unique=True,
            sqlite_where=text("closed_at IS NULL"),
            postgresql_where=text("closed_at IS NULL"),
        ),
    )

    id: str = column("names the task", _KEPT, type=ID, primary_key=True)
    version: int = column("row version", _KEPT, default=1)
    kind: str = column("what is to be done", _KEPT, max_length=32)
    key: str = column("the notice or order that it is about", _KEPT, type=ID)
    account_id: str = column("whose account", _KEPT, type=ID)
    fault_id: str | None = column("about which fault", _KEPT, type=ID, default=None)
    reason: str = column("why a person is needed; no personal data", _KEPT, max_length=500)
    opened_at: datetime = column("since when", _KEPT, type=INSTANT)
    due_at: datetime | None = column("by when it should be done", _KEPT, type=INSTANT, default=None)
    closed_at: datetime | None = column("until when", _KEPT, type=INSTANT, default=None)
    closed_by: str | None = column("who closed it", _KEPT, default=None, max_length=128)
    outcome: str | None = column("done, or not needed", _KEPT, default=None, max_length=16)
    note: str = column("what the person says about it", _KEPT, default="", max_length=500)
