"""Enrolment: a one-time claim code makes one key one hub; its certificate is renewed by the old key (decision 14).

A code belongs to the first public key it is used with. The same code with the same key is the same request again (its
answer was lost, or the power was): it gets the same certificate. Nobody is told why a code is refused.
"""

import base64
import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlmodel import Session, col, select

from controller.services import doorbells, hubs, journal, revocations, versions
from controller.services.actor import Actor
from controller.services.errors import ConflictError, UnprocessableError
from controller.tables.enrolment import Certificate, ClaimCode, Doorbell
from controller.tables.hubs import Hub

CODE_LASTS: Final = timedelta(days=7)
CODE_LASTS_AT_MOST: Final = timedelta(days=90)
# A hub renews once in years; what asks more often repeats itself, or is out of order.
SAME_ANSWER_FOR: Final = timedelta(days=1)
MOST_A_DAY: Final = 10
RACE: Final = timedelta(minutes=1)
_CODE_BYTES: Final = 15
_GROUP: Final = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """A request that may be signed for `hub_id`; `certificate` is the answer already given to the same request."""

    hub_id: str
    certificate: Certificate | None


@dataclass(frozen=True, slots=True)
class Refused:
    """A request that may not; `reason` is for the audit and the log, never for who asked."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """A signed certificate, as it is recorded; digests and serial are hexadecimal."""

    serial: str
    fingerprint: str
    key_digest: str
    pem: str
    not_after: datetime
    by: str


def make_claim(
    session: Session, actor: Actor, now: datetime, *, hub_id: str, lasts: timedelta = CODE_LASTS
) -> tuple[str, datetime]:
    """Make the code with which a hub enrols; returns (plain code, its end). It can't be shown again.

    An older code of the hub ends. Raises NotFoundError; ConflictError for a hub that is revoked or has a certificate.
    """
    hub = versions.present(session, Hub, hub_id)
    if hub.revoked_at is not None:
        raise ConflictError(f"hub {hub_id} is revoked", remedy="enrol the unit anew: it gets a new id")
    if certificates_of(session, hub_id):
        raise ConflictError(
            f"hub {hub_id} has a certificate already", remedy="let it renew, or revoke it and enrol the unit anew"
        )
    if not timedelta(0) < lasts <= CODE_LASTS_AT_MOST:
        raise UnprocessableError("a claim code lasts up to 90 days", remedy="name a shorter time")
    withdraw_claims(session, now, hub_id)
    plain = _grouped(base64.b32encode(secrets.token_bytes(_CODE_BYTES)).decode())
    row = ClaimCode(
        id=journal.new_id(session),
        hub_id=hub_id,
        digest=_digest(plain),
        created_at=now,
        created_by=actor.name,
        expires_at=now + lasts,
    )
    session.add(row)
    doorbells.give_key(session, hub_id)
    session.flush()
    journal.audited(session, "hub", hub_id, "claim_made", claim=row.id, expires_at=row.expires_at.isoformat())
    return plain, row.expires_at


def admit_claim(session: Session, actor: Actor, now: datetime, *, code: str, key_digest: str) -> Admitted | Refused:
    """Say whether a code lets this key in; the code then belongs to this key alone. A refusal is audited."""
    del actor
    # Held against the same code with another key at the same moment.
    statement = select(ClaimCode).where(ClaimCode.digest == _digest(code)).with_for_update()
    row = session.exec(statement).first()
    if row is None:
        return _refuse(session, "unknown", "no such claim code")
    reason = _reason_against(session, row, now, key_digest)
    if reason is not None:
        return _refuse(session, row.hub_id, reason)
    if row.used_at is None:
        row.used_at, row.key_digest = now, key_digest
        session.add(row)
        journal.audited(session, "hub", row.hub_id, "claimed", claim=row.id)
    return Admitted(hub_id=row.hub_id, certificate=_certificate_of_key(session, key_digest))


def admit_renewal(
    session: Session, actor: Actor, now: datetime, *, fingerprint: str, key_digest: str
) -> Admitted | Refused:
    """Say whether a certificate may be renewed for this key: it is one of ours, neither it nor its hub is revoked.

    Its end does not matter: hubs sleep for years. That the old key asks was checked before. A refusal is audited.
    """
    del actor
    row = session.exec(select(Certificate).where(Certificate.fingerprint == fingerprint)).first()
    if row is None:
        return _refuse(session, "unknown", "no such certificate")
    if row.revoked_at is not None or not hubs.is_known(session, row.hub_id):
        return _refuse(session, row.hub_id, "revoked")
    known = _certificate_of_key(session, key_digest)
    if known is not None and known.hub_id != row.hub_id:
        return _refuse(session, row.hub_id, "the key is another hub's")
    # The same key again is the same request again; asked with its own certificate, it wants a longer life.
    if known is not None and _is_the_answer(known, fingerprint, now):
        return Admitted(hub_id=row.hub_id, certificate=known)
    if sum(now - each.issued_at < SAME_ANSWER_FOR for each in certificates_of(session, row.hub_id)) >= MOST_A_DAY:
        return _refuse(session, row.hub_id, "too many certificates in a day")
    return Admitted(hub_id=row.hub_id, certificate=None)


def record(session: Session, actor: Actor, now: datetime, *, hub_id: str, issue: Issue) -> bytes | Refused:
    """Record a certificate that was signed and return it; the hub may have been revoked while it was."""
    del actor
    if not hubs.is_known(session, hub_id):
        return _refuse(session, hub_id, "revoked")
    # One at a time for each hub, so that the next one sees what this one records.
    session.exec(select(Doorbell).where(Doorbell.hub_id == hub_id).with_for_update()).first()
    known = _certificate_of_key(session, issue.key_digest)
    if known is not None and known.issued_at > now - RACE:
        # The same request came twice at the same time: both get the first answer.
        return known.pem
    session.add(
        Certificate(
            serial=issue.serial,
            hub_id=hub_id,
            fingerprint=issue.fingerprint,
            key_digest=issue.key_digest,
            pem=issue.pem.encode(),
            issued_at=now,
            issued_by=issue.by,
            not_after=issue.not_after,
        )
    )
    session.flush()
    journal.audited(session, "hub", hub_id, "certificate_issued", serial=issue.serial, by=issue.by)
    journal.changed(session, "hub", hub_id, "certificate_issued")
    return issue.pem.encode()


def certificates_of(session: Session, hub_id: str) -> tuple[Certificate, ...]:
    """Return a hub's certificates that are not revoked, the newest first."""
    statement = (
        select(Certificate)
        .where(Certificate.hub_id == hub_id, col(Certificate.revoked_at).is_(None))
        .order_by(col(Certificate.issued_at).desc(), Certificate.serial)
    )
    return tuple(session.exec(statement))


