"""What the documents send a reader to is there: links, files, make targets, switches in the environment."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
ROOMS = ("controller", "device_agent", "firmware_bridge", "simulator", "bench", "tests", "deploy", "docs", r"\.ci")
LINK = re.compile(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)")
FILE = re.compile(rf"`((?:{'|'.join(ROOMS)})/[\w./-]+)(?:::\w+)?`")
TARGET = re.compile(r"(?:^|`)make ([a-z][a-z-]*)", re.MULTILINE)
SWITCH = re.compile(r"\bMINIHUB_[A-Z_]+\b")


def named(document: Path, pattern: re.Pattern[str]) -> set[str]:
    return set(pattern.findall(document.read_text()))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_what_a_document_names_exists(document: Path) -> None:
    links = [name for name in named(document, LINK) if not (document.parent / name).exists()]
    files = [name for name in named(document, FILE) if not (ROOT / name).exists()]
    assert (links, files) == ([], [])


def test_targets_and_switches_that_are_named_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    code = [
        path
        for room in ("controller", "device_agent", "simulator", "bench", "tests")
        for path in (ROOT / room).rglob("*.py")
    ]
    known = {name for path in [*code, ROOT / "Makefile"] for name in named(path, SWITCH)}
    assert {name for document in DOCUMENTS for name in named(document, TARGET)} - targets == set()
    assert {name for document in DOCUMENTS for name in named(document, SWITCH)} - known == set()
