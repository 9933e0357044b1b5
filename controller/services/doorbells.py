"""The doorbell: an SMS that makes a silent hub look (decision 13). It can't make it do anything else.

A hub that should be online is looked after by an owed row for as long as it should be. It is rung when nothing is heard
of it, at most once a minute and a bounded number of times; then only a word from the hub, or the next time it should
be online, lets it ring again.
"""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlmodel import Session, col, select

from controller.services import journal, owed, rows
from controller.services.actor import Actor
from controller.tables.enrolment import Doorbell
from controller.tables.hubs import HubSim, HubState
from controller.tables.sims import SimState

NOUN: Final = "doorbell"
KEY_BYTES: Final = 32
SPACING: Final = timedelta(minutes=1)
MOST_RINGS: Final = 6
# How long a hub may be silent after its document was published: one with a management bearer hears of it by itself.
PATIENCE: Final = timedelta(minutes=1)
PATIENCE_WITH_BEARER: Final = timedelta(minutes=5)
# Telemetry comes every five minutes: this much silence is no chance.
SILENCE: Final = timedelta(minutes=15)
_LONG_AGO: Final = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ring:
    """An SMS to send: to which number, signed with which key over which counter."""

    hub_id: str
    to: str
    key: bytes
    counter: int


def give_key(session: Session, hub_id: str) -> bytes:
    """Return a hub's doorbell key, made at the first asking."""
    row = session.get(Doorbell, hub_id)
    if row is None:
        row = Doorbell(hub_id=hub_id, key=secrets.token_bytes(KEY_BYTES))
        session.add(row)
        session.flush()
    return row.key


def key_of(session: Session, actor: Actor, now: datetime, *, hub_id: str) -> bytes:
    """Return a hub's doorbell key for its enrolment's answer."""
    del actor, now
    return give_key(session, hub_id)


def silence(session: Session, hub_id: str) -> None:
    """A revoked hub is never rung again."""
    owed.withdraw(session, NOUN, hub_id)


def expect_many(session: Session, now: datetime, hub_ids: Iterable[str]) -> None:
    """Owe a look at hubs whose document was published: they should be heard of soon."""
    found = rows.read(session, Doorbell, "hub_id", hub_ids, columns=("hub_id",))
    owed.mark_many(session, NOUN, [(row.hub_id, None, now + PATIENCE) for row in found], now=now)


def look(
    session: Session, actor: Actor, now: datetime, *, hub_id: str, management_bearer: bool
) -> Ring | datetime | None:
    """Return the ring due now, when to look again, or None: this hub need not be online.

    The counter is taken in this transaction: a crash after it loses one ring, and never uses one counter twice.
    """
    del actor
    state, bell = session.get(HubState, hub_id), session.get(Doorbell, hub_id, with_for_update=True)
    if state is None or bell is None:
        return None
    is_on = bool(state.desired.get("internet_on"))
    if not is_on or _was_heard_since(state, bell):
        bell.rings = 0
        session.add(bell)
    if not is_on:
        return None
    silent_from = _silent_from(state, PATIENCE_WITH_BEARER if management_bearer else PATIENCE)
    if now < silent_from:
        return silent_from
    if bell.rung_at is not None and now < bell.rung_at + _wait_after(bell.rings):
        return bell.rung_at + _wait_after(bell.rings)
    to = _reachable_number(session, hub_id)
    if to is None or bell.rings >= MOST_RINGS:
        # Level-triggered: whatever changes, a later look sees it.
        return now + SILENCE
    bell.counter = max(bell.counter + 1, int(now.timestamp() * 1000))
    bell.rung_at, bell.rings = now, bell.rings + 1
    session.add(bell)
    journal.audited(session, "hub", hub_id, "doorbell_rung", rings=bell.rings)
    return Ring(hub_id=hub_id, to=to, key=bell.key, counter=bell.counter)


def next_look(session: Session, hub_id: str, now: datetime) -> datetime:
    """Return when a hub that was rung is looked at again."""
    bell = session.get(Doorbell, hub_id)
    return now + _wait_after(bell.rings if bell else 1)


def _was_heard_since(state: HubState, bell: Doorbell) -> bool:
    return bell.rung_at is not None and state.last_seen_at is not None and state.last_seen_at > bell.rung_at


def _silent_from(state: HubState, patience: timedelta) -> datetime:
    """Return from when on a hub counts as silent.

    Connected and with its document in hand: after `SILENCE` without a word. Else `patience` after the document was
    made, or after the last word, whichever is later.
    """
    heard = state.last_seen_at
    if heard is not None and state.present and state.observed_revision == state.revision:
        return heard + SILENCE
    return max(at for at in (state.composed_at, heard, _LONG_AGO) if at is not None) + patience


def _wait_after(rings: int) -> timedelta:
    """Return the wait after a ring: a minute, then doubling to 16."""
    wait: timedelta = SPACING * 2 ** min(max(rings - 1, 0), 4)
    return wait


def _reachable_number(session: Session, hub_id: str) -> str | None:
    """Return the number of the hub's SIM, if the carrier was seen to have it active: a parked one hears nothing."""
    statement = select(HubSim).where(
        HubSim.hub_id == hub_id, col(HubSim.superseded_at).is_(None), col(HubSim.until).is_(None)
    )
    for sim in session.exec(statement):
        state = session.exec(select(SimState).where(SimState.iccid == sim.iccid)).first()
        if sim.msisdn is not None and state is not None and state.observed.get("state") == "active":
            return sim.msisdn
    return None
