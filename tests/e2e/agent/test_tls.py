"""Mutual TLS against a real mosquitto: who is refused is told apart from what is unreachable."""

import asyncio
import gc
import os
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from device_agent.cli.run import tls_context
from device_agent.config import Broker, ConfigError
from device_agent.link import AiomqttPort, LinkRefusedError, LinkUnreachableError
from tests.e2e.agent.rig import HUB
from tests.e2e.mosquitto import free_port, require_mosquitto, wait_for_port

pytestmark = [
    pytest.mark.e2e,
    # paho leaves the socket of a failed handshake to the garbage collector.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
]


def openssl(directory: Path, *words: str) -> None:
    subprocess.run(["openssl", *words], cwd=directory, check=True, capture_output=True)


def authority(directory: Path, name: str) -> None:
    words = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    openssl(directory, *words, "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.pem")


def certificate(directory: Path, name: str, issuer: str, days: int = 2) -> None:
    words = ["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}"]
    openssl(directory, *words, "-keyout", f"{name}-{issuer}.key", "-out", f"{name}.csr")
    (directory / "san").write_text("subjectAltName=IP:127.0.0.1\n")
    words = ["x509", "-req", "-in", f"{name}.csr", "-CA", f"{issuer}.pem", "-CAkey", f"{issuer}.key", "-CAcreateserial"]
    openssl(directory, *words, "-days", str(days), "-extfile", "san", "-out", f"{name}-{issuer}.pem")


@dataclass
class Listener:
    """A broker that wants certificates of `ca`."""

    directory: Path
    port: int

    def link(self, issuer: str, ca: str = "ca") -> AiomqttPort:
        files = (
            self.directory / f"{ca}.pem",
            self.directory / f"{HUB}-{issuer}.pem",
            self.directory / f"{HUB}-{issuer}.key",
        )
        broker = Broker(ca=str(files[0]), certificate=str(files[1]), key=str(files[2]))
        return AiomqttPort("127.0.0.1", self.port, tls_context(broker))


@pytest.fixture
async def listener(tmp_path: Path) -> AsyncIterator[Listener]:
    if shutil.which("openssl") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("apt-get install -y openssl")
        pytest.skip("apt-get install -y openssl")
    for name in ("ca", "foreign"):
        authority(tmp_path, name)
        certificate(tmp_path, HUB, name)
    certificate(tmp_path, "broker", "ca")
    port = free_port()
    (tmp_path / "m.conf").write_text(
        f"listener {port} 127.0.0.1\ncafile {tmp_path}/ca.pem\ncertfile {tmp_path}/broker-ca.pem\n"
        f"keyfile {tmp_path}/broker-ca.key\nrequire_certificate true\nuse_identity_as_username true\n"
        f"allow_anonymous false\nuser {'root' if os.geteuid() == 0 else 'mosquitto'}\nset_tcp_nodelay true\n"
    )
    child = await asyncio.create_subprocess_exec(
        require_mosquitto(), "-c", str(tmp_path / "m.conf"), stderr=asyncio.subprocess.DEVNULL
    )
    try:
        await wait_for_port(port)
        yield Listener(tmp_path, port)
    finally:
        child.terminate()
        await child.wait()
        gc.collect()  # what paho left is told of here, where the marks above hold, and not in a later test


async def opened(port: AiomqttPort) -> bool:
    async with port.open(
        client_id=HUB, will=None, subscriptions=[f"minihub/v1/{HUB}/desired"], session_expiry_s=0
    ) as link:
        await link.publish(f"minihub/v1/{HUB}/presence", b"{}")
        return True


async def test_a_hub_with_its_certificate_is_let_in_by_tls_1_2_at_the_least(listener: Listener) -> None:
    link = listener.link("ca")
    assert link.tls is not None
    assert link.tls.minimum_version is ssl.TLSVersion.TLSv1_2
    assert link.tls.maximum_version in {ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.MAXIMUM_SUPPORTED}
    assert await opened(link)


async def test_a_foreign_certificate_is_refused(listener: Listener) -> None:
    with pytest.raises(LinkRefusedError):
        await opened(listener.link("foreign"))


async def test_a_broker_of_another_authority_is_refused(listener: Listener) -> None:
    with pytest.raises(LinkRefusedError):
        await opened(listener.link("ca", ca="foreign"))


async def test_nobody_there_is_unreachable(listener: Listener) -> None:
    listener.port = free_port()
    with pytest.raises(LinkUnreachableError):
        await opened(listener.link("ca"))


async def test_files_that_do_not_belong_together_are_a_mistake_of_settings(listener: Listener) -> None:
    names = (
        listener.directory / "ca.pem",
        listener.directory / f"{HUB}-ca.pem",
        listener.directory / f"{HUB}-foreign.key",
    )
    with pytest.raises(ConfigError, match="cannot be used"):
        tls_context(Broker(ca=str(names[0]), certificate=str(names[1]), key=str(names[2])))
