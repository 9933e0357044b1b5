"""Find every version of a fact by its id: deciding reads all of them, the index of the present ones does not help."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

TABLES = ("brand_findings", "diagnostics_finished", "lines", "outages")


def upgrade() -> None:
    for table in TABLES:
        op.create_index(f"ix_{table}_id", table, ["id"])


def downgrade() -> None:
    for table in TABLES:
        op.drop_index(f"ix_{table}_id", table)
