"""smsd of smstools: it asks for everything again before each message, and reads stores slot by slot."""

from pathlib import Path

import pytest

from tests.fidelity.programs import Bench, background, bench, check_side_by_side, until, use

pytestmark = [pytest.mark.fidelity, pytest.mark.slow]
PERSONALITIES = ["huawei-me909", "quectel-ec25", "simcom-sim7600", "zte-mf833"]
LONG_TEXT = "The engineer comes between eight and one. " * 6


async def test_smsd_sends_a_long_message_in_parts_and_stores_what_comes() -> None:
    use("smsd")
    await check_side_by_side(_smsd, PERSONALITIES)


async def _smsd(personality: str) -> None:
    async with bench(personality, "pty:{d}/port") as simulated:
        await simulated.registered()
        settings = _smsd_settings(simulated.directory, simulated.addresses[0])
        (simulated.directory / "outgoing" / "first").write_text(f"To: 447700900555\n\n{LONG_TEXT}\n")
        simulated.modem.deliver_sms("+447700900123", "Broadband is back")
        log = simulated.directory / "log"
        async with background(("smsd", f"-c{settings}", "-t"), log):
            done = await until(lambda: _smsd_done(simulated), within_s=40)
        assert done, log.read_text() + (simulated.directory / "smsd.log").read_text()
        assert simulated.modem.volatile.message_reference == 2  # one for each part
        (stored,) = (simulated.directory / "incoming").iterdir()
        assert "From: 447700900123" in stored.read_text()
        assert "Broadband is back" in stored.read_text()
        assert not any(simulated.modem.stored.messages["ME"])  # smsd takes from the store what it has read


async def _smsd_done(simulated: Bench) -> bool:
    return all(any((simulated.directory / folder).iterdir()) for folder in ("sent", "incoming"))


def _smsd_settings(directory: Path, port: str) -> Path:
    folders = ("outgoing", "checked", "incoming", "sent", "failed")
    for folder in folders:
        (directory / folder).mkdir()
    lines = ["devices = GSM1", *(f"{folder} = {directory}/{folder}" for folder in folders)]
    lines += [f"logfile = {directory}/smsd.log", f"infofile = {directory}/running", f"pidfile = {directory}/pid"]
    lines += [
        "delaytime = 1",
        "autosplit = 3",
        "[GSM1]",
        f"device = {port}",
        "incoming = yes",
        "baudrate = 115200",
        "memory_start = 0",
    ]
    path = directory / "smsd.conf"
    path.write_text("\n".join(lines) + "\n")
    return path
