"""Telemetry: samples as they came, rolled up to five minutes and to hours, and what is still to be rolled up.

On PostgreSQL the three are partitioned by time, and ageing drops whole partitions (services/partitions.py). On SQLite
each is one table clustered by (hub, time): a hub's old rows lie together, so deleting them by range is cheap and needs
no second index, while tables per period would need a view over them that every write and migration had to know.
"""

from datetime import datetime
from typing import Any, Final

from sqlmodel import SQLModel

from controller.tables.columns import BIG_KEY, ID, INSTANT, JSON_DOCUMENT, Retention, column

_SAMPLE: Final = Retention.SAMPLE
_CLUSTERED: Final[dict[str, Any]] = {"sqlite_with_rowid": False}
_BY_TIME: Final[dict[str, Any]] = {**_CLUSTERED, "postgresql_partition_by": "RANGE (at)"}


class TelemetrySample(SQLModel, table=True):
    """One sample of radio and bearer; unknown is absent. dBm, dB, °C, bytes."""

    __tablename__ = "telemetry"
    __table_args__ = _BY_TIME

    hub_id: str = column("which hub", _SAMPLE, type=ID, primary_key=True)
    at: datetime = column("when it was taken; else when it reached us", _SAMPLE, type=INSTANT, primary_key=True)
    boot: int = column("its boot counter", _SAMPLE, type=BIG_KEY, primary_key=True)
    seq: int = column("its batch", _SAMPLE, type=BIG_KEY, primary_key=True)
    position: int = column("its place in the batch", _SAMPLE, primary_key=True)
    uptime_ms: int = column("when, in that boot's uptime", _SAMPLE, type=BIG_KEY)
    rssi_dbm: float | None = column("received signal strength", _SAMPLE, default=None)
    rsrp_dbm: float | None = column("reference signal received power", _SAMPLE, default=None)
    rsrq_db: float | None = column("reference signal received quality", _SAMPLE, default=None)
    sinr_db: float | None = column("signal to interference and noise", _SAMPLE, default=None)
    operator: str | None = column("which network serves the home", _SAMPLE, default=None, max_length=256)
    technology: str | None = column("how it is served", _SAMPLE, default=None, max_length=32)
    band: int | None = column("coverage questions", _SAMPLE, type=BIG_KEY, default=None)
    cell_id: int | None = column("coverage questions", _SAMPLE, type=BIG_KEY, default=None)
    tac: int | None = column("coverage questions", _SAMPLE, type=BIG_KEY, default=None)
    tx_bytes: int | None = column("how much was used", _SAMPLE, type=BIG_KEY, default=None)
    rx_bytes: int | None = column("how much was used", _SAMPLE, type=BIG_KEY, default=None)
    temperature_c: float | None = column("health of the unit", _SAMPLE, default=None)


class TelemetryDue(SQLModel, table=True):
    """An hour of a hub in which samples came that its buckets don't hold yet; its series are computed from samples."""

    __tablename__ = "telemetry_due"
    __table_args__ = _CLUSTERED

    hour: datetime = column("the beginning of the hour", _SAMPLE, type=INSTANT, primary_key=True)
    hub_id: str = column("which hub", _SAMPLE, type=ID, primary_key=True)


class FiveMinutes(SQLModel, table=True):
    """A hub's samples of five minutes."""

    __tablename__ = "telemetry_five_minutes"
    __table_args__ = _BY_TIME

    hub_id: str = column("which hub", Retention.TELEMETRY, type=ID, primary_key=True)
    at: datetime = column("the beginning of the bucket", Retention.TELEMETRY, type=INSTANT, primary_key=True)
    count: int = column("how many samples", Retention.TELEMETRY)
    figures: dict[str, Any] = column(
        "mean, least and most of what is measured, the last of the rest", Retention.TELEMETRY, type=JSON_DOCUMENT
    )


class Hour(SQLModel, table=True):
    """A hub's samples of an hour."""

    __tablename__ = "telemetry_hours"
    __table_args__ = _BY_TIME

    hub_id: str = column("which hub", Retention.HISTORY, type=ID, primary_key=True)
    at: datetime = column("the beginning of the bucket", Retention.HISTORY, type=INSTANT, primary_key=True)
    count: int = column("how many samples", Retention.HISTORY)
    figures: dict[str, Any] = column(
        "mean, least and most of what is measured, the last of the rest", Retention.HISTORY, type=JSON_DOCUMENT
    )
