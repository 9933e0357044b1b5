"""Alembic's environment: runs on the connection that `services/schema.py` hands over."""

from alembic import context

from controller import tables

context.configure(
    connection=context.config.attributes["connection"], target_metadata=tables.METADATA, render_as_batch=True
)
with context.begin_transaction():
    context.run_migrations()
