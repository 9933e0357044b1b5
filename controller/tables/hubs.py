"""Hubs: who they are, what they should be, what they say they are, and their history."""

from datetime import datetime
from typing import Any

from sqlalchemy import Index, LargeBinary
from sqlmodel import SQLModel

from controller.tables.columns import BIG_KEY, ID, INSTANT, JSON_DOCUMENT, Retention, column
from controller.tables.versioned import Versioned, indexes

_HUB = Retention.HUB
_HISTORY = Retention.HISTORY


class Hub(Versioned, table=True):
    """A Mini Hub; its id is minted at enrolment (decision 14)."""

    __tablename__ = "hubs"
    __table_args__ = indexes("hubs", "serial")

    serial: str = column("the label a person reads out", _HUB, max_length=64)
    enrolled_at: datetime = column("since when it is known", _HUB, type=INSTANT)
    revoked_at: datetime | None = column("since when it is no longer let in", _HUB, type=INSTANT, default=None)


class HubSim(Versioned, table=True):
    """A SIM assigned to a hub, with dates; never a mobile plan's."""

    __tablename__ = "hub_sims"
    __table_args__ = indexes("hub_sims", "hub_id", "iccid")

    hub_id: str = column("in which hub", _HUB, type=ID)
    iccid: str = column("names the SIM at the carrier", _HUB, max_length=22)
    imsi: str | None = column("names the subscription in the network", _HUB, default=None, max_length=15)
    msisdn: str | None = column("where its doorbell rings", _HUB, default=None, max_length=16)
    from_at: datetime = column("since when", _HUB, type=INSTANT)
    until: datetime | None = column("until when", _HUB, type=INSTANT, default=None)


class HubAssignment(Versioned, table=True):
    """A hub belongs to a line from its dispatch on (T§10c)."""

    __tablename__ = "hub_assignments"
    __table_args__ = indexes("hub_assignments", "hub_id", "line_id")

    hub_id: str = column("which hub", _HUB, type=ID)
    line_id: str = column("which line", _HUB, type=ID)
    dispatched_at: datetime = column("a hub in the post exists", _HUB, type=INSTANT)
    delivered_at: datetime | None = column("when it arrived", _HUB, type=INSTANT, default=None)
    ended_at: datetime | None = column("until when", _HUB, type=INSTANT, default=None)
    for_fault_id: str | None = column("the fault it was sent for", _HUB, type=ID, default=None)


class HubLoss(Versioned, table=True):
    """A hub is gone or useless (T§10e v)."""

    __tablename__ = "hub_losses"
    __table_args__ = indexes("hub_losses", "hub_id")

    hub_id: str = column("which hub", _HUB, type=ID)
    fate: str = column("what became of it", _HUB, max_length=32)
    at: datetime = column("since when", _HUB, type=INSTANT)
    undone_at: datetime | None = column("when it turned up again", _HUB, type=INSTANT, default=None)


class BrandFinding(Versioned, table=True):
    """A verdict on a hub's (its id's) branding, with what it rests on (T§10c)."""

    __tablename__ = "brand_findings"
    __table_args__ = indexes("brand_findings", "id")

    verdict: str = column("whether it may be reused", _HUB, max_length=16)
    found_at: datetime = column("since when", _HUB, type=INSTANT)
    by: str = column("the rules, or a named person", _HUB, max_length=128)
    judgement: dict[str, Any] = column("signals, contradictions, confidence", _HUB, type=JSON_DOCUMENT)


class Evidence(SQLModel, table=True):
    """What a depot or the hub itself reported of a unit; dated, never overwritten."""

    __tablename__ = "evidence"
    __table_args__ = (Index("ix_evidence_hub", "hub_id", "at"),)

    id: str = column("names the evidence", _HUB, type=ID, primary_key=True)
    hub_id: str = column("of which hub", _HUB, type=ID)
    source: str = column("depot, hub or operator", _HUB, max_length=16)
    at: datetime = column("when it was read", _HUB, type=INSTANT)
    fields: dict[str, Any] = column("IMEI, model, firmware, MAC, … as read", _HUB, type=JSON_DOCUMENT)


class Tac(SQLModel, table=True):
    """A row of the operators' table of type allocation codes."""

    __tablename__ = "tacs"

    tac: str = column("first eight digits of an IMEI", _HUB, primary_key=True, max_length=8)
    model: str = column("the model it belongs to", _HUB, max_length=100)
    bt_branded: bool = column("whether that model is BT-branded", _HUB)


class SimSighting(SQLModel, table=True):
    """A hub's SIM was first seen in an IMEI."""

    __tablename__ = "sim_sightings"
    __table_args__ = (Index("ix_sim_sightings_hub", "hub_id"),)

    id: str = column("names the sighting", _HUB, type=ID, primary_key=True)
    hub_id: str = column("whose SIM", _HUB, type=ID)
    imei: str = column("in which equipment", _HUB, max_length=17)
    at: datetime = column("when it was first seen there", _HUB, type=INSTANT)
    recorded_at: datetime = column("when it became known", _HUB, type=INSTANT)


class EquipmentAssignment(Versioned, table=True):
    """The IMEI that a hub's SIM belongs in."""

    __tablename__ = "equipment"
    __table_args__ = indexes("equipment", "hub_id")

    hub_id: str = column("whose SIM", _HUB, type=ID)
    imei: str = column("in which equipment", _HUB, max_length=17)
    from_at: datetime = column("since when", _HUB, type=INSTANT)
    until: datetime | None = column("until when", _HUB, type=INSTANT, default=None)


