"""How a column is declared: every one states its purpose and how long its content is kept (P, minimisation).

`column` is the only way the tables declare a column; a test reads the two statements back from the metadata.
"""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import JSON, BigInteger, DateTime, Dialect, Integer, String
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeDecorator, TypeEngine
from sqlmodel import Field

# A growing number that is also SQLite's rowid.
BIG_KEY: Final = BigInteger().with_variant(Integer(), "sqlite")
JSON_DOCUMENT: Final[TypeEngine[Any]] = JSON().with_variant(JSONB(), "postgresql")
ID: Final = String(36)


class Retention(StrEnum):
    """How long a column's content is kept.

    `services/retention.py` deletes what ages by itself; what lives as long as a contract or a hub's enrolment goes
    with it, by a person's decision.
    """

    CONTRACT = "while the service lives, then 6 years"
    FAULT = "6 years after the fault closed"
    HUB = "while the hub is enrolled, then 1 year"
    HISTORY = "13 months"
    SAMPLE = "14 days"
    TELEMETRY = "60 days"
    WORK = "until the work is done"
    MESSAGE = "13 months after it was sent"
    ACCESS = "until revoked, then 1 year"
    AUDIT = "6 years; what names a person ends with the person's pseudonym key"
    QUARANTINE = "30 days"


class UtcDateTime(TypeDecorator[datetime]):
    """An instant: aware on both sides, UTC in the database. Raises ValueError for a naive datetime."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the instant in UTC; SQLite, which keeps no zone, gets it without one."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a naive datetime is no instant: {value!r}")
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the instant, aware and in UTC."""
        del dialect
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


INSTANT: Final = UtcDateTime


def column(purpose: str, retention: Retention, **options: Any) -> Any:
    """Declare a column with its purpose and retention; `options` are SQLModel's `Field` options.

    `type` names the SQLAlchemy type, `server_default` passes to the column.
    """
    info = {"purpose": purpose, "retention": retention.value}
    kwargs: dict[str, Any] = {"info": info, **options.pop("column_kwargs", {})}
    type_ = options.pop("type", None)
    if type_ is not None:
        options["sa_type"] = type_
    return Field(sa_column_kwargs=kwargs, **options)
