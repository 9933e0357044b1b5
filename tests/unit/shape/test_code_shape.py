"""Rules about the code that no linter knows: sizes, async-free rooms, cancellation, shipped words."""

import ast
import functools
import re
import statistics
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
ROOMS = ("controller", "device_agent", "firmware_bridge", "simulator", "bench", "tests")
SHIPPED = ROOMS[:4]
LINES_MOST = 500
FUNCTION_MOST = 60
MEDIAN_MOST = 10
SYNCHRONOUS = ("controller/domain", "controller/tables", "controller/services")
# Decision 9: the one bridge from async to sync.
ASYNC_BRIDGE = ROOT / "controller/services/database.py"
# What must outlive a bug in what it runs, and says so in the log or to who asked.
SUPERVISORS = {
    "controller/ingest/batches.py",
    "controller/work/loop.py",
    "controller/work/timers.py",
    "controller/work/together.py",
    "device_agent/cli/run.py",
    "device_agent/requests.py",
    "simulator/virtual/loop.py",
}
BANNED_MODULES = {"utils", "util", "common", "helpers", "helper", "manager", "misc"}

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef
ASYNC_NODES = ast.AsyncFunctionDef | ast.Await | ast.AsyncFor | ast.AsyncWith


def python_files(*rooms: str) -> list[Path]:
    return [path for room in rooms for path in sorted((ROOT / room).rglob("*.py")) if "migrations" not in path.parts]


@dataclass(frozen=True)
class Shape:
    """What the rules ask of a file; lines are where things stand in it."""

    lengths: dict[str, int]
    async_lines: list[int]
    lines_that_swallow: list[int]
    broad_lines: list[int]
    real_sleeps: list[int]


@functools.cache
def shape(path: Path) -> Shape:
    """Read the file once for all rules."""
    found = Shape({}, [], [], [], [])
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, FunctionNode):
            found.lengths[f"{where(path, node.lineno)} {node.name}"] = (
                (node.end_lineno or node.lineno) - node.lineno + 1
            )
        if isinstance(node, ASYNC_NODES):
            found.async_lines.append(node.lineno)
        if isinstance(node, ast.ExceptHandler) and _catches_cancellation(node) and not _raises_again(node):
            found.lines_that_swallow.append(node.lineno)
        if isinstance(node, ast.ExceptHandler) and _takes_everything(node):
            found.broad_lines.append(node.lineno)
        found.real_sleeps.extend(_real_sleeps(node))
    return found


def where(path: Path, line: int) -> str:
    return f"{path.relative_to(ROOT)}:{line}"


def test_no_file_is_over_500_lines() -> None:
    long = [f"{p.relative_to(ROOT)} {n}" for p in python_files(*ROOMS) if (n := p.read_text().count("\n")) > LINES_MOST]
    assert not long


def test_no_function_is_over_60_lines() -> None:
    lengths = [each for path in python_files(*ROOMS) for each in shape(path).lengths.items()]
    assert not [name for name, length in lengths if length > FUNCTION_MOST]


@pytest.mark.parametrize("room", SHIPPED)
def test_the_median_function_has_at_most_10_lines(room: str) -> None:
    sizes = [length for path in python_files(room) for length in shape(path).lengths.values()]
    assert statistics.median(sizes or [0]) <= MEDIAN_MOST


def test_rules_tables_and_transactions_hold_no_async_code() -> None:
    synchronous = [path for path in python_files(*SYNCHRONOUS) if path != ASYNC_BRIDGE]
    assert not [where(path, line) for path in synchronous for line in shape(path).async_lines]


def _catches_cancellation(handler: ast.ExceptHandler) -> bool:
    if handler.type is None:
        return True
    names = {ast.unparse(node).rsplit(".", 1)[-1] for node in ast.walk(handler.type) if isinstance(node, ast.expr)}
    return bool(names & {"CancelledError", "BaseException"})


def _raises_again(handler: ast.ExceptHandler) -> bool:
    return any(isinstance(node, ast.Raise) and node.exc is None for node in ast.walk(handler))


def test_cancellation_always_propagates() -> None:
    """A handler that sees CancelledError raises it again; to await a task one cancelled, use gather or suppress."""
    assert not [where(path, line) for path in python_files(*SHIPPED) for line in shape(path).lines_that_swallow]


def _takes_everything(handler: ast.ExceptHandler) -> bool:
    caught = None if handler.type is None else ast.unparse(handler.type)
    return caught == "Exception" and not any(isinstance(node, ast.Raise) for node in ast.walk(handler))


def test_only_what_supervises_takes_every_error() -> None:
    broad = {path.relative_to(ROOT).as_posix() for path in python_files(*SHIPPED) if shape(path).broad_lines}
    assert broad == SUPERVISORS


def _real_sleeps(node: ast.AST) -> list[int]:
    """Lines that stop the process, or that make a test which has pytest's own loop wait."""
    is_test = isinstance(node, ast.AsyncFunctionDef) and node.name.startswith("test_")
    calls = (each for each in (ast.walk(node) if is_test else (node,)) if isinstance(each, ast.Call))
    sleeps = [each for each in calls if isinstance(each.func, ast.Attribute) and each.func.attr == "sleep"]
    waits = r"asyncio\.sleep\((?!0\))" if is_test else r"time\.sleep"
    return [each.lineno for each in sleeps if re.match(waits, ast.unparse(each))]


def test_no_unit_test_waits_for_a_real_clock() -> None:
    assert not [where(path, line) for path in python_files("tests/unit") for line in shape(path).real_sleeps]


def test_no_module_is_a_drawer_for_everything() -> None:
    assert not [p for p in python_files(*ROOMS) if p.stem in BANNED_MODULES or p.parent.name in BANNED_MODULES]


def test_the_agent_package_stays_empty() -> None:
    assert not (ROOT / "device_agent/__init__.py").read_text()


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-dev.lock"])
def test_locks_name_no_index_and_hash_everything(lock: str) -> None:
    text = (ROOT / lock).read_text()
    assert not re.search(r"https?://|file://|--index|--extra-index|--find-links", text)
    pins = re.findall(r"^[A-Za-z0-9_.\[\]-]+==\S+", text, re.MULTILINE)
    assert len(pins) <= text.count("--hash=sha256:")
    assert "setuptools==" in text


def test_nothing_committed_names_a_machine_path() -> None:
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.split(b"\0")
    paths = (("work", "main"), ("work", "shared"), ("root", r"\.pyenv"), ("tmp", "brief"))
    pattern = re.compile("|".join("/" + "/".join(parts) for parts in paths).encode())
    texts = ((ROOT / name.decode()) for name in tracked if name)
    assert not [str(path.relative_to(ROOT)) for path in texts if path.is_file() and pattern.search(path.read_bytes())]
