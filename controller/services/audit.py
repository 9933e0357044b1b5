"""The audit chain: append-only, hash-chained over pseudonyms, so that erasing a person doesn't break it."""

import hashlib
import hmac
import json
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from sqlmodel import Session, col, select

from controller.services import journal, rows
from controller.services.actor import Actor
from controller.services.fact_reading import Reading, Source
from controller.services.journal import Entry
from controller.tables.journal import AuditEntry, Pseudonym

GENESIS = "0" * 64
# What is encoded is JSON that was put together here: it holds no circle to look for.
_CANONICAL = json.JSONEncoder(sort_keys=True, check_circular=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Link:
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Secret:
    noun: str
    key: str
    secret: str


_KNOWN: Final = Reading(
    {
        "head": Source(_Link, AuditEntry, "t.sequence = (SELECT max(sequence) FROM audit)"),
        "secrets": Source(_Secret, Pseudonym, "t.key {keys} AND t.noun {nouns}"),
    },
    keys=("keys", "nouns"),
)


def append(session: Session, entries: Sequence[Entry], actor: Actor, now: datetime) -> None:
    """Write the audit entries of a transaction; called by the journal, under its lock."""
    if not entries:
        return
    things = {(entry.noun, entry.key) for entry in entries}
    found = _KNOWN.run(session, keys={key for _, key in things}, nouns={noun for noun, _ in things})
    digest = found["head"][0].digest if found["head"] else GENESIS
    at = now.astimezone(UTC).isoformat()
    secrets = _completed(session, things, found["secrets"])
    written = []
    for entry in entries:
        pseudonym = _keyed(secrets[entry.noun, entry.key], entry.noun, entry.key)
        digest = _digest(digest, (at, actor.name, entry.noun, pseudonym, entry.action), entry.facts)
        written.append(
            {
                "at": now,
                "actor": actor.name,
                "noun": entry.noun,
                "pseudonym": pseudonym,
                "action": entry.action,
                "facts": entry.facts,
                "digest": digest,
            }
        )
    rows.add(session, AuditEntry, written)


def verify(session: Session) -> int | None:
    """Return the sequence of the first entry that breaks the chain, or None when it is whole."""
    digest = GENESIS
    for row in session.exec(select(AuditEntry).order_by(col(AuditEntry.sequence))):
        digest = _digest(digest, (row.at.isoformat(), row.actor, row.noun, row.pseudonym, row.action), row.facts)
        if digest != row.digest:
            return row.sequence
    return None


def entries_of(session: Session, noun: str, key: str) -> tuple[AuditEntry, ...]:
    """Return what was done to a thing, oldest first; empty once its pseudonym was erased."""
    known = session.get(Pseudonym, (noun, key))
    if known is None:
        return ()
    statement = (
        select(AuditEntry)
        .where(AuditEntry.noun == noun, AuditEntry.pseudonym == _keyed(known.secret, noun, key))
        .order_by(col(AuditEntry.sequence))
    )
    return tuple(session.exec(statement))


def erase(session: Session, noun: str, key: str) -> None:
    """Destroy the pseudonym's key: the entries stay and chain, nobody can tell whose they are."""
    known = session.get(Pseudonym, (noun, key))
    if known is not None:
        session.delete(known)


def _completed(
    session: Session, things: AbstractSet[tuple[str, str]], found: Iterable[_Secret]
) -> dict[tuple[str, str], str]:
    secrets = {(row.noun, row.key): row.secret for row in found}
    new = [{"noun": noun, "key": key, "secret": _new_secret(session)} for noun, key in sorted(things - secrets.keys())]
    rows.add(session, Pseudonym, new)
    return {**secrets, **{(each["noun"], each["key"]): each["secret"] for each in new}}


def _new_secret(session: Session) -> str:
    # The id source is unpredictable enough outside tests (74 random bits) and repeatable inside them.
    return hashlib.sha256(f"{journal.new_id(session)}|{journal.new_id(session)}".encode()).hexdigest()


def _keyed(secret: str, noun: str, key: str) -> str:
    return hmac.digest(secret.encode(), f"{noun}|{key}".encode(), "sha256").hex()


def _digest(before: str, words: tuple[str, ...], facts: dict[str, Any]) -> str:
    return hashlib.sha256(_CANONICAL.encode([before, *words, facts]).encode()).hexdigest()
