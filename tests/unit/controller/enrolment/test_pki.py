"""What a request, a certificate and an authority must be; both kinds of authority of somebody else's."""

import asyncio
import json
import os
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.pki.external import CommandAuthority, HttpAuthority
from controller.pki.own import KeyPair, OwnAuthority, create_authority, issue_for_broker, issue_for_controller
from controller.pki.port import (
    AuthorityBrokenError,
    AuthorityUnavailableError,
    IssuedCertificate,
    RequestRefusedError,
    Revoked,
    SigningRequest,
)
from controller.pki.reading import check_issued, read_certificate, read_request, read_revocation_list
from tests.unit.controller.enrolment.depot import HUBS_CA, Authority, new_key, request_of

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
HUB = "01990000-0000-7000-8000-00000000000a"
GOOD = request_of(new_key())
OTHER = "01990000-0000-7000-8000-00000000000b"


def with_key(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> str:
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "hub")])
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    return request.public_bytes(serialization.Encoding.PEM).decode()


def with_another_keys_signature() -> str:
    der = bytearray(x509.load_pem_x509_csr(request_of(new_key()).encode()).public_bytes(serialization.Encoding.DER))
    der[-1] ^= 1
    try:
        return x509.load_der_x509_csr(bytes(der)).public_bytes(serialization.Encoding.PEM).decode()
    except ValueError:
        return with_another_keys_signature()


def test_a_request_is_of_a_p256_key_that_signed_it() -> None:
    assert read_request(request_of(new_key())).pem
    for pem in (
        with_key(rsa.generate_private_key(65537, 2048)),
        with_key(ec.generate_private_key(ec.SECP384R1())),
        with_another_keys_signature(),
        HUBS_CA.certificate_pem,
        HUBS_CA.key_pem,
        "x" * 20_000,
    ):
        with pytest.raises(RequestRefusedError):
            read_request(pem)


@given(st.text(max_size=400), st.integers(0, 300), st.integers(0, 127))
@settings(max_examples=40, deadline=None)
def test_whatever_comes_is_read_or_refused(text: str, place: int, byte: int) -> None:
    for pem in (text, GOOD[:place] + chr(byte) + GOOD[place + 1 :], HUBS_CA.certificate_pem[:place] + text):
        for read, kind in ((read_request, SigningRequest), (read_certificate, IssuedCertificate)):
            try:
                found: object = read(pem)
            except RequestRefusedError as error:
                found = error
            assert isinstance(found, kind | RequestRefusedError), pem


async def test_a_hubs_certificate_is_a_clients_and_nothing_more() -> None:
    pem = await Authority().issue(read_request(request_of(new_key(), OTHER)), hub_id=HUB, now=NOW)
    certificate = x509.load_pem_x509_certificate(pem.encode())
    assert read_certificate(pem).names == (HUB,)
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    purposes = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(purposes) == [x509.oid.ExtendedKeyUsageOID.CLIENT_AUTH]
    assert certificate.not_valid_after_utc - NOW == timedelta(days=3650)


async def test_what_an_authority_gives_is_checked() -> None:
    key = new_key()
    request = read_request(request_of(key))
    other = await Authority().issue(read_request(request_of(new_key())), hub_id=HUB, now=NOW)
    services = create_authority("services", NOW)
    for pem, at in (
        (await Authority().issue(request, hub_id=OTHER, now=NOW), NOW),
        (other, NOW),
        (await Authority().issue(request, hub_id=HUB, now=NOW), NOW + timedelta(days=3651)),
        (await Authority().issue(request, hub_id=HUB, now=NOW), NOW - timedelta(days=1)),
        (issue_for_broker(services, HUB, NOW).certificate_pem, NOW),
        ("no certificate", NOW),
    ):
        with pytest.raises(AuthorityBrokenError):
            check_issued(pem, request, hub_id=HUB, now=at)
    good = await Authority().issue(request, hub_id=HUB, now=NOW)
    assert check_issued(good, request, hub_id=HUB, now=NOW).names == (HUB,)


