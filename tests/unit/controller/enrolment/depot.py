"""What a depot and a hub do at enrolment: keys, requests, proofs."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from controller.pki.own import OwnAuthority, create_authority
from controller.pki.port import AuthorityUnavailableError, Revoked, SigningRequest
from controller.services import enrolment, hubs
from controller.work.enrolment import Enrolment, Identity
from tests.unit.controller.household import START, Household

BROKER_URL = "mqtts://broker.example:8883"
HUBS_CA = create_authority("hubs", START)


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def request_of(key: ec.EllipticCurvePrivateKey, name: str = "hub") -> str:
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    return request.public_bytes(serialization.Encoding.PEM).decode()


def signed(key: ec.EllipticCurvePrivateKey, request_pem: str) -> str:
    der = x509.load_pem_x509_csr(request_pem.encode()).public_bytes(serialization.Encoding.DER)
    return base64.b64encode(key.sign(der, ec.ECDSA(hashes.SHA256()))).decode()


def subject_of(certificate_pem: str) -> str:
    certificate = x509.load_pem_x509_certificate(certificate_pem.encode())
    return certificate.subject.rfc4514_string()


@dataclass
class Authority(OwnAuthority):
    """Our own authority, which can be told to have no time."""

    is_down: bool = False
    asked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        OwnAuthority.__init__(self, HUBS_CA.certificate_pem, HUBS_CA.key_pem)

    async def issue(self, request: SigningRequest, *, hub_id: str, now: datetime) -> str:
        self.asked.append(hub_id)
        self._refuse_if_down()
        return await super().issue(request, hub_id=hub_id, now=now)

    async def revocation_list(
        self, revoked: Sequence[Revoked], *, number: int, now: datetime, next_update: datetime
    ) -> bytes:
        self._refuse_if_down()
        return await super().revocation_list(revoked, number=number, now=now, next_update=next_update)

    def _refuse_if_down(self) -> None:
        if self.is_down:
            raise AuthorityUnavailableError("later")


def identity(authority: Authority) -> Identity:
    return Identity(authority=authority, broker_ca_pem="the broker's CA", broker_url=BROKER_URL)


class Depot:
    """Enrols hubs of one household's controller."""

    def __init__(self, home: Household, authority: Authority | None = None) -> None:
        self.home, self.authority = home, authority or Authority()
        self.enrolment = Enrolment(home.database, identity(self.authority), lambda: home.now)

    def new_hub(self, serial: str = "SN-1", iccid: str | None = None, msisdn: str | None = "+447700900555") -> str:
        hub = self.home.run(hubs.enrol, serial=serial, iccid=iccid or self.home.card(), msisdn=msisdn)
        return str(hub.id)

    def code(self, hub_id: str) -> str:
        return str(self.home.run(enrolment.make_claim, hub_id=hub_id)[0])

    async def enrol(self, hub_id: str) -> tuple[ec.EllipticCurvePrivateKey, str]:
        """Enrol a hub; returns its key and certificate."""
        key = new_key()
        answer = await self.enrolment.claim(code=self.code(hub_id), csr_pem=request_of(key))
        return key, answer.certificate_pem
