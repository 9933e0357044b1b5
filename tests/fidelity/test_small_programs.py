"""gammu, chat, comgt, python-gsmmodem-new, atlib and pyatcommand: readers of modems with habits of their own."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.fidelity.programs import Outcome, bench, check_side_by_side, exists, need, need_package, run, until

pytestmark = [pytest.mark.fidelity, pytest.mark.slow]
PERSONALITIES = ["huawei-me909", "quectel-ec25", "simcom-sim7600", "zte-mf833"]
# gammu and gsmmodem take any line for an answer, so users silence these two before they start them.
QUIETING = {"huawei-me909": b"AT^CURC=0\r", "zte-mf833": b"AT+CPMS?\r"}
REAL_TIME = 1.0  # these programs read until it is quiet for a while, and quiet must last as long as on hardware
GSMMODEM_CLIENT = Path(__file__).with_name("gsmmodem_client.py")
PYTHON_CLIENTS = Path(__file__).with_name("python_clients.py")
# Three programs at once, each on a port of its own: as fast as one, and the modem's ports must not mix their answers.
THREE_PORTS = ("pty:{d}/port1", "pty:{d}/port2", "pty:{d}/port3")


def gammu_settings(directory: Path, port: str) -> str:
    path = directory / f"gammurc-{Path(port).name}"
    path.write_text(f"[gammu]\ndevice = {port}\nconnection = at115200\n")
    return str(path)


def told(outcome: Outcome) -> Any:
    """The JSON line of a client; its library may grumble before and after it."""
    lines = [line for line in outcome.text.splitlines() if line.startswith("{")]
    assert outcome.code == 0, outcome.text
    assert lines, outcome.text
    return json.loads(lines[-1])


async def test_gammu_identifies_asks_the_network_and_reads_messages() -> None:
    need("gammu")
    await check_side_by_side(_gammu, PERSONALITIES)


async def _gammu(personality: str) -> None:
    async with bench(personality, *THREE_PORTS, factor=REAL_TIME) as simulated:
        await simulated.registered()
        simulated.modem.feed(simulated.port, QUIETING.get(personality, b""))
        simulated.modem.deliver_sms("+447700900123", "Broadband is back")
        settings = [gammu_settings(simulated.directory, port) for port in simulated.addresses]
        who, network, messages = await asyncio.gather(
            run("gammu", "-c", settings[0], "--identify"),
            run("gammu", "-c", settings[1], "--networkinfo"),
            run("gammu", "-c", settings[2], "--getallsms"),
        )
        assert who.code == 0, who.text
        assert simulated.modem.imei in who.text
        assert simulated.modem.personality.revision.split()[0] in who.text
        assert network.code == 0, network.text
        assert "234 30" in network.text
        assert "home network" in network.text
        assert messages.code == 0, messages.text
        assert "Broadband is back" in messages.text
        assert "+447700900123" in messages.text


async def test_chat_dials_to_connect() -> None:
    need("chat")
    await check_side_by_side(_chat, PERSONALITIES)


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
    await check_side_by_side(_comgt, PERSONALITIES)


async def _comgt(personality: str) -> None:
    async with bench(personality, *THREE_PORTS, factor=REAL_TIME) as simulated:
        await simulated.registered()
        first, second, third = simulated.addresses
        info, signal, registration = await asyncio.gather(
            run("comgt", "-d", first, "info", within_s=40),
            run("comgt", "-d", second, "sig"),
            run("comgt", "-d", third, "reg"),
        )
        assert simulated.modem.personality.model in info.text
        assert "Signal Quality:" in signal.text
        assert "99,99" not in signal.text
        assert "Registered on Home network" in registration.text


async def test_gsmmodem_connects_waits_for_coverage_and_takes_a_message() -> None:
    need_package("gsmmodem", "python-gsmmodem-new")
    await check_side_by_side(_gsmmodem, PERSONALITIES)


async def _gsmmodem(personality: str) -> None:
    async with bench(personality, "pty:{d}/port", factor=REAL_TIME) as simulated:
        simulated.modem.feed(simulated.port, QUIETING.get(personality, b""))
        listening = simulated.directory / "listening"
        command = (sys.executable, "-W", "ignore", str(GSMMODEM_CLIENT), simulated.addresses[0], str(listening))

        async def listens_or_ended() -> bool:
            return client.done() or await exists(listening)

        client = asyncio.create_task(run(*command, within_s=45))
        await until(listens_or_ended, within_s=40)
        if client.done() and "TimeoutException" in client.result().text:
            # It allows a command five seconds and never tries again: where the machine stood still that long, it may.
            client = asyncio.create_task(run(*command, within_s=45))
            await until(listens_or_ended, within_s=40)
        assert not client.done(), client.result().text
        assert await exists(listening)
        simulated.modem.deliver_sms("+447700900123", "Line test passed")
        outcome = await client
        seen = told(outcome)
        assert seen["imei"] == simulated.modem.imei
        assert seen["imsi"] == "234300000000001"
        assert seen["network"] == "EE"
        assert 0 < seen["signal"] <= 31
        assert seen["message"] == ["+447700900123", "Line test passed"]


async def test_atlib_and_pyatcommand_read_the_modem_and_send_a_message() -> None:
    need_package("atlib", "atlib")
    need_package("pyatcommand", "pyatcommand")
    await check_side_by_side(_python_clients, ["quectel-ec25", "simcom-sim7600"])


async def _python_clients(personality: str) -> None:
    async with bench(personality, "pty:{d}/port", factor=REAL_TIME) as simulated:
        await simulated.registered()
        simulated.modem.deliver_sms("+447700900123", "Broadband is back")
        outcome = await run(sys.executable, "-W", "ignore", str(PYTHON_CLIENTS), simulated.addresses[0], within_s=45)
        seen = told(outcome)
        cell = simulated.modem.registration.cell
        assert cell is not None
        assert 0 < seen["atlib"].pop("signal") <= 31
        assert "Broadband is back" in str(seen["atlib"].pop("received"))
        model = simulated.modem.personality.model
        assert seen["atlib"] == {
            "imei": simulated.modem.imei, "imsi": "234300000000001", "model": model, "operator": "EE", "registered": 1,
            "sent": "OK", "cell": f"{cell.cell_id:X}",
        }  # fmt: skip
        answers = seen["pyatcommand"]
        assert {command: ok for command, (ok, _) in answers.items() if not ok} == {"AT+NOSUCH": False}
        assert answers["AT+CGMM"][1].removeprefix("+CGMM: ") == model
        assert answers["AT+CIMI"][1] == "234300000000001"
        assert answers["AT+CGDCONT=?"][1].count("+CGDCONT: (") == 4
