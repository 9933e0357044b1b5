"""Let rows that change often change in their place: room on their pages, and no index over what changes.

An index over a column that changes gets an entry for every change, and so does each other index of the table. What
ends stays few for one thing, so what is open of it is found among its rows.
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

# How full a page is when rows are added, in per cent: what is left takes the next versions of its rows. It holds for
# pages that are filled from now on.
FULL = {"decisions": 60, "hub_states": 50, "owed": 50, "promises": 60, "reasons": 60, "sim_states": 50}
OPEN = "ended_at IS NULL"


def upgrade() -> None:
    op.drop_index("ix_owed_order", "owed")
    op.drop_index("ix_decisions_fault", "decisions")
    op.create_index("ix_decisions_fault", "decisions", ["fault_id"])
    op.drop_index("ix_reasons_target", "reasons")
    op.create_index("ix_reasons_target", "reasons", ["target"])
    op.drop_index("ix_promises_open", "promises")
    op.create_index(
        "ix_promises_open", "promises", ["due_at"], sqlite_where=sa.text(OPEN), postgresql_where=sa.text(OPEN)
    )
    if op.get_bind().dialect.name == "postgresql":
        for table, full in FULL.items():
            op.execute(f"ALTER TABLE {table} SET (fillfactor = {full})")


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        for table in FULL:
            op.execute(f"ALTER TABLE {table} RESET (fillfactor)")
    op.drop_index("ix_promises_open", "promises")
    op.create_index("ix_promises_open", "promises", ["ended_at", "due_at"])
    op.drop_index("ix_reasons_target", "reasons")
    op.create_index("ix_reasons_target", "reasons", ["target", "closed_at"])
    op.drop_index("ix_decisions_fault", "decisions")
    op.create_index("ix_decisions_fault", "decisions", ["fault_id", "superseded_at"])
    op.create_index("ix_owed_order", "owed", ["noun", "deadline", "due"])
