"""A mosquitto with the files of `broker-config mosquitto`, certificates of every kind, and what tests do with both."""

import asyncio
import os
import socket
import ssl
import struct
import subprocess
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from controller.cli.mosquitto import BrokerSettings, files
from controller.link.gmqtt import GmqttPort
from controller.pki.own import KeyPair, OwnAuthority, create_authority, issue_for_broker, issue_for_controller
from controller.pki.port import Revoked
from controller.pki.reading import read_certificate, read_request
from device_agent.link import AiomqttPort
from tests.e2e.mosquitto import free_port, require_mosquitto

HUB_A = "01990000-0000-7000-8000-00000000000a"
HUB_B = "01990000-0000-7000-8000-00000000000b"
HUB_OUT = "01990000-0000-7000-8000-0000000000ff"
DEADLINE_S = 10.0


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def key_pem(key: ec.EllipticCurvePrivateKey) -> str:
    plain = serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain).decode()


def request_of(key: ec.EllipticCurvePrivateKey, name: str = "hub") -> str:
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    return request.public_bytes(serialization.Encoding.PEM).decode()


@dataclass
class Authorities:
    hubs: KeyPair
    services: KeyPair

    @classmethod
    def make(cls) -> "Authorities":
        now = datetime.now(UTC)
        return cls(create_authority("hubs", now), create_authority("services", now))

    async def hub(self, name: str, now: datetime | None = None) -> KeyPair:
        key = new_key()
        issuer = OwnAuthority(self.hubs.certificate_pem, self.hubs.key_pem)
        request = read_request(request_of(key))
        return KeyPair(await issuer.issue(request, hub_id=name, now=now or datetime.now(UTC)), key_pem(key))

    async def revocation_list(self, number: int, *revoked: KeyPair, ends: timedelta = timedelta(days=1)) -> bytes:
        now = datetime.now(UTC)
        entries = [Revoked(read_certificate(each.certificate_pem).serial, now) for each in revoked]
        issuer = OwnAuthority(self.hubs.certificate_pem, self.hubs.key_pem)
        return await issuer.revocation_list(entries, number=number, now=now, next_update=now + ends)


class Broker:
    """One mosquitto; `start` returns once both listeners answer."""

    def __init__(self, directory: Path, authorities: Authorities, controllers: Sequence[str]) -> None:
        self.directory, self.authorities = directory, authorities
        self.hubs_port, self.controllers_port = free_port(), free_port()
        self._process: subprocess.Popen[bytes] | None = None
        now = datetime.now(UTC)
        settings = BrokerSettings(
            directory=str(directory),
            controllers=tuple(controllers),
            crl_url="https://controller.example/v1/enrolments/crl",
            hubs_address="127.0.0.1",
            hubs_port=self.hubs_port,
            controllers_address="127.0.0.1",
            controllers_port=self.controllers_port,
            store=f"{directory}/store/",
            # Started as root it would drop to a user who can't read a private temporary directory.
            user="root" if os.geteuid() == 0 else "mosquitto",
        )
        (directory / "store").mkdir()
        for name, text in files(settings).items():
            (directory / name).parent.mkdir(exist_ok=True)
            (directory / name).write_text(text)
        self.save("hubs-ca", authorities.hubs)
        self.save("services-ca", authorities.services)
        self.save("broker", issue_for_broker(authorities.services, "127.0.0.1", now))
        for name in [*controllers, "unlisted"]:
            self.save(name, issue_for_controller(authorities.services, name, now))

    def save(self, name: str, pair: KeyPair) -> None:
        (self.directory / f"{name}.pem").write_text(pair.certificate_pem)
        (self.directory / f"{name}.key").write_text(pair.key_pem)
        (self.directory / f"{name}.key").chmod(0o600)

    def put_list(self, pem: bytes) -> None:
        (self.directory / "hubs.crl").write_bytes(pem)

    def start(self) -> None:
        with (self.directory / "mosquitto.log").open("ab") as log:
            command = [require_mosquitto(), "-c", str(self.directory / "mosquitto.conf")]
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        for port in (self.hubs_port, self.controllers_port):
            _wait_for(port)

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(DEADLINE_S)
            self._process = None

    def tls(
        self, name: str, *, ca: str = "services-ca", most: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2
    ) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.directory / f"{ca}.pem"))
        context.maximum_version = most
        context.load_cert_chain(self.directory / f"{name}.pem", self.directory / f"{name}.key")
        return context

    def hub(self, name: str, *, most: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2) -> AiomqttPort:
        return AiomqttPort("127.0.0.1", self.hubs_port, self.tls(name, most=most))

    def controller(self, name: str) -> GmqttPort:
        return GmqttPort("127.0.0.1", self.controllers_port, self.tls(name))

    @asynccontextmanager
    async def watching(self, *filters: str, name: str = "controller-1") -> AsyncIterator["Watch"]:
        """Watch as a controller; `Watch.until` returns what arrived before a marker."""
        topics = filters or tuple(
            f"minihub/v1/+/{channel}" for channel in ("reported", "telemetry", "event", "presence")
        )
        async with self.controller(name).open(
            client_id=f"{name}-watch", will=None, subscriptions=topics, session_expiry_s=0
        ) as link:
            yield Watch(link.deliveries())


@dataclass
class Watch:
    arriving: AsyncIterator[object]

    async def until(self, marker: bytes) -> list[tuple[str, bytes]]:
        """Return (topic, payload) of what arrived before the marker, which was sent last."""
        seen: list[tuple[str, bytes]] = []
        async with asyncio.timeout(DEADLINE_S):
            async for delivery in self.arriving:
                delivery.settle()  # type: ignore[attr-defined]  # both rooms' deliveries have it
                topic, payload = delivery.topic, delivery.payload  # type: ignore[attr-defined]  # the same
                if payload == marker:
                    return seen
                seen.append((topic, payload))
        raise AssertionError("the link ended")


class RawClient:
    """MQTT 5 by hand, so that a test can die without a word, and see each answer. One connection, blocking."""

    def __init__(self, port: int, tls: ssl.SSLContext, client_id: str, will: tuple[str, bytes] | None = None) -> None:
        plain = socket.create_connection(("127.0.0.1", port), DEADLINE_S)
        self._socket = tls.wrap_socket(plain, server_hostname="127.0.0.1")
        flags = 0x02 | (0x0C if will is not None else 0)
        body = b"\x00\x04MQTT\x05" + bytes([flags]) + struct.pack(">H", 60) + b"\x00" + _text(client_id.encode())
        if will is not None:
            body += b"\x00" + _text(will[0].encode()) + _text(will[1])
        self._socket.sendall(b"\x10" + bytes([len(body)]) + body)
        answer = self._socket.recv(256)
        self.reason = answer[3] if len(answer) > 3 else None

    def die(self) -> None:
        """End without DISCONNECT: the broker publishes the will."""
        self._socket.close()


def _text(data: bytes) -> bytes:
    return struct.pack(">H", len(data)) + data


def _wait_for(port: int) -> None:
    until = time.monotonic() + DEADLINE_S
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise AssertionError(f"nobody listens on {port}")
