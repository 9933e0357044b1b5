"""Mobile plans and their SIMs (T§3, 12-14)."""

from datetime import date, datetime

from msgspec import Struct

from controller.domain.facts.version import Fact


class AllowanceFrom(Struct, frozen=True, kw_only=True, gc=False):
    """A plan's own monthly allowance from an instant on; None is unlimited."""

    effective_from: datetime
    allowance_mb: int | None


class Plan(Fact, frozen=True, kw_only=True, gc=False):
    """A mobile plan for one period on one account.

    A move to another account ends one row (`last_day`) and starts another (`live_from`), with the same `plan_id` and
    `purchased_at`. `live_from` None: live from the purchase. `allowances` in any order; the latest in effect counts.
    `extra_speed_from`: when the customer took the Extra Speed add-on, if they did.
    """

    plan_id: str
    account_id: str
    purchased_at: datetime
    allowances: tuple[AllowanceFrom, ...]
    live_from: datetime | None = None
    last_day: date | None = None
    extra_speed_from: datetime | None = None
    base_tier: str = "standard"


class PlanSim(Fact, frozen=True, kw_only=True, gc=False):
    """A SIM on a plan; the Mini Hub's own SIM is never one."""

    sim_id: str
    plan_id: str
    msisdn: str | None = None
    live_from: datetime | None = None
    live_until: datetime | None = None


class SimAbroad(Fact, frozen=True, kw_only=True, gc=False):
    """A plan's SIM is outside the UK from an instant to another (None: still)."""

    sim_id: str
    from_at: datetime
    until: datetime | None = None


class DataAddOn(Fact, frozen=True, kw_only=True, gc=False):
    """Data a customer bought on top; never doubled (T§14)."""

    plan_id: str
    add_on_mb: int
    valid_from: datetime
    valid_until: datetime | None = None