def view(session: Session, actor: Actor, now: datetime, *, hub_id: str) -> tuple[Certificate, ...]:
    """Return every certificate a hub ever had, the newest first. Raises NotFoundError."""
    del actor, now
    versions.present(session, Hub, hub_id)
    statement = (
        select(Certificate)
        .where(Certificate.hub_id == hub_id)
        .order_by(col(Certificate.issued_at).desc(), Certificate.serial)
    )
    return tuple(session.exec(statement))


def revoke(session: Session, actor: Actor, now: datetime, *, hub_id: str) -> Hub:
    """End a hub's enrolment: its codes, its certificates, its assignment and its SIM's place in it. Twice is once.

    Brokers refuse it once they have the next revocation list. Raises NotFoundError.
    """
    hub = versions.present(session, Hub, hub_id)
    if hub.revoked_at is not None:
        return hub
    withdraw_claims(session, now, hub_id)
    for row in certificates_of(session, hub_id):
        row.revoked_at = now
        session.add(row)
        journal.audited(session, "hub", hub_id, "certificate_revoked", serial=row.serial)
    session.flush()
    revocations.owe(session, now)
    doorbells.silence(session, hub_id)
    return hubs.revoke(session, actor, now, hub_id=hub_id)


def withdraw_claims(session: Session, now: datetime, hub_id: str) -> None:
    """End a hub's claim codes."""
    statement = select(ClaimCode).where(ClaimCode.hub_id == hub_id, col(ClaimCode.withdrawn_at).is_(None))
    for row in session.exec(statement):
        row.withdrawn_at = now
        session.add(row)


def _reason_against(session: Session, row: ClaimCode, now: datetime, key_digest: str) -> str | None:
    if row.withdrawn_at is not None:
        return "withdrawn"
    if now >= row.expires_at:
        return "expired"
    if row.used_at is not None and row.key_digest != key_digest:
        return "used with another key"
    if not hubs.is_known(session, row.hub_id):
        return "revoked"
    known = _certificate_of_key(session, key_digest)
    return "the key is another hub's" if known is not None and known.hub_id != row.hub_id else None


def _certificate_of_key(session: Session, key_digest: str) -> Certificate | None:
    """Return the newest certificate of a key; a revoked one too, so that its key can't become another hub."""
    statement = (
        select(Certificate).where(Certificate.key_digest == key_digest).order_by(col(Certificate.issued_at).desc())
    )
    return session.exec(statement).first()


def _is_the_answer(known: Certificate, shown: str, now: datetime) -> bool:
    return known.not_after > now and (known.fingerprint != shown or now - known.issued_at < SAME_ANSWER_FOR)


def _refuse(session: Session, hub_id: str, reason: str) -> Refused:
    journal.audited(session, "hub", hub_id, "enrolment_refused", reason=reason)
    return Refused(reason)


def _grouped(text: str) -> str:
    return "-".join(text[start : start + _GROUP] for start in range(0, len(text), _GROUP))


def _digest(code: str) -> str:
    # A code has 120 random bits, so a plain digest can't be searched and needs no salt; people may type it in.
    return hashlib.sha256(code.replace("-", "").replace(" ", "").upper().encode("utf-8", "replace")).hexdigest()
