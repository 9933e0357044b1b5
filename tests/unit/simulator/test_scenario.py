"""Scenarios: the schema, errors that name the line, the shipped ones, and the same seed giving the same bytes."""

import hashlib
import subprocess
import sys

import pytest

from simulator.clock import ManualClock
from simulator.control.commands import ClearFaults, InjectFault, ListFaults, ShowState, perform
from simulator.control.server import answer_line
from simulator.control.trace import TraceLine
from simulator.control.virtual import play_virtual
from simulator.control.world import World
from simulator.faults import Fault
from simulator.scenario import (
    CarryTraffic,
    JumpClock,
    MoveCells,
    PowerButton,
    ScenarioError,
    SendSms,
    SetSimState,
    SwapSim,
    TouchLine,
    load_scenario,
    parse_scenario,
    shipped_scenarios,
)

HEAD = 'title = "t"\ndescription = "d"\n'
SHIPPED = sorted(shipped_scenarios())


def trace_of(name: str, seed: int) -> bytes:
    lines: list[bytes] = []
    play_virtual(load_scenario(name), seed=seed, on_trace=lambda line: lines.append(line.encode()))
    return b"".join(lines)


def world(text: str = HEAD + "[modem]\nboots = false\n") -> tuple[World, ManualClock, list[TraceLine]]:
    clock, told = ManualClock(), list[TraceLine]()
    made = World(parse_scenario(text, "test"), clock=clock, seed=1, on_event=perform, on_trace=told.append)
    made.begin()
    return made, clock, told


def pass_time(made: World, clock: ManualClock, seconds: float) -> None:
    until = clock.now() + seconds
    while (deadline := made.settle()) is not None and deadline <= until:
        clock.advance(max(0.0, deadline - clock.now()))
    clock.advance(until - clock.now())
    made.settle()


def words(told: list[TraceLine]) -> list[str]:
    return [line.what for line in told]


@pytest.mark.parametrize(
    ("body", "line", "told"),
    [
        ("duration_s = -1\n", 3, "duration_s"),
        ("[modem]\nboots = 3\n", 4, "modem.boots"),
        ("[modem]\n\ncolour = 'red'\n", 5, "colour"),
        ("[[fault]]\nkind = 'reboot'\n[[fault]]\nat_s = 3\nkind = 'gremlin'\n", 7, "no fault is called 'gremlin'"),
        ("[[fault]]\nkind = 'reboot'\nwhen = 3\n", 5, "when"),
        ("[[event]]\ndo = 'dance'\n", 4, "dance"),
        ("[[event]]\ndo = 'move'\n", 3, "path_loss_db"),
        ("[carrier]\nstate = 'asleep'\n", 4, "carrier.state"),
        ("= 3\n", 3, "not TOML"),
    ],
)
def test_an_error_names_the_line(body: str, line: int, told: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        parse_scenario(HEAD + body, "x.toml")
    assert told in str(caught.value)
    assert f"x.toml:{line}:" in str(caught.value) or f"line {line}" in str(caught.value)


def test_an_unknown_scenario_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ScenarioError, match="steady-home"):
        load_scenario("no-such")


def test_ten_scenarios_ship_and_every_fault_of_theirs_can_be_made() -> None:
    assert len(SHIPPED) >= 10
    for name in SHIPPED:
        scenario = load_scenario(name)
        assert len(scenario.description) > 40
        assert scenario.faults() == tuple(sorted(scenario.faults(), key=lambda fault: fault.at_s))


@pytest.mark.parametrize("name", SHIPPED)
def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(name: str) -> None:
    first = trace_of(name, 7)
    assert first == trace_of(name, 7)
    assert first != trace_of(name, 8)


def test_another_process_with_another_hash_seed_gives_the_same_bytes() -> None:
    code = (
        "import hashlib\n"
        "from simulator.control.virtual import play_virtual\n"
        "from simulator.scenario import load_scenario\n"
        "digest = hashlib.sha256()\n"
        "play_virtual(load_scenario('stormy-night'), seed=7, on_trace=lambda line: digest.update(line.encode()))\n"
        "print(digest.hexdigest())"
    )
    seed = "4242"  # no other process of a test run has it
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, check=True, timeout=60
    )
    assert done.stdout.strip() == hashlib.sha256(trace_of("stormy-night", 7)).hexdigest().encode()


