"""What is on record of some faults, hubs and SIMs, in one statement: what deciding compares its outcomes with.

Each noun's own module says what it makes of it. The hubs' documents are held until the commit, so that no second
writer numbers one meanwhile; everything else belongs to the accounts that are being decided, which are held already.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from msgspec import Struct
from sqlmodel import Session

from controller.services import rows, sending
from controller.services.fact_reading import Reading, Source
from controller.services.standing import About, standing_among
from controller.tables.accounts import Account
from controller.tables.alarms import Alarm
from controller.tables.faults import DecisionRow, DispatchOrder, Fault, Notice, Promise, ReasonRow
from controller.tables.hubs import HubRequest, HubSim, HubState
from controller.tables.lists import FilterLevel, FilterList

# Kinds of alarms.
TO_CONFIRM: Final = "ending_to_confirm"
AT_RISK: Final = "promise_at_risk"


class Decided(Struct, frozen=True, kw_only=True, gc=False):
    """A decision, standing or not, as far as another is compared with it."""

    id: str
    fault_id: str
    question: str
    outcome: str
    code: str
    target: str | None
    clause: str
    basis: str
    flags: list[str]


class Promised(Struct, frozen=True, kw_only=True, gc=False):
    """A promise of a fault, whatever became of it."""

    id: str
    version: int
    fault_id: str
    benefit: str
    made_at: datetime
    due_at: datetime
    goodwill: bool
    ended_at: datetime | None
    end: str | None


class Told(Struct, frozen=True, kw_only=True, gc=False):
    """A notice of a fault on one channel."""

    fault_id: str
    kind: str
    dedup: str
    state: str
    facts: dict[str, Any]


class Reported(Struct, frozen=True, kw_only=True, gc=False):
    """A fault, as far as telling its account's holder of it goes."""

    id: str
    account_id: str
    reported_at: datetime


class Holder(Struct, frozen=True, kw_only=True, gc=False):
    """An account, as far as reaching its holder goes."""

    id: str
    email: str | None
    mobile: str | None


class Ordered(Struct, frozen=True, kw_only=True, gc=False):
    """A dispatch order of a fault."""

    fault_id: str
    sequence: int
    state: str
    hub_id: str | None


class Ringing(Struct, frozen=True, kw_only=True, gc=False):
    """An alarm that is open."""

    key: str


class Held(Struct, frozen=True, kw_only=True, gc=False):
    """A reason that is open."""

    id: str
    noun: str
    target: str
    kind: str
    reason: str


class Document(Struct, frozen=True, kw_only=True, gc=False):
    """A hub's document, and what of the household's choices is in it."""

    hub_id: str
    version: int
    revision: int
    desired: dict[str, Any]
    controls: dict[str, Any]


class InHub(Struct, frozen=True, kw_only=True, gc=False):
    """A SIM that is in a hub."""

    hub_id: str
    iccid: str


class Asked(Struct, frozen=True, kw_only=True, gc=False):
    """A request that a hub may still begin, or has begun."""

    hub_id: str
    id: str
    kind: str
    expires_at: datetime


class Level(Struct, frozen=True, kw_only=True, gc=False):
    """What a level of parental controls refuses."""

    level: str
    categories: list[str]


class NamedList(Struct, frozen=True, kw_only=True, gc=False):
    """A version of a category's list."""

    category: str
    digest: str
    size: int
    imported_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingredients:
    """What hubs' documents are composed of besides their states."""

    sims: list[InHub]
    asked: list[Asked]
    levels: list[Level]
    lists: list[NamedList]


@dataclass(frozen=True, slots=True, kw_only=True)
class OnRecord:
    """What is on record; of a fault's orders the newest."""

    decisions: Mapping[About, Decided]
    promises: list[Promised]
    reported: Mapping[str, Reported]
    holders: Mapping[str, Holder]
    orders: Mapping[str, Ordered]
    told: list[Told]
    to_confirm: frozenset[str]
    at_risk: frozenset[str]
    reasons: list[Held]
    documents: list[Document]
    ingredients: Ingredients


