"""How hubs prove who they are: claim codes, certificates, revocation lists, and the keys that sign their doorbells."""

from datetime import datetime

from sqlalchemy import Index, LargeBinary
from sqlmodel import SQLModel

from controller.tables.columns import BIG_KEY, ID, INSTANT, Retention, column

_HUB = Retention.HUB


class ClaimCode(SQLModel, table=True):
    """A one-time code that lets one key become one hub (decision 14); kept only as a digest."""

    __tablename__ = "claim_codes"
    __table_args__ = (Index("ix_claim_codes_hub", "hub_id"),)

    id: str = column("names the code, without being it", _HUB, type=ID, primary_key=True)
    hub_id: str = column("which hub it makes", _HUB, type=ID)
    digest: str = column("SHA-256 of the code's 120 random bits", _HUB, unique=True, max_length=64)
    created_at: datetime = column("when it was made", _HUB, type=INSTANT)
    created_by: str = column("who made it, as in the audit", _HUB, max_length=128)
    expires_at: datetime = column("until when it can be used", _HUB, type=INSTANT)
    used_at: datetime | None = column("when it was used first", _HUB, type=INSTANT, default=None)
    key_digest: str | None = column("the one public key it was used with", _HUB, default=None, max_length=64)
    withdrawn_at: datetime | None = column("when a newer code took its place", _HUB, type=INSTANT, default=None)


class Certificate(SQLModel, table=True):
    """A certificate that was issued to a hub. It ends by revocation, since hubs sleep for years (decision 14)."""

    __tablename__ = "certificates"
    __table_args__ = (Index("ix_certificates_hub", "hub_id"), Index("ix_certificates_revoked", "revoked_at"))

    serial: str = column("its serial number, hexadecimal (RFC 5280 4.1.2.2)", _HUB, primary_key=True, max_length=40)
    hub_id: str = column("its subject", _HUB, type=ID)
    fingerprint: str = column("SHA-256 of the certificate", _HUB, unique=True, max_length=64)
    key_digest: str = column("SHA-256 of its public key: one key, one hub", _HUB, max_length=64)
    pem: bytes = column("the certificate, to answer a repeated request alike", _HUB, type=LargeBinary)
    issued_at: datetime = column("when it was issued", _HUB, type=INSTANT)
    issued_by: str = column("a claim or a renewal", _HUB, max_length=16)
    not_after: datetime = column("its own end", _HUB, type=INSTANT)
    revoked_at: datetime | None = column("since when brokers must refuse it", _HUB, type=INSTANT, default=None)


class RevocationList(SQLModel, table=True):
    """The revocation list in force (RFC 5280 section 5); there is one row."""

    __tablename__ = "revocation_lists"

    id: str = column("names the authority", _HUB, primary_key=True, max_length=16)
    number: int = column("grows with each list (RFC 5280 5.2.3)", _HUB, type=BIG_KEY)
    this_update: datetime = column("when it was signed", _HUB, type=INSTANT)
    next_update: datetime = column("from then on a broker refuses every hub", _HUB, type=INSTANT)
    entries: int = column("how many certificates it refuses", _HUB)
    pem: bytes = column("the signed list, for the brokers", _HUB, type=LargeBinary)


class Doorbell(SQLModel, table=True):
    """A hub's doorbell: the key that signs its SMS, and how often it was rung (decision 13)."""

    __tablename__ = "doorbells"

    hub_id: str = column("which hub", _HUB, type=ID, primary_key=True)
    key: bytes = column("shared with the hub at enrolment", _HUB, type=LargeBinary)
    counter: int = column("used once and only grows, against replays", _HUB, type=BIG_KEY, default=0)
    rung_at: datetime | None = column("at most once a minute", _HUB, type=INSTANT, default=None)
    rings: int = column("how often since the hub was last heard of", _HUB, default=0)
