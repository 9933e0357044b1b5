"""One hub on this machine: a simulated modem on a pty, hub-agent, mosquitto, and a controller's voice."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from device_agent.link import AiomqttPort, Link
from device_agent.protocol import (
    Ack,
    Bearer,
    BootAck,
    Channel,
    Desired,
    Internet,
    ParentalControls,
    Reported,
    Reporting,
    decode,
    digest_identifier,
    encode,
    parse_topic,
    topic,
)

HUB = "01990000-0000-7000-8000-0000000000aa"
ICCID = "8944300000000000001"
BIN = Path(sys.executable).parent
ROOT = Path(__file__).parents[3]


class Process:
    """One program of the rig, its output kept in a file."""

    def __init__(self, argv: Sequence[str], log: Path, environment: Mapping[str, str]) -> None:
        self.argv = list(argv)
        self.log = log
        self._environment = {**os.environ, **environment}
        self.child: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        with self.log.open("ab") as out:
            self.child = await asyncio.create_subprocess_exec(
                *self.argv, stdin=asyncio.subprocess.DEVNULL, stdout=out, stderr=out, env=self._environment, cwd=ROOT
            )

    async def stop(self, sign: int = signal.SIGTERM, deadline_s: float = 30.0) -> int | None:
        if self.child is None:
            return None
        if self.child.returncode is None:
            self.child.send_signal(sign)
            try:
                async with asyncio.timeout(deadline_s):
                    await self.child.wait()
            except TimeoutError:
                self.child.kill()
                await self.child.wait()
        return self.child.returncode

    def text(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""


class Controller:
    """Publishes documents and acknowledgements, and keeps what the hub says."""

    def __init__(self, link: Link, *, acknowledge: bool = True) -> None:
        self._link = link
        self.acknowledge = acknowledge
        self.messages: list[Any] = []
        self.came = asyncio.Event()

    async def listen(self) -> None:
        async for delivery in self._link.deliveries():
            _, channel = parse_topic(delivery.topic)
            message = decode(channel, delivery.payload)
            self.messages.append(message)
            self.came.set()
            if self.acknowledge and channel in {Channel.EVENT, Channel.TELEMETRY}:
                await self.ack(message.boot, message.seq)  # type: ignore[union-attr]  # both carry them

    async def ack(self, boot: int, seq: int) -> None:
        await self._link.publish(topic(HUB, Channel.ACK), encode(Ack(boots=(BootAck(boot=boot, seq=seq),))))

    async def publish(self, desired: Desired) -> None:
        await self._link.publish(topic(HUB, Channel.DESIRED), encode(desired), retain=True, expiry_s=3600)

    async def until(self, wanted: Callable[[Any], bool], within_s: float = 60.0) -> Any:
        """The first message, earlier or later, that is wanted. The deadline is how long a failure takes, no more."""
        seen = 0
        async with asyncio.timeout(within_s):
            while True:
                for message in self.messages[seen:]:
                    seen += 1
                    if wanted(message):
                        return message
                self.came.clear()
                await self.came.wait()

    def forget(self) -> None:
        self.messages.clear()


@asynccontextmanager
async def controller(port: int, *, acknowledge: bool = True) -> AsyncIterator[Controller]:
    """A controller's voice on the broker."""
    wanted = [topic(HUB, c) for c in (Channel.REPORTED, Channel.EVENT, Channel.TELEMETRY, Channel.PRESENCE)]
    async with AiomqttPort("127.0.0.1", port).open(
        client_id="controller", will=None, subscriptions=wanted, session_expiry_s=0
    ) as link:
        voice = Controller(link, acknowledge=acknowledge)
        listening = asyncio.create_task(voice.listen())
        try:
            yield voice
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)


def desired(revision: int, now_ms: int, **changes: Any) -> Desired:
    """A document that opens the hub for an hour."""
    values: dict[str, Any] = {
        "revision": revision,
        "issued_at": now_ms,
        "internet": Internet(on=True, until=now_ms + 3_600_000),
        "sims": (digest_identifier(HUB, ICCID),),
        "bearer": Bearer(apn="internet"),
        "parental_controls": ParentalControls(level="light", deny=("blocked.example",)),
        "reporting": Reporting(sample_interval_s=1, telemetry_interval_s=2, report_interval_s=60),
    }
    return Desired(**{**values, **changes})


def condition(report: Any, type_: str) -> tuple[str, str]:
    """Status and reason of one condition of a report."""
    if not isinstance(report, Reported):
        return ("", "")
    found = next((c for c in report.conditions if c.type == type_), None)
    return ("", "") if found is None else (str(found.status), found.reason)


def is_open(message: Any) -> bool:
    return condition(message, "forwarding_open")[0] == "true"


def is_fulfilled(revision: int) -> Callable[[Any], bool]:
    """Open, with the filter of this very document in force."""

    def fulfilled(message: Any) -> bool:
        told = getattr(message, "observed_revision", -1) == revision
        return told and is_open(message) and condition(message, "filter_in_force")[0] == "true"

    return fulfilled


def is_closed(*reasons: str) -> Callable[[Any], bool]:
    def closed(message: Any) -> bool:
        status, reason = condition(message, "forwarding_open")
        return status == "false" and reason in reasons

    return closed


def write_config(directory: Path, broker_port: int, **sections: Mapping[str, Any]) -> Path:
    """hub.toml for this rig; sections are merged over the defaults."""
    values: dict[str, dict[str, Any]] = {
        "broker": {"host": "127.0.0.1", "port": broker_port},
        "modem": {"ports": [str(directory / "modem")], "management_apn": "internet"},
        "lan": {"interface": "lan0"},
        "wan": {"interface": "wwan0"},
        "identity": {"serial": "MH000001", "model": "Mini Hub 4G"},
        "logging": {"level": "debug"},
    }
    for name, section in sections.items():
        values.setdefault(name, {}).update(section)
    lines = [f"hub = {json.dumps(HUB)}", f"state = {json.dumps(str(directory / 'state'))}"]
    for name, section in values.items():
        lines += [f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in section.items())]
    path = directory / "hub.toml"
    path.write_text("\n".join(lines) + "\n")
    return path


def modem(directory: Path, *words: str, personality: str = "quectel-ec25") -> Process:
    """The simulated modem's process."""
    argv = [str(BIN / "hub-sim"), "modem", "--personality", personality, "--listen", f"pty:{directory / 'modem'}"]
    return Process([*argv, "--iccid", ICCID, "--no-boot", *words], directory / "modem.log", {})


def agent(directory: Path, config: Path, environment: Mapping[str, str], *prefix: str) -> Process:
    """The agent's process."""
    argv = [*prefix, str(BIN / "hub-agent"), "run", "--config", str(config)]
    return Process(argv, directory / "agent.log", environment)


@asynccontextmanager
async def running(*processes: Process) -> AsyncIterator[None]:
    """Start them in order, stop them in reverse."""
    async with contextlib.AsyncExitStack() as stack:
        for process in processes:
            await process.start()
            stack.push_async_callback(process.stop)
        yield
