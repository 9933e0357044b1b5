"""hub-sim's commands as a user runs them: what they print, how they end, what they leave behind."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.mosquitto import free_port

pytestmark = pytest.mark.e2e
HUB_SIM = str(Path(sys.executable).with_name("hub-sim"))
DEADLINE_S = 30.0
API = "/tmf-api/ServiceActivationAndConfiguration/v4"
SIM = {"iccid": "8944000000000000001", "imsi": "234300000000001"}


async def run(*words: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        HUB_SIM, *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(DEADLINE_S):
        out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


@asynccontextmanager
async def running(*words: str, stream: str = "stdout") -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """A command that stays, and the line by which it says that it is ready."""
    pipe = asyncio.subprocess.PIPE
    out, err = (pipe, None) if stream == "stdout" else (None, pipe)
    process = await asyncio.create_subprocess_exec(HUB_SIM, *words, stdout=out, stderr=err)
    told: asyncio.StreamReader | None = getattr(process, stream)
    assert told is not None
    try:
        async with asyncio.timeout(DEADLINE_S):
            line = await told.readline()
            while stream == "stderr" and not line.startswith(b"ready"):
                assert line, "ended before it was ready"
                line = await told.readline()
        yield process, line.decode()
    finally:
        if process.returncode is None:
            process.terminate()
        await told.read()
        await process.wait()


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("run", "no-such"), 3, "steady-home"),
        (("run", "steady-home", "--virtual", "--control", "x"), 2, "--virtual has no ports"),
        (("carrier", "--manners", "rude"), 3, "say good, real"),
        (("carrier", "--host", "203.0.113.1", "--port", "0"), 4, "cannot listen on 203.0.113.1"),
        (("fleet", "--hubs", "1", "--broker", "http://x"), 2, "mqtt://HOST:PORT"),
        (("fleet", "--hubs", "9999999", "--broker", "mqtt://127.0.0.1"), 2, "descriptors"),
        (("control", "list", "--socket", "/nowhere/c.sock"), 6, "start one"),
        (("control", "list"), 2, "--socket"),
        (("fleet", "--hubs", "1", "--broker", "mqtt://127.0.0.1", "--hub-ids", "/nowhere"), 2, "one a line"),
        (("run", "steady-home", "--virtual", "--trace", "/nowhere/trace"), 4, "No such file"),
        (("carrier", "--port", "0", "--state", "/nowhere/state"), 3, "can be written"),
        (("frobnicate",), 2, "No such command"),
    ],
)
async def test_bad_input_is_one_line_and_a_code_of_its_own(words: tuple[str, ...], code: int, told: str) -> None:
    ended, _, err = await run(*words)
    assert ended == code, err
    assert told in err
    assert "Traceback" not in err
    if code != 2:
        assert len(err.strip().splitlines()) <= 2


async def test_lists_are_for_people_and_for_programs() -> None:
    _, text, _ = await run("scenarios")
    _, document, _ = await run("scenarios", "--json")
    names = [item["name"] for item in json.loads(document)["scenarios"]]
    assert len(names) >= 10
    assert all(name in text for name in names)
    _, faults, _ = await run("faults", "--json")
    assert {"hang_port", "power_cut"} <= {item["fault"] for item in json.loads(faults)["faults"]}
    _, version, _ = await run("--version")
    assert version.startswith("hub-sim ")


async def test_a_virtual_run_prints_its_seed_and_replays_it() -> None:
    _, first, told = await run("run", "loose-usb", "--virtual")
    seed = told.rsplit(maxsplit=1)[-1]
    _, again, _ = await run("run", "loose-usb", "--virtual", "--seed", seed)
    assert first == again
    assert json.loads(first.splitlines()[-1])["what"] == "ends"


async def test_a_running_household_is_meddled_with_and_leaves_nothing_behind(tmp_path: Path) -> None:
    port, socket, trace = tmp_path / "ttyUSB2", tmp_path / "c.sock", tmp_path / "trace"
    words = ["run", "steady-home", "--listen", f"pty:{port}", "--control", str(socket), "--trace", str(trace)]
    words += ["--host-dir", str(tmp_path / "host"), "--seed", "1"]
    async with running(*words, stream="stderr") as (process, ready):
        assert str(port) in ready

        async def control(*command: str) -> dict[str, Any]:
            code, out, err = await run("control", *command, "--socket", str(socket))
            assert code == 0, err
            answer: dict[str, Any] = json.loads(out)
            return answer

        number = (await control("inject", "weak_signal", "--with", "db=12"))["id"]
        assert [fault["id"] for fault in (await control("list"))["faults"]] == [number]
        assert await control("clear", str(number)) == {"cleared": 1}
        await control("line", "drop")
        assert (await control("state"))["line"]["ppp"] is False
        assert await control("power-button") == {"on": False}
        code, _, err = await run("control", "inject", "disk_full", "--socket", str(socket))
        assert code == 3
        assert "--disk" in err
        assert (await run(*words))[0] == 4
        process.send_signal(signal.SIGINT)
        assert await process.wait() == 0
    assert not socket.exists()
    assert not port.is_symlink()
    kinds = [json.loads(line)["what"] for line in trace.read_text().splitlines()]
    assert {"fault", "fault_over", "line_event", "power_button"} <= set(kinds)


async def test_host_faults_kill_real_processes_and_wipe_what_the_kernel_held(tmp_path: Path) -> None:
    agent = await asyncio.create_subprocess_exec("sleep", "60")
    (tmp_path / "agent.pid").write_text(f"{agent.pid}\n")
    socket = tmp_path / "c.sock"
    words = ["run", "steady-home", "--control", str(socket), "--host-dir", str(tmp_path / "host"), "--seed", "1"]
    words += ["--agent-pid-file", str(tmp_path / "agent.pid"), "--trace", os.devnull]
    async with running(*words, stream="stderr"):
        tools, state = tmp_path / "host" / "bin", tmp_path / "host" / "state"
        configuration = tmp_path / "dns.conf"
        configuration.write_text(f"port={free_port()}\nlisten-address=127.0.0.1\n")
        rules = b'{"nftables": [{"add": {"table": {"family": "inet", "name": "t"}}}]}'
        nft = await asyncio.create_subprocess_exec(tools / "nft", "-j", "-f", "-", stdin=asyncio.subprocess.PIPE)
        await nft.communicate(rules)
        assert (state / "nft.json").exists()
        dns = await asyncio.create_subprocess_exec(
            *(tools / "dnsmasq", "--keep-in-foreground", f"--conf-file={configuration}", f"--pid-file={tmp_path}/p"),
            stderr=asyncio.subprocess.DEVNULL,
        )
        await until((state / "dnsmasq.running").exists)
        assert (await run("control", "inject", "dns_dies", "--socket", str(socket)))[0] == 0
        assert await dns.wait() == -signal.SIGKILL
        assert (await run("control", "power-cut", "--socket", str(socket)))[0] == 0
        assert await agent.wait() == -signal.SIGKILL
        assert not (state / "nft.json").exists()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not condition():
            await asyncio.sleep(0.02)


async def test_a_line_tells_the_controller_what_happened_in_order_and_again_until_it_is_taken(tmp_path: Path) -> None:
    taken: list[dict[str, Any]] = []
    refusals = [503]

    async def api(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := (await reader.readuntil(b"\r\n\r\n") if not reader.at_eof() else b""):
            length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            body = json.loads(await reader.readexactly(length))
            status = refusals.pop() if refusals else 200
            if status == 200:
                assert b"authorization: bearer secret" in head.lower()
                taken.extend(body["events"])
            writer.write(f"HTTP/1.1 {status} x\r\ncontent-length: 2\r\n\r\n{{}}".encode())
            await writer.drain()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await api(reader, writer)
        except asyncio.IncompleteReadError:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    os.environ["MINIHUB_API_KEY"] = "secret"
    try:
        words = ["run", "router-restarts", "--speed", "3000", "--seed", "1", "--trace", str(tmp_path / "t")]
        async with running(*words, "--api-url", url, stream="stderr"):
            await until(lambda: len(taken) >= 8)
    finally:
        del os.environ["MINIHUB_API_KEY"]
        server.close()
    assert [event["kind"] for event in taken[:4]] == ["sync_lost", "ppp_lost", "sync_gained", "ppp_gained"]
    assert taken[0]["cause"] == "our_restart"


async def test_the_platform_keeps_its_sims_and_running_changes_over_a_restart(tmp_path: Path) -> None:
    manners = tmp_path / "slow.toml"
    manners.write_text("effect_delay_s = [1.5, 1.5]\n")
    words = ["carrier", "--port", "0", "--token", "t", "--seed", "1", "--json", "--state", str(tmp_path / "state")]
    words += ["--manners", str(manners)]
    headers = {"Authorization": "Bearer t"}
    async with httpx.AsyncClient(headers=headers, trust_env=False) as client:
        async with running(*words) as (process, line):
            url = json.loads(line)["listening"]
            assert (await client.post(f"{url}/sim/sims", json=[SIM])).status_code == 201
            changed = await client.patch(f"{url}{API}/service/sim-{SIM['iccid']}", json={"state": "active"})
            assert changed.status_code == 202
            process.kill()
            await process.wait()
        async with running(*words) as (_, line):
            url = json.loads(line)["listening"]
            monitor = f"{url}{API}/monitor/{changed.json()['id']}"
            async with asyncio.timeout(DEADLINE_S):
                while (await client.get(monitor)).json()["state"] != "completed":
                    await asyncio.sleep(0.3)
            attach = await client.get(f"{url}/sim/attach", params={"iccid": SIM["iccid"]})
            assert attach.json()["bearer"] == "internet"


async def test_a_lost_answer_is_a_closed_connection_on_a_real_socket(tmp_path: Path) -> None:
    manners = tmp_path / "losing.toml"
    manners.write_text("lost_answer = 1.0\n")
    sims = tmp_path / "sims.json"
    sims.write_text(json.dumps([SIM]))
    words = ["carrier", "--port", "0", "--token", "t", "--json", "--manners", str(manners), "--sims", str(sims)]
    async with running(*words) as (_, line), httpx.AsyncClient(trust_env=False) as client:
        url = json.loads(line)["listening"]
        with pytest.raises(httpx.RemoteProtocolError):
            await client.patch(
                f"{url}{API}/service/sim-{SIM['iccid']}",
                json={"state": "active"},
                headers={"Authorization": "Bearer t"},
            )
        state = (await client.get(f"{url}/sim/state")).json()
        assert len(state["changes"]) == 1
