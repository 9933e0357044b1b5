"""Alembic's environment: runs on the connection that `services/schema.py` hands over."""

from typing import Any, Literal

from alembic import context
from sqlmodel import AutoString

from controller import tables
from controller.tables.columns import UtcDateTime


def render_item(kind: str, item: Any, _context: Any) -> str | Literal[False]:
    """Write our own types as what they are in the database, so that a migration stands alone."""
    if kind == "type" and isinstance(item, UtcDateTime):
        return "sa.DateTime(timezone=True)"
    if kind == "type" and isinstance(item, AutoString):
        return f"sa.String(length={item.length})"
    return False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=tables.METADATA,
    render_item=render_item,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
