"""Let a withdrawn line event be recorded again, give tasks a deadline, and drop what no lane used."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

EVENTS = "uq_line_events"
KEY = ["line_id", "kind", "at", "source"]


def upgrade() -> None:
    # Every event was recorded once so far.
    with op.batch_alter_table("line_events") as table:
        table.add_column(sa.Column("edition", sa.Integer(), nullable=False, server_default="1"))
        table.add_column(sa.Column("restored_by", sa.String(128)))
        table.add_column(sa.Column("restored_why", sa.String(500)))
        table.drop_constraint(EVENTS, type_="unique")
        table.create_unique_constraint(EVENTS, [*KEY, "edition"])
    op.add_column("operator_tasks", sa.Column("due_at", sa.DateTime(timezone=True)))
    op.drop_column("carrier_lanes", "next_call_at")
    op.drop_column("carrier_lanes", "calls")


def downgrade() -> None:
    op.add_column("carrier_lanes", sa.Column("calls", sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("carrier_lanes", sa.Column("next_call_at", sa.DateTime(timezone=True)))
    op.drop_column("operator_tasks", "due_at")
    # The older schema knows one record of an event: the newest stays, being the one that holds.
    op.execute(
        "DELETE FROM line_events WHERE EXISTS (SELECT 1 FROM line_events AS newer "
        "WHERE newer.line_id = line_events.line_id AND newer.kind = line_events.kind "
        "AND newer.at = line_events.at AND newer.source = line_events.source "
        "AND newer.edition > line_events.edition)"
    )
    with op.batch_alter_table("line_events") as table:
        table.drop_constraint(EVENTS, type_="unique")
        for name in ("restored_why", "restored_by", "edition"):
            table.drop_column(name)
        table.create_unique_constraint(EVENTS, KEY)
