"""A controller's enrolment door for tests: a real CA behind a real HTTP(S) server, with a memory of what it issued."""

import base64
import datetime as dt
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Key = ec.EllipticCurvePrivateKey
DAY = dt.timedelta(days=1)


def name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def pem(thing: x509.Certificate | Key) -> bytes:
    if isinstance(thing, x509.Certificate):
        return thing.public_bytes(serialization.Encoding.PEM)
    return thing.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


class Authority:
    """One CA. `life` is what its next certificates live; `age` how long ago they were made."""

    def __init__(self, common_name: str = "Mini Hub CA") -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.life, self.age = 90 * DAY, dt.timedelta()
        self.certificate = self._made(name(common_name), name(common_name), self.key.public_key(), authority=True)

    def issue(self, subject: str, key: ec.EllipticCurvePublicKey, *, server: bool = False) -> x509.Certificate:
        return self._made(self.certificate.subject, name(subject), key, authority=False, server=server)

    def server_files(self, directory: Path) -> tuple[Path, Path]:
        """Certificate and key of a server on 127.0.0.1."""
        key = ec.generate_private_key(ec.SECP256R1())
        files = directory / "server.pem", directory / "server.key"
        files[0].write_bytes(pem(self.issue("server", key.public_key(), server=True)))
        files[1].write_bytes(pem(key))
        return files

    def _made(
        self, issuer: x509.Name, subject: x509.Name, key: Any, *, authority: bool, server: bool = False
    ) -> x509.Certificate:
        begin = dt.datetime.now(dt.UTC) - self.age
        builder = x509.CertificateBuilder(issuer, subject, key, x509.random_serial_number(), begin, begin + self.life)
        builder = builder.add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        if server:
            names = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
            builder = builder.add_extension(names, critical=False)
        return builder.sign(self.key, hashes.SHA256())


class Door:
    """What the controller's door did: `claims` and `renewals` are the bodies it was sent."""

    def __init__(self, authority: Authority, hub: str, broker_url: str) -> None:
        self.authority = authority
        self.hub = hub
        self.broker_url = broker_url
        self.doorbell_key = bytes(range(32))
        self.claims: list[dict[str, str]] = []
        self.renewals: list[dict[str, str]] = []
        self.refuse: tuple[int, str] | None = None
        self.spoil: dict[str, Any] = {}
        self.url = ""

    def answer(self, verb: str, body: dict[str, str]) -> tuple[int, dict[str, Any]]:
        (self.claims if verb == "claim" else self.renewals).append(body)
        if self.refuse is not None:
            return self.refuse[0], {"error": {"code": "no", "message": self.refuse[1], "remedy": "ask the depot"}}
        request = x509.load_pem_x509_csr(body["csr_pem"].encode())
        if verb == "renew":
            old = x509.load_pem_x509_certificate(body["certificate_pem"].encode()).public_key()
            assert isinstance(old, ec.EllipticCurvePublicKey)
            signed = request.public_bytes(serialization.Encoding.DER)
            old.verify(base64.b64decode(body["signature"]), signed, ec.ECDSA(hashes.SHA256()))
        key = request.public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)
        made = {
            "hub_id": self.hub,
            "certificate_pem": pem(self.authority.issue(self.hub, key)).decode(),
            "ca_pem": pem(self.authority.certificate).decode(),
            "broker_url": self.broker_url,
            "doorbell_key": base64.b64encode(self.doorbell_key).decode(),
        }
        return 201, {**made, **self.spoil}


@contextmanager
def open_door(door: Door, tls: tuple[Path, Path] | None = None) -> Iterator[Door]:
    """Serve the door on a port of its own."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, answer = door.answer(self.path.rsplit("/", 1)[1], body)
            text = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: Any) -> None:
            """Silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if tls is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*tls)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    door.url = f"http{'s' if tls else ''}://127.0.0.1:{server.server_port}"
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    serving.start()
    try:
        yield door
    finally:
        server.shutdown()
        serving.join()
        server.server_close()
