"""The plugin as other projects meet it: the example project, a serial target, options that are wrong."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "docs" / "examples" / "hil"
HUB_SIM = str(Path(sys.executable).with_name("hub-sim"))


def run_example(*words: str) -> subprocess.CompletedProcess[str]:
    """Run the example's tests as their own project, without this repository's settings."""
    installed = any(point.value == "simulator.pytest_plugin" for point in entry_points(group="pytest11"))
    loading = [] if installed else ["-p", "simulator.pytest_plugin"]
    command = [sys.executable, "-m", "pytest", *loading, "-p", "no:cacheprovider", "-p", "no:asyncio", "-rs", *words]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    environment.pop("PYTEST_ADDOPTS", None)
    return subprocess.run(
        [*command, "-c", str(EXAMPLE / "pyproject.toml"), "--rootdir", str(EXAMPLE), str(EXAMPLE)],
        cwd=EXAMPLE,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def real_port(tmp_path: Path) -> Iterator[str]:
    """A port that knows no control socket, as real hardware does not."""
    port = tmp_path / "ttyUSB2"
    process = subprocess.Popen(
        [HUB_SIM, "modem", "--listen", f"pty:{port}", "--no-boot", "--seed", "1"], stdout=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 20
    while not port.exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    yield str(port)
    process.terminate()
    process.wait(10)


def test_the_example_project_passes_on_the_simulator() -> None:
    done = run_example()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 passed" in done.stdout


def test_on_hardware_the_same_tests_run_and_faults_are_skipped_with_the_reason(real_port: str) -> None:
    done = run_example("--target", f"serial:{real_port}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed, 3 skipped" in done.stdout
    assert "fault injection needs the simulator: the target is real hardware" in done.stdout


@pytest.mark.parametrize("target", ["serial:", "bluetooth:x"])
def test_a_wrong_target_is_refused_in_words(target: str) -> None:
    done = run_example("--target", target)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "say sim, or serial:/dev/ttyUSB2" in done.stderr


def test_a_personality_that_does_not_exist_fails_the_test_with_the_simulators_own_words() -> None:
    done = run_example("--hil-personality", "nokia-3310", "-k", "plausible")
    assert done.returncode == pytest.ExitCode.TESTS_FAILED
    assert "nokia-3310" in done.stdout
    assert "Traceback" not in done.stdout
