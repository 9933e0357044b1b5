"""Remember which session of a hub ended, so that a report of it that comes late does not bring the hub back."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("hub_states", sa.Column("ended_boot", BIG, nullable=False, server_default="0"))
    op.add_column("hub_states", sa.Column("ended_session", BIG, nullable=False, server_default="-1"))


def downgrade() -> None:
    op.drop_column("hub_states", "ended_session")
    op.drop_column("hub_states", "ended_boot")
