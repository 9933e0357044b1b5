"""Enrol hubs with certificates: claim codes, certificates, the revocation list, doorbells, a hub SIM's number."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

AT = sa.DateTime(timezone=True)
BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "claim_codes",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("hub_id", sa.String(36), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("created_at", AT, nullable=False),
        sa.Column("created_by", sa.String(128), nullable=False),
        sa.Column("expires_at", AT, nullable=False),
        sa.Column("used_at", AT),
        sa.Column("key_digest", sa.String(64)),
        sa.Column("withdrawn_at", AT),
        sa.UniqueConstraint("digest"),
    )
    op.create_index("ix_claim_codes_hub", "claim_codes", ["hub_id"])
    op.create_table(
        "certificates",
        sa.Column("serial", sa.String(40), primary_key=True),
        sa.Column("hub_id", sa.String(36), nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("key_digest", sa.String(64), nullable=False),
        sa.Column("pem", sa.LargeBinary(), nullable=False),
        sa.Column("issued_at", AT, nullable=False),
        sa.Column("issued_by", sa.String(16), nullable=False),
        sa.Column("not_after", AT, nullable=False),
        sa.Column("revoked_at", AT),
        sa.UniqueConstraint("fingerprint"),
    )
    op.create_index("ix_certificates_hub", "certificates", ["hub_id"])
    op.create_index("ix_certificates_revoked", "certificates", ["revoked_at"])
    op.create_table(
        "revocation_lists",
        sa.Column("id", sa.String(16), primary_key=True),
        sa.Column("number", BIG, nullable=False),
        sa.Column("this_update", AT, nullable=False),
        sa.Column("next_update", AT, nullable=False),
        sa.Column("entries", sa.Integer(), nullable=False),
        sa.Column("pem", sa.LargeBinary(), nullable=False),
    )
    op.create_table(
        "doorbells",
        sa.Column("hub_id", sa.String(36), primary_key=True),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("counter", BIG, nullable=False),
        sa.Column("rung_at", AT),
        sa.Column("rings", sa.Integer(), nullable=False),
    )
    op.add_column("hub_sims", sa.Column("msisdn", sa.String(16)))


def downgrade() -> None:
    op.drop_column("hub_sims", "msisdn")
    for table in ("doorbells", "revocation_lists", "certificates", "claim_codes"):
        op.drop_table(table)
