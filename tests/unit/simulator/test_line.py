"""The broadband line: what its sources see in each pattern."""

from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.api.schemas import LineEvents, NewOutage
from simulator.clock import EPOCH, Agenda, ManualClock
from simulator.line import Line, LineEvent, declare_outage
from simulator.scenario import LinePart, OutagePart

DAY = 86400.0


def play(part: LinePart, seconds: float, *, seed: int = 1, touch: Any = None) -> tuple[Line, list[LineEvent]]:
    clock, told = ManualClock(), list[LineEvent]()
    agenda = Agenda(clock)
    line = Line(part, agenda=agenda, random=Random(seed), utc=clock.utc, report=told.append)
    line.start()
    if touch is not None:
        agenda.at(100, lambda: touch(line))
    while (deadline := agenda.next_deadline()) is not None and deadline <= seconds:
        clock.advance(max(0.0, deadline - clock.now()))
        agenda.run_due()
    return line, told


def kinds(told: list[LineEvent]) -> list[str]:
    return [event.kind.value for event in told]


def test_a_steady_line_has_nothing_to_tell() -> None:
    assert play(LinePart(), DAY)[1] == []


@given(st.integers(min_value=0, max_value=10_000))
@settings(max_examples=50, deadline=None)
def test_a_flapping_line_alternates_in_every_source(seed: int) -> None:
    line, told = play(LinePart(pattern="flapping", drops_per_day=30), DAY, seed=seed)
    for word in ("sync", "ppp"):
        seen = [kind for kind in kinds(told) if kind.startswith(word)]
        assert seen[::2] == [f"{word}_lost"] * len(seen[::2])
        assert seen[1::2] == [f"{word}_gained"] * len(seen[1::2])
    assert [event.at for event in told] == sorted(event.at for event in told)
    assert 5 <= kinds(told).count("ppp_lost") <= 60
    assert not line.connected or kinds(told)[-1] == "ppp_gained"


def test_a_dead_line_loses_both_once_and_comes_back_when_mended() -> None:
    part = LinePart(pattern="dead", dies_at_s=50)
    assert kinds(play(part, DAY)[1]) == ["sync_lost", "ppp_lost"]
    # A dead line drops no more.
    assert kinds(play(LinePart(pattern="flapping", drops_per_day=500), DAY, touch=lambda line: line.die())[1])[-1] in {
        "sync_lost",
        "ppp_lost",
    }
    mended, told = play(part, DAY, touch=lambda line: line.recover())
    assert kinds(told) == ["sync_lost", "ppp_lost", "sync_gained", "ppp_gained"]
    assert mended.synchronised
    assert mended.connected


def test_a_restart_begins_anew_what_was_about_to_come_back() -> None:
    def touch(line: Line) -> None:
        line.drop()
        line.restart_router(asked_by_us=True)

    # The drop alone would be over within a minute; a router needs longer.
    lost = play(LinePart(drop_s=(1, 2)), 1000, touch=touch)[1]
    back = [(event.at - EPOCH).total_seconds() for event in lost if event.kind.value == "sync_gained"]
    assert len(back) == 1
    assert back[0] >= 160.0


def test_what_is_due_at_one_moment_happens_in_the_order_in_which_it_was_planned() -> None:
    clock, done = ManualClock(), list[str]()
    agenda = Agenda(clock)
    for name in "abc":
        agenda.at(5.0, lambda name=name: done.append(name))  # type: ignore[misc]  # the name of this turn
    clock.advance(5.0)
    agenda.run_due()
    assert done == ["a", "b", "c"]


@pytest.mark.parametrize(("ours", "cause"), [(True, "our_restart"), (False, "customer_power_cycle")])
def test_a_restart_tells_whose_it_was_and_a_drop_tells_nothing(ours: bool, cause: str) -> None:
    _, told = play(LinePart(), 1000, touch=lambda line: line.restart_router(asked_by_us=ours))
    assert [event.cause for event in told] == [cause, cause, None, None]
    assert kinds(told)[-1] == "ppp_gained"
    _, dropped = play(LinePart(), 1000, touch=lambda line: line.drop())
    assert {event.cause for event in dropped} == {None}


def test_sources_tell_late_and_twice_and_never_change_the_time_it_happened() -> None:
    part = LinePart(pattern="flapping", drops_per_day=20, late_s=(0, 3600), seen_twice=0.5)
    _, told = play(part, DAY)
    items = [tuple(sorted(event.as_api().items())) for event in told]
    assert len(set(items)) < len(items)
    assert [event.at for event in told] != sorted(event.at for event in told)


@pytest.mark.parametrize(("ours", "cause"), [(True, "our_restart"), (False, "customer_power_cycle")])
def test_events_and_outages_are_what_the_controllers_api_takes(ours: bool, cause: str) -> None:
    line = "01990000-0000-7000-8000-000000000002"
    _, told = play(LinePart(line_id=line), 1000, touch=lambda each: each.restart_router(asked_by_us=ours))
    events = LineEvents.model_validate({"events": [event.as_api() for event in told]}).events
    assert [(event.kind.value, event.cause) for event in events][:2] == [
        ("sync_lost", cause),
        ("ppp_lost", cause),
    ]
    assert events[0].at.utcoffset() is not None
    outage = NewOutage.model_validate(
        declare_outage(OutagePart(from_s=60, declared_at_s=3600, planned=True), line, EPOCH)
    )
    assert (outage.from_at.isoformat(), outage.until, outage.planned) == ("2026-01-05T09:01:00+00:00", None, True)
