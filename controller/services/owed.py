"""Owed work is a row (decision 10): marked by the transaction that makes it owed, claimed, then settled or postponed.

Laws: marking bumps the version and only ever moves `due` and `deadline` earlier; settling removes only the version
that was claimed; two claimers never hold the same row. Rows are level-triggered, so looking too early is harmless.
There is no other scheduler: every timer is a row with a future `due`.
"""

import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    CursorResult,
    Integer,
    Select,
    String,
    Table,
    and_,
    any_,
    bindparam,
    case,
    delete,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.sql.dml import ReturningUpdate
from sqlmodel import Session

from controller.services import journal, rows
from controller.services.bulk import Bulk
from controller.tables.columns import INSTANT
from controller.tables.owed import Owed

_OWED: Final[Table] = Owed.__table__  # type: ignore[attr-defined]  # SQLModel doesn't declare it
_C: Final = _OWED.c

_COLUMNS: Final = {"noun": "text", "key": "text", "version": "bigint", "deadline": "instant", "due": "instant"}
# Versions only grow, times only move earlier. `WHERE true`: or SQLite reads ON as the join's.
_MARK: Final = Bulk(
    _COLUMNS,
    "INSERT INTO owed (noun, key, version, deadline, due, attempts) "
    "SELECT noun, key, version, deadline, due, 0 FROM {rows} WHERE true "
    "ON CONFLICT (noun, key) DO UPDATE SET "
    "version = CASE WHEN excluded.version > owed.version THEN excluded.version ELSE owed.version + 1 END, "
    "due = CASE WHEN excluded.due < owed.due THEN excluded.due ELSE owed.due END, "
    "deadline = CASE WHEN owed.deadline IS NULL OR excluded.deadline < owed.deadline THEN excluded.deadline "
    "ELSE owed.deadline END, "
    "parked_at = NULL",
)
_HELD: Final = {"noun": "text", "key": "text", "version": "bigint", "until": "instant", "again": "instant"}
_REMOVAL: Final = Bulk(
    _HELD,
    "DELETE FROM owed WHERE EXISTS (SELECT 1 FROM {rows} WHERE owed.noun = r.noun AND owed.key = r.key"
    " AND owed.claimed_until = r.until AND owed.version = r.version)",
)
_NEXT_LOOK: Final = Bulk(
    _HELD,
    "UPDATE owed SET due = r.again, deadline = NULL, claimed_until = NULL, attempts = 0, last_error = NULL FROM {rows}"
    " WHERE owed.noun = r.noun AND owed.key = r.key AND owed.claimed_until = r.until AND owed.version = r.version",
)
_RELEASE: Final = Bulk(
    _HELD,
    "UPDATE owed SET claimed_until = NULL FROM {rows}"
    " WHERE owed.noun = r.noun AND owed.key = r.key AND owed.claimed_until = r.until",
)

FIRST_DELAY: Final = timedelta(seconds=1)
LONGEST_DELAY: Final = timedelta(minutes=5)
LONGEST_SAFE_DELAY: Final = timedelta(minutes=15)
PARK_AFTER: Final = 20
_TOGETHER: Final = "owed.together"


@dataclass(frozen=True, slots=True)
class Claim:
    """A row held until `until`; `version` is what settling may remove."""

    noun: str
    key: str
    version: int
    deadline: datetime | None
    due: datetime
    attempts: int
    until: datetime


def mark(
    session: Session,
    noun: str,
    key: str,
    *,
    now: datetime,
    deadline: datetime | None = None,
    due: datetime | None = None,
) -> None:
    """Say that `key` of `noun` must be looked at, not before `due` (now by default), at the latest by `deadline`.

    An existing row keeps the earlier of both times, gets a higher version, and is no longer parked.
    """
    mark_many(session, noun, [(key, deadline, due or now)], now=now)


def mark_many(
    session: Session, noun: str, marks: Sequence[tuple[str, datetime | None, datetime]], *, now: datetime
) -> None:
    """Mark many keys of one noun at once; `marks` are (key, deadline, due)."""
    if not marks:
        return
    gathered = session.info.get(_TOGETHER)
    if gathered is not None:
        gathered.extend((noun, *each) for each in marks)
    else:
        _mark(session, [(noun, *each) for each in marks], now)


@contextmanager
def together(session: Session, now: datetime) -> Iterator[None]:
    """Write what is marked within in one statement at the end; what is withdrawn within is not marked then."""
    if _TOGETHER in session.info:
        yield
        return
    session.info[_TOGETHER] = []
    try:
        yield
    finally:
        gathered = session.info.pop(_TOGETHER)
    if gathered:
        _mark(session, gathered, now)


