"""From the claim code to the refused revoked hub: hub-agent, controller, broker and their command lines, all real."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from controller.pki.own import KeyPair
from controller.services import enrolment, hubs, keys
from controller.services.actor import Actor, Role
from controller.services.database import Database
from device_agent import protocol
from device_agent.protocol import Channel, topic
from simulator.host import install_standins
from tests.e2e.agent import rig
from tests.e2e.broker.stage import DEADLINE_S, Authorities, Broker, key_pem, new_key, request_of
from tests.e2e.controller.processes import CONTROLLER, Child, running, until
from tests.e2e.mosquitto import free_port

pytestmark = [
    pytest.mark.e2e,
    # paho leaves the socket of a failed handshake to the garbage collector.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
]

DEPOT = Actor("depot", Role.ADMIN)


async def command(*words: str) -> dict[str, Any]:
    """Run `hub-controller … --json` and return what it printed."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, *CONTROLLER, *words, "--json", stdout=pipe, stderr=pipe, cwd=Path(__file__).parents[3]
    )
    async with asyncio.timeout(60):
        out, error = await process.communicate()
    assert process.returncode == 0, error.decode()
    printed: dict[str, Any] = json.loads(out)
    return printed


@dataclass
class Site:
    """One installation: its broker, its controller, and the way in for people and hubs."""

    broker: Broker
    child: Child
    database: Database
    http: httpx.AsyncClient

    def enrolled(self, serial: str, iccid: str) -> tuple[str, str]:
        """Enrol a unit; returns its id and its claim code."""
        now = datetime.now(UTC)
        hub = self.database.run_now(hubs.enrol, actor=DEPOT, now=now, serial=serial, iccid=iccid)
        code, _ = self.database.run_now(enrolment.make_claim, actor=DEPOT, now=now, hub_id=hub.id)
        return hub.id, code

    async def claim(self, code: str) -> dict[str, str]:
        """Claim as a hub, keep its key and certificate, and return the answer."""
        key = new_key()
        body = {"claim_code": code, "csr_pem": request_of(key)}
        response = await self.http.post("/v1/enrolments/claim", json=body, headers={"Authorization": ""})
        assert response.status_code == 201, response.text
        answer: dict[str, str] = response.json()
        self.broker.save(answer["hub_id"], KeyPair(answer["certificate_pem"], key_pem(key)))
        return answer

    def takes_in(self, hub_id: str) -> Callable[[], Awaitable[bool]]:
        """Tell whether a hub is present and its report is of its own document."""

        async def holds() -> bool:
            shown = (await self.http.get(f"/v1/hubs/{hub_id}")).json()
            return bool(shown["presence"]["online"] and shown["reported"] and shown["converged"])

        return holds

    async def revoke(self, hub_id: str) -> None:
        """Revoke every certificate of a hub, and let the broker know."""
        list_url = f"{self.child.url}/v1/enrolments/crl"
        before = (await self.http.get(list_url)).text
        assert (await self.http.post(f"/v1/hubs/{hub_id}/revocation")).status_code == 200

        async def is_signed() -> bool:
            return (await self.http.get(list_url)).text != before

        await until(is_signed)
        out, authority = self.broker.directory / "hubs.crl", self.broker.directory / "hubs-ca.pem"
        fetch = ("crl", "--url", list_url, "--authority", str(authority), "--out", str(out))
        assert (await command(*fetch))["changed"] is True
        assert (await command(*fetch))["changed"] is False
        self.broker.stop()
        self.broker.start()

    async def hello(self, hub_id: str) -> protocol.Desired:
        """Connect as the hub, report, and return the document it is owed."""
        async with self.broker.hub(hub_id).open(
            client_id=hub_id, will=None, subscriptions=[topic(hub_id, Channel.DESIRED)], session_expiry_s=0
        ) as link:
            report = protocol.Reported(boot=1, seq=1, session=1, uptime_ms=1, observed_revision=0)
            await link.publish(topic(hub_id, Channel.REPORTED), protocol.encode(report))
            async with asyncio.timeout(DEADLINE_S):
                delivery = await anext(aiter(link.deliveries()))
        found = protocol.decode(Channel.DESIRED, delivery.payload)
        assert isinstance(found, protocol.Desired)
        return found


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    broker = Broker(tmp_path, Authorities.make(), ["controller-1"])
    url = f"sqlite:///{tmp_path / 'controller.db'}"
    authority = ("--ca-certificate", str(tmp_path / "hubs-ca.pem"), "--ca-key", str(tmp_path / "hubs-ca.key"))
    await command("crl", "--out", str(tmp_path / "hubs.crl"), *authority, "--database-url", url)
    broker.start()
    database = Database(url)
    _, key = database.run_now(keys.create, actor=DEPOT, now=datetime.now(UTC), name="depot", role=Role.ADMIN)
    headers = {"Authorization": f"Bearer {key}"}
    serving = [*CONTROLLER, "serve", "--json", *authority, *_options(broker, url)]
    try:
        async with (
            running(serving, tmp_path / "controller.log") as child,
            httpx.AsyncClient(base_url=child.url, headers=headers) as http,
        ):
            yield Site(broker, child, database, http)
            assert await child.terminate() == 0
    finally:
        broker.stop()
        await database.close()


