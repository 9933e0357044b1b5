"""SIMs as the carrier knows them: intended against observed, and the operations between the two."""

from datetime import datetime
from typing import Any

from sqlalchemy import Index
from sqlmodel import SQLModel

from controller.tables.columns import BIG_KEY, ID, INSTANT, JSON_DOCUMENT, Retention, column

_KEPT = Retention.CONTRACT
_HISTORY = Retention.HISTORY


class SimState(SQLModel, table=True):
    """One SIM, of a hub or of a mobile plan: what it should be at the carrier, and what it was observed to be."""

    __tablename__ = "sim_states"
    __table_args__ = (
        Index("uq_sim_states_iccid", "iccid", unique=True),
        Index("ix_sim_states_hub", "hub_id"),
        Index("ix_sim_states_account", "account_id"),
    )

    id: str = column("names the SIM", _KEPT, type=ID, primary_key=True)
    version: int = column("row version", _KEPT, default=1)
    kind: str = column("hub or mobile", _KEPT, max_length=8)
    iccid: str = column("names the SIM at the carrier", _KEPT, max_length=22)
    hub_id: str | None = column("whose hub's SIM", _KEPT, type=ID, default=None)
    plan_id: str | None = column("on which plan", _KEPT, type=ID, default=None)
    account_id: str | None = column("whose plan's SIM", _KEPT, type=ID, default=None)
    intended: dict[str, Any] = column("what it should be", _KEPT, type=JSON_DOCUMENT)
    intended_at: datetime | None = column("since when", _KEPT, type=INSTANT, default=None)
    observed: dict[str, Any] = column("what the carrier showed it to be", _KEPT, type=JSON_DOCUMENT)
    observed_at: datetime | None = column("when it did", _KEPT, type=INSTANT, default=None)
    observed_version: int = column("tells news from late copies", _KEPT, type=BIG_KEY, default=0)
    counted_mb: int | None = column("use against the allowance, shown in MyBT", _KEPT, default=None)
    uncounted_mb: int | None = column("use under Broadband Backup", _KEPT, default=None)


class Operation(SQLModel, table=True):
    """A call that changes something at the carrier, written before it is made: an unknown outcome is read first."""

    __tablename__ = "operations"
    __table_args__ = (Index("ix_operations_sim", "sim_id", "begun_at"), Index("ix_operations_open", "ended_at"))

    id: str = column("names the operation", _HISTORY, type=ID, primary_key=True)
    sim_id: str = column("which SIM", _HISTORY, type=ID)
    asked: dict[str, Any] = column("what was asked for", _HISTORY, type=JSON_DOCUMENT)
    begun_at: datetime = column("when the call began", _HISTORY, type=INSTANT)
    ended_at: datetime | None = column("when its outcome was known", _HISTORY, type=INSTANT, default=None)
    outcome: str | None = column("done, accepted, refused or unknown", _HISTORY, default=None, max_length=16)
    reference: str | None = column("the carrier's monitor", _HISTORY, default=None, max_length=300)
    error: str | None = column("what went wrong", _HISTORY, default=None, max_length=300)


class CarrierEvent(SQLModel, table=True):
    """A webhook that was taken in; the same event twice is once."""

    __tablename__ = "carrier_events"

    id: str = column("the carrier's event id", _HISTORY, primary_key=True, max_length=100)
    received_at: datetime = column("when it came", _HISTORY, type=INSTANT)


class CarrierLane(SQLModel, table=True):
    """A carrier account's lane (decision 13): its holder alone calls."""

    __tablename__ = "carrier_lanes"

    id: str = column("which carrier account", _HISTORY, primary_key=True, max_length=64)
    holder: str | None = column("who calls", _HISTORY, default=None, max_length=64)
    held_until: datetime | None = column("until when", _HISTORY, type=INSTANT, default=None)
