"""Partition telemetry by time and roll it up; alarms in the words of FaultMgmt; reports of list imports.

On PostgreSQL partitions live in a schema of their own, so that what is in the usual one is what the models say. Rows
of no partition yet are in the default one, from which services/partitions.py takes them.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

AT = sa.DateTime(timezone=True)
BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
OPEN = sa.text("cleared_at IS NULL")
PARTITIONED = ("telemetry", "telemetry_five_minutes", "telemetry_hours")
FIGURES = (
    "uptime_ms, rssi_dbm, rsrp_dbm, rsrq_db, sinr_db, operator, technology, band, cell_id, tac, tx_bytes, rx_bytes, "
    "temperature_c"
)


def upgrade() -> None:
    op.rename_table("telemetry", "telemetry_before")
    if _is_postgresql():
        op.execute("ALTER INDEX telemetry_pkey RENAME TO telemetry_before_pkey")
        op.execute("CREATE SCHEMA telemetry_partitions")
    _telemetry(("hub_id", "at", "boot", "seq", "position"), **_by_time())
    for name in PARTITIONED[1:]:
        _buckets(name)
    if _is_postgresql():
        for name in PARTITIONED:
            op.execute(f"CREATE TABLE telemetry_partitions.{name}_default PARTITION OF {name} DEFAULT")
    op.create_table(
        "telemetry_due",
        sa.Column("hour", AT, primary_key=True),
        sa.Column("hub_id", sa.String(36), primary_key=True),
        sqlite_with_rowid=False,
    )
    _move("telemetry_before", "telemetry")
    op.drop_table("telemetry_before")
    hour = "date_trunc('hour', at, 'UTC')" if _is_postgresql() else "strftime('%Y-%m-%d %H:00:00.000000', at)"
    op.execute(f"INSERT INTO telemetry_due (hour, hub_id) SELECT DISTINCT {hour}, hub_id FROM telemetry")  # noqa: S608  # see above
    _alarms()
    op.add_column("quarantine", sa.Column("replayed_at", AT, nullable=True))
    op.add_column("hub_states", sa.Column("lease_until", AT, nullable=True))
    op.add_column("filter_lists", sa.Column("names", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("filter_lists", sa.Column("report", JSON, nullable=False, server_default="{}"))
    op.create_table(
        "filter_levels",
        sa.Column("level", sa.String(32), primary_key=True),
        sa.Column("categories", JSON, nullable=False),
        sa.Column("source", sa.String(200), nullable=False),
        sa.Column("set_at", AT, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("filter_levels")
    op.drop_column("filter_lists", "report")
    op.drop_column("filter_lists", "names")
    op.drop_column("hub_states", "lease_until")
    op.drop_column("quarantine", "replayed_at")
    op.drop_table("alarm_notifications")
    op.drop_index("uq_alarms_open", "alarms")
    for name in ("acknowledged_at", "probable_cause", "event_type"):
        op.drop_column("alarms", name)
    op.drop_table("telemetry_due")
    op.rename_table("telemetry", "telemetry_before")
    if _is_postgresql():
        op.execute("ALTER INDEX telemetry_pkey RENAME TO telemetry_before_pkey")
    _telemetry(("hub_id", "boot", "seq", "position"))
    op.create_index("ix_telemetry_time", "telemetry", ["hub_id", "at"])
    _move("telemetry_before", "telemetry")
    for name in ("telemetry_before", *PARTITIONED[1:]):
        op.drop_table(name)
    if _is_postgresql():
        op.execute("DROP SCHEMA telemetry_partitions")


def _is_postgresql() -> bool:
    return op.get_bind().dialect.name == "postgresql"


def _by_time() -> dict[str, Any]:
    return {"sqlite_with_rowid": False, "postgresql_partition_by": "RANGE (at)"}


def _telemetry(key: tuple[str, ...], **options: Any) -> None:
    op.create_table(
        "telemetry",
        sa.Column("hub_id", sa.String(36), nullable=False),
        sa.Column("at", AT, nullable=False),
        sa.Column("boot", BIG, nullable=False),
        sa.Column("seq", BIG, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("uptime_ms", BIG, nullable=False),
        *(sa.Column(name, sa.Float()) for name in ("rssi_dbm", "rsrp_dbm", "rsrq_db", "sinr_db")),
        sa.Column("operator", sa.String(256)),
        sa.Column("technology", sa.String(32)),
        *(sa.Column(name, BIG) for name in ("band", "cell_id", "tac", "tx_bytes", "rx_bytes")),
        sa.Column("temperature_c", sa.Float()),
        sa.PrimaryKeyConstraint(*key, name="telemetry_pkey"),
        **options,
    )


def _buckets(name: str) -> None:
    op.create_table(
        name,
        sa.Column("hub_id", sa.String(36), primary_key=True),
        sa.Column("at", AT, primary_key=True),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("figures", JSON, nullable=False),
        **_by_time(),
    )


def _move(source: str, target: str) -> None:
    columns = f"hub_id, at, boot, seq, position, {FIGURES}"
    op.execute(f"INSERT INTO {target} ({columns}) SELECT {columns} FROM {source}")  # noqa: S608  # our own names


def _alarms() -> None:
    op.add_column("alarms", sa.Column("event_type", sa.String(32), nullable=False, server_default="Processing Error"))
    op.add_column("alarms", sa.Column("probable_cause", sa.String(64), nullable=False, server_default="Indeterminate"))
    op.add_column("alarms", sa.Column("acknowledged_at", AT, nullable=True))
    # Of two open alarms of one condition, which two controllers could raise, the newer stays.
    op.execute(
        "UPDATE alarms SET cleared_at = changed_at WHERE cleared_at IS NULL AND EXISTS (SELECT 1 FROM alarms AS newer "
        "WHERE newer.kind = alarms.kind AND newer.noun = alarms.noun AND newer.key = alarms.key "
        "AND newer.cleared_at IS NULL AND newer.id > alarms.id)"
    )
    columns = ["kind", "noun", "key"]
    op.create_index("uq_alarms_open", "alarms", columns, unique=True, sqlite_where=OPEN, postgresql_where=OPEN)
    op.create_table(
        "alarm_notifications",
        sa.Column("alarm_id", sa.String(36), primary_key=True),
        sa.Column("version", sa.Integer(), primary_key=True),
        sa.Column("at", AT, nullable=False),
        sa.Column("notification", sa.String(16), nullable=False),
        sa.Column("severity", sa.String(16), nullable=False),
        sa.Column("message", sa.String(500), nullable=False),
    )
    op.create_index("ix_alarm_notifications_at", "alarm_notifications", ["at"])