_INGREDIENTS: Final[Mapping[str, Source]] = {
    "sims": Source(InHub, HubSim, "t.hub_id {hubs} AND t.superseded_at IS NULL AND t.until IS NULL"),
    "asked": Source(Asked, HubRequest, "t.hub_id {hubs} AND t.state IN ('asked', 'begun') AND t.expires_at > {now}"),
    "levels": Source(Level, FilterLevel, "1 = 1"),
    "lists": Source(NamedList, FilterList, "1 = 1"),
}
_PRESENT: Final = "t.superseded_at IS NULL"
_HOLDERS: Final = "{among}SELECT f.account_id FROM faults AS f WHERE f.id {faults} AND f.superseded_at IS NULL{end}"
_PROMISES: Final = "{among}SELECT p.id FROM promises AS p WHERE p.fault_id {faults}{end}"
_OF_HUBS: Final = Reading(_INGREDIENTS, keys=("hubs",), values=("now",))
_OF_ALL: Final = Reading(
    {
        "decisions": Source(Decided, DecisionRow, "t.fault_id {faults}"),
        "promises": Source(Promised, Promise, "t.fault_id {faults}"),
        "reported": Source(Reported, Fault, f"t.id {{faults}} AND {_PRESENT}"),
        "holders": Source(Holder, Account, f"t.id {_HOLDERS} AND {_PRESENT}"),
        "orders": Source(Ordered, DispatchOrder, "t.fault_id {faults}"),
        "told": Source(Told, Notice, "t.fault_id {faults}"),
        "to_confirm": Source(
            Ringing,
            Alarm,
            f"t.kind = '{TO_CONFIRM}' AND t.noun = 'fault' AND t.key {{faults}} AND t.cleared_at IS NULL",
        ),
        "at_risk": Source(
            Ringing,
            Alarm,
            f"t.kind = '{AT_RISK}' AND t.noun = 'promise' AND t.cleared_at IS NULL AND t.key {_PROMISES}",
        ),
        "reasons": Source(Held, ReasonRow, "t.target {targets} AND t.closed_at IS NULL"),
        "documents": Source(Document, HubState, "t.hub_id {hubs}"),
        **_INGREDIENTS,
    },
    keys=("faults", "targets", "hubs"),
    values=("now",),
)
# Held before the statement that reads them begins, which so finds what another writer left.
_HOLD: Final = (
    "SELECT 1 FROM hub_states WHERE hub_id = ANY(ARRAY(SELECT jsonb_array_elements_text(%s::jsonb)))"
    " ORDER BY hub_id FOR UPDATE"
)


def read(
    session: Session, *, fault_ids: Iterable[str], hub_ids: Iterable[str], sim_ids: Iterable[str], now: datetime
) -> OnRecord:
    """Return what is on record of faults, hubs and SIMs."""
    hubs = sorted(hub_ids)
    if hubs and rows.is_postgresql(session):
        sending.send(session, _HOLD, (rows.keys_given(hubs),))
    found = _OF_ALL.run(session, faults=set(fault_ids), targets={*hubs, *sim_ids}, hubs=hubs, now=now)
    return OnRecord(
        decisions=standing_among(found["decisions"]),
        promises=found["promises"],
        reported={each.id: each for each in found["reported"]},
        holders={each.id: each for each in found["holders"]},
        orders={each.fault_id: each for each in sorted(found["orders"], key=lambda each: each.sequence)},
        told=found["told"],
        to_confirm=frozenset(each.key for each in found["to_confirm"]),
        at_risk=frozenset(each.key for each in found["at_risk"]),
        reasons=found["reasons"],
        documents=found["documents"],
        ingredients=_ingredients(found),
    )


def ingredients(session: Session, hub_ids: Iterable[str], now: datetime) -> Ingredients:
    """Return what the documents of hubs are composed of besides their states."""
    return _ingredients(_OF_HUBS.run(session, hubs=set(hub_ids), now=now))


def _ingredients(found: Mapping[str, list[Any]]) -> Ingredients:
    return Ingredients(sims=found["sims"], asked=found["asked"], levels=found["levels"], lists=found["lists"])
