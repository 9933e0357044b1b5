"""A fleet against a real mosquitto: what a controller would see of it."""

import asyncio
import json
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TypeVar

import aiomqtt
import pytest

from device_agent.protocol import (
    Ack,
    BootAck,
    Channel,
    Desired,
    Internet,
    Presence,
    Reported,
    Telemetry,
    decode,
    encode,
    parse_topic,
    topic,
)
from simulator.fleet import Broker, BrokerError, Fleet, Habits, make_hub_id
from tests.e2e.mosquitto import Mosquitto, free_port, require_mosquitto, wait_for_port

pytestmark = pytest.mark.e2e
DEADLINE_S = 20.0
HUB_SIM = str(Path(sys.executable).with_name("hub-sim"))
T = TypeVar("T")


@pytest.fixture
async def mosquitto(tmp_path: Path) -> AsyncIterator[Mosquitto]:
    broker = Mosquitto(tmp_path)
    await broker.start()
    try:
        yield broker
    finally:
        await broker.stop()


class Controller:
    """What a controller hears, kept; and what it says."""

    def __init__(self, client: aiomqtt.Client) -> None:
        self.client = client
        self.heard: list[tuple[str, object]] = []

    async def listen(self) -> None:
        async for message in self.client.messages:
            hub, channel = parse_topic(str(message.topic))
            assert isinstance(message.payload, bytes)
            self.heard.append((hub, decode(channel, message.payload)))

    async def until(self, enough: object) -> None:
        assert callable(enough)
        async with asyncio.timeout(DEADLINE_S):
            while not enough():
                await asyncio.sleep(0.02)

    def of(self, hub: str, kind: type[T]) -> list[T]:
        return [document for who, document in self.heard if who == hub and isinstance(document, kind)]


@pytest.fixture
async def controller(mosquitto: Mosquitto) -> AsyncIterator[Controller]:
    async with aiomqtt.Client("127.0.0.1", mosquitto.port, protocol=aiomqtt.ProtocolVersion.V5) as client:
        made = Controller(client)
        for channel in (Channel.REPORTED, Channel.TELEMETRY, Channel.PRESENCE):
            await client.subscribe(f"minihub/v1/+/{channel.value}", qos=1)
        listening = asyncio.create_task(made.listen())
        yield made
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


async def test_hubs_say_hello_send_telemetry_follow_documents_and_heed_acks(
    mosquitto: Mosquitto, controller: Controller
) -> None:
    habits = Habits(interval_s=0.2, duplicates=0.3, spool=5)
    async with Fleet(Broker.parse(mosquitto.url), 30, seed=3, habits=habits) as fleet:
        await fleet.connected(DEADLINE_S)
        one = fleet.hubs[7]
        assert one.id == make_hub_id(3, 7)
        await controller.until(lambda: bool(controller.of(one.id, Telemetry)))
        await controller.until(lambda: bool(controller.of(one.id, Reported)))
        desired = Desired(revision=41, issued_at=1, internet=Internet(on=True, until=2))
        await controller.client.publish(topic(one.id, Channel.DESIRED), encode(desired), qos=1, retain=True)
        await controller.until(lambda: any(r.observed_revision == 41 for r in controller.of(one.id, Reported)))
        latest = controller.of(one.id, Telemetry)[-1]
        ack = Ack(boots=(BootAck(boot=latest.boot, seq=10**6),))
        await controller.client.publish(topic(one.id, Channel.ACK), encode(ack), qos=1)
        await controller.until(lambda: fleet.counts.acks == 1)
        await controller.until(lambda: fleet.counts.duplicates > 3)
        seqs = [(t.boot, t.seq) for t in controller.of(fleet.hubs[3].id, Telemetry)]
        assert seqs == sorted(seqs)
        assert fleet.counts.undecodable == fleet.counts.denied == 0
    assert fleet.counts.connected == 0
    await controller.until(lambda: bool(controller.of(one.id, Presence)))
    assert [presence.state.value for presence in controller.of(one.id, Presence)] == ["goodbye"]


async def test_a_storm_strikes_a_share_which_comes_back_and_repeats_what_was_not_acknowledged(
    mosquitto: Mosquitto, controller: Controller
) -> None:
    habits = Habits(interval_s=0.2, reconnect_s=(0.1, 1.0))
    async with Fleet(Broker.parse(mosquitto.url), 20, seed=4, habits=habits) as fleet:
        await fleet.connected(DEADLINE_S)
        await controller.until(lambda: fleet.counts.telemetry >= 60)
        assert fleet.storm(0.5) == 10
        await controller.until(lambda: fleet.counts.lost == 10)
        await fleet.connected(DEADLINE_S)
        assert fleet.counts.connections == 30
        assert fleet.counts.duplicates > 0
        hellos = [r for hub in fleet.hubs for r in controller.of(hub.id, Reported) if r.session == 2]
        await controller.until(lambda: len([1 for _, d in controller.heard if getattr(d, "session", 0) == 2]) >= 10)
        assert all(hello.spool for hello in hellos)


