"""Who may use the API."""

from datetime import datetime

from sqlmodel import SQLModel

from controller.tables.columns import ID, INSTANT, Retention, column

_ACCESS = Retention.ACCESS


class ApiKey(SQLModel, table=True):
    """An API key, kept only in a form that authenticates and can't be reversed."""

    __tablename__ = "api_keys"

    id: str = column("names the key", _ACCESS, type=ID, primary_key=True)
    digest: str = column("SHA-256 of the key's 256 random bits", _ACCESS, unique=True, max_length=64)
    name: str = column("who acts, in the audit chain", _ACCESS, max_length=128)
    role: str = column("what it may do", _ACCESS, max_length=16)
    created_at: datetime = column("since when", _ACCESS, type=INSTANT)
    revoked_at: datetime | None = column("until when", _ACCESS, type=INSTANT, default=None)
