"""API keys: 256 random bits, kept as a digest; the plain key is shown once."""

import hashlib
import secrets
from datetime import datetime

from sqlmodel import Session, col, select

from controller.services import journal
from controller.services.actor import Actor, Role
from controller.services.errors import NotFoundError, UnauthenticatedError
from controller.tables.access import ApiKey

PREFIX = "mh_"


def create(session: Session, actor: Actor, now: datetime, *, name: str, role: Role) -> tuple[str, str]:
    """Make a key; returns (id, plain key). The plain key can't be shown again."""
    del actor
    plain = PREFIX + secrets.token_urlsafe(32)
    row = ApiKey(id=journal.new_id(session), digest=_digest(plain), name=name, role=role.value, created_at=now)
    session.add(row)
    session.flush()
    journal.audited(session, "api_key", row.id, "created", role=role.value)
    return row.id, plain


def authenticate(session: Session, actor: Actor, now: datetime, *, plain: str) -> Actor:
    """Return whom a key stands for. Raises UnauthenticatedError."""
    del actor, now
    # A key has 256 random bits, so a plain digest can't be searched and needs no salt.
    row = session.exec(select(ApiKey).where(ApiKey.digest == _digest(plain), col(ApiKey.revoked_at).is_(None))).first()
    if row is None:
        raise UnauthenticatedError("the API key is unknown or revoked", remedy="hub-controller keys create --role …")
    return Actor(row.name, Role(row.role))


def revoke(session: Session, actor: Actor, now: datetime, *, key_id: str) -> None:
    """End a key at once. Raises NotFoundError."""
    del actor
    row = session.get(ApiKey, key_id)
    if row is None:
        raise NotFoundError("API key", key_id)
    row.revoked_at = row.revoked_at or now
    session.add(row)
    journal.audited(session, "api_key", key_id, "revoked")


def _digest(plain: str) -> str:
    return hashlib.sha256(plain.encode()).hexdigest()