def _mark(session: Session, marks: Iterable[tuple[str, str, datetime | None, datetime]], now: datetime) -> None:
    session.flush()
    merged: dict[tuple[str, str], tuple[datetime | None, datetime]] = {}
    earliest: dict[str, datetime] = {}
    for noun, key, deadline, due in marks:
        known = merged.get((noun, key))
        if known is None:
            merged[noun, key] = (deadline, due)
        else:
            nearest = min((d for d in (known[0], deadline) if d is not None), default=None)
            merged[noun, key] = (nearest, min(known[1], due))
        earliest[noun] = min(due, earliest.get(noun, due))
    for noun, due in earliest.items():
        journal.marked(session, noun, due)
    # Versions start at the instant, so that a row removed and marked anew never meets an old claim's version.
    first = int(now.timestamp() * 1_000_000)
    in_order = sorted(merged)
    _MARK.send(session, [(*each, first, *merged[each]) for each in in_order])


def claim(session: Session, noun: str, *, now: datetime, limit: int, lease: timedelta) -> tuple[Claim, ...]:
    """Hold up to `limit` due rows of `noun` for `lease`, the nearest deadline first, in one UPDATE … RETURNING."""
    session.flush()
    given = {"of_noun": noun, "now": now, "until": now + lease, "limit": limit}
    found = rows.fetch(session, _claiming(postgresql=rows.is_postgresql(session)), given)
    return tuple(sorted(map(_claim, found), key=_order))


def nouns_due(session: Session, nouns: tuple[str, ...], now: datetime) -> frozenset[str]:
    """Return those of some nouns of which a claim would hold something, in one look."""
    session.flush()
    (found,) = rows.fetch(session, _whether_due(nouns), {"now": now})
    return frozenset(noun for noun, due in zip(nouns, found, strict=True) if due is not None)


@cache
def _whether_due(nouns: tuple[str, ...]) -> Select[Any]:
    now = bindparam("now", type_=INSTANT)
    # In the order of the index, or a noun of which nothing is due would cost a look at every row there is.
    first = select(_C.due).order_by(_C.noun, _C.due).limit(1)
    return select(*(first.where(_C.noun == noun, *_due(now)).scalar_subquery().label(noun) for noun in nouns))


def _due(now: BindParameter[Any]) -> tuple[ColumnElement[bool], ...]:
    return _C.due <= now, or_(_C.claimed_until.is_(None), _C.claimed_until <= now), _C.parked_at.is_(None)


@cache
def _claiming(*, postgresql: bool) -> ReturningUpdate[Any]:
    """Return the statement of a claim.

    The rows are chosen once, then found by their key: joined with what was chosen they cost a look at every row there
    is. Rows alike in deadline and due come in no order of their own: comparing their keys took longer than the claim.
    """
    now, of_noun = bindparam("now", type_=INSTANT), _C.noun == bindparam("of_noun", type_=String)
    due = _due(now)
    chosen = (
        select(_C.key)
        .where(of_noun, *due)
        .order_by(_C.deadline.is_(None), _C.deadline, _C.due)
        .limit(bindparam("limit", type_=Integer))
    )
    if postgresql:
        among = _C.key == any_(func.array(chosen.with_for_update(skip_locked=True).scalar_subquery()))
    else:
        among = _C.key.in_(chosen)
    return (
        update(_OWED)
        .where(of_noun, among, due[1])
        .values(claimed_until=bindparam("until", type_=INSTANT))
        .returning(_C.noun, _C.key, _C.version, _C.deadline, _C.due, _C.attempts, _C.claimed_until)
    )


def in_hand(session: Session, held: Claim) -> Claim:
    """Return the claim with the row's version of now: what was marked up to here is part of the work in hand."""
    statement = select(_C.version).where(_same_key(held), _C.claimed_until == held.until)
    version = session.connection().execute(statement).scalar()
    return held if version is None else replace(held, version=version)


def settle(session: Session, held: Claim, *, again: datetime | None = None) -> bool:
    """Remove the claimed version, or plan the next look at `again`. False if it was marked meanwhile: it stays due."""
    mine = and_(_same_key(held), _C.version == held.version, _C.claimed_until == held.until)
    if again is None:
        done = _rows(session, delete(_OWED).where(mine))
    else:
        done = _rows(
            session,
            update(_OWED).where(mine).values(due=again, deadline=None, claimed_until=None, attempts=0, last_error=None),
        )
    if not done:
        _release(session, held)
    return bool(done)


