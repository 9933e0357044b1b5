"""What the hub reads of its own certificate without a cryptography library, held against one."""

import datetime as dt
from functools import cache
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from device_agent.config.certificate import Certificate, CertificateError, parse_certificate, read_certificate


@cache
def key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def made(subject: str, issuer: str, begin: dt.datetime, days: int) -> x509.Certificate:
    def named(text: str) -> x509.Name:
        names = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "BT")]
        return x509.Name([*names, x509.NameAttribute(NameOID.COMMON_NAME, text)])

    end = begin + dt.timedelta(days=days)
    builder = x509.CertificateBuilder(named(issuer), named(subject), key().public_key(), 7, begin, end)
    return builder.sign(key(), hashes.SHA256())


@settings(max_examples=25)
@given(
    st.text(st.characters(categories=("L", "N")), min_size=1, max_size=16),
    st.text(st.characters(categories=("L", "N")), min_size=1, max_size=16),
    st.integers(0, 36_500).map(lambda days: dt.datetime(1990, 1, 1, tzinfo=dt.UTC) + dt.timedelta(days=days)),
    st.integers(1, 20_000),
)
def test_names_and_times_are_those_a_library_reads(subject: str, issuer: str, begin: dt.datetime, days: int) -> None:
    whole = made(subject, issuer, begin, days)
    told = parse_certificate(whole.public_bytes(serialization.Encoding.DER))
    assert (told.subject, told.issuer) == (subject, issuer)
    assert told.not_before_ms == int(whole.not_valid_before_utc.timestamp() * 1000)
    assert told.not_after_ms == int(whole.not_valid_after_utc.timestamp() * 1000)
    life = told.not_after_ms - told.not_before_ms
    assert abs((told.not_after_ms - told.renewal_ms) * 3 - life) < 3


@cache
def sound() -> bytes:
    """One and the same: an ECDSA signature differs in length each time."""
    return made("a", "b", dt.datetime(2026, 1, 1, tzinfo=dt.UTC), 9).public_bytes(serialization.Encoding.DER)


@given(st.data())
def test_damaged_bytes_are_read_or_refused_with_two_errors_only(data: st.DataObject) -> None:
    der = bytearray(sound())
    der[data.draw(st.integers(0, len(der) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(der)))
    try:
        told = parse_certificate(bytes(der[:cut]))
    except (ValueError, IndexError):
        return
    assert isinstance(told, Certificate)


@pytest.mark.parametrize("text", ["", "rust", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "é"])
def test_a_file_that_is_no_certificate_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "hub.pem"
    path.write_text(text)
    with pytest.raises(CertificateError, match=r"hub\.pem: is no certificate"):
        read_certificate(path)
    with pytest.raises(CertificateError, match="cannot be read"):
        read_certificate(tmp_path / "none.pem")
