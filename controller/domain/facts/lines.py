"""What happens to lines: losses, recoveries, restarts we asked for, outages (T§10b, e i)."""

from datetime import datetime
from enum import StrEnum

from controller.domain.facts.version import Fact


class LineEventKind(StrEnum):
    """A change of a line's sync or PPP state."""

    SYNC_LOST = "sync_lost"
    SYNC_GAINED = "sync_gained"
    PPP_LOST = "ppp_lost"
    PPP_GAINED = "ppp_gained"


OUR_RESTART = "our_restart"
CUSTOMER_POWER_CYCLE = "customer_power_cycle"


class LineEvent(Fact, frozen=True, kw_only=True, gc=False):
    """One source saw one change on one line; `cause` is `our_restart`, `customer_power_cycle` or unknown."""

    line_id: str
    kind: LineEventKind
    at: datetime
    source: str
    cause: str | None = None


class AskedRestart(Fact, frozen=True, kw_only=True, gc=False):
    """We asked for a restart (ours or a guided step): the first drop from `at` to `until` is none of the line's."""

    line_id: str
    at: datetime
    until: datetime


class Outage(Fact, frozen=True, kw_only=True, gc=False):
    """A planned or unplanned outage over lines, from `from_at` (included) to `until` (not included; None: still)."""

    outage_id: str
    line_ids: frozenset[str]
    from_at: datetime
    declared_at: datetime
    until: datetime | None = None
    planned: bool = False
    whose: str = "ours"
