"""gammu, chat, comgt and python-gsmmodem-new: each a reader of modems with habits of its own."""

import json
import sys
from pathlib import Path

import pytest

from tests.fidelity.programs import bench, need, need_package, run, side_by_side

pytestmark = [pytest.mark.fidelity, pytest.mark.slow]
PERSONALITIES = ["huawei-me909", "quectel-ec25", "simcom-sim7600", "zte-mf833"]
# gammu and gsmmodem take any line for an answer, so users silence these two before they start them.
QUIETING = {"huawei-me909": b"AT^CURC=0\r", "zte-mf833": b"AT+CPMS?\r"}
REAL_TIME = 1.0  # these programs read until it is quiet for a while, and quiet must last as long as on hardware
GSMMODEM_CLIENT = Path(__file__).with_name("gsmmodem_client.py")


def gammu_settings(directory: Path, port: str) -> str:
    path = directory / "gammurc"
    path.write_text(f"[gammu]\ndevice = {port}\nconnection = at115200\n")
    return str(path)


async def test_gammu_identifies_asks_the_network_and_reads_messages() -> None:
    need("gammu")
    await side_by_side(_gammu, PERSONALITIES)


async def _gammu(personality: str) -> None:
    async with bench(personality, "pty:{d}/port", factor=REAL_TIME) as simulated:
        await simulated.registered()
        simulated.modem.feed(simulated.port, QUIETING.get(personality, b""))
        settings = gammu_settings(simulated.directory, simulated.addresses[0])
        simulated.modem.deliver_sms("+447700900123", "Broadband is back")
        who = await run("gammu", "-c", settings, "--identify")
        assert who.code == 0, who.text
        assert simulated.modem.imei in who.text
        assert simulated.modem.personality.revision.split()[0] in who.text
        network = await run("gammu", "-c", settings, "--networkinfo")
        assert network.code == 0, network.text
        assert "234 30" in network.text
        assert "home network" in network.text
        messages = await run("gammu", "-c", settings, "--getallsms")
        assert messages.code == 0, messages.text
        assert "Broadband is back" in messages.text
        assert "+447700900123" in messages.text


async def test_chat_dials_to_connect() -> None:
    need("chat")
    await side_by_side(_chat, PERSONALITIES)


async def _chat(personality: str) -> None:
    async with bench(personality, "pty:{d}/port", factor=REAL_TIME) as simulated:
        await simulated.registered()
        dialogue = (
            "ABORT 'NO CARRIER' ABORT ERROR TIMEOUT 10 '' ATZ OK ATE1 OK "
            '\'AT+CGDCONT=1,"IP","everywhere"\' OK ATD*99***1# CONNECT'
        )
        port = simulated.addresses[0]
        outcome = await run("sh", "-c", f"exec chat -v -s {dialogue} < {port} > {port}", within_s=20)
        assert outcome.code == 0, outcome.text


async def test_chat_sees_no_carrier_without_service() -> None:
    need("chat")
    async with bench("quectel-ec25", "pty:{d}/port") as simulated:
        port = simulated.addresses[0]
        dialogue = "ABORT 'NO CARRIER' ABORT ERROR TIMEOUT 10 '' AT+CFUN=4 OK ATD*99***1# CONNECT"
        outcome = await run("sh", "-c", f"exec chat -v -s {dialogue} < {port} > {port}", within_s=20)
        assert outcome.code == 4, outcome.text  # the first ABORT string


async def test_comgt_reads_information_signal_and_registration() -> None:
    need("comgt")
    await side_by_side(_comgt, PERSONALITIES)


async def _comgt(personality: str) -> None:
    async with bench(personality, "pty:{d}/port", factor=REAL_TIME) as simulated:
        await simulated.registered()
        port = simulated.addresses[0]
        info = await run("comgt", "-d", port, "info", within_s=40)
        assert simulated.modem.personality.model in info.text
        signal = await run("comgt", "-d", port, "sig")
        assert "Signal Quality:" in signal.text
        assert "99,99" not in signal.text
        registration = await run("comgt", "-d", port, "reg")
        assert "Registered on Home network" in registration.text


async def test_gsmmodem_connects_waits_for_coverage_and_takes_a_message() -> None:
    need_package("gsmmodem", "python-gsmmodem-new")
    await side_by_side(_gsmmodem, PERSONALITIES)


async def _gsmmodem(personality: str) -> None:
    async with bench(personality, "pty:{d}/port", factor=REAL_TIME) as simulated:
        simulated.modem.feed(simulated.port, QUIETING.get(personality, b""))
        simulated.modem.plan(6.0, lambda: simulated.modem.deliver_sms("+447700900123", "Line test passed"))
        outcome = await run(sys.executable, "-W", "ignore", str(GSMMODEM_CLIENT), simulated.addresses[0], within_s=45)
        assert outcome.code == 0, outcome.text
        seen = json.loads(outcome.text.splitlines()[-1])
        assert seen["imei"] == simulated.modem.imei
        assert seen["imsi"] == "234300000000001"
        assert seen["network"] == "EE"
        assert 0 < seen["signal"] <= 31
        assert seen["message"] == ["+447700900123", "Line test passed"]
