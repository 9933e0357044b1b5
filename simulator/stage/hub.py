"""One hub in a home: a simulated modem on a pseudo-terminal and a real hub-agent, powered together."""

import asyncio
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from simulator.stage.home import Home
from simulator.stage.parts import Break, HubModel
from simulator.stage.process import Process, program

_STATUS_DEADLINE_S = 5.0
# A real modem boots for a quarter of a minute; nobody wants to watch that.
MODEM_TIME_FACTOR = 4.0


@dataclass(slots=True)
class HubUnit:
    """A hub and what it is made of. `plug_in` and `unplug` are the customer's hand."""

    hub: str
    directory: Path
    home: Home
    carrier_url: str
    model: HubModel
    broken: Break | None = None
    seed: int = 1
    modem: Process | None = None
    agent: Process | None = None
    processes: list[Process] = field(default_factory=list)

    async def plug_in(self) -> None:
        """Power on: the modem boots, the agent starts."""
        if self.broken is not Break.MODEM:
            self.modem = await self._start("modem", self._modem_argv(), {})
        config = self.directory / "hub.toml"
        config.write_text(self._config())
        argv = self.home.agent_argv([program("hub-agent"), "run", "--config", str(config)])
        self.agent = await self._start("agent", argv, self._agent_environment())

    async def unplug(self) -> None:
        """Power off: everything of the hub stops."""
        for process in reversed(self.processes):
            await process.stop()
        self.processes.clear()

    async def status(self) -> dict[str, Any] | None:
        """What `hub-agent status --json` tells, None while it does not answer."""
        child = await asyncio.create_subprocess_exec(
            *self.home.agent_argv(
                [program("hub-agent"), "status", "--json", "--config", str(self.directory / "hub.toml")]
            ),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            async with asyncio.timeout(_STATUS_DEADLINE_S):
                out, _ = await child.communicate()
        except TimeoutError:
            child.kill()
            await child.wait()
            return None
        if child.returncode:
            return None
        found: dict[str, Any] = json.loads(out)
        return found

    @property
    def port(self) -> Path:
        """The modem's AT port."""
        return self.directory / "modem"

    def _modem_argv(self) -> list[str]:
        words = ["modem", "--personality", self.model.personality, "--listen", f"pty:{self.port}"]
        words += ["--iccid", self.model.iccid, "--imsi", self.model.imsi, "--imei", self.model.imei]
        words += ["--carrier-url", self.carrier_url, "--seed", str(self.seed), "--time-factor", str(MODEM_TIME_FACTOR)]
        if self.broken is Break.CLOCK:
            # A network that tells a time before any document was issued: refused, so the hub has no time.
            words += ["--start", "1980-01-06T00:00:00"]
        return [program("hub-sim"), *words]

    def _agent_environment(self) -> Mapping[str, str]:
        environment = dict(self.home.environment())
        if self.broken is Break.FILTER:
            environment["PATH"] = f"{self._broken_tools()}{os.pathsep}{environment.get('PATH', os.environ['PATH'])}"
        return environment

    def _broken_tools(self) -> Path:
        """A dnsmasq that always fails, first on the agent's PATH."""
        tools = self.directory / "broken"
        tools.mkdir(exist_ok=True)
        tool = tools / "dnsmasq"
        tool.write_text("#!/bin/sh\necho 'dnsmasq: broken on purpose' >&2\nexit 5\n")
        tool.chmod(0o755)
        return tools

    def _config(self) -> str:
        """The agent's configuration file."""
        home, folder = self.home, self.directory
        branding = folder / "branding"
        branding.write_text(self.model.branding + "\n")
        host, port = home.broker_address
        sections: dict[str, dict[str, object]] = {
            "broker": {"host": host, "port": port},
            "modem": {"ports": [str(self.port)], "management_apn": "management"},
            "lan": {"interface": home.lan},
            "wan": {"interface": home.wan},
            "dns": {"port": home.dns_port, "listen": [home.dns_address], "upstream": home.upstream},
            "identity": {
                "serial": self.model.serial,
                "model": self.model.name,
                "firmware": self.model.firmware,
                "branding_file": str(branding),
            },
        }
        head = {"hub": self.hub, "state": str(folder / "state")}
        lines = [f"{key} = {json.dumps(value)}" for key, value in head.items()]
        for name, values in sections.items():
            lines += ["", f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in values.items())]
        return "\n".join(lines) + "\n"

    async def _start(self, name: str, argv: list[str], environment: Mapping[str, str]) -> Process:
        process = Process(name, argv, log=self.directory / f"{name}.log", environment=environment)
        await process.start()
        self.processes.append(process)
        return process