class HubState(SQLModel, table=True):
    """Desired against reported, of one hub: the present, in business words."""

    __tablename__ = "hub_states"

    hub_id: str = column("which hub", _HUB, type=ID, primary_key=True)
    version: int = column("row version", _HUB, default=1)
    revision: int = column("number of the desired document (decision 3)", _HUB, type=BIG_KEY, default=0)
    desired: dict[str, Any] = column("the desired document, without its number", _HUB, type=JSON_DOCUMENT)
    composed_at: datetime | None = column("when it was last changed", _HUB, type=INSTANT, default=None)
    published_revision: int = column("what the broker took", _HUB, type=BIG_KEY, default=0)
    controls: dict[str, Any] = column("parental controls set by calling us (T§19)", _HUB, type=JSON_DOCUMENT)
    observed_revision: int = column("the only proof of delivery", _HUB, type=BIG_KEY, default=0)
    boot: int = column("the hub's boot counter", _HUB, type=BIG_KEY, default=0)
    sequence: int = column("its report's number within the boot", _HUB, type=BIG_KEY, default=0)
    session: int = column("tells a stale will from the present connection", _HUB, type=BIG_KEY, default=0)
    reported: dict[str, Any] = column("what it says it is", _HUB, type=JSON_DOCUMENT)
    reported_at: datetime | None = column("when it said so", _HUB, type=INSTANT, default=None)
    last_seen_at: datetime | None = column("when anything came from it", _HUB, type=INSTANT, default=None)
    present: bool = column("connected, as far as is known", _HUB, default=False)
    ended_boot: int = column("the boot of the newest session that ended", _HUB, type=BIG_KEY, default=0)
    ended_session: int = column("that session; a late report of it is no return", _HUB, type=BIG_KEY, default=-1)
    forwarding_open: bool = column("whether a home is online through it", _HUB, default=False)
    lease_until: datetime | None = column("its lease, as far as it heard", _HUB, type=INSTANT, default=None)


class HubRequest(SQLModel, table=True):
    """A one-off request to a hub, answered at most once."""

    __tablename__ = "hub_requests"
    __table_args__ = (Index("ix_hub_requests_hub", "hub_id", "state"),)

    id: str = column("names the request", _HUB, type=ID, primary_key=True)
    hub_id: str = column("which hub", _HUB, type=ID)
    kind: str = column("what it should do", _HUB, max_length=32)
    expires_at: datetime = column("after which it must not begin", _HUB, type=INSTANT)
    state: str = column("asked, begun, done, failed, expired or rejected", _HUB, max_length=16)
    message: str = column("the hub's words", _HUB, default="", max_length=256)
    result: dict[str, Any] = column("the hub's answer", _HUB, type=JSON_DOCUMENT)
    asked_at: datetime = column("when it was asked", _HUB, type=INSTANT)
    answered_at: datetime | None = column("when it was answered", _HUB, type=INSTANT, default=None)


class HubBoot(SQLModel, table=True):
    """How far the history of one boot is committed without a gap."""

    __tablename__ = "hub_boots"

    hub_id: str = column("which hub", _HISTORY, type=ID, primary_key=True)
    boot: int = column("its boot counter", _HISTORY, type=BIG_KEY, primary_key=True)
    contiguous: int = column("everything up to here is committed or a recorded gap", _HISTORY, type=BIG_KEY, default=0)
    acknowledged: int = column("what the hub was told", _HISTORY, type=BIG_KEY, default=0)
    lost: int = column("how many messages were lost in gaps", _HISTORY, default=0)


class HubMessage(SQLModel, table=True):
    """A message of history that is committed ahead of a gap; gone once the gap is filled."""

    __tablename__ = "hub_messages"

    hub_id: str = column("which hub", _HISTORY, type=ID, primary_key=True)
    boot: int = column("its boot counter", _HISTORY, type=BIG_KEY, primary_key=True)
    seq: int = column("its number within the boot", _HISTORY, type=BIG_KEY, primary_key=True)


class HubEvent(SQLModel, table=True):
    """A fact of a hub's history."""

    __tablename__ = "hub_events"
    __table_args__ = (Index("ix_hub_events_time", "hub_id", "at"),)

    hub_id: str = column("which hub", _HISTORY, type=ID, primary_key=True)
    boot: int = column("its boot counter", _HISTORY, type=BIG_KEY, primary_key=True)
    seq: int = column("its number within the boot", _HISTORY, type=BIG_KEY, primary_key=True)
    kind: str = column("what happened", _HISTORY, max_length=64)
    severity: str = column("how bad", _HISTORY, max_length=16)
    uptime_ms: int = column("when, in that boot's uptime", _HISTORY, type=BIG_KEY)
    at: datetime | None = column("when, if the hub's clock was trusted", _HISTORY, type=INSTANT, default=None)
    received_at: datetime = column("when it reached us", _HISTORY, type=INSTANT)
    facts: dict[str, Any] = column("its small facts", _HISTORY, type=JSON_DOCUMENT)


class Quarantined(SQLModel, table=True):
    """A message that could not be read, for a person to look at and replay."""

    __tablename__ = "quarantine"
    __table_args__ = (Index("ix_quarantine_at", "at"),)

    id: str = column("names the message", Retention.QUARANTINE, type=ID, primary_key=True)
    at: datetime = column("when it came", Retention.QUARANTINE, type=INSTANT)
    topic: str = column("where it came from", Retention.QUARANTINE, max_length=300)
    payload: bytes = column("what it held", Retention.QUARANTINE, type=LargeBinary)
    reason: str = column("why it could not be read", Retention.QUARANTINE, max_length=300)
    replayed_at: datetime | None = column(
        "when it was taken in after all", Retention.QUARANTINE, type=INSTANT, default=None
    )