def test_a_final_refusal_sticks_until_the_radio_is_cycled() -> None:
    scenario = shipped_scenarios()["sticky-refusal"].replace("[carrier]", "[modem]\nboots = false\n[carrier]")
    made, clock, _ = world(scenario)
    made.modem.open_port("p")
    pass_time(made, clock, 1500)
    assert made.platform.services[made.scenario.modem.iccid].state == "active"
    assert made.modem.registration.registered is False
    made.modem.feed("p", b"AT+CFUN=4\r")
    pass_time(made, clock, 5)
    made.modem.feed("p", b"AT+CFUN=1\r")
    pass_time(made, clock, 30)
    assert made.modem.registration.registered is True


def test_a_suspended_sim_is_thrown_out_of_the_network() -> None:
    made, clock, told = world()
    pass_time(made, clock, 30)
    assert perform(made, ShowState())["modem"]["registration"] == "home"
    perform(made, SetSimState(state="suspended"))
    pass_time(made, clock, 120)
    assert made.modem.registration.registered is False
    assert made.modem.registration.cause == 8
    assert "carrier_effect" in words(told)


@pytest.mark.parametrize("bearer", [True, False])
def test_a_sim_parked_live_loses_its_internet_at_once(bearer: bool) -> None:
    carrier = f"[carrier]\nmanagement_bearer = {str(bearer).lower()}\n[modem]\nboots = false\n"
    made, clock, told = world(shipped_scenarios()["steady-home"] + carrier)
    made.modem.open_port("p")
    pass_time(made, clock, 30)
    made.modem.feed("p", b'AT+CGDCONT=1,"IP","internet";+CGDCONT=2,"IP","management";+CGACT=1,1;+CGACT=1,2\r')
    pass_time(made, clock, 10)
    assert sorted(made.modem.bearers.active) == [1, 2]
    perform(made, SetSimState(state="inactive"))
    pass_time(made, clock, 5)
    assert sorted(made.modem.bearers.active) == ([2] if bearer else [])
    assert made.modem.registration.cause == (None if bearer else 7)
    assert "network" in words(told)


def test_events_do_what_they_say() -> None:
    made, clock, told = world()
    pass_time(made, clock, 30)
    before = perform(made, ShowState())["modem"]["rx_bytes"]
    for command in (
        SendSms(text="hello"),
        MoveCells(path_loss_db=100),
        CarryTraffic(tx_bytes=10, rx_bytes=5_000_000),
        JumpClock(seconds=3600),
        TouchLine(what="drop"),
    ):
        perform(made, command)
    assert perform(made, ShowState())["modem"]["rx_bytes"] >= before + 5_000_000
    assert made.clock.utc().hour == 10
    assert made.line.connected is False
    perform(made, SwapSim(inserted=False))
    assert made.modem.sim_status() == "ABSENT"
    perform(made, SwapSim(inserted=True, iccid="8944300000000000002", imsi="234300000000002"))
    pass_time(made, clock, 60)
    assert made.modem.sim_status() == "READY"
    assert perform(made, PowerButton()) == {"on": False}
    assert perform(made, PowerButton()) == {"on": True}
    assert {"sms", "moved", "traffic", "clock_jump", "line", "sim", "power_button"} <= set(words(told))


def test_faults_come_by_hand_are_listed_and_cleared() -> None:
    made, clock, _ = world()
    pass_time(made, clock, 100)
    number = perform(made, InjectFault(kind="weak_signal", given={"db": 10}, for_s=30))["id"]
    (listed,) = perform(made, ListFaults())["faults"]
    assert (listed["id"], listed["kind"], listed["with"], listed["until"]) == (number, "weak_signal", {"db": 10.0}, 130)
    pass_time(made, clock, 31)
    assert made.board.find(Fault.WEAK_SIGNAL, "radio", clock.now()) is None
    first = perform(made, InjectFault(kind="hang_all"))["id"]
    perform(made, InjectFault(kind="lost_ok"))
    assert perform(made, ClearFaults(id=first)) == {"cleared": 1}
    assert perform(made, ClearFaults()) == {"cleared": 1}


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (b"nonsense\n", b"not a command"),
        (b'{"do": "fly"}\n', b"not a command"),
        (b'{"do": "inject", "kind": "gremlin"}\n', b"no fault is called"),
        (b'{"do": "faults"}\n', b'"ok":true'),
    ],
)
def test_every_line_on_the_control_socket_is_answered(line: bytes, told: bytes) -> None:
    made, _, _ = world()
    assert told in answer_line(line, lambda command: perform(made, command))
