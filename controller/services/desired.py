"""The desired document of a hub, in business words: one document, one number (decision 3)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlmodel import Session

from controller.domain.sim import SimState as Due
from controller.services import journal, lists, on_record, owed, rows
from controller.services.actor import Actor
from controller.services.bulk import Bulk
from controller.services.errors import NotFoundError
from controller.services.lists import ListView
from controller.services.on_record import Asked, Document, Ingredients, NamedList, OnRecord
from controller.tables.hubs import HubRequest, HubState

NOUN: Final = "hubs"
# A number further ahead than this was never given by a controller.
_ABSURD: Final = timedelta(days=2)
OPEN_REQUESTS: Final = ("asked", "begun")
MOST_REQUESTS: Final = 32
_PUBLISHED: Final = Bulk(
    {"hub": "text", "revision": "bigint"},
    "UPDATE hub_states SET published_revision = r.revision FROM {rows}"
    " WHERE hub_states.hub_id = r.hub AND hub_states.published_revision < r.revision",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Controls:
    """Light parental controls as set for this household (T§19)."""

    level: str = "light"
    enabled: bool = True
    categories: tuple[str, ...] = ()
    overrides: dict[str, bool] = field(default_factory=dict)
    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    safe_search: bool = False
    lists: tuple[ListView, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestView:
    """A one-off request that the document still holds."""

    id: str
    kind: str
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DesiredDocument:
    """What a hub should be; `until` is the lease's end, `renew_at` when this must be composed again."""

    hub_id: str
    revision: int
    issued_at: datetime
    internet_on: bool
    until: datetime | None
    iccids: tuple[str, ...]
    apn: str
    controls: Controls
    requests: tuple[RequestView, ...] = field(default=())
    renew_at: datetime | None = None
    observed_revision: int = 0
    published_revision: int = 0


def compose(session: Session, actor: Actor, now: datetime, *, hub_id: str) -> DesiredDocument:
    """Return the document as it should be now; its revision grows only when something changes or the lease renews.

    The revision is max(previous + 1, now in ms), taken here. A change is owed to the hub. Raises NotFoundError.
    """
    del actor
    return refresh(session, hub_id, now)


def refresh(session: Session, hub_id: str, now: datetime, *, deadline: datetime | None = None) -> DesiredDocument:
    """Compose, see above; `deadline` is by when the change should have been sent."""
    row = state_of(session, hub_id)
    _compose(session, [(row, row.desired.get("state", Due.PARKED.value), deadline)], now)
    return _document(row, journal.policy_of(session).renew_before)


def refresh_many(session: Session, hub_ids: Iterable[str], now: datetime) -> dict[str, DesiredDocument]:
    """Compose the documents of hubs as they should be now, see `compose`; a hub that there is not is left out."""
    found = {row.hub_id: row for row in rows.read(session, HubState, "hub_id", hub_ids, for_update=True)}
    changed = _compose(
        session, [(row, row.desired.get("state", Due.PARKED.value), None) for row in found.values()], now
    )
    found |= {row.hub_id: row for row in rows.read(session, HubState, "hub_id", changed)}
    renew_before = journal.policy_of(session).renew_before
    return {hub_id: _document(row, renew_before) for hub_id, row in found.items()}


def _compose(
    session: Session,
    wanted: Sequence[tuple[Any, str, datetime | None]],
    now: datetime,
    given: Ingredients | None = None,
) -> frozenset[str]:
    """Compose the documents of hubs: (row, state, deadline) of each; what changes is numbered anew, and owed.

    What they are composed of is read unless it is `given`. Returns the hubs whose document changed.
    """
    policy = journal.policy_of(session)
    found = on_record.ingredients(session, [row.hub_id for row, _, _ in wanted], now) if given is None else given
    contents = _contents(wanted, found, policy.apn)
    changes: dict[str, dict[str, Any]] = {}
    for row, _, _ in wanted:
        content = contents[row.hub_id]
        until = _until(row, now, policy.lease, policy.renew_before) if content["internet_on"] else None
        content["until"] = until.isoformat() if until else None
        if content != row.desired:
            revision = max(row.revision + 1, int(now.timestamp() * 1000))
            values = {"desired": content, "composed_at": now, "revision": revision, "version": row.version + 1}
            changes[row.hub_id] = values
            journal.changed(session, "hub", row.hub_id, "desired", revision=revision)
    marks = [(row.hub_id, deadline, now) for row, _, deadline in wanted if row.hub_id in changes]
    rows.change(session, HubState, changes)
    owed.mark_many(session, NOUN, marks, now=now)
    return frozenset(changes)


def overtake(session: Session, hub_id: str, seen: int, now: datetime) -> bool:
    """Number the document above what a hub has seen: this database was restored from before that. False if absurd.

    A hub refuses a lower number, so it would stay with a document nobody here knows.
    """
    row = state_of(session, hub_id)
    if seen > int((now + _ABSURD).timestamp() * 1000):
        return False
    row.revision = max(seen + 1, int(now.timestamp() * 1000))
    row.composed_at = now
    row.version += 1
    session.add(row)
    session.flush()
    journal.changed(session, "hub", hub_id, "desired", revision=row.revision)
    return True


