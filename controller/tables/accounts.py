"""Billing accounts, broadband services and lines, mobile plans and their SIMs: what entitles to benefits (T§2-6)."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import Index

from controller.tables.columns import ID, INSTANT, JSON_DOCUMENT, Retention, column
from controller.tables.versioned import Versioned, indexes

_KEPT = Retention.CONTRACT


class Account(Versioned, table=True):
    """A billing account."""

    __tablename__ = "accounts"
    __table_args__ = indexes("accounts")

    holder_name: str = column("addresses the holder in notices", _KEPT, max_length=200)
    email: str | None = column("where notices go", _KEPT, default=None, max_length=254)
    mobile: str | None = column("where notices go by SMS (E.164)", _KEPT, default=None, max_length=16)


class Line(Versioned, table=True):
    """A line at a place."""

    __tablename__ = "lines"
    __table_args__ = indexes("lines", "id", "landline")

    landline: str | None = column("recognises the line when a customer calls", _KEPT, default=None, max_length=16)
    postcode: str | None = column("estimates the delivery of a hub", _KEPT, default=None, max_length=10)
    jurisdiction: str = column("picks the bank holidays", _KEPT, max_length=32)
    remote: bool = column("adds a courier's extra day", _KEPT, default=False)


class Service(Versioned, table=True):
    """One product on one line and one account for one period; a regrade or a move starts another period."""

    __tablename__ = "services"
    __table_args__ = indexes("services", "service_id", "account_id", "line_id")

    service_id: str = column("names the service over its periods", _KEPT, type=ID)
    account_id: str = column("who is billed", _KEPT, type=ID)
    line_id: str = column("which line it runs on", _KEPT, type=ID)
    product: str = column("whether it is Plus Broadband (T§2)", _KEPT, max_length=64)
    starts_on: date = column("from which day benefits run", _KEPT)
    last_day: date | None = column("after which day benefits end", _KEPT, default=None)


class LeaveRequest(Versioned, table=True):
    """A request to leave Plus (T§6)."""

    __tablename__ = "leave_requests"
    __table_args__ = indexes("leave_requests", "service_id")

    service_id: str = column("which service is left", _KEPT, type=ID)
    requested_at: datetime = column("plans purchased after it get no benefits", _KEPT, type=INSTANT)
    to_product: str | None = column("Plus to Plus is not leaving", _KEPT, default=None, max_length=64)
    withdrawn_at: datetime | None = column("when the request fell away", _KEPT, type=INSTANT, default=None)


class Plan(Versioned, table=True):
    """A mobile plan for one period on one account; a move starts another period of the same plan."""

    __tablename__ = "plans"
    __table_args__ = indexes("plans", "plan_id", "account_id")

    plan_id: str = column("names the plan over its periods", _KEPT, type=ID)
    account_id: str = column("on which account benefits hang", _KEPT, type=ID)
    name: str = column("what customers call it", _KEPT, max_length=100)
    purchased_at: datetime = column("decides against a leave request (T§6)", _KEPT, type=INSTANT)
    live_from: datetime | None = column("from when it is on the account", _KEPT, type=INSTANT, default=None)
    last_day: date | None = column("after which day benefits end", _KEPT, default=None)
    allowances: list[dict[str, Any]] = column("its monthly allowance by date, in MB", _KEPT, type=JSON_DOCUMENT)
    extra_speed_from: datetime | None = column(
        "the add-on that Fastest 4G replaces (T§13)", _KEPT, type=INSTANT, default=None
    )
    base_tier: str = column("the speed tier without benefits", _KEPT, default="standard", max_length=16)


class PlanSim(Versioned, table=True):
    """A SIM on a plan; never a Mini Hub's."""

    __tablename__ = "plan_sims"
    __table_args__ = (
        *indexes("plan_sims", "plan_id"),
        Index("ix_plan_sims_iccid", "iccid"),
        Index("ix_plan_sims_msisdn", "msisdn"),
    )

    plan_id: str = column("on which plan it is", _KEPT, type=ID)
    iccid: str = column("names the SIM at the carrier", _KEPT, max_length=22)
    imsi: str | None = column("names the subscription in the network", _KEPT, default=None, max_length=15)
    msisdn: str | None = column("its number, shown in MyBT", _KEPT, default=None, max_length=16)
    live_from: datetime | None = column("when it became live", _KEPT, type=INSTANT, default=None)
    live_until: datetime | None = column("when it ended", _KEPT, type=INSTANT, default=None)


class SimAbroad(Versioned, table=True):
    """A plan's SIM is outside the UK (T§12d iv)."""

    __tablename__ = "sims_abroad"
    __table_args__ = indexes("sims_abroad", "sim_id")

    sim_id: str = column("which SIM", _KEPT, type=ID)
    from_at: datetime = column("since when", _KEPT, type=INSTANT)
    until: datetime | None = column("until when", _KEPT, type=INSTANT, default=None)


class AddOn(Versioned, table=True):
    """Data bought on top; never doubled (T§14)."""

    __tablename__ = "add_ons"
    __table_args__ = indexes("add_ons", "plan_id")

    plan_id: str = column("for which plan", _KEPT, type=ID)
    add_on_mb: int = column("how much, in MB", _KEPT)
    valid_from: datetime = column("since when", _KEPT, type=INSTANT)
    valid_until: datetime | None = column("until when", _KEPT, type=INSTANT, default=None)


class BillPastDue(Versioned, table=True):
    """A bill unpaid after its due day (T§10e iv, 12d iii)."""

    __tablename__ = "bills_past_due"
    __table_args__ = indexes("bills_past_due", "account_id")

    account_id: str = column("whose bill", _KEPT, type=ID)
    due_on: date = column("the day after which it excludes", _KEPT)
    by: str = column("who recorded it", _KEPT, max_length=128)
    grounds: str = column("why it excludes", _KEPT, max_length=500)
    paid_at: datetime | None = column("when the exclusion ended", _KEPT, type=INSTANT, default=None)


class Suspicion(Versioned, table=True):
    """A reasonable suspicion with grounds and a named person (T§10e iv, 12d iii)."""

    __tablename__ = "suspicions"
    __table_args__ = indexes("suspicions", "account_id")

    account_id: str = column("whose account", _KEPT, type=ID)
    kind: str = column("which ground of the terms", _KEPT, max_length=32)
    grounds: str = column("what it rests on", _KEPT, max_length=2000)
    by: str = column("the person who stands for it", _KEPT, max_length=128)
    raised_at: datetime = column("since when it excludes", _KEPT, type=INSTANT)
    fault_id: str | None = column("which fault; none: the whole account", _KEPT, type=ID, default=None)
    cleared_at: datetime | None = column("when the exclusion ended", _KEPT, type=INSTANT, default=None)
