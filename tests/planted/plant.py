"""Plant one bug in a copy of the project and say whether the tests beside it noticed."""

import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TABLE = Path(__file__).with_name("bugs.toml")
COPIED = ("controller", "device_agent", "firmware_bridge", "simulator", "tests", "bench", "deploy", "docs")
DEADLINE_S = 900.0
# pytest's exit code when tests ran and some failed; any other says that nothing was tested.
SOME_FAILED = 1


@dataclass(frozen=True, slots=True)
class Bug:
    """`find` becomes `put` in `file`; `tests` are what has to notice. `share`: planted in the ordinary run too."""

    name: str
    file: str
    find: str
    put: str
    tests: tuple[str, ...]
    share: bool = False


def bugs() -> tuple[Bug, ...]:
    """Return every bug of the table."""
    rows = tomllib.loads(TABLE.read_text())["bug"]
    return tuple(Bug(**{**row, "tests": tuple(row["tests"])}) for row in rows)


@contextmanager
def planted(bug: Bug) -> Iterator[Path]:
    """Give a copy of the project with the bug in it."""
    with tempfile.TemporaryDirectory(prefix="planted-") as folder:
        copy = Path(folder)
        for name in COPIED:
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", copy)
        path = copy / bug.file
        path.write_text(path.read_text().replace(bug.find, bug.put, 1))
        yield copy


def run_tests(bug: Bug, copy: Path) -> tuple[bool, str]:
    """Run the bug's tests in the copy until one fails; returns whether one did, and the output's end."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *bug.tests]
    environment = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    run = subprocess.run(
        command, cwd=copy, env=environment, capture_output=True, text=True, timeout=DEADLINE_S, check=False
    )
    return run.returncode == SOME_FAILED, (run.stdout + run.stderr)[-2000:]
