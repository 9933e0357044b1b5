"""The plan against a model of the hub: it converges from every starting point and never opens out of order."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_agent.facts import FilterStatus, GateFacts, Goal, ModemFacts, Reason
from device_agent.plan import (
    RADIO_CYCLE_FIRST_MS,
    SETTLE_MS,
    ApplyFilter,
    Close,
    Connect,
    CycleRadio,
    Disconnect,
    GateView,
    InstallFirewall,
    ModemView,
    Open,
    Stability,
    Unlock,
    Wait,
    follow,
    longer_radio_wait_ms,
    next_gate_step,
    next_modem_step,
)
from device_agent.policy import Inputs, decide
from firmware_bridge.host.state import FilterReadBack, FirewallState, Rendered
from firmware_bridge.types import Bearer, BearerSettings, Registration, RegistrationState, Sim, SimState

WANTED = Rendered(Path("f"), "sha256:" + "0" * 64, "wanted", 3, (), enabled=True)

firewalls = st.none() | st.builds(FirewallState, installed=st.booleans(), open_for_s=st.none() | st.integers(1, 90))
filters = st.none() | st.builds(
    FilterReadBack,
    running=st.booleans(),
    witness=st.sampled_from([None, "wanted", "older"]),
    refuses=st.booleans(),
)
gates = st.builds(
    GateFacts,
    firewall=firewalls,
    filter=filters,
    wanted=st.sampled_from([None, WANTED]),
    stale=st.booleans(),
    missing=st.sampled_from([(), ("adult",)]),
    changing=st.booleans(),
)


def verdict(gate: GateFacts, *, rest: bool) -> Reason:
    return decide(
        Inputs(
            document_on=True,
            supported=True,
            clock_trusted=True,
            lease_live=True,
            known_sim=True,
            uk_network=rest,
            filter=gate.filter_status,
            settled=True,
        )
    )


def carried_out(gate: GateFacts, step: object) -> GateFacts:
    """What the tools would read back."""
    assert gate.firewall is not None or isinstance(step, InstallFirewall)
    match step:
        case Close():
            return replace(gate, firewall=replace(gate.firewall or FirewallState(installed=False), open_for_s=None))
        case InstallFirewall():
            return replace(gate, firewall=FirewallState(installed=True))
        case ApplyFilter():
            return replace(gate, filter=FilterReadBack(running=True, witness="wanted", refuses=True), changing=False)
        case Open(timeout_s):
            return replace(gate, firewall=FirewallState(installed=True, open_for_s=timeout_s))
        case _:
            raise AssertionError(step)


@given(gate=gates, rest=st.booleans(), lease_ms=st.integers(0, 10_000_000), refreshed_ms=st.integers(-90_000, 0))
def test_the_gate_converges_from_any_starting_point_in_order(
    gate: GateFacts, rest: bool, lease_ms: int, refreshed_ms: int
) -> None:
    steps = []
    while True:
        reason = verdict(gate, rest=rest)
        view = GateView(reason, gate, 0, lease_left_ms=lease_ms, refreshed_ms=refreshed_ms)
        step = next_gate_step(view)
        if isinstance(step, Wait):
            break
        if isinstance(step, Open):
            assert gate.filter_status in {FilterStatus.IN_FORCE, FilterStatus.STALE}
            assert gate.firewall is not None
            assert gate.firewall.installed
            assert 1 <= step.timeout_s <= 90
            refreshed_ms = 0
        if isinstance(step, ApplyFilter):
            assert not gate.open, "the filter is changed only while closed"
        gate = carried_out(gate, step)
        steps.append(step)
        assert len(steps) <= 5, steps
    opened = gate.firewall is not None and gate.firewall.open_for_s is not None
    wants = verdict(gate, rest=rest) is Reason.OPEN
    assert opened is wants
    assert gate.firewall is not None
    assert gate.firewall.installed


@given(lease_ms=st.integers(0, 200_000), opened=st.none() | st.integers(1, 90))
def test_the_kernel_is_never_told_to_stay_open_beyond_the_lease(lease_ms: int, opened: int | None) -> None:
    in_force = FilterReadBack(running=True, witness="wanted", refuses=True)
    gate = GateFacts(firewall=FirewallState(installed=True, open_for_s=opened), filter=in_force, wanted=WANTED)
    step = next_gate_step(GateView(Reason.OPEN, gate, 0, lease_left_ms=lease_ms, refreshed_ms=-90_000))
    assert isinstance(step, Open)
    assert step.timeout_s <= max(1, lease_ms // 1000)


@pytest.mark.parametrize(("lease_ms", "wake_ms"), [(12_345, 12_345), (200_000, 20_000)])
def test_an_open_hub_looks_again_at_the_end_of_its_lease_or_when_a_refresh_is_due(lease_ms: int, wake_ms: int) -> None:
    in_force = FilterReadBack(running=True, witness="wanted", refuses=True)
    gate = GateFacts(firewall=FirewallState(installed=True, open_for_s=80), filter=in_force, wanted=WANTED)
    step = next_gate_step(GateView(Reason.OPEN, gate, 0, lease_left_ms=lease_ms, refreshed_ms=-10_000))
    assert step == Wait(wake_ms)


@pytest.mark.parametrize(("lease_ms", "opens"), [(60_000, False), (59_000, False), (58_999, True), (500, True)])
def test_a_lease_that_became_shorter_shortens_what_a_dead_agent_would_leave(lease_ms: int, *, opens: bool) -> None:
    in_force = FilterReadBack(running=True, witness="wanted", refuses=True)
    gate = GateFacts(firewall=FirewallState(installed=True, open_for_s=80), filter=in_force, wanted=WANTED)
    view = GateView(Reason.OPEN, gate, 0, lease_left_ms=lease_ms, refreshed_ms=-10_000, open_until_ms=60_000)
    step = next_gate_step(view)
    assert (step == Open(max(1, lease_ms // 1000))) is opens


@pytest.mark.parametrize(("tries", "unlocks"), [(None, True), (3, True), (2, True), (1, False), (0, False)])
def test_the_last_try_of_a_pin_is_left_to_people(tries: int | None, unlocks: bool) -> None:
    home = Registration(state=RegistrationState.HOME)
    modem = ModemFacts(present=True, sim=Sim(SimState.PIN, pin_tries=tries), registration=home)
    step = next_modem_step(ModemView(Goal(), modem, 0, may_unlock=True))
    assert isinstance(step, Unlock) is unlocks


@given(gate=gates, retry=st.integers(1, 1000))
def test_closing_waits_for_no_back_off(gate: GateFacts, retry: int) -> None:
    step = next_gate_step(GateView(Reason.LEASE_ENDED, gate, 0, retry_ms=retry))
    is_open = gate.firewall is not None and gate.firewall.open_for_s is not None
    assert isinstance(step, Close) if is_open else step == Wait(retry)


@given(reasons=st.lists(st.tuples(st.sampled_from(list(Reason)), st.booleans(), st.integers(1, 40_000)), max_size=30))
def test_after_a_flap_a_whole_good_minute_comes_first(reasons: list[tuple[Reason, bool, int]]) -> None:
    now, stability = 0, Stability()
    flapped_at: int | None = None
    for reason, was_open, gap in reasons:
        now += gap
        before = stability
        stability = follow(stability, reason, now, was_open=was_open)
        if reason is not Reason.OPEN and (before.waiting or stability.waiting):
            flapped_at = now
        if reason is Reason.OPEN and stability.settled(now) and before.waiting:
            assert flapped_at is not None
            assert now - flapped_at >= SETTLE_MS


settings = st.sampled_from([None, BearerSettings("internet"), BearerSettings("other")])
modems = st.builds(
    ModemFacts,
    present=st.booleans(),
    sim=st.none() | st.builds(Sim, state=st.sampled_from(list(SimState)), pin_tries=st.none() | st.integers(0, 3)),
    registration=st.none() | st.builds(Registration, state=st.sampled_from(list(RegistrationState))),
    bearer=st.none()
    | st.builds(Bearer, up=st.booleans(), apn=st.sampled_from([None, "internet", "OTHER.mnc030.gprs"])),
)


@given(modem=modems, wanted=settings, may_unlock=st.booleans())
def test_the_modem_lane_converges_from_any_starting_point(
    modem: ModemFacts, wanted: BearerSettings | None, may_unlock: bool
) -> None:
    asked: BearerSettings | None = None
    radio_ms = 0
    for _ in range(6):
        view = ModemView(Goal(), modem, 0, bearer=wanted, may_unlock=may_unlock, asked=asked, radio_ms=radio_ms)
        match next_modem_step(view):
            case Wait():
                break
            case Unlock():
                assert modem.sim is not None
                assert modem.sim.pin_tries is None or modem.sim.pin_tries > 1, "the last try is never spent"
                modem = replace(modem, sim=Sim(SimState.READY))
            case CycleRadio():
                radio_ms = 300_000
            case Connect(made):
                assert made == wanted
                modem, asked = replace(modem, bearer=Bearer(up=True, apn="given by the network")), made
            case Disconnect():
                modem, asked = replace(modem, bearer=Bearer(up=False)), None
    else:
        raise AssertionError("no end of steps")
    ready = modem.present and modem.sim is not None and modem.sim.state is SimState.READY
    if ready and modem.registration is not None and modem.registration.state.attached and modem.bearer is not None:
        assert modem.bearer.up is (wanted is not None)


@pytest.mark.parametrize(
    ("apn", "asked", "stays"),
    [
        # What this life asked for is what counts, whatever the network calls it.
        ("given.by.network", BearerSettings("internet"), True),
        ("internet", BearerSettings("other"), False),
        ("internet", BearerSettings("internet", username="u"), False),
        # An earlier life's bearer is judged by its name, without the network's own suffix (TS 23.003 9.1).
        ("internet.mnc030.mcc234.gprs", None, True),
        ("INTERNET", None, True),
        ("internet.example", None, False),
        ("other.mnc030.mcc234.gprs", None, False),
        (None, None, True),
    ],
)
def test_a_bearer_that_is_up_stays_only_if_it_is_the_wanted_one(
    apn: str | None, asked: BearerSettings | None, stays: bool
) -> None:
    sim, home = Sim(SimState.READY), Registration(state=RegistrationState.HOME)
    modem = ModemFacts(present=True, sim=sim, registration=home, bearer=Bearer(up=True, apn=apn))
    step = next_modem_step(ModemView(Goal(), modem, 0, bearer=BearerSettings("internet"), asked=asked))
    assert step == (Wait() if stays else Disconnect())


def test_a_radio_that_finds_nothing_is_cycled_every_five_to_thirty_minutes() -> None:
    waits = [RADIO_CYCLE_FIRST_MS]
    while len(waits) < 5:
        waits.append(longer_radio_wait_ms(waits[-1]))
    assert [wait / 60_000 for wait in waits] == [5, 10, 20, 30, 30]
