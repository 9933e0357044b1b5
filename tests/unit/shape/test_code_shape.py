"""Rules about the code that no linter knows: sizes, async-free rooms, cancellation, shipped words."""

import ast
import re
import statistics
import subprocess
from collections.abc import Iterator
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
BANNED_MODULES = {"utils", "util", "common", "helpers", "helper", "manager", "misc"}

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


def python_files(*rooms: str) -> list[Path]:
    return [path for room in rooms for path in sorted((ROOT / room).rglob("*.py")) if "migrations" not in path.parts]


def functions(path: Path) -> Iterator[FunctionNode]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, FunctionNode):
            yield node


def length(node: FunctionNode) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def where(path: Path, node: ast.AST) -> str:
    return f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"


def test_no_file_is_over_500_lines() -> None:
    long = [f"{p.relative_to(ROOT)} {n}" for p in python_files(*ROOMS) if (n := p.read_text().count("\n")) > LINES_MOST]
    assert not long


def test_no_function_is_over_60_lines() -> None:
    long = [f"{where(p, f)} {f.name}" for p in python_files(*ROOMS) for f in functions(p) if length(f) > FUNCTION_MOST]
    assert not long


@pytest.mark.parametrize("room", SHIPPED)
def test_the_median_function_has_at_most_10_lines(room: str) -> None:
    sizes = [length(f) for p in python_files(room) for f in functions(p)]
    assert statistics.median(sizes or [0]) <= MEDIAN_MOST


def test_rules_tables_and_transactions_hold_no_async_code() -> None:
    guilty = [
        where(path, node)
        for path in python_files(*SYNCHRONOUS)
        if path != ASYNC_BRIDGE
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.AsyncFunctionDef | ast.Await | ast.AsyncFor | ast.AsyncWith)
    ]
    assert not guilty


def _catches_cancellation(handler: ast.ExceptHandler) -> bool:
    if handler.type is None:
        return True
    names = {ast.unparse(node).rsplit(".", 1)[-1] for node in ast.walk(handler.type) if isinstance(node, ast.expr)}
    return bool(names & {"CancelledError", "BaseException"})


def _raises_again(handler: ast.ExceptHandler) -> bool:
    return any(isinstance(node, ast.Raise) and node.exc is None for node in ast.walk(handler))


def test_cancellation_always_propagates() -> None:
    """A handler that sees CancelledError raises it again; to await a task one cancelled, use gather or suppress."""
    guilty = [
        where(path, handler)
        for path in python_files(*SHIPPED)
        for handler in ast.walk(ast.parse(path.read_text()))
        if isinstance(handler, ast.ExceptHandler) and _catches_cancellation(handler) and not _raises_again(handler)
    ]
    assert not guilty


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