def published_many(session: Session, revisions: Mapping[str, int]) -> None:
    """Record that the broker took revisions: hub to revision. Delivery is proved only by what the hub reports."""
    if revisions:
        session.flush()
        _PUBLISHED.send(session, sorted(revisions.items()))


def set_folds(
    session: Session, folds: Mapping[str, tuple[Due, datetime | None]], found: OnRecord, now: datetime
) -> frozenset[str]:
    """Set what the folds over open reasons give: hub to (state, deadline). Returns the hubs with a new document.

    Only a hub whose state changes is composed anew; leases, requests and lists have marks of their own.
    """
    wanted = []
    for row in sorted(found.documents, key=_hub_of):
        due, deadline = folds[row.hub_id]
        if row.desired.get("state") != due.value:
            wanted.append((row, due.value, deadline))
    return _compose(session, wanted, now, found.ingredients) if wanted else frozenset()


def _hub_of(row: Document) -> str:
    return row.hub_id


def ask(session: Session, actor: Actor, now: datetime, *, hub_id: str, kind: str, lasts: timedelta) -> HubRequest:
    """Ask a hub to do something once, to begin before `now + lasts`."""
    request = HubRequest(
        id=journal.new_id(session),
        hub_id=hub_id,
        kind=kind,
        expires_at=now + lasts,
        state="asked",
        result={},
        asked_at=now,
    )
    session.add(request)
    session.flush()
    journal.audited(session, "hub", hub_id, "asked", by=actor.name, kind=kind)
    refresh(session, hub_id, now)
    return request


def state_of(session: Session, hub_id: str) -> HubState:
    """Return a hub's state, held against a second writer until the commit. Raises NotFoundError."""
    # The read below starts from the database: what is pending must be there.
    session.flush()
    row = session.get(HubState, hub_id, with_for_update=True)
    if row is None:
        raise NotFoundError("hub", hub_id)
    return row


def _contents(
    wanted: Sequence[tuple[Any, str, datetime | None]], given: Ingredients, apn: str
) -> dict[str, dict[str, Any]]:
    sims, asked = rows.grouped(given.sims, "hub_id"), rows.grouped(given.asked, "hub_id")
    levels = {each.level: each.categories for each in given.levels}
    newest = {each.category: each for each in sorted(given.lists, key=_age)}
    found = {}
    for row, state, _ in wanted:
        refused = lists.refused_categories(*_level(row.controls), levels)
        found[row.hub_id] = {
            "state": state,
            "internet_on": state == Due.ACTIVE.value,
            "iccids": sorted(sim.iccid for sim in sims.get(row.hub_id, ())),
            "apn": apn,
            "controls": dict(row.controls),
            "lists": [
                {"category": category, "digest": each.digest, "size": each.size}
                for category, each in newest.items()
                if category in refused
            ],
            "requests": [_request(each) for each in sorted(asked.get(row.hub_id, ()), key=_order)[:MOST_REQUESTS]],
        }
    return found


def _age(each: NamedList) -> tuple[str, datetime, str]:
    """Order lists by category, the newest of each last."""
    return each.category, each.imported_at, each.digest


def _order(request: Asked) -> str:
    return request.id


def _request(request: Asked) -> dict[str, str]:
    return {"id": request.id, "kind": request.kind, "expires_at": request.expires_at.isoformat()}


def _level(controls: dict[str, Any]) -> tuple[str, list[str], dict[str, bool]]:
    return controls.get("level", "light"), controls.get("categories", []), controls.get("overrides", {})


def _until(row: Any, now: datetime, lease: timedelta, renew_before: timedelta) -> datetime:
    known = row.desired.get("until")
    until = datetime.fromisoformat(known) if known else None
    return until if until is not None and until - now > renew_before else (now + lease).astimezone(UTC)


def _document(row: Any, renew_before: timedelta) -> DesiredDocument:
    content = row.desired
    until = datetime.fromisoformat(content["until"]) if content["until"] else None
    controls: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in content["controls"].items()}
    return DesiredDocument(
        hub_id=row.hub_id,
        revision=row.revision,
        issued_at=row.composed_at or datetime.min.replace(tzinfo=UTC),
        internet_on=content["internet_on"],
        until=until,
        iccids=tuple(content["iccids"]),
        apn=content["apn"],
        controls=Controls(**controls, lists=tuple(ListView(**each) for each in content["lists"])),
        requests=tuple(
            RequestView(id=r["id"], kind=r["kind"], expires_at=datetime.fromisoformat(r["expires_at"]))
            for r in content["requests"]
        ),
        renew_at=until - renew_before if until else None,
        observed_revision=row.observed_revision,
        published_revision=row.published_revision,
    )
