"""Trusted time: never before the floor, never from the system clock."""

from hypothesis import given
from hypothesis import strategies as st

from device_agent.clock import LATEST_MS, MAX_STEP_MS, Clock

NOW = 1_767_603_600_000


class Uptime:
    def __init__(self) -> None:
        self.s = 100.0

    def __call__(self) -> float:
        return self.s


def test_without_an_anchor_there_is_no_time() -> None:
    clock = Clock(Uptime(), floor_ms=NOW)
    assert clock.now_ms() is None
    assert not clock.trusted


def test_an_anchor_runs_with_uptime() -> None:
    uptime = Uptime()
    clock = Clock(uptime)
    assert clock.offer(NOW)
    uptime.s += 5
    assert clock.now_ms() == NOW + 5000


def test_a_word_far_below_the_floor_is_refused_and_the_floor_itself_runs() -> None:
    uptime = Uptime()
    clock = Clock(uptime, floor_ms=NOW)
    assert not clock.offer(NOW - MAX_STEP_MS - 1)
    uptime.s += 60
    assert clock.floor_ms == NOW + 60_000
    assert not clock.offer(NOW + 59_999 - MAX_STEP_MS)
    assert clock.now_ms() is None


@given(late_ms=st.integers(0, MAX_STEP_MS))
def test_a_network_that_is_a_little_late_stands_for_the_floor(late_ms: int) -> None:
    clock = Clock(Uptime(), floor_ms=NOW)
    assert clock.offer(NOW - late_ms)
    assert clock.now_ms() == NOW


def test_a_document_raises_the_floor_and_with_it_the_time() -> None:
    clock = Clock(Uptime())
    clock.offer(NOW)
    clock.raise_floor(NOW + 30_000)
    assert clock.now_ms() == NOW + 30_000
    clock.raise_floor(NOW)
    assert clock.floor_ms == NOW + 30_000


def test_two_words_that_disagree_leave_neither() -> None:
    clock = Clock(Uptime())
    assert clock.offer(NOW)
    assert not clock.offer(NOW + MAX_STEP_MS + 1)
    assert clock.now_ms() is None
    assert clock.offer(NOW + MAX_STEP_MS + 1)


def test_a_network_of_another_century_is_refused() -> None:
    assert not Clock(Uptime()).offer(LATEST_MS + 1)


@given(
    floor=st.integers(0, LATEST_MS),
    doings=st.lists(st.tuples(st.sampled_from(["offer", "raise", "wait"]), st.integers(0, LATEST_MS)), max_size=30),
)
def test_time_is_never_before_the_floor_and_the_floor_never_falls(floor: int, doings: list[tuple[str, int]]) -> None:
    uptime = Uptime()
    clock = Clock(uptime, floor_ms=floor)
    least = floor
    for doing, value in doings:
        if doing == "offer":
            clock.offer(value)
        elif doing == "raise":
            clock.raise_floor(value)
        else:
            uptime.s += value % 100_000
        assert clock.floor_ms >= least
        least = clock.floor_ms
        now = clock.now_ms()
        assert now is None or now >= least


def test_a_word_that_is_a_little_behind_takes_no_time_back() -> None:
    clock = Clock(Uptime())
    assert clock.offer(NOW)
    assert clock.offer(NOW - 60_000)
    assert clock.now_ms() == NOW
    assert clock.offer(NOW + 60_000)
    assert clock.now_ms() == NOW + 60_000


def test_a_word_far_behind_a_running_clock_leaves_neither() -> None:
    clock = Clock(Uptime())
    clock.offer(NOW)
    assert not clock.offer(NOW - MAX_STEP_MS - 1)
    assert not clock.trusted


def test_a_word_below_the_floor_is_compared_as_the_floor() -> None:
    clock = Clock(Uptime(), floor_ms=NOW)
    clock.offer(NOW + MAX_STEP_MS // 2)
    assert clock.offer(NOW - MAX_STEP_MS + 1)
    assert clock.trusted
