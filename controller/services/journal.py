"""What a transaction gathers and writes just before it commits: audit entries and the change feed.

Both are sequences in commit order. On PostgreSQL the writer takes one advisory lock at the very end of the
transaction and holds it until the commit, so a reader never sees number n + 1 before n; on SQLite there is one writer.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from sqlmodel import Session

from controller.services import sending
from controller.services.actor import Actor
from controller.services.policy import Policy

_LOCK = 0x6D696E69  # "mini"


class Entry(NamedTuple):
    """One thing that happened to `noun` `key`; `facts` hold no personal data."""

    noun: str
    key: str
    action: str
    facts: dict[str, Any]


@dataclass(slots=True)
class Journal:
    """The gathered entries of one transaction, its source of ids and the policy in force."""

    ids: Callable[[], str]
    policy: Policy
    audit: list[Entry] = field(default_factory=list)
    feed: list[Entry] = field(default_factory=list)
    due: dict[str, datetime] = field(default_factory=dict)


def open_journal(session: Session, ids: Callable[[], str], policy: Policy) -> None:
    """Give the session its journal; called once, before the transaction's function."""
    session.info["journal"] = Journal(ids, policy)


def policy_of(session: Session) -> Policy:
    """Return the policy in force."""
    return _of(session).policy


def _of(session: Session) -> Journal:
    journal: Journal = session.info["journal"]
    return journal


def new_id(session: Session) -> str:
    """Return a new id from the injected source."""
    return _of(session).ids()


def audited(session: Session, noun: str, key: str, action: str, **facts: Any) -> None:
    """Audit a mutation (or a read of personal data) when the transaction commits."""
    _of(session).audit.append(Entry(noun, key, action, facts))


def changed(session: Session, noun: str, key: str, action: str = "changed", **facts: Any) -> None:
    """Tell readers of the feed, when the transaction commits, that `noun` `key` changed. The same twice is once."""
    entry = Entry(noun, key, action, facts)
    feed = _of(session).feed
    if entry not in feed[-8:]:
        feed.append(entry)


def marked(session: Session, noun: str, due: datetime) -> None:
    """Remember that work of this noun became owed, and for when, so that its loop is woken after the commit."""
    known = _of(session).due
    known[noun] = min(due, known.get(noun, due))


def marked_due(session: Session) -> dict[str, datetime]:
    """Return the nouns marked in this transaction, each with the earliest due instant."""
    return dict(_of(session).due)


def has_fed(session: Session) -> bool:
    """Tell whether the feed grew in this transaction."""
    return bool(_of(session).feed)


def write(session: Session, actor: Actor, now: datetime) -> None:
    """Write what was gathered; the last statements of the transaction."""
    journal = _of(session)
    if not journal.audit and not journal.feed:
        return
    session.flush()
    from controller.services import audit, feed

    audit.append(session, journal.audit, actor, now, lambda: _hold(session))
    if journal.feed and not journal.audit:
        _hold(session)
    feed.append(session, journal.feed, now)


def _hold(session: Session) -> None:
    if session.get_bind().dialect.name == "postgresql":
        sending.send(session, "SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
