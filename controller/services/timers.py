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
    due = owed.nouns_due(session, NOUNS, now)

    def claimed(noun: str, most: int) -> tuple[Claim, ...]:
        return owed.claim(session, noun, now=now, limit=most, lease=LEASE) if noun in due else ()

    decided = claimed(decide.NOUN, limit)
    looks = decide.redecide(session, [held.key for held in decided], now) if decided else {}
    owed.settle_many(session, {held: looks.get(held.key) for held in decided})
    warned = claimed(promises.NOUN, limit)
    _warn(session, warned, now)
    aged = claimed(retention.NOUN, 1)
    for held in aged:
        owed.settle(session, held, again=retention.age(session, held.key, now))
    watched = claimed(revocations.WATCH, 1)
    for held in watched:
        owed.settle(session, held, again=revocations.watch(session, held.key, now))
    looked = claimed(watches.NOUN, limit)
    owed.settle_many(session, {held: watches.look(session, held.key, now) for held in looked})
    return len(looked) + len(watched) + len(decided) + len(warned) + len(aged)


def _warn(session: Session, warned: Sequence[Claim], now: datetime) -> None:
    owed.settle_many(session, {held: promises.warn(session, held.key, now) for held in warned})
