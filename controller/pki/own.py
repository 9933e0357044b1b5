"""Our own certificate authority, a key in a file or a setting; and certificates for the broker and the controllers.

Two authorities, on purpose: one signs hubs, the other the services (the broker and its controllers). A broker's
listener for controllers trusts the second only, so no hub's certificate opens it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from controller.pki.port import AuthorityBrokenError, Revoked, SigningRequest

# A hub may lie in a drawer for years; what ends its certificate is revocation (decision 14).
HUB_LIFETIME: Final = timedelta(days=3650)
AUTHORITY_LIFETIME: Final = timedelta(days=20 * 365)
SERVICE_LIFETIME: Final = timedelta(days=825)
# The broker's clock may be behind ours.
SKEW: Final = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A certificate and its private key, both PEM."""

    certificate_pem: str
    key_pem: str


class OwnAuthority:
    """Signs hubs' certificates and the revocation list. Raises AuthorityBrokenError for files that don't fit."""

    def __init__(self, certificate_pem: str, key_pem: str, *, lifetime: timedelta = HUB_LIFETIME) -> None:
        try:
            self._certificate = x509.load_pem_x509_certificate(certificate_pem.encode())
            key = serialization.load_pem_private_key(key_pem.encode(), None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise AuthorityBrokenError("the authority's certificate or key is no unencrypted PEM") from error
        if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != self._certificate.public_key():
            raise AuthorityBrokenError("the authority's key is not the key of its certificate")
        if not _may_sign(self._certificate):
            raise AuthorityBrokenError("the authority's certificate may not sign certificates and revocation lists")
        self._key, self._lifetime = key, lifetime

    @property
    def ends(self) -> datetime:
        """Return when the authority's own certificate ends."""
        return self._certificate.not_valid_after_utc

    async def issue(self, request: SigningRequest, *, hub_id: str, now: datetime) -> str:
        """See Authority."""
        if now >= self.ends:
            raise AuthorityBrokenError("the authority's own certificate has ended")
        key = x509.load_pem_x509_csr(request.pem.encode()).public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)  # read_request took nothing else
        builder = _builder(hub_id, self._certificate.subject, key, now, min(now + self._lifetime, self.ends))
        builder = _for_purpose(builder, [ExtendedKeyUsageOID.CLIENT_AUTH], self._key.public_key())
        return _pem(builder.sign(self._key, hashes.SHA256()))

    async def revocation_list(
        self, revoked: Sequence[Revoked], *, number: int, now: datetime, next_update: datetime
    ) -> bytes:
        """See Authority."""
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self._certificate.subject)
            .last_update(now - SKEW)
            .next_update(next_update)
            .add_extension(x509.CRLNumber(number), critical=False)
            .add_extension(_authority_id(self._key.public_key()), critical=False)
        )
        for each in revoked:
            entry = x509.RevokedCertificateBuilder().serial_number(int(each.serial, 16)).revocation_date(each.at)
            builder = builder.add_revoked_certificate(entry.build())
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def create_authority(name: str, now: datetime) -> KeyPair:
    """Make an authority: a P-256 key and a certificate signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _name(name)
    builder = (
        _builder(name, subject, key.public_key(), now, now + AUTHORITY_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    return KeyPair(_pem(builder.sign(key, hashes.SHA256())), _key_pem(key))


def issue_for_broker(authority: KeyPair, host: str, now: datetime) -> KeyPair:
    """Make the broker's key and certificate, for one host name or address."""
    return _issue_service(authority, host, ExtendedKeyUsageOID.SERVER_AUTH, [_alternative(host)], now)


def issue_for_controller(authority: KeyPair, name: str, now: datetime) -> KeyPair:
    """Make a controller's key and certificate; the broker's access list names it."""
    return _issue_service(authority, name, ExtendedKeyUsageOID.CLIENT_AUTH, [], now)


def _issue_service(
    authority: KeyPair, name: str, purpose: x509.ObjectIdentifier, names: Sequence[x509.GeneralName], now: datetime
) -> KeyPair:
    issuer = OwnAuthority(authority.certificate_pem, authority.key_pem)
    key = ec.generate_private_key(ec.SECP256R1())
    signer, subject = issuer._key, issuer._certificate.subject  # noqa: SLF001  # the same authority, another purpose
    builder = _builder(name, subject, key.public_key(), now, min(now + SERVICE_LIFETIME, issuer.ends))
    builder = _for_purpose(builder, [purpose], signer.public_key())
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return KeyPair(_pem(builder.sign(signer, hashes.SHA256())), _key_pem(key))


def _builder(
    name: str, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime, until: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(until)
    )


def _for_purpose(
    builder: x509.CertificateBuilder, purposes: Sequence[x509.ObjectIdentifier], issuer: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    return (
        builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        .add_extension(_authority_id(issuer), critical=False)
    )


def _key_usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )


def _may_sign(certificate: x509.Certificate) -> bool:
    try:
        authority = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except (x509.ExtensionNotFound, ValueError):
        return False
    return authority and usage.key_cert_sign and usage.crl_sign


def _alternative(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _authority_id(key: ec.EllipticCurvePublicKey) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(key)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _key_pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
