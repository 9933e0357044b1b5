"""The tests of signal_meter: on the simulator by default, on hardware with --target serial:PORT."""

import time

import pytest

from signal_meter import NoAnswerError, read_signal

pytestmark = pytest.mark.hil(speed=4)  # the simulated modem lives four times as fast; a real one takes its time


def wait_for_signal(port, within_s=20.0):
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        level = read_signal(port)
        if level is not None:
            return level
    raise AssertionError("no network heard")


def test_the_signal_is_a_plausible_number(hil_port):
    assert -113 <= wait_for_signal(hil_port) <= -51


def test_a_lost_reply_is_asked_for_again(hil_port, hil_faults):
    wait_for_signal(hil_port)
    hil_faults.inject("lost_ok", times=1)
    assert read_signal(hil_port, timeout_s=0.5) is not None


def test_a_hanging_port_is_an_error_and_not_a_wait_for_ever(hil_port, hil_faults):
    hil_faults.inject("hang_port", point="modem.port.0")
    with pytest.raises(NoAnswerError):
        read_signal(hil_port, timeout_s=0.2)
    hil_faults.clear()
    assert wait_for_signal(hil_port) < 0


@pytest.mark.hil(personality="simcom-sim7600")
def test_walls_make_it_weaker(hil, hil_port):
    before = wait_for_signal(hil_port)
    hil.move(path_loss_db=125)
    time.sleep(0.5)
    assert wait_for_signal(hil_port) < before