def settle_many(session: Session, ended: Mapping[Claim, datetime | None]) -> None:
    """Settle many claims, each with its next look or None; one that was marked meanwhile is let go and stays due."""
    given = [(held.noun, held.key, held.version, held.until, again) for held, again in ended.items()]
    removals, looks = [each for each in given if each[4] is None], [each for each in given if each[4] is not None]
    # The last lets go of those whose version has moved on; the others are held no more by then.
    done = _run(session, _REMOVAL, removals) + _run(session, _NEXT_LOOK, looks)
    if done < len(given):
        _run(session, _RELEASE, given)


def _run(session: Session, statement: Bulk, given: Sequence[tuple[Any, ...]]) -> int:
    return statement.run(session, given).rowcount if given else 0


def postpone(
    session: Session,
    held: Claim,
    error: str,
    now: datetime,
    *,
    safe_direction: bool = False,
    after: timedelta | None = None,
) -> datetime:
    """Look again later: exponential, jittered, bounded (or exactly `after`, when the other side named a wait).

    Work in the safe direction (off) never parks: it backs off to 15 minutes with an alarm. Other work parks after
    `PARK_AFTER` postponements, with an alarm, until somebody marks it. Returns the new due time.
    """
    attempts = held.attempts + 1
    longest = LONGEST_SAFE_DELAY if safe_direction else LONGEST_DELAY
    due = now + (after if after is not None else backoff(held.noun, held.key, attempts, longest))
    parks = attempts >= PARK_AFTER and not safe_direction
    # A row that was marked meanwhile is due as marked and never parks: only the claim is let go.
    unmarked = _C.version == held.version
    values = {
        "attempts": attempts,
        "last_error": error[:500],
        "claimed_until": None,
        "due": case((unmarked, due), else_=_C.due),
        "parked_at": case((unmarked, now), else_=None) if parks else None,
    }
    ours = update(_OWED).where(_same_key(held), _C.claimed_until == held.until)
    parked = session.connection().execute(ours.values(**values).returning(_C.parked_at)).scalar() is not None
    if parked or (safe_direction and attempts >= 4):
        from controller.services import alarms

        alarms.raise_work(session, held.noun, held.key, error, now, parked=parked)
    return due


def withdraw(session: Session, noun: str, key: str) -> None:
    """Nothing is owed any more for this key; a claimer who still holds it settles in vain."""
    withdraw_many(session, noun, [key])


def withdraw_many(session: Session, noun: str, keys: Iterable[str]) -> None:
    """Nothing is owed any more for these keys."""
    wanted = frozenset(keys)
    gathered = session.info.get(_TOGETHER, [])
    gathered[:] = [each for each in gathered if each[0] != noun or each[1] not in wanted]
    rows.remove(session, Owed, "key", wanted, noun=noun)


def next_due(session: Session, nouns: Sequence[str]) -> datetime | None:
    """Return when the next unclaimed row of these nouns is due, for a loop that wants to sleep until then."""
    statement = select(func.min(_C.due)).where(_C.noun.in_(nouns), _C.parked_at.is_(None), _C.claimed_until.is_(None))
    expiry = select(func.min(_C.claimed_until)).where(_C.noun.in_(nouns), _C.parked_at.is_(None))
    times = [session.connection().execute(s).scalar() for s in (statement, expiry)]
    return min((t for t in times if t is not None), default=None)


def backlog(session: Session, now: datetime) -> dict[str, int]:
    """Count the due rows of each noun."""
    statement = select(_C.noun, func.count()).where(_C.due <= now).group_by(_C.noun)
    return {row[0]: row[1] for row in session.connection().execute(statement)}


def backoff(noun: str, key: str, attempts: int, longest: timedelta) -> timedelta:
    """Return the wait before attempt `attempts + 1`: doubling, at most `longest`, of which the last half is jitter.

    The jitter is a hash of (noun, key, attempts), so that rows spread and a replay is the same.
    """
    whole: timedelta = min(FIRST_DELAY * 2 ** min(attempts - 1, 20), longest)
    share = zlib.crc32(f"{noun}|{key}|{attempts}".encode()) / 2**32
    return whole * (0.5 + 0.5 * share)


def _release(session: Session, held: Claim) -> None:
    _rows(session, update(_OWED).where(_same_key(held), _C.claimed_until == held.until).values(claimed_until=None))


def _same_key(held: Claim) -> Any:
    return and_(_C.noun == held.noun, _C.key == held.key)


def _rows(session: Session, statement: Any) -> int:
    result: CursorResult[Any] = session.connection().execute(statement)
    return result.rowcount


def _claim(row: rows.Found) -> Claim:
    return Claim(row.noun, row.key, row.version, row.deadline, row.due, row.attempts, row.claimed_until)


def _order(held: Claim) -> tuple[bool, float, datetime, str]:
    return held.deadline is None, held.deadline.timestamp() if held.deadline else 0.0, held.due, held.key
