"""Every planted bug is noticed. A share of them here; all of them with MINIHUB_PLANTED=all (`make planted`)."""

import os

import pytest

from tests.planted.plant import Bug, bugs, planted, run_tests

WANTED = [bug for bug in bugs() if bug.share or os.environ.get("MINIHUB_PLANTED") == "all"]


@pytest.mark.slow
@pytest.mark.parametrize("bug", WANTED, ids=lambda bug: bug.name)
def test_a_planted_bug_is_noticed(bug: Bug) -> None:
    with planted(bug) as copy:
        noticed, output = run_tests(bug, copy)
    assert noticed, f"{bug.name}: {', '.join(bug.tests)} passed all the same\n{output}"
