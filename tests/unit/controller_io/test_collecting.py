"""Garbage is looked for less often while very much is due, and as usual afterwards."""

import gc

import pytest

from controller.work.collecting import AFTER, collecting_rarely


def test_garbage_waits_until_the_last_who_asked_for_it_is_done() -> None:
    usual = gc.get_threshold()
    with collecting_rarely():
        with collecting_rarely():
            assert gc.get_threshold() == (AFTER, *usual[1:])
        assert gc.get_threshold() == (AFTER, *usual[1:])
    assert gc.get_threshold() == usual


def test_garbage_is_collected_as_usual_after_a_failure() -> None:
    usual = gc.get_threshold()
    with pytest.raises(ValueError, match="broken"), collecting_rarely():
        raise ValueError("broken")
    assert gc.get_threshold() == usual
