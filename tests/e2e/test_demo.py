"""`hub-sim demo` as a person runs it: ends well, notices what is broken, and leaves nothing behind."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.e2e

STEPS = ["accounts", "fault", "ready", "online", "telemetry", "resolved", "not-branded"]
PROGRAM = str(Path(sys.executable).parent / "hub-sim")
DEADLINE_S = 240.0


@pytest.fixture
def folder() -> Iterator[Path]:
    """An empty folder with a name short enough for the Unix sockets in it, whatever runs the tests."""
    with tempfile.TemporaryDirectory(prefix="demo-") as made:
        yield Path(made)


def start(directory: Path, *words: str) -> "subprocess.Popen[bytes]":
    """Start the demo with its files in `directory` and nowhere else."""
    environment = {**os.environ, "TMPDIR": str(directory)}
    return subprocess.Popen(
        # Whoever runs the tests in the background may have Ctrl-C ignored for all they start.
        ["env", "--default-signal=INT", PROGRAM, "demo", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        start_new_session=True,
    )


def play(directory: Path, *words: str) -> tuple[int, dict[str, Any]]:
    demo = start(directory, "--json", *words)
    try:
        out, err = demo.communicate(timeout=DEADLINE_S)
    except subprocess.TimeoutExpired:
        demo.kill()
        demo.communicate()
        raise
    assert out, err.decode()[-3000:]
    return demo.returncode, json.loads(out)


def left_behind(directory: Path, pid: int) -> list[str]:
    """Files in the demo's folder, processes that name it, namespaces of the demo's."""
    found = [f"file {path}" for path in directory.iterdir()]
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if str(directory) in words:
                found.append(f"process {entry.name}: {words[:200]}")
    namespaces = Path("/run/netns")
    names = [path.name for path in namespaces.iterdir()] if namespaces.is_dir() else []
    return found + [f"namespace {name}" for name in names if name.startswith(f"mh{pid}-")]


@pytest.mark.parametrize(
    "words", [(), ("--stand-ins", "--interrupt-broker")], ids=["as it comes", "broker interrupted"]
)
def test_the_demo_ends_well(folder: Path, words: tuple[str, ...]) -> None:
    code, shown = play(folder, *words)
    assert [(step["name"], step["ok"]) for step in shown["steps"]] == [(n, True) for n in STEPS], shown["steps"][-1]
    assert (code, shown["ok"]) == (0, True)
    assert not left_behind(folder, -1)


@pytest.mark.parametrize(
    ("broken", "step", "reason"),
    [
        ("filter", "online", "filter_in_force"),
        ("carrier", "ready", "carrier"),
        ("modem", "online", "modem_present"),
        ("broker", "online", "document"),
        ("clock", "online", "clock_trusted"),
    ],
)
def test_the_demo_notices_what_is_broken(folder: Path, broken: str, step: str, reason: str) -> None:
    code, shown = play(folder, "--stand-ins", f"--break={broken}")
    last = shown["steps"][-1]
    assert (code, shown["ok"], last["name"], last["ok"]) == (1, False, step, False), last
    assert reason in last["reason"]
    assert not left_behind(folder, -1)


@pytest.mark.parametrize("after_s", [1.0, 3.0, 9.0])
def test_ctrl_c_leaves_nothing_behind(folder: Path, after_s: float) -> None:
    demo = start(folder)
    time.sleep(after_s)
    demo.send_signal(signal.SIGINT)
    out, err = demo.communicate(timeout=60)
    assert demo.returncode == 130, out.decode()[-2000:] + err.decode()[-2000:]
    assert b"Traceback" not in out + err
    assert not left_behind(folder, demo.pid)


def test_a_folder_whose_sockets_could_not_be_named_is_refused(folder: Path) -> None:
    deep = folder / ("d" * 80)
    deep.mkdir()
    demo = start(deep, "--stand-ins")
    _, err = demo.communicate(timeout=60)
    assert (demo.returncode, err.count(b"\n"), b"TMPDIR" in err) == (2, 1, True), err.decode()
