"""The table of planted bugs stays plantable while the code moves."""

import pytest

from tests.planted.plant import ROOT, Bug, bugs


@pytest.mark.parametrize("bug", bugs(), ids=lambda bug: bug.name)
def test_a_bug_can_be_planted_at_one_place(bug: Bug) -> None:
    found = (ROOT / bug.file).read_text().count(bug.find)
    missing = [path for path in bug.tests if not (ROOT / path).exists()]
    assert (found, missing) == (1, []), f"{bug.name}: mend tests/planted/bugs.toml"


def test_no_two_bugs_share_a_name() -> None:
    names = [bug.name for bug in bugs()]
    assert len(names) == len(set(names))
