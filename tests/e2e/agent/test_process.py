"""hub-agent as people and service managers meet it: commands, refusals, signals, a broker that comes and goes."""

import asyncio
import json
import os
import pty
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from device_agent.protocol import Event, Internet, Presence, Reported, Telemetry
from simulator.host import install_standins
from tests.e2e.agent import rig
from tests.e2e.mosquitto import Mosquitto, free_port

pytestmark = pytest.mark.e2e

PERSONALITIES = ("quectel-ec25", "simcom-sim7600", "huawei-me909", "zte-mf833")


@dataclass
class Site:
    """One hub's folder with stand-in host tools and its broker."""

    directory: Path
    broker: Mosquitto
    config: Path
    stack: AsyncExitStack

    def agent(self) -> rig.Process:
        path = f"{self.directory / 'tools'}{os.pathsep}{os.environ['PATH']}"
        return rig.agent(self.directory, self.config, {"PATH": path})

    async def start(self, *processes: rig.Process) -> None:
        await self.stack.enter_async_context(rig.running(*processes))

    async def voice(self) -> rig.Controller:
        return await self.stack.enter_async_context(rig.controller(self.broker.port))


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    broker = Mosquitto(tmp_path)
    await broker.start()
    install_standins(tmp_path / "tools", tmp_path / "host", answers={"allowed.example": "192.0.2.7"})
    config = rig.write_config(tmp_path, broker.port, dns={"port": free_port(), "listen": ["127.0.0.1"]})
    async with AsyncExitStack() as stack:
        stack.push_async_callback(broker.stop)
        yield Site(tmp_path, broker, config, stack)


async def command(*words: str, environment: dict[str, str] | None = None) -> tuple[int, str, str]:
    """Run hub-agent to its end."""
    child = await asyncio.create_subprocess_exec(
        str(rig.BIN / "hub-agent"),
        *words,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **(environment or {})},
        cwd=rig.ROOT,
    )
    async with asyncio.timeout(40):
        out, err = await child.communicate()
    assert child.returncode is not None
    return child.returncode, out.decode(), err.decode()


async def open_hub(site: Site, personality: str = "quectel-ec25") -> tuple[rig.Controller, rig.Process]:
    """Modem and agent started, the hub open."""
    voice, agent = await site.voice(), site.agent()
    await site.start(rig.modem(site.directory, personality=personality), agent)
    first = await voice.until(lambda m: getattr(m, "sent_at", None) is not None)
    await voice.publish(rig.desired(1, first.sent_at))
    await voice.until(rig.is_open)
    return voice, agent


@pytest.mark.parametrize("personality", PERSONALITIES)
async def test_each_family_of_modem_comes_online_and_reports(site: Site, personality: str) -> None:
    voice, agent = await open_hub(site, personality)
    # A sample whose reading was late on a busy machine lacks its signal; the next one has it.
    batch = await voice.until(lambda m: isinstance(m, Telemetry) and any(s.rssi_dbm is not None for s in m.samples))
    assert all(-120 < s.rssi_dbm < -40 for s in batch.samples if s.rssi_dbm is not None)
    code, out, _ = await command("status", "--json", "--config", str(site.config))
    shown = json.loads(out)
    assert code == 0
    assert shown["reason"] == "open"
    assert shown["session"]["state"] == "connected"
    assert await agent.stop() == 0
    assert isinstance(await voice.until(lambda m: isinstance(m, Presence)), Presence)


async def test_the_broker_may_be_down_at_start_and_restart_without_its_store(site: Site) -> None:
    await site.broker.stop()
    agent = site.agent()
    await site.start(rig.modem(site.directory), agent)
    await asyncio.sleep(1.0)
    assert agent.child is not None
    assert agent.child.returncode is None
    await site.broker.start()
    voice = await site.voice()
    first = await voice.until(lambda m: getattr(m, "sent_at", None) is not None)
    await voice.publish(rig.desired(1, first.sent_at))
    await voice.until(rig.is_fulfilled(1))
    await site.broker.restart(keep_store=False)
    again = await site.voice()
    hello = await again.until(lambda m: isinstance(m, Reported))
    assert hello.observed_revision == 1
    assert rig.is_open(hello)


async def test_history_outlives_the_agent_until_the_controller_has_it(site: Site) -> None:
    agent = site.agent()
    async with rig.controller(site.broker.port, acknowledge=False) as deaf, rig.running(agent):
        await deaf.until(lambda m: isinstance(m, Event))
        await agent.stop(signal.SIGKILL)
        await agent.start()
        await deaf.until(lambda m: isinstance(m, Event) and m.boot == 2)
        assert [m.boot for m in deaf.messages if isinstance(m, Event)] == [1, 1, 2]
        for boot in (1, 2):
            await deaf.ack(boot, 1)
        await asyncio.sleep(0.5)
        await agent.stop(signal.SIGKILL)
        deaf.forget()
        await agent.start()
        await deaf.until(lambda m: isinstance(m, Event) and m.boot == 3)
        assert [m.boot for m in deaf.messages if isinstance(m, Event)] == [3]


