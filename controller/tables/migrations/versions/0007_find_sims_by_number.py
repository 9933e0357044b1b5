"""Find a plan's SIM by its number: people who ask for help are known by it."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_plan_sims_msisdn", "plan_sims", ["msisdn"])


def downgrade() -> None:
    op.drop_index("ix_plan_sims_msisdn", "plan_sims")
