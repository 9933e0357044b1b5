"""The controller's own timers: owed rows whose work needs no I/O, done in the transaction that claims them."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlmodel import Session

from controller.services import decide, owed, promises, retention, revocations, watches
from controller.services.actor import Actor
from controller.services.owed import Claim

NOUNS: Final = (decide.NOUN, promises.NOUN, retention.NOUN, revocations.WATCH, watches.NOUN)
LEASE: Final = timedelta(minutes=1)
# Of one noun in one transaction: some tenths of a second of work.
BATCH: Final = 200


def run_due(session: Session, actor: Actor, now: datetime, *, limit: int = BATCH) -> int:
    """Do what is due of every noun here; returns how many rows were done, 0 when nothing is due."""
    del actor
    decided = owed.claim(session, decide.NOUN, now=now, limit=limit, lease=LEASE)
    looks = decide.redecide(session, [held.key for held in decided], now) if decided else {}
    owed.settle_many(session, {held: looks.get(held.key) for held in decided})
    warned = owed.claim(session, promises.NOUN, now=now, limit=limit, lease=LEASE)
    _warn(session, warned, now)
    aged = owed.claim(session, retention.NOUN, now=now, limit=1, lease=LEASE)
    for held in aged:
        owed.settle(session, held, again=retention.age(session, held.key, now))
    watched = owed.claim(session, revocations.WATCH, now=now, limit=1, lease=LEASE)
    for held in watched:
        owed.settle(session, held, again=revocations.watch(session, held.key, now))
    looked = owed.claim(session, watches.NOUN, now=now, limit=limit, lease=LEASE)
    owed.settle_many(session, {held: watches.look(session, held.key, now) for held in looked})
    return len(looked) + len(watched) + len(decided) + len(warned) + len(aged)


def _warn(session: Session, warned: Sequence[Claim], now: datetime) -> None:
    owed.settle_many(session, {held: promises.warn(session, held.key, now) for held in warned})
