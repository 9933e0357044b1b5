"""ModemManager on a message bus of its own, with or without a fake sysfs."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.fidelity.programs import background, run

OPTIONS = (
    "--debug",
    "--test-session",
    "--test-no-udev",
    "--no-auto-scan",
    "--test-no-qrtr",
    "--test-no-suspend-resume",
)
SERVICE = "org.freedesktop.ModemManager1"


@dataclass
class ModemManager:
    """A running ModemManager. `number` is the one modem it manages."""

    directory: Path
    env: dict[str, str]
    number: int = 0

    async def mmcli(self, *arguments: str, within_s: float = 60.0, check: bool = True) -> str:
        """Run mmcli; with `check` a failure fails the test, with the end of the service's log."""
        outcome = await run("mmcli", *arguments, env=self.env, within_s=within_s)
        if check and outcome.code != 0:
            pytest.fail(f"mmcli {' '.join(arguments)}: {outcome.text}\n{self.log_end()}")
        return outcome.text

    async def facts(self, *arguments: str) -> dict[str, str]:
        """Key and value pairs of `mmcli -K`."""
        text = await self.mmcli("-K", *arguments)
        pairs = (line.partition(":") for line in text.splitlines() if ":" in line)
        return {key.strip(): value.strip() for key, _, value in pairs}

    async def modem(self, *arguments: str, within_s: float = 60.0) -> str:
        """`mmcli -m N …`."""
        return await self.mmcli("-m", str(self.number), *arguments, within_s=within_s)

    async def modem_facts(self, *arguments: str) -> dict[str, str]:
        """`mmcli -K -m N …`."""
        return await self.facts("-m", str(self.number), *arguments)

    async def until(self, key: str, wanted: str, *, within_s: float = 30.0) -> dict[str, str]:
        """Wait for a fact of the modem to have a value."""
        facts: dict[str, str] = {}
        try:
            async with asyncio.timeout(within_s):
                while True:
                    facts = await self.modem_facts()
                    if facts.get(key) == wanted:
                        return facts
                    await asyncio.sleep(0.2)
        except TimeoutError:
            pytest.fail(f"{key} is {facts.get(key)!r}, not {wanted!r}, after {within_s:g} s\n{self.log_end()}")

    async def appear(self, *, within_s: float = 45.0) -> None:
        """Wait until a modem is listed; take its number."""
        try:
            async with asyncio.timeout(within_s):
                while "/Modem/" not in (listed := await self.mmcli("-L", check=False)):
                    await asyncio.sleep(0.2)
        except TimeoutError:
            pytest.fail(f"no modem after {within_s:g} s\n{self.log_end()}")
        self.number = int(listed.split("/Modem/")[1].split()[0])

    def log_end(self) -> str:
        """The last lines of the service's log."""
        return "\n".join((self.directory / "mm.log").read_text(errors="replace").splitlines()[-60:])


@asynccontextmanager
async def modem_manager(
    directory: Path, extra: Sequence[str], *, wrapper: Sequence[str] = ()
) -> AsyncIterator[ModemManager]:
    """Start a bus and ModemManager in `directory`; `wrapper` is a command that runs another."""
    address = f"unix:path={directory}/bus"
    env = {"DBUS_SESSION_BUS_ADDRESS": address, "DBUS_SYSTEM_BUS_ADDRESS": address}
    async with AsyncExitStack() as stack:
        bus = ("dbus-daemon", "--session", "--nofork", f"--address={address}")
        await stack.enter_async_context(background(bus, directory / "dbus.log"))
        await _wait_for(directory / "bus")
        service = (*wrapper, "ModemManager", *OPTIONS, *extra)
        await stack.enter_async_context(background(service, directory / "mm.log", env=env))
        manager = ModemManager(directory, env)
        await _wait_for_service(manager)
        yield manager


async def _wait_for(path: Path) -> None:
    async with asyncio.timeout(10):
        while not path.exists():
            await asyncio.sleep(0.05)


async def _wait_for_service(manager: ModemManager) -> None:
    async with asyncio.timeout(15):
        while (await run("mmcli", "-L", env=manager.env)).code != 0:
            await asyncio.sleep(0.1)


async def add_virtual_port(manager: ModemManager, plugin: str, socket: str) -> None:
    """Hand ModemManager a Unix socket as the one port of a modem, to be driven by a plugin."""
    outcome = await run(
        "gdbus", "call", "--session", "--dest", SERVICE, "--object-path", "/org/freedesktop/ModemManager1",
        "--method", f"{SERVICE}.Test.SetProfile", "simulated", plugin, f"['{socket}']", env=manager.env,
    )  # fmt: skip
    assert outcome.code == 0, outcome.text
    await manager.appear()
