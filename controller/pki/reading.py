"""Reading what comes from outside: requests, certificates, proofs, revocation lists. Pure."""

import hashlib
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from controller.pki.port import AuthorityBrokenError, IssuedCertificate, RequestRefusedError, SigningRequest

LARGEST: Final = 16 * 1024
_STRONG: Final = (hashes.SHA256, hashes.SHA384, hashes.SHA512)


def read_request(pem: str) -> SigningRequest:
    """Check a request. Its names are not read: the subject is the hub id. Raises RequestRefusedError."""
    try:
        request = x509.load_pem_x509_csr(_bounded(pem))
        key = request.public_key()
        signed = request.is_signature_valid and isinstance(request.signature_hash_algorithm, _STRONG)
    except (ValueError, TypeError, x509.InvalidVersion) as error:
        raise RequestRefusedError("the request is no PKCS #10 request in PEM") from error
    except Exception as error:  # cryptography names no root for what a hostile file makes it raise
        raise RequestRefusedError("the request can't be read") from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise RequestRefusedError("the request's key is no P-256 key")
    if not signed:
        raise RequestRefusedError("the request is not signed by its own key with SHA-256 or better")
    der = request.public_bytes(serialization.Encoding.DER)
    return SigningRequest(request.public_bytes(serialization.Encoding.PEM).decode(), der, _key_digest(key))


def read_certificate(pem: str) -> IssuedCertificate:
    """Read the first certificate of a PEM text. Raises RequestRefusedError."""
    certificate = _load(pem)
    key = certificate.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise RequestRefusedError("the certificate's key is no elliptic curve key")
    return IssuedCertificate(
        pem=certificate.public_bytes(serialization.Encoding.PEM).decode(),
        serial=f"{certificate.serial_number:x}",
        names=tuple(str(each.value) for each in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)),
        fingerprint=certificate.fingerprint(hashes.SHA256()).hex(),
        key_digest=_key_digest(key),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
    )


def check_signed(pem: str, message: bytes, signature: bytes) -> None:
    """Check that the certificate's key signed the message (ECDSA, SHA-256, DER). Raises RequestRefusedError."""
    key = _load(pem).public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise RequestRefusedError("the certificate's key is no elliptic curve key")
    try:
        key.verify(signature, message, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature as error:
        raise RequestRefusedError("the signature was not made by the certificate's key over this request") from error


def check_issued(pem: str, request: SigningRequest, *, hub_id: str, now: datetime) -> IssuedCertificate:
    """Check what an authority gave for a request: that subject, that key, for a client, valid now.

    A broker takes the subject for the hub: one wrong name would be another hub's. Raises AuthorityBrokenError.
    """
    try:
        issued = read_certificate(pem)
        purposes = _purposes(_load(pem))
    except RequestRefusedError as error:
        raise AuthorityBrokenError(f"the authority gave no certificate: {error}") from error
    if issued.names != (hub_id,):
        raise AuthorityBrokenError("the authority's certificate has another subject than the hub's id")
    if issued.key_digest != request.key_digest:
        raise AuthorityBrokenError("the authority's certificate is for another key")
    if not issued.not_before <= now < issued.not_after:
        raise AuthorityBrokenError("the authority's certificate is not valid now")
    if purposes is not None and ExtendedKeyUsageOID.CLIENT_AUTH not in purposes:
        raise AuthorityBrokenError("the authority's certificate is not for a client")
    return issued


def read_revocation_list(pem: bytes, authority_pem: str | None = None) -> tuple[int, datetime]:
    """Return (number, next update) of a revocation list, signed by `authority_pem` if given.

    Raises AuthorityBrokenError.
    """
    try:
        found = x509.load_pem_x509_crl(pem)
        number = found.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
        ends = found.next_update_utc
        key = None if authority_pem is None else x509.load_pem_x509_certificate(authority_pem.encode()).public_key()
        valid = key is None or (isinstance(key, ec.EllipticCurvePublicKey) and found.is_signature_valid(key))
    except (ValueError, TypeError, x509.ExtensionNotFound) as error:
        raise AuthorityBrokenError("this is no numbered revocation list") from error
    if not valid:
        raise AuthorityBrokenError("the revocation list is not signed by the hubs' authority")
    if ends is None:
        raise AuthorityBrokenError("the revocation list does not say when it ends")
    return number, ends


def _load(pem: str) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(_bounded(pem))
    except (ValueError, TypeError, x509.InvalidVersion) as error:
        raise RequestRefusedError("this is no certificate in PEM") from error


def _bounded(pem: str) -> bytes:
    if len(pem) > LARGEST:
        raise RequestRefusedError(f"over {LARGEST} characters")
    return pem.encode("utf-8", "replace")


def _purposes(certificate: x509.Certificate) -> x509.ExtendedKeyUsage | None:
    try:
        return certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return None
    except ValueError as error:
        raise RequestRefusedError("the certificate's extensions can't be read") from error


def _key_digest(key: ec.EllipticCurvePublicKey) -> str:
    info = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(info).hexdigest()
