"""`hub-agent run`: assembles the real link, modem, host, clock and store, and runs the agent until a signal."""

import argparse
import asyncio
import contextlib
import fcntl
import logging
import os
import random
import signal
import ssl
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from device_agent import status
from device_agent.cli.exits import Exit
from device_agent.cli.service import Service
from device_agent.clock import Clock
from device_agent.config import Broker, Config, ConfigError, generations, load
from device_agent.config.enrolled import FOLDER
from device_agent.daemon import Agent, agent_version
from device_agent.lanes.certificate import Renew, Renewal
from device_agent.lanes.modem import OpenModem
from device_agent.link import AiomqttPort, IdentifiedPort, ShownIdentity
from device_agent.logs import configure
from device_agent.observe import Modem
from device_agent.store import Store, StoreError
from firmware_bridge.detect import at_ports, find_ports, open_modem
from firmware_bridge.errors import PortNotFoundError
from firmware_bridge.host import open_host
from firmware_bridge.host.power import Line
from firmware_bridge.modem.generic import Modem as DriverModem
from firmware_bridge.modem.pin import PinMemory
from firmware_bridge.modem.recovery import RecoveringOpener
from firmware_bridge.transport import Transport, open_transport

_log = logging.getLogger("device_agent")

# A renewal makes a key, asks once (30 s at most) and writes: longer than this (s) is a process that hangs.
RENEW_DEADLINE_S: Final = 120.0


def main(arguments: Sequence[str]) -> int:
    """Parse, check, run; returns the exit code. Every refusal is one line on standard error."""
    parser = argparse.ArgumentParser(prog="hub-agent run", description="Run the agent until SIGTERM or SIGINT.")
    parser.add_argument("--config", type=Path, required=True, metavar="FILE", help="settings file")
    parser.add_argument("--version", action="version", version=f"hub-agent {agent_version()}")
    options = parser.parse_args(arguments)
    try:
        config = load(options.config)
        tls = usable_tls(config)
    except ConfigError as error:
        return _refused(str(error), Exit.CONFIG)
    configure(config.logging.level)
    return _run_locked(config, options.config, tls)


def tls_context(broker: Broker) -> ssl.SSLContext | None:
    """Mutual TLS 1.2 or 1.3, whichever the broker has, or None without certificates."""
    if not broker.ca:
        return None
    try:
        context = ssl.create_default_context(cafile=broker.ca)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(broker.certificate, broker.key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError([f"broker: ca, certificate or key cannot be used: {error}"]) from None
    return context


def usable_tls(config: Config) -> ssl.SSLContext | None:
    """The newest certificate that can be used. Raises ConfigError about the present one when none can."""
    problem: ConfigError | None = None
    for files in _generations(config):
        try:
            return tls_context(msgspec.structs.replace(config.broker, **files))
        except ConfigError as error:
            problem = problem or error
    raise problem or ConfigError([])


def _generations(config: Config) -> list[dict[str, str]]:
    broker = config.broker
    return generations(Path(config.state), {"ca": broker.ca, "certificate": broker.certificate, "key": broker.key})


def renewal(path: Path, config: Config) -> Renew | None:
    """`hub-agent renew` as a process of its own; None when the certificate is not one that enrolment gave."""
    if not Path(config.broker.certificate).is_relative_to(Path(config.state) / FOLDER):
        return None

    async def renew() -> tuple[Renewal, str]:
        words = (sys.executable, "-m", "device_agent", "renew", "--config", str(path))
        child = await asyncio.create_subprocess_exec(
            *words, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
        )
        try:
            async with asyncio.timeout(RENEW_DEADLINE_S):
                _, said = await child.communicate()
        except TimeoutError:
            return Renewal.FAILED, f"no end within {RENEW_DEADLINE_S:g} s"
        finally:
            if child.returncode is None:
                child.kill()
                await child.wait()
        outcomes = {int(Exit.DONE): Renewal.DONE, int(Exit.REFUSED): Renewal.REFUSED}
        last = said.decode(errors="replace").strip().rpartition("\n")[2]
        return outcomes.get(child.returncode or 0, Renewal.FAILED), last

    return renew


def _run_locked(config: Config, path: Path, tls: ssl.SSLContext | None) -> int:
    """One agent for each state folder: the folder itself is the lock, so none is left behind."""
    state = Path(config.state)
    try:
        state.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(state, os.O_RDONLY)
    except OSError as error:
        told = f"{state}: cannot be used as state folder: {error.strerror}; set `state` to a folder this user can write"
        return _refused(told, Exit.STATE)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return _refused(f"{state}: another hub-agent runs with this state folder", Exit.ALREADY_RUNNING)
    else:
        return _run_stored(config, path, tls)
    finally:
        os.close(descriptor)


def _run_stored(config: Config, path: Path, tls: ssl.SSLContext | None) -> int:
    day_ms = 24 * 3600 * 1000
    try:
        store = Store(
            Path(config.state) / "agent.db",
            spool_bytes=config.spool.max_bytes,
            spool_age_ms=config.spool.max_age_days * day_ms,
        )
    except StoreError as error:
        return _refused(str(error), Exit.STATE)
    _hear_of_tools_by_pidfd()
    with store:
        try:
            return asyncio.run(_run(config, path, tls, store))
        except Exception as error:
            unreadable = _unreadable_store(error)
            if unreadable is not None:
                return _refused(str(unreadable), Exit.STATE)
            # The service manager starts it anew; until then the kernel closes by itself.
            _log.exception("a bug ended the agent")
            return Exit.BUG


def _hear_of_tools_by_pidfd() -> None:
    """Learn a tool's end from the loop, as Python 3.12 does by itself, instead of from a thread for each (3.11)."""
    if sys.version_info < (3, 12):
        with contextlib.suppress(OSError):
            # A kernel before 5.3, or a sandbox, has no such call: then it stays with the threads.
            os.close(os.pidfd_open(os.getpid()))
            asyncio.set_child_watcher(asyncio.PidfdChildWatcher())


def _unreadable_store(error: Exception) -> StoreError | None:
    """The disk broke under a running agent: what could not be read ends a life, and is no bug."""
    while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error if isinstance(error, StoreError) else None


async def _run(config: Config, path: Path, tls: ssl.SSLContext | None, store: Store) -> int:
    seen = evidence(config)
    port = AiomqttPort(config.broker.host, config.broker.port, tls, config.broker.keepalive_s)
    identity = None if tls is None else ShownIdentity(tls, lambda: _generations(config))
    agent = Agent(
        config,
        link_port=port if identity is None else IdentifiedPort(port, identity),
        open_modem=_opener(config, seen, PinMemory(store.kept("pins"), keep=lambda pins: store.keep("pins", pins))),
        host=open_host(
            Path(config.state),
            wifi=config.lan.wifi,
            modem_power=config.modem.power_line,
            light=config.status.light,
        ),
        clock=Clock(floor_ms=int(store.kept("floor_ms") or b"0")),
        store=store,
        random=random.Random(),
        evidence=seen,
        renew=renewal(path, config),
        renewed=(lambda: None) if identity is None else identity.take_up,
    )
    if identity is not None:
        identity.told = agent.show_certificate
        identity.take_up()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, agent.stop)
    loop.add_signal_handler(signal.SIGHUP, reload, path, agent)
    service = Service.from_environment()
    async with status.serve(config.socket, agent.status):
        feeding = asyncio.create_task(service.feed(agent.healthy), name="watchdog")
        try:
            await agent.run()
        finally:
            service.tell("STOPPING=1")
            feeding.cancel()
    return Exit.RESTART if agent.restart_wanted else Exit.DONE