async def test_an_absent_broker_is_one_error_after_the_deadline() -> None:
    async with Fleet(Broker.parse(f"mqtt://127.0.0.1:{free_port()}"), 2, seed=1, habits=Habits()) as fleet:
        with pytest.raises(BrokerError, match="0 of 2 hubs"):
            await fleet.connected(0.5)


async def test_each_hub_shows_its_own_certificate_where_the_broker_wants_one(tmp_path: Path) -> None:
    require_mosquitto()
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed: apt-get install -y openssl")
    ids = [make_hub_id(9, number) for number in range(4)]
    folder = make_certificates(tmp_path / "pki", ["127.0.0.1", *ids[:2]])
    for suffix in ("crt", "key"):
        shutil.copy(folder / f"{ids[0]}.{suffix}", folder / f"{ids[3]}.{suffix}")  # a hub with another's certificate
    port = free_port()
    (tmp_path / "acl").write_text("pattern readwrite minihub/v1/%u/#\nuser 127.0.0.1\ntopic read minihub/v1/#\n")
    configuration = tmp_path / "tls.conf"
    configuration.write_text(
        f"listener {port} 127.0.0.1\ncafile {folder}/ca.crt\ncertfile {folder}/127.0.0.1.crt\n"
        f"keyfile {folder}/127.0.0.1.key\nrequire_certificate true\nuse_identity_as_username true\nuser root\n"
        f"acl_file {tmp_path}/acl\n"
    )
    broker = await asyncio.create_subprocess_exec(
        require_mosquitto(), "-c", str(configuration), stderr=asyncio.subprocess.DEVNULL
    )
    try:
        await wait_for_port(port)
        where = Broker.parse(f"mqtts://127.0.0.1:{port}", ca=folder / "ca.crt", certificates=folder)
        context = where.context_for("127.0.0.1")
        async with (
            aiomqtt.Client("127.0.0.1", port, protocol=aiomqtt.ProtocolVersion.V5, tls_context=context) as client,
            Fleet(where, 4, seed=9, habits=Habits(interval_s=0.1)) as fleet,
        ):
            heard = Controller(client)
            await client.subscribe("minihub/v1/+/telemetry", qos=1)
            listening = asyncio.create_task(heard.listen())
            try:
                await heard.until(lambda: {hub for hub, _ in heard.heard} == set(ids[:2]))
                await heard.until(lambda: fleet.counts.refused and fleet.counts.denied and fleet.counts.connected == 3)
                with pytest.raises(BrokerError, match=rf"3 of 4 hubs .*{ids[2]}: no usable certificate"):
                    await fleet.connected(0.1)
                assert {hub for hub, _ in heard.heard} == set(ids[:2])  # nobody speaks for another
            finally:
                listening.cancel()
                await asyncio.gather(listening, return_exceptions=True)
    finally:
        broker.terminate()
        await broker.wait()


def make_certificates(folder: Path, names: list[str]) -> Path:
    folder.mkdir()
    new = ["openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]

    def call(*argv: str) -> None:
        subprocess.run(argv, check=True, capture_output=True, cwd=folder)

    call(*new, "-x509", "-days", "2", "-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=Test CA")
    for name in names:
        call(*new, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        (folder / "san.ext").write_text(f"subjectAltName={'IP' if name[0] == '1' else 'DNS'}:{name}")
        signing = ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "san.ext"]
        call("openssl", "x509", "-req", "-in", f"{name}.csr", "-out", f"{name}.crt", *signing)
    return folder


async def test_the_program_tells_its_counts_and_ends_by_itself(mosquitto: Mosquitto) -> None:
    words = ["fleet", "--hubs", "5", "--broker", mosquitto.url, "--seed", "2", "--interval", "0.2"]
    words += ["--seconds", "1.7", "--every", "0.5", "--storm-every", "1"]
    process = await asyncio.create_subprocess_exec(HUB_SIM, *words, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    lines = [json.loads(line) for line in out.splitlines()]
    assert process.returncode == 0
    assert lines[0] == {"seed": 2, "hubs": 5}
    assert {"storm": 2} in lines
    assert [line for line in lines if "telemetry" in line][-1]["telemetry"] > 10
