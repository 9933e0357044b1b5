"""Write a decision once and never again: the newest about the same thing stands, so nothing is marked as replaced."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

# How full a page was left for versions of its rows; now a row has one.
FULL = 60

# What a decision answers: Backup is decided for the fault and for each SIM.
MARK = (
    "UPDATE decisions SET superseded_at = (SELECT later.at FROM decisions AS later "
    "WHERE later.fault_id = decisions.fault_id AND later.question = decisions.question AND later.id > decisions.id "
    "AND (decisions.question <> 'backup' OR coalesce(later.target, '') = coalesce(decisions.target, '')) "
    "ORDER BY later.id LIMIT 1)"
)


def upgrade() -> None:
    with op.batch_alter_table("decisions") as table:
        table.drop_column("superseded_at")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE decisions RESET (fillfactor)")


def downgrade() -> None:
    op.add_column("decisions", sa.Column("superseded_at", sa.DateTime(timezone=True)))
    op.execute(MARK)
    if op.get_bind().dialect.name == "postgresql":
        op.execute(f"ALTER TABLE decisions SET (fillfactor = {FULL})")
