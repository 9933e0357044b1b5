"""The door to the certificate authority of hubs: ours (`own`), or somebody else's (`external`).

PkiError
├── RequestRefusedError      the request or its proof is not acceptable: the hub must mend it
├── AuthorityUnavailableError nothing was signed, and it may be later: try again
└── AuthorityBrokenError     the authority's files or answers are wrong: a person must act
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


class PkiError(Exception):
    """Root of this room's errors."""


class RequestRefusedError(PkiError):
    """What came from outside is no acceptable request, certificate or signature."""


class AuthorityUnavailableError(PkiError):
    """The authority could not be asked, or has no time."""


class AuthorityBrokenError(PkiError):
    """The authority refuses, or gives what can't be used."""


@dataclass(frozen=True, slots=True)
class SigningRequest:
    """A certificate signing request (RFC 2986) that was checked: its key is P-256 and signed it.

    Attributes:
        pem: the request as PEM.
        der: its bytes, which a renewal is signed over.
        key_digest: SHA-256 of its public key (SubjectPublicKeyInfo), hexadecimal.
    """

    pem: str
    der: bytes
    key_digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedCertificate:
    """A certificate, read; `serial` and the digests are hexadecimal, `names` its subject's common names."""

    pem: str
    serial: str
    names: tuple[str, ...]
    fingerprint: str
    key_digest: str
    not_before: datetime
    not_after: datetime


@dataclass(frozen=True, slots=True)
class Revoked:
    """A certificate that brokers must refuse."""

    serial: str
    at: datetime


class Authority(Protocol):
    """Signs for hubs. Every call has a deadline and raises AuthorityUnavailableError or AuthorityBrokenError."""

    async def issue(self, request: SigningRequest, *, hub_id: str, now: datetime) -> str:
        """Return a client certificate (PEM) whose subject is the hub id, whatever subject the request names."""

    async def revocation_list(
        self, revoked: Sequence[Revoked], *, number: int, now: datetime, next_update: datetime
    ) -> bytes:
        """Return the signed list (PEM) of all of `revoked` (RFC 5280 section 5)."""
