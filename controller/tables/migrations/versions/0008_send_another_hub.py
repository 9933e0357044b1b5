"""Let a fault have several dispatch orders, the newest of which counts; let a line event be withdrawn."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

OLD = "uq_dispatch_orders_fault"
NEW = "uq_dispatch_orders_sequence"


def upgrade() -> None:
    # Every fault has one order so far, its first.
    with op.batch_alter_table("dispatch_orders") as table:
        table.add_column(sa.Column("sequence", sa.Integer(), nullable=False, server_default="1"))
        table.drop_constraint(OLD, type_="unique")
        table.create_unique_constraint(NEW, ["fault_id", "sequence"])
    with op.batch_alter_table("dispatch_orders") as table:
        table.alter_column("sequence", existing_type=sa.Integer(), existing_nullable=False, server_default=None)
    op.add_column("line_events", sa.Column("superseded_at", sa.DateTime(timezone=True)))
    op.add_column("line_events", sa.Column("withdrawn_by", sa.String(128)))
    op.add_column("line_events", sa.Column("withdrawn_why", sa.String(500)))


def downgrade() -> None:
    # The older schema can't say that an event was none, so one that was withdrawn goes; it would count again.
    op.execute("DELETE FROM line_events WHERE superseded_at IS NOT NULL")
    for name in ("withdrawn_why", "withdrawn_by", "superseded_at"):
        op.drop_column("line_events", name)
    # It knows one order a fault: the newest stays, being the one that counts.
    op.execute(
        "DELETE FROM dispatch_orders WHERE EXISTS (SELECT 1 FROM dispatch_orders AS newer "
        "WHERE newer.fault_id = dispatch_orders.fault_id AND newer.sequence > dispatch_orders.sequence)"
    )
    with op.batch_alter_table("dispatch_orders") as table:
        table.drop_constraint(NEW, type_="unique")
        table.drop_column("sequence")
        table.create_unique_constraint(OLD, ["fault_id"])
