"""`hub-agent enrol` and `hub-agent renew`: a key made here, a certificate from the controller, kept as one identity.

The only module of the hub that imports cryptography; the running agent starts `renew` as a process of its own. Key
and request are on the disk before they are sent and are sent again unchanged after a power cut, so that a claim code
that was used up is not lost.
"""

import argparse
import base64
import contextlib
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from device_agent.cli.claim import EnrolmentError, post
from device_agent.cli.exits import Exit
from device_agent.config import ConfigError, Enrolled, IdentityError, state_folder
from device_agent.config.enrolled import CA, CERTIFICATE, DOORBELL, FOLDER, KEY, WHERE, keep, synchronise, write_private
from device_agent.protocol import is_hub_id
from device_agent.protocol.doorbell import KEY_BYTES

CLAIM_CODE: Final = "MINIHUB_AGENT_CLAIM_CODE"
_PENDING: Final = "pending"
_CONFIG = Path("/etc/minihub/hub.toml")
# What the subject of a first request says; the controller mints the hub id.
_UNNAMED: Final = "hub"


@dataclass(frozen=True, slots=True)
class _Request:
    """A key and the request signed with it; `pending` is where they wait for their certificate."""

    key: ec.EllipticCurvePrivateKey
    csr: x509.CertificateSigningRequest
    pending: Path

    @property
    def csr_pem(self) -> str:
        return self.csr.public_bytes(serialization.Encoding.PEM).decode("ascii")


def main(arguments: Sequence[str]) -> int:
    """Parse and do; returns the exit code. Every refusal is one line on standard error that ends with the remedy."""
    options = _parser().parse_args(arguments)
    try:
        state = state_folder(options.config)
        done = enrol(state, options) if options.command == "enrol" else renew(state)
    except ConfigError as error:
        return _refused(str(error), Exit.CONFIG)
    except IdentityError as error:
        return _refused(str(error), Exit.NOT_ENROLLED)
    except EnrolmentError as error:
        return _refused(str(error), error.exit_code)
    except OSError as error:
        return _refused(f"{error.filename}: {error.strerror}; the state folder must be writable", Exit.STATE)
    print(json.dumps(done) if options.json else f"{done['hub']}: certificate until {done['until']}")
    return Exit.DONE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="hub-agent", description="Get or renew this hub's certificate.")
    commands = parser.add_subparsers(dest="command", required=True)
    enrolling = commands.add_parser("enrol", description="Claim this hub's identity, once, at the depot.")
    enrolling.add_argument("--controller", required=True, metavar="URL", help="the controller's API")
    enrolling.add_argument("--claim-code", metavar="CODE", help=f"one-time code, or in {CLAIM_CODE}")
    enrolling.add_argument("--ca", type=Path, metavar="FILE", help="the CA of the controller's own certificate")
    renewing = commands.add_parser("renew", description="Renew the certificate with the present key.")
    for command in (enrolling, renewing):
        command.add_argument("--config", type=Path, default=_CONFIG, metavar="FILE", help="settings file")
        command.add_argument("--json", action="store_true", help="print JSON")
    return parser


def enrol(state: Path, options: argparse.Namespace) -> dict[str, str]:
    """Claim an identity. Raises EnrolmentError and OSError."""
    code = options.claim_code or os.environ.get(CLAIM_CODE, "")
    if not code:
        raise EnrolmentError(f"no claim code; give --claim-code or set {CLAIM_CODE}", Exit.USAGE)
    authority = "" if options.ca is None else str(options.ca.resolve())
    request = _pending(state, _UNNAMED)
    answer = post(options.controller, "claim", {"claim_code": code, "csr_pem": request.csr_pem}, authority)
    return _keep(state, request, answer, options.controller, authority, earlier=None)


def renew(state: Path) -> dict[str, str]:
    """Renew with the old key's signature, also after the certificate has expired. Raises as `enrol` does."""
    earlier = Enrolled.find(state)
    if earlier is None:
        raise IdentityError(f"{state}: this hub is not enrolled; run hub-agent enrol")
    old = _load_key(earlier.directory / KEY)
    request = _pending(state, earlier.hub)
    signature = old.sign(request.csr.public_bytes(serialization.Encoding.DER), ec.ECDSA(hashes.SHA256()))
    body = {
        "csr_pem": request.csr_pem,
        "certificate_pem": (earlier.directory / CERTIFICATE).read_text("ascii"),
        "signature": base64.b64encode(signature).decode("ascii"),
    }
    answer = post(earlier.controller, "renew", body, earlier.controller_ca)
    return _keep(state, request, answer, earlier.controller, earlier.controller_ca, earlier)