def _options(broker: Broker, url: str) -> list[str]:
    options = {
        "--port": "0",
        "--name": "controller-1",
        "--database-url": url,
        "--broker-url": f"mqtts://127.0.0.1:{broker.controllers_port}",
        "--hubs-broker-url": f"mqtts://127.0.0.1:{broker.hubs_port}",
        "--broker-ca": str(broker.directory / "services-ca.pem"),
        "--broker-certificate": str(broker.directory / "controller-1.pem"),
        "--broker-key": str(broker.directory / "controller-1.key"),
    }
    return [word for pair in options.items() for word in pair]


@dataclass
class Unit:
    """One hub on this machine: its settings, a simulated modem, and hub-agent with stand-in host tools."""

    directory: Path

    def __post_init__(self) -> None:
        install_standins(self.directory / "tools", self.directory / "host")
        values: dict[str, dict[str, object]] = {
            "modem": {"ports": [str(self.directory / "modem")], "management_apn": "internet"},
            "dns": {"port": free_port(), "listen": ["127.0.0.1"]},
            "lan": {"interface": "lan0"},
        }
        lines = [f"state = {json.dumps(str(self.directory / 'state'))}"]
        for name, section in values.items():
            lines += [f"[{name}]", *(f"{setting} = {json.dumps(value)}" for setting, value in section.items())]
        self.config.write_text("\n".join(lines) + "\n")

    @property
    def config(self) -> Path:
        return self.directory / "hub.toml"

    def running(self) -> AbstractAsyncContextManager[None]:
        tools = {"PATH": f"{self.directory / 'tools'}{os.pathsep}{os.environ['PATH']}"}
        return rig.running(rig.modem(self.directory), rig.agent(self.directory, self.config, tools))

    async def command(self, *words: str) -> Any:
        """Run `hub-agent … --json` and return what it printed."""
        pipe = asyncio.subprocess.PIPE
        line = (str(rig.BIN / "hub-agent"), *words, "--config", str(self.config), "--json")
        process = await asyncio.create_subprocess_exec(*line, stdout=pipe, stderr=pipe, cwd=rig.ROOT)
        async with asyncio.timeout(30):
            out, error = await process.communicate()
        assert process.returncode == 0, error.decode()
        return json.loads(out)

    async def session(self) -> str:
        told: str = (await self.command("status"))["session"]["state"]
        return told


async def test_a_hub_is_enrolled_talks_and_is_out_once_it_is_revoked(site: Site) -> None:
    (first, code), (second, other_code) = (
        site.enrolled("SN-1", rig.ICCID),
        site.enrolled("SN-2", "89441" + "1" * 14),
    )
    answer = await site.claim(other_code)
    assert (answer["hub_id"], answer["broker_url"]) == (second, f"mqtts://127.0.0.1:{site.broker.hubs_port}")
    assert answer["ca_pem"] == site.broker.authorities.services.certificate_pem
    unit = Unit(site.broker.directory)
    enrolled = await unit.command("enrol", "--controller", site.child.url, "--claim-code", code)
    assert (await unit.command("renew"))["hub"] == enrolled["hub"] == first
    async with unit.running():
        await until(site.takes_in(first), 20)
        assert await unit.session() == "connected"
        await site.revoke(first)

        async def is_told() -> bool:
            return await unit.session() == "refused"

        await until(is_told, 20)
    assert (await site.hello(second)).revision > 0
