"""The audit chain: append-only, hash-chained over pseudonyms, so that erasing a person doesn't break it."""

import hashlib
import hmac
import json
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from sqlmodel import Session, col, select

from controller.services import journal, rows, sending
from controller.services.actor import Actor
from controller.services.bulk import Bulk
from controller.services.journal import Entry
from controller.tables.journal import AuditEntry, Pseudonym

GENESIS = "0" * 64
# The canonical form of an entry: JSON without blanks, keys in order. It takes a sixth of the time of the standard
# library's, in which chains were written before and are still verified.
_CANONICAL: Final = msgspec.json.Encoder(order="sorted")
_FORMER: Final = json.JSONEncoder(sort_keys=True, check_circular=False)

# Each thing is looked up by itself: nouns and keys given apart would each be tried with each.
_SECRETS: Final = Bulk(
    {"noun": "text", "key": "text"},
    "SELECT p.noun, p.key, p.secret FROM {rows} JOIN pseudonyms AS p ON p.noun = r.noun AND p.key = r.key",
)
_HEAD: Final = "SELECT digest FROM audit WHERE sequence = (SELECT max(sequence) FROM audit)"


def append(session: Session, entries: Sequence[Entry], actor: Actor, now: datetime, hold: Callable[[], None]) -> None:
    """Write the audit entries of a transaction; called by the journal, whose lock `hold` takes, once or again.

    What needs no place in the chain is done before the lock, so that others wait for no more than the hashes.
    """
    if not entries:
        return
    secrets = _secrets_of(session, {(entry.noun, entry.key) for entry in entries}, hold)
    at = now.astimezone(UTC).isoformat()
    written: list[tuple[dict[str, Any], bytes]] = []
    for noun, key, action, facts in entries:
        pseudonym = _keyed(secrets[noun, key], noun, key)
        columns = {"at": now, "actor": actor.name, "noun": noun, "pseudonym": pseudonym}
        columns |= {"action": action, "facts": facts}
        written.append((columns, _rest((at, actor.name, noun, pseudonym, action), facts)))
    hold()
    head = sending.fetch(session, _HEAD, {})
    digest = head[0][0] if head else GENESIS
    for columns, rest in written:
        digest = columns["digest"] = _digest(digest, rest)
    rows.add(session, AuditEntry, [columns for columns, _ in written])


def verify(session: Session) -> int | None:
    """Return the sequence of the first entry that breaks the chain, or None when it is whole."""
    digest = GENESIS
    for row in session.exec(select(AuditEntry).order_by(col(AuditEntry.sequence))):
        words = (row.at.isoformat(), row.actor, row.noun, row.pseudonym, row.action)
        if row.digest not in {_digest(digest, _rest(words, row.facts)), _former_digest(digest, words, row.facts)}:
            return row.sequence
        digest = row.digest
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


def _secrets_of(
    session: Session, things: AbstractSet[tuple[str, str]], hold: Callable[[], None]
) -> dict[tuple[str, str], str]:
    """Return the pseudonym's key of each thing; those without one get it under the lock, or two would give it one."""
    session.flush()
    secrets = _known(session, things)
    missing = things - secrets.keys()
    if missing:
        hold()
        secrets |= _known(session, missing)
        made = {thing: _new_secret(session) for thing in sorted(missing - secrets.keys())}
        values = [{"noun": noun, "key": key, "secret": secret} for (noun, key), secret in made.items()]
        rows.add(session, Pseudonym, values)
        secrets |= made
    return secrets


def _known(session: Session, things: AbstractSet[tuple[str, str]]) -> dict[tuple[str, str], str]:
    return {(noun, key): secret for noun, key, secret in _SECRETS.fetch(session, sorted(things))}


def _new_secret(session: Session) -> str:
    # The id source is unpredictable enough outside tests (74 random bits) and repeatable inside them.
    return hashlib.sha256(f"{journal.new_id(session)}|{journal.new_id(session)}".encode()).hexdigest()


def _keyed(secret: str, noun: str, key: str) -> str:
    return hmac.digest(secret.encode(), f"{noun}|{key}".encode(), "sha256").hex()


def _rest(words: tuple[str, ...], facts: dict[str, Any]) -> bytes:
    """Return the canonical form of an entry behind the digest before it, which is the first in its list."""
    return _CANONICAL.encode((*words, facts))[1:]


def _digest(before: str, rest: bytes) -> str:
    return hashlib.sha256(b'["%b",%b' % (before.encode(), rest)).hexdigest()


def _former_digest(before: str, words: tuple[str, ...], facts: dict[str, Any]) -> str:
    return hashlib.sha256(_FORMER.encode([before, *words, facts]).encode()).hexdigest()