def _pending(state: Path, name: str) -> _Request:
    """The request that still waits for its certificate, or a new one, on the disk in either case."""
    folder = state / FOLDER / _PENDING
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with contextlib.suppress(OSError, ValueError, EnrolmentError):
        request = _Request(_load_key(folder / KEY), _load_csr(folder), folder)
        if _subject(request.csr) == name and request.csr.public_key() == request.key.public_key():
            return request
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    csr = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    write_private(folder / KEY, _private(key))
    write_private(folder / "request.pem", csr.public_bytes(serialization.Encoding.PEM))
    synchronise(folder)
    return _Request(key, csr, folder)


def _load_csr(folder: Path) -> x509.CertificateSigningRequest:
    return x509.load_pem_x509_csr((folder / "request.pem").read_bytes())


def _load_key(path: Path) -> ec.EllipticCurvePrivateKey:
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError) as error:
        raise EnrolmentError(f"{path}: is no private key ({error}); enrol this hub again", Exit.NOT_ENROLLED) from None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise EnrolmentError(f"{path}: is no EC key; enrol this hub again", Exit.NOT_ENROLLED)
    return key


def _private(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _keep(
    state: Path, request: _Request, answer: dict[str, Any], controller: str, authority: str, earlier: Enrolled | None
) -> dict[str, str]:
    """Check the answer, then make it the identity, at once or not at all."""
    hub, certificate = _judge(answer, request, earlier)
    where = {"controller": controller, "controller_ca": authority, "broker_url": answer["broker_url"]}
    doorbell = _doorbell(answer) or (_read(earlier.directory / DOORBELL) if earlier is not None else b"")
    files = {
        KEY: _private(request.key),
        CERTIFICATE: answer["certificate_pem"].encode("ascii"),
        CA: answer["ca_pem"].encode("ascii"),
        WHERE: json.dumps(where, sort_keys=True).encode(),
        **({DOORBELL: doorbell} if doorbell else {}),
    }
    keep(state, files)
    for name in (KEY, "request.pem"):
        (request.pending / name).unlink(missing_ok=True)
    return {"hub": hub, "until": f"{certificate.not_valid_after_utc:%Y-%m-%d}"}


def _judge(answer: dict[str, Any], request: _Request, earlier: Enrolled | None) -> tuple[str, x509.Certificate]:
    """Believe an answer only if the certificate is for our key and for the hub it names.

    `ca_pem` is whom the hub believes to be its broker; who signs hubs may be another authority.
    """
    for name in ("hub_id", "certificate_pem", "ca_pem", "broker_url"):
        if not isinstance(answer.get(name), str):
            raise _unusable(f"it lacks {name}")
    hub = answer["hub_id"]
    try:
        certificate = x509.load_pem_x509_certificate(answer["certificate_pem"].encode("ascii"))
        x509.load_pem_x509_certificates(answer["ca_pem"].encode("ascii"))
    except ValueError as error:
        raise _unusable(f"its certificates cannot be read ({error})") from None
    if not is_hub_id(hub) or _subject(certificate) != hub:
        raise _unusable("its certificate's subject is not the hub id it names")
    if earlier is not None and hub != earlier.hub:
        raise _unusable("it names another hub")
    if certificate.public_key() != request.key.public_key():
        raise _unusable("its certificate is for another key")
    parts = urlsplit(answer["broker_url"])
    if parts.scheme not in {"mqtts", "mqtt"} or not parts.hostname:
        raise _unusable("its broker_url is no mqtts:// URL")
    return hub, certificate


def _subject(named: x509.Certificate | x509.CertificateSigningRequest) -> str:
    names = named.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if names else ""


def _doorbell(answer: dict[str, Any]) -> bytes:
    """The doorbell's key; a controller without one sends none."""
    text = answer.get("doorbell_key") or ""
    try:
        key = base64.b64decode(text, validate=True)
    except (ValueError, TypeError):
        raise _unusable("its doorbell_key is not base64") from None
    if text and len(key) < KEY_BYTES:
        raise _unusable(f"its doorbell_key has {len(key)} bytes, {KEY_BYTES} are wanted")
    return key


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


def _unusable(why: str) -> EnrolmentError:
    return EnrolmentError(f"the controller's answer cannot be used: {why}; ask who runs it", Exit.REFUSED)


def _refused(reason: str, code: Exit) -> int:
    for line in reason.splitlines():
        print(f"hub-agent: {line}", file=sys.stderr)
    return code
