"""`hub-sim modem` as its user meets it."""

import asyncio
import json
import signal
import sys
from pathlib import Path

import pytest

from simulator.cli import main

pytestmark = pytest.mark.slow
COMMAND = (sys.executable, "-m", "simulator.cli", "modem")


async def start(*options: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *COMMAND, *options, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_says_where_it_listens_and_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    port, socket = tmp_path / "port", tmp_path / "socket"
    process = await start(
        "--listen", f"pty:{port}", "--listen", f"unix:{socket}", "--listen", "tcp:127.0.0.1:0", "--no-boot", "--json",
        "--seed", "9", "--personality", "zte-mf833",
    )  # fmt: skip
    assert process.stdout is not None
    async with asyncio.timeout(20):
        told = json.loads(await process.stdout.readline())
    assert (told["personality"], told["seed"]) == ("zte-mf833", 9)
    assert told["listen"][:2] == [f"pty:{port}", f"unix:{socket}"]
    assert port.is_symlink()
    process.send_signal(number)
    async with asyncio.timeout(10):
        _, errors = await process.communicate()
    assert process.returncode == 0, errors
    assert not port.is_symlink()
    assert not socket.exists()


@pytest.mark.parametrize(
    ("options", "code", "told"),
    [
        (("--listen", "foo"), 2, "pty:PATH"),
        (("--listen", "pty:/x/y", "--personality", "nokia"), 3, "quectel-ec25"),
        (("--listen", "pty:/nowhere/at/all"), 4, "create it first"),
        (("--listen", "pty:/x/y", "--imei", "12"), 2, "15 digits"),
        (("--listen", "pty:/x/y", "--iccid", "12"), 2, "18 to 20 digits"),
        (("--listen", "pty:/x/y", "--pin", "1"), 2, "4 to 8 digits"),
        (("--listen", "pty:/x/y", "--carrier-url", "gsup://x"), 2, "gsup://HOST:PORT"),
    ],
)
def test_bad_input_is_one_line_with_the_remedy(
    options: tuple[str, ...], code: int, told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["hub-sim", "modem", *options])
    with pytest.raises(SystemExit) as ended:
        main()
    errors = capsys.readouterr().err
    assert ended.value.code == code
    assert told in errors
    assert errors.count("\n") == 1