def _opener(config: Config, seen: dict[str, str], pins: PinMemory) -> OpenModem:
    """Ports to modem: those configured, or all that look like a modem's; a modem that answers on none is recovered.

    What the port's USB identity tells goes into `seen`, as evidence.
    """
    rate, supply = config.modem.baudrate, Line(config.modem.power_line)
    rng = random.Random()

    def open_port(url: str) -> Transport:
        return open_transport(url, baudrate=rate)

    async def open_ports(ports: Sequence[str]) -> DriverModem:
        return await open_modem(ports, open_transport=open_port)

    recovering = RecoveringOpener(
        open_ports,
        cut_power=supply.cycle if supply.present else None,
        opener=open_port,
        jitter=lambda seconds: seconds * rng.uniform(0.8, 1.2),
        pins=pins,
    )

    async def find(ports: Sequence[str]) -> Modem:
        there = find_ports()
        tried = list(ports) or [port.device for port in at_ports(there)]
        if not tried:
            raise PortNotFoundError("modem", "no serial port of a modem is there; plug one in or set modem.ports")
        modem = await recovering(tried)
        usb_id = next((port.usb_id for port in there if port.device in tried and port.usb_id), None)
        if usb_id is not None:
            seen["usb_id"] = usb_id
        return modem

    return find


def evidence(config: Config) -> dict[str, str]:
    """What the unit tells about itself apart from its modem; what cannot be read is left out."""
    found = {
        "serial": config.identity.serial,
        "hub_model": config.identity.model,
        "hub_firmware": config.identity.firmware,
        "branding": _first_line(Path(config.identity.branding_file)) if config.identity.branding_file else "",
        "lan_mac": _first_line(Path("/sys/class/net") / config.lan.interface / "address"),
    }
    return {name: value for name, value in found.items() if value}


def _first_line(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()[0].strip()[:256]
    except (OSError, IndexError):
        return ""


def reload(path: Path, agent: Agent) -> None:
    """SIGHUP: the agent follows what it can of the file; what waits for a restart is named."""
    try:
        fresh = load(path)
    except ConfigError as error:
        _log.error("the new settings are refused; the old ones stay", extra={"error": str(error)})
        return
    in_force = agent.reload(fresh)
    configure(in_force.logging.level)
    _log.info("settings read again", extra={"waiting_for_restart": different(in_force, fresh)})


def different(one: Config, other: Config) -> list[str]:
    """The settings that differ, by section and key."""
    found = []
    for section in Config.__struct_fields__:
        ours, theirs = getattr(one, section), getattr(other, section)
        names = getattr(type(ours), "__struct_fields__", ())
        found += [f"{section}.{name}" for name in names if getattr(ours, name) != getattr(theirs, name)]
        found += [section] if not names and ours != theirs else []
    return found


def _refused(reason: str, code: Exit) -> int:
    for line in reason.splitlines():
        print(f"hub-agent: {line}", file=sys.stderr)
    return code
