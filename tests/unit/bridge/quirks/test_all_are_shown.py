"""No quirk is left out."""

import ast
import re
from pathlib import Path

QUIRKS = 44


def test_every_quirk_has_a_test_of_its_name() -> None:
    trees = [ast.parse(path.read_text()) for path in Path(__file__).parent.glob("test_q*.py")]
    names = [node.name for tree in trees for node in tree.body if isinstance(node, ast.FunctionDef)]
    shown = {int(match[1]) for name in names if (match := re.match(r"test_q(\d+)_", name))}
    assert shown == set(range(1, QUIRKS + 1))
