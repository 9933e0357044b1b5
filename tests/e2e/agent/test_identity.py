"""From the claim code to the renewed certificate: hub-agent, a real CA, and a mosquitto that wants certificates."""

import asyncio
import datetime as dt
import json
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from device_agent.cli.enrolment import main
from device_agent.config import read_certificate
from device_agent.protocol import Reported
from simulator.host import install_standins
from tests.e2e.agent import rig
from tests.e2e.agent.authority import DAY, Authority, Door, open_door, pem
from tests.e2e.mosquitto import free_port, require_mosquitto, wait_for_port

pytestmark = pytest.mark.e2e


@dataclass
class Depot:
    """The door, a broker that believes its CA, and one hub's folder."""

    directory: Path
    door: Door
    plain: int
    broker: rig.Process

    @property
    def certificate(self) -> Path:
        return self.directory / "state" / "identity" / "current" / "hub.pem"

    def agent(self) -> rig.Process:
        path = f"{self.directory / 'tools'}{os.pathsep}{os.environ['PATH']}"
        return rig.agent(self.directory, self.directory / "hub.toml", {"PATH": path})

    async def restart_broker_without(self, revoked: x509.Certificate) -> None:
        """The broker anew, with a CRL that holds one certificate."""
        now, authority = dt.datetime.now(dt.UTC), self.door.authority
        entry = x509.RevokedCertificateBuilder(revoked.serial_number, now).build()
        made = x509.CertificateRevocationListBuilder(authority.certificate.subject, now, now + DAY, [], [entry])
        crl = made.sign(authority.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        (self.directory / "crl.pem").write_bytes(crl)
        with (self.directory / "m.conf").open("a") as conf:
            conf.write(f"crlfile {self.directory}/crl.pem\n")
        await self.broker.stop()
        await self.broker.start()
        await wait_for_port(self.plain)


@pytest.fixture
async def depot(tmp_path: Path) -> AsyncIterator[Depot]:
    authority, plain, tls = Authority(), free_port(), free_port()
    certificate, key = authority.server_files(tmp_path)
    (tmp_path / "ca.pem").write_bytes(pem(authority.certificate))
    (tmp_path / "m.conf").write_text(
        f"per_listener_settings true\nuser {'root' if os.geteuid() == 0 else 'mosquitto'}\n"
        f"listener {plain} 127.0.0.1\nallow_anonymous true\n"
        f"listener {tls} 127.0.0.1\ncafile {tmp_path}/ca.pem\ncertfile {certificate}\nkeyfile {key}\n"
        "require_certificate true\nuse_identity_as_username true\nallow_anonymous false\n"
    )
    broker = rig.Process([require_mosquitto(), "-c", str(tmp_path / "m.conf")], tmp_path / "broker.log", {})
    install_standins(tmp_path / "tools", tmp_path / "host")
    values: dict[str, dict[str, object]] = {
        "modem": {"ports": [str(tmp_path / "modem")]},
        "dns": {"port": free_port(), "listen": ["127.0.0.1"]},
    }
    lines = [f"state = {json.dumps(str(tmp_path / 'state'))}"]
    for name, section in values.items():
        lines += [f"[{name}]", *(f"{setting} = {json.dumps(value)}" for setting, value in section.items())]
    (tmp_path / "hub.toml").write_text("\n".join([*lines, "[lan]", 'interface = "lan0"']) + "\n")
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(rig.running(broker))
        await wait_for_port(tls)
        door = stack.enter_context(open_door(Door(authority, rig.HUB, f"mqtts://127.0.0.1:{tls}")))
        yield Depot(tmp_path, door, plain, broker)


async def test_an_enrolled_hub_connects_and_renews_its_certificate_by_itself(depot: Depot) -> None:
    depot.door.authority.age = 80 * DAY
    words = ["enrol", "--controller", depot.door.url, "--claim-code", "C"]
    assert await asyncio.to_thread(main, [*words, "--config", str(depot.directory / "hub.toml")]) == 0
    old = x509.load_pem_x509_certificate(depot.certificate.read_bytes())
    depot.door.authority.age = dt.timedelta()
    agent = depot.agent()
    async with rig.running(rig.modem(depot.directory), agent):
        async with rig.controller(depot.plain) as voice:
            renewed = await voice.until(lambda m: rig.condition(m, "certificate") == ("true", "renewed"), 40)
        assert renewed.identity.certificate_issuer == "Mini Hub CA"
        assert read_certificate(depot.certificate).not_after_ms > old.not_valid_after_utc.timestamp() * 1000
        assert len(depot.door.renewals) == 1
        # The library that made the key was never in the agent itself.
        assert agent.child is not None
        maps = Path(f"/proc/{agent.child.pid}/maps").read_text()  # noqa: ASYNC240  # the kernel answers at once
        assert "_rust" not in maps
        assert "cryptography" not in maps
        # What it shows from now on is the new certificate: the old one is revoked, and this agent was never restarted.
        await depot.restart_broker_without(old)
        async with rig.controller(depot.plain) as again:
            await again.until(lambda m: isinstance(m, Reported) and m.boot == 1, 60)
