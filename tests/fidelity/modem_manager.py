"""ModemManager on a message bus of its own, with or without a fake sysfs."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.fidelity.programs import background, exists, run, until

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

    async def facts(self, *arguments: str, check: bool = True) -> dict[str, str]:
        """Key and value pairs of `mmcli -K`."""
        text = await self.mmcli("-K", *arguments, check=check)
        pairs = (line.partition(":") for line in text.splitlines() if " : " in line)
        return {key.strip(): value.strip() for key, _, value in pairs}

    async def modem(self, *arguments: str, within_s: float = 60.0) -> str:
        """`mmcli -m N …`."""
        return await self.mmcli("-m", str(self.number), *arguments, within_s=within_s)

    async def modem_facts(self, *arguments: str) -> dict[str, str]:
        """`mmcli -K -m N …`."""
        return await self.facts("-m", str(self.number), *arguments)

    async def until(self, key: str, wanted: str, *, within_s: float = 30.0) -> dict[str, str]:
        """Wait for a fact of the modem to have a value; a modem that was probed anew has another number."""
        facts: dict[str, str] = {}

        async def holds() -> bool:
            nonlocal facts
            facts = await self.facts("-m", str(self.number), check=False)
            if not facts:
                await self._still_there()
            return facts.get(key) == wanted

        if not await until(holds, within_s=within_s) or facts.get(key) != wanted:
            pytest.fail(f"{key} is {facts.get(key)!r}, not {wanted!r}, after {within_s:g} s\n{self.log_end()}")
        return facts

    async def appear(self, *, within_s: float = 45.0) -> None:
        """Wait until a modem is listed; take its number."""
        if not await until(self._still_there, within_s=within_s):
            pytest.fail(f"no modem after {within_s:g} s\n{self.log_end()}")

    async def _still_there(self) -> bool:
        """Whether a modem is listed; its number is taken."""
        listed = await self.mmcli("-L", check=False)
        if "/Modem/" not in listed:
            return False
        self.number = int(listed.split("/Modem/")[1].split()[0])
        return True

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
        if not await until(lambda: exists(directory / "bus"), within_s=10):
            pytest.fail("dbus-daemon made no socket")
        service = (*wrapper, "ModemManager", *OPTIONS, *extra)
        await stack.enter_async_context(background(service, directory / "mm.log", env=env))
        manager = ModemManager(directory, env)
        await _wait_for_service(manager)
        yield manager


async def _wait_for_service(manager: ModemManager) -> None:
    async def answers() -> bool:
        return (await run("mmcli", "-L", env=manager.env)).code == 0

    if not await until(answers, within_s=20):
        pytest.fail(f"ModemManager does not answer\n{manager.log_end()}")


async def add_virtual_port(manager: ModemManager, plugin: str, socket: str) -> None:
    """Hand ModemManager a Unix socket as the one port of a modem, to be driven by a plugin."""
    outcome = await run(
        "gdbus", "call", "--session", "--dest", SERVICE, "--object-path", "/org/freedesktop/ModemManager1",
        "--method", f"{SERVICE}.Test.SetProfile", "simulated", plugin, f"['{socket}']", env=manager.env,
    )  # fmt: skip
    assert outcome.code == 0, outcome.text
    await manager.appear()
