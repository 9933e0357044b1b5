"""The closed list of faults, and the board on which they hold."""

import pytest

from simulator.faults import FAULTS, BoardChange, Fault, FaultBoard, FaultError, make_fault


def test_every_fault_of_the_enumeration_is_described_and_can_be_made_with_its_defaults() -> None:
    assert set(FAULTS) == set(Fault)
    for fault in Fault:
        made = make_fault(fault.value)
        assert made.kind is fault
        assert made.point == FAULTS[fault].point


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"kind": "gremlin"}, "one of hang_port"),
        ({"kind": "late_reply", "parameters": {"minutes": 1}}, "it takes seconds"),
        ({"kind": "late_reply", "parameters": {"seconds": "soon"}}, "must be a number"),
        ({"kind": "late_reply", "parameters": {"seconds": -1}}, "must lie within 0..86400"),
        ({"kind": "late_reply", "parameters": {"seconds": float("nan")}}, "must lie within"),
        ({"kind": "late_reply", "point": "sim"}, "one of modem"),
        ({"kind": "hang_port", "point": "modem.port.x"}, "cannot be met"),
        ({"kind": "reboot", "at_s": -1}, "nought or more"),
        ({"kind": "nul", "for_s": 0}, "more than nought"),
        ({"kind": "nul", "times": 0}, "1 or more"),
    ],
)
def test_a_wrong_fault_is_refused_with_the_remedy(arguments: dict[str, object], told: str) -> None:
    with pytest.raises(FaultError, match=told):
        make_fault(**arguments)  # type: ignore[arg-type]


def test_a_fault_at_a_point_is_met_at_what_lies_under_it_and_nowhere_else() -> None:
    board = FaultBoard()
    board.inject(make_fault("hang_port", point="modem.port.1"))
    board.inject(make_fault("late_reply"))
    assert board.find(Fault.HANG_PORT, "modem.port.1", 0)
    assert board.find(Fault.HANG_PORT, "modem.port.11", 0) is None
    assert board.find(Fault.LATE_REPLY, "modem.port.7", 0)
    assert board.find(Fault.LATE_REPLY, "radio", 0) is None


def test_a_fault_holds_for_its_time_and_bites_as_often_as_it_may() -> None:
    board = FaultBoard()
    board.inject(make_fault("lost_ok", at_s=10, for_s=5))
    assert [bool(board.find(Fault.LOST_OK, "modem", now)) for now in (9, 10, 14.9, 15)] == [False, True, True, False]
    board.inject(make_fault("garbage", times=2))
    assert [bool(board.take(Fault.GARBAGE, "modem", 0)) for _ in range(3)] == [True, True, False]
    assert not board.active(20)
    board.expire(20)
    assert not board.pinned()


def test_listeners_hear_of_every_change_and_momentary_faults_do_not_stay() -> None:
    board, heard = FaultBoard(), list[BoardChange]()
    unsubscribe = board.subscribe(heard.append)
    number = board.inject(make_fault("weak_signal"))
    board.inject(make_fault("reboot"))
    assert [fault.kind for _, fault in board.pinned()] == [Fault.WEAK_SIGNAL]
    assert board.clear(number)
    assert not board.clear(number)
    assert [(change.fault.kind.value, change.injected) for change in heard] == [
        ("weak_signal", True),
        ("reboot", True),
        ("weak_signal", False),
    ]
    unsubscribe()
    unsubscribe()
    board.inject(make_fault("nul"))
    assert len(heard) == 3
    assert board.clear_all() == 1
