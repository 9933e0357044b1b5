"""Enrolment: check the request, admit it in a transaction, have it signed outside, record it, answer.

A crash between any two of them loses nothing: the hub asks again with the same key, and the code is that key's.
cryptography is imported by the first request: 10 MB that a controller without an authority need not hold.
"""

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import structlog

from controller.pki.port import Authority, PkiError, RequestRefusedError, SigningRequest
from controller.services import doorbells, enrolment
from controller.services.actor import Actor
from controller.services.database import Database
from controller.services.enrolment import Admitted, Issue, Refused
from controller.services.errors import NoAuthorityError, UnauthenticatedError, UnprocessableError

ACTOR: Final = Actor.system("enrolment")


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What an installation gives to its hubs.

    Attributes:
        authority: signs hubs.
        broker_ca_pem: what a hub believes of the broker's certificate.
        broker_url: where hubs connect, mqtts://HOST:PORT.
    """

    authority: Authority
    broker_ca_pem: str
    broker_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolled:
    """What a hub is answered."""

    hub_id: str
    certificate_pem: str
    ca_pem: str
    broker_url: str
    doorbell_key: bytes


class Enrolment:
    """The two requests of a hub that has no connection yet. Without an identity it answers NoAuthorityError."""

    def __init__(self, database: Database, identity: Identity | None, now: Callable[[], datetime]) -> None:
        self._database, self._identity, self._now = database, identity, now
        self._log = structlog.get_logger("controller.enrolment")

    async def claim(self, *, code: str, csr_pem: str) -> Enrolled:
        """Answer a claim code and a request.

        Raises UnprocessableError (the request), UnauthenticatedError (the code, or another key's), NoAuthorityError.
        """
        identity, request = self._ready(), _request(csr_pem)
        found = await self._run(enrolment.admit_claim, code=code, key_digest=request.key_digest)
        return await self._answer(identity, request, self._admitted(found), by="claim")

    async def renew(self, *, csr_pem: str, certificate_pem: str, signature: str) -> Enrolled:
        """Answer a request that the key of an earlier certificate signed; its end does not matter.

        Raises UnprocessableError, UnauthenticatedError (unknown or revoked, or not signed by it), NoAuthorityError.
        """
        from controller.pki import reading

        identity, request = self._ready(), _request(csr_pem)
        try:
            shown = reading.read_certificate(certificate_pem)
            reading.check_signed(certificate_pem, request.der, base64.b64decode(signature, validate=True))
        except (RequestRefusedError, binascii.Error) as error:
            raise UnprocessableError(
                f"the renewal can't be accepted: {error}", remedy="sign the request's DER"
            ) from error
        found = await self._run(enrolment.admit_renewal, fingerprint=shown.fingerprint, key_digest=request.key_digest)
        return await self._answer(identity, request, self._admitted(found), by="renewal")

    def _ready(self) -> Identity:
        if self._identity is None:
            raise NoAuthorityError(
                "no certificate authority is configured here", remedy="serve with --ca-certificate and --ca-key"
            )
        return self._identity

    def _admitted(self, found: Admitted | Refused) -> Admitted:
        if isinstance(found, Refused):
            self._log.warning("enrolment_refused", reason=found.reason)
            # One answer for every reason: who guesses codes learns nothing.
            raise UnauthenticatedError("the enrolment is refused", remedy="make a new claim code for this hub")
        return found

    async def _answer(self, identity: Identity, request: SigningRequest, found: Admitted, *, by: str) -> Enrolled:
        if found.certificate is not None:
            pem = found.certificate.pem
        else:
            issue = await self._sign(identity.authority, request, found.hub_id, by)
            recorded = await self._run(enrolment.record, hub_id=found.hub_id, issue=issue)
            if isinstance(recorded, Refused):
                self._admitted(recorded)
            pem = recorded
            self._log.info("certificate_issued", hub=found.hub_id, by=by)
        return Enrolled(
            hub_id=found.hub_id,
            certificate_pem=pem.decode(),
            ca_pem=identity.broker_ca_pem,
            broker_url=identity.broker_url,
            doorbell_key=await self._run(doorbells.key_of, hub_id=found.hub_id),
        )

    async def _sign(self, authority: Authority, request: SigningRequest, hub_id: str, by: str) -> Issue:
        from controller.pki import reading

        try:
            pem = await authority.issue(request, hub_id=hub_id, now=self._now())
            issued = reading.check_issued(pem, request, hub_id=hub_id, now=self._now())
        except PkiError as error:
            self._log.error("authority_failed", kind=type(error).__name__, error=str(error))
            raise NoAuthorityError("the authority can't sign now", remedy="try again later") from error
        return Issue(
            serial=issued.serial,
            fingerprint=issued.fingerprint,
            key_digest=issued.key_digest,
            pem=issued.pem,
            not_after=issued.not_after,
            by=by,
        )

    async def _run(self, f: Callable[..., Any], **arguments: Any) -> Any:
        return await self._database.run(f, actor=ACTOR, now=self._now(), **arguments)


def _request(csr_pem: str) -> SigningRequest:
    from controller.pki import reading

    try:
        return reading.read_request(csr_pem)
    except RequestRefusedError as error:
        raise UnprocessableError(str(error), remedy="send a PKCS #10 request of a P-256 key, as PEM") from error