async def test_without_dnsmasq_it_stays_closed_and_names_the_tool(site: Site) -> None:
    tool = site.directory / "tools" / "dnsmasq"
    tool.write_text("#!/bin/sh\necho 'broken on purpose' >&2\nexit 5\n")
    voice, agent = await site.voice(), site.agent()
    await site.start(rig.modem(site.directory), agent)
    first = await voice.until(lambda m: getattr(m, "sent_at", None) is not None)
    await voice.publish(rig.desired(1, first.sent_at))
    report = await voice.until(rig.is_closed("filter_absent"))
    message = next(c.message for c in report.conditions if c.type == "filter_in_force")
    assert "dnsmasq" in message or "broken" in message
    await voice.publish(rig.desired(2, first.sent_at, internet=Internet(on=False)))
    await voice.until(rig.is_closed("internet_off"))


async def test_probe_names_what_is_on_a_port(site: Site) -> None:
    await site.start(rig.modem(site.directory))
    await until_exists(site.directory / "modem")
    code, out, err = await command("probe", "--port", str(site.directory / "modem"), "--json")
    assert code == 0, err
    found = json.loads(out)
    assert found["sim"] == "ready"
    assert found["family"] == "quectel"
    code, _, err = await command("trace", "--port", str(site.directory / "modem"), "--out", str(site.directory / "t"))
    assert code == 0, err
    trace = (site.directory / "t").read_text()
    assert "CGMM" in trace or "ATI" in trace
    assert found["imei"] not in trace
    assert rig.ICCID not in trace


async def test_probe_without_a_sim_says_so(site: Site) -> None:
    await site.start(rig.modem(site.directory, "--no-sim"))
    await until_exists(site.directory / "modem")
    code, _, err = await command("probe", "--port", str(site.directory / "modem"), "--json")
    assert code == 9
    assert "SIM" in err
    assert "Traceback" not in err


async def until_exists(path: Path) -> None:
    async with asyncio.timeout(20):
        while not path.exists():  # noqa: ASYNC240  # another process makes it
            await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("probe", "--port", "/dev/ttyNOWHERE"), 6, "no such port"),
        (("status", "--socket", "/nowhere/s.sock"), 10, "no hub-agent answers"),
        (("run", "--config", "/nowhere/hub.toml"), 3, "cannot be read"),
        (("check-config", "--config", "/nowhere/hub.toml"), 3, "cannot be read"),
        (("run",), 2, "--config"),
    ],
)
async def test_a_refusal_is_one_line_with_its_own_code(words: tuple[str, ...], code: int, said: str) -> None:
    got, _, err = await command(*words)
    assert got == code
    assert said in err
    assert "Traceback" not in err


async def test_a_port_that_is_no_modem_is_told(tmp_path: Path) -> None:
    master, slave = pty.openpty()
    try:
        code, _, err = await command("probe", "--port", os.ttyname(slave))
    finally:
        os.close(master)
        os.close(slave)
    assert code == 8
    assert "Traceback" not in err
    assert len(err.splitlines()) == 1


async def test_broken_settings_and_a_newer_database_are_refused(site: Site) -> None:
    broken = site.directory / "broken.toml"
    broken.write_text("hub = 1\n[broker]\nport = 'x'\n")
    code, _, err = await command("run", "--config", str(broken))
    assert code == 3
    assert "broken.toml:3: broker.port" in err
    code, _, err = await command("check-config", "--config", str(site.config), environment={"MINIHUB_AGENT_X": "1"})
    assert code == 3
    assert "environment MINIHUB_AGENT_X" in err
    (site.directory / "odd").mkdir()
    keys = {name: str(broken) for name in ("ca", "certificate", "key")}
    odd = rig.write_config(site.directory / "odd", 1883, broker=keys)
    code, _, err = await command("check-config", "--config", str(odd))
    assert code == 3
    assert "broker: ca, certificate or key cannot be used" in err
    import sqlite3

    (site.directory / "state").mkdir()
    db = sqlite3.connect(site.directory / "state" / "agent.db")
    db.execute("PRAGMA user_version = 99")
    db.close()
    code, _, err = await command("run", "--config", str(site.config))
    assert code == 4
    assert "newer" in err


async def test_a_second_agent_is_refused_and_nothing_is_left_behind(site: Site) -> None:
    agent = site.agent()
    await site.start(agent)
    await until_exists(site.directory / "state" / "status.sock")
    code, _, err = await command("run", "--config", str(site.config))
    assert code == 5
    assert "another hub-agent" in err
    assert agent.child is not None
    agent.child.send_signal(signal.SIGHUP)
    assert await agent.stop(signal.SIGINT) == 0
    left = {path.name for path in (site.directory / "state").iterdir()}
    assert left <= {"agent.db", "agent.db-wal", "agent.db-shm", "dnsmasq.conf"}
    assert "settings read again" in agent.text()


async def test_a_hangup_follows_what_it_can_and_names_what_waits(site: Site) -> None:
    voice, agent = await open_hub(site)
    text = site.config.read_text()
    site.config.write_text(
        text.replace('level = "debug"', 'level = "info"').replace('"MH000001"', '"MH000002"')
        + '[network]\ncountries = ["001"]\n'
    )
    assert agent.child is not None
    agent.child.send_signal(signal.SIGHUP)
    # The simulated network is one of the UK's: with other countries in the file the hub closes, without a restart.
    await voice.until(rig.is_closed("network_not_uk"))
    assert '"waiting_for_restart": ["identity.serial"]' in agent.text()
    site.config.write_text("hub = 1\n")
    agent.child.send_signal(signal.SIGHUP)
    async with asyncio.timeout(20):
        while "the new settings are refused" not in agent.text():
            await asyncio.sleep(0.05)
