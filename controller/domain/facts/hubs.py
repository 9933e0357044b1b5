"""Mini Hubs: whose they are, what became of them, what they are, where their SIMs were seen (T§10c, e)."""

from datetime import datetime
from enum import StrEnum

from controller.domain.facts.version import Fact


class Hub(Fact, frozen=True, kw_only=True, gc=False):
    """A Mini Hub, known by the id minted at enrolment."""

    hub_id: str


class HubAssignment(Fact, frozen=True, kw_only=True, gc=False):
    """A hub belongs to a line from its dispatch on; a hub in the post exists already."""

    hub_id: str
    line_id: str
    dispatched_at: datetime
    delivered_at: datetime | None = None
    ended_at: datetime | None = None
    for_fault_id: str | None = None


class HubFate(StrEnum):
    """What became of a hub. Only the first two are T§10e(v)."""

    LOST_BY_CUSTOMER = "lost_by_customer"
    DAMAGED_BY_CUSTOMER = "damaged_by_customer"
    LOST_IN_POST = "lost_in_post"
    STOLEN = "stolen"
    DEAD = "dead"
    RETURNED = "returned"


class HubLoss(Fact, frozen=True, kw_only=True, gc=False):
    """A hub is gone or useless from `at` until it turns up again (`undone_at`)."""

    hub_id: str
    fate: HubFate
    at: datetime
    undone_at: datetime | None = None


class BrandVerdict(StrEnum):
    """What the evidence says of a unit's branding (T§10c)."""

    BT_BRANDED = "bt_branded"
    NOT_BT_BRANDED = "not_bt_branded"
    UNDETERMINED = "undetermined"
    INCONSISTENT = "inconsistent"


class BrandFinding(Fact, frozen=True, kw_only=True, gc=False):
    """A verdict on a hub's branding, by `brand.judge_brand` or by a named person."""

    hub_id: str
    verdict: BrandVerdict
    found_at: datetime
    by: str = "domain"


class SimSighting(Fact, frozen=True, kw_only=True, gc=False):
    """A hub's SIM was seen in an IMEI (carrier's or hub's own word)."""

    hub_id: str
    imei: str
    at: datetime


class EquipmentAssignment(Fact, frozen=True, kw_only=True, gc=False):
    """The IMEI a hub's SIM belongs in, from an instant to another."""

    hub_id: str
    imei: str
    from_at: datetime
    until: datetime | None = None


class Unused(Fact, frozen=True, kw_only=True, gc=False):
    """A hub, or a plan's SIM, that the carrier has not shown to be switched on; its benefit ends without any wait."""

    subject_id: str
