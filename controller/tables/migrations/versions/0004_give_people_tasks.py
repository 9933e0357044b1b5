"""Give people tasks: what only a person can do; remember that a notice or an order may have left."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

AT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "operator_tasks",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("key", sa.String(36), nullable=False),
        sa.Column("account_id", sa.String(36), nullable=False),
        sa.Column("fault_id", sa.String(36)),
        sa.Column("reason", sa.String(500), nullable=False),
        sa.Column("opened_at", AT, nullable=False),
        sa.Column("closed_at", AT),
        sa.Column("closed_by", sa.String(128)),
        sa.Column("outcome", sa.String(16)),
        sa.Column("note", sa.String(500), nullable=False),
    )
    op.create_index("ix_operator_tasks_open", "operator_tasks", ["closed_at", "opened_at"])
    is_open = sa.text("closed_at IS NULL")
    op.create_index(
        "uq_operator_tasks_open",
        "operator_tasks",
        ["kind", "key"],
        unique=True,
        sqlite_where=is_open,
        postgresql_where=is_open,
    )
    op.add_column("notices", sa.Column("attempted_at", AT))
    op.add_column("dispatch_orders", sa.Column("handed_at", AT))


def downgrade() -> None:
    op.drop_column("dispatch_orders", "handed_at")
    op.drop_column("notices", "attempted_at")
    op.drop_table("operator_tasks")