def test_an_authority_is_a_certificate_that_may_sign_and_its_key() -> None:
    controller = issue_for_controller(HUBS_CA, "controller-1", NOW)
    for pair in (
        KeyPair(HUBS_CA.certificate_pem, create_authority("hubs", NOW).key_pem),
        controller,
        KeyPair("nothing", HUBS_CA.key_pem),
        KeyPair(HUBS_CA.certificate_pem, "nothing"),
    ):
        with pytest.raises(AuthorityBrokenError):
            OwnAuthority(pair.certificate_pem, pair.key_pem)


async def test_a_list_is_believed_of_its_authority_alone() -> None:
    ends = NOW + timedelta(days=1)
    pem = await Authority().revocation_list([Revoked("0a", NOW)], number=7, now=NOW, next_update=ends)
    assert read_revocation_list(pem, HUBS_CA.certificate_pem) == (7, ends)
    with pytest.raises(AuthorityBrokenError):
        read_revocation_list(pem, create_authority("hubs", NOW).certificate_pem)
    with pytest.raises(AuthorityBrokenError):
        read_revocation_list(b"nothing")


def program(directory: Path, text: str) -> CommandAuthority:
    path = directory / "authority"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return CommandAuthority((str(path), "--profile", "hubs"))


async def test_an_executable_signs(tmp_path: Path) -> None:
    request = read_request(request_of(new_key()))
    certificate = await Authority().issue(request, hub_id=HUB, now=NOW)
    (tmp_path / "answer").write_text(certificate)
    authority = program(tmp_path, f'echo "$@" > {tmp_path}/words; cat > {tmp_path}/given; cat {tmp_path}/answer')
    assert await authority.issue(request, hub_id=HUB, now=NOW) == certificate
    assert (tmp_path / "words").read_text() == f"--profile hubs sign {HUB}\n"
    assert (tmp_path / "given").read_text() == request.pem
    ends = NOW + timedelta(days=1)
    await authority.revocation_list([Revoked("0a", NOW)], number=3, now=NOW, next_update=ends)
    assert (tmp_path / "words").read_text() == "--profile hubs crl\n"
    given = json.loads((tmp_path / "given").read_text())
    assert given["revoked"] == [{"serial": "0a", "at": NOW.isoformat()}]
    assert (given["number"], given["next_update"]) == (3, ends.isoformat())


async def test_an_executable_says_later_or_never(tmp_path: Path) -> None:
    request = read_request(request_of(new_key()))
    for text, error in (("exit 75", AuthorityUnavailableError), ("exit 1", AuthorityBrokenError)):
        with pytest.raises(error):
            await program(tmp_path, text).issue(request, hub_id=HUB, now=NOW)
    with pytest.raises(AuthorityBrokenError):
        await CommandAuthority((str(tmp_path / "absent"),)).issue(request, hub_id=HUB, now=NOW)


async def test_an_executable_that_is_not_waited_for_is_ended(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    authority = program(tmp_path, f"echo $$ > {pipe}; exec sleep 60")
    asking = asyncio.ensure_future(authority.issue(read_request(request_of(new_key())), hub_id=HUB, now=NOW))
    process_id = int(await asyncio.to_thread(pipe.read_text))
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    with pytest.raises(ProcessLookupError):
        os.kill(process_id, 0)


async def test_a_service_signs_or_says_later_or_never() -> None:
    asked: list[httpx.Request] = []
    statuses = [201, 201, 503, 429, 403]

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(statuses.pop(0), text="PEM")

    request = read_request(request_of(new_key()))
    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
        authority = HttpAuthority(http, "https://ca.example/v1/")
        assert await authority.issue(request, hub_id=HUB, now=NOW) == "PEM"
        assert (str(asked[0].url), asked[0].content.decode()) == (f"https://ca.example/v1/sign/{HUB}", request.pem)
        await authority.revocation_list([], number=1, now=NOW, next_update=NOW)
        assert str(asked[1].url) == "https://ca.example/v1/crl"
        for error in (AuthorityUnavailableError, AuthorityUnavailableError, AuthorityBrokenError):
            with pytest.raises(error):
                await authority.issue(request, hub_id=HUB, now=NOW)
