"""The recovery ladder: evidence in, rung and wake-up out; never for the network, never beside a healthy channel."""

from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.modem.ladder import Evidence, Ladder, Pace, Rung, Step

PACE = Pace()


def climb(ladder: Ladder, seconds: float, *, evidence: Evidence = Evidence.SILENT, start: float = 0.0) -> list[Rung]:
    """Keep the channel in trouble and do what the ladder says, waking when it asks."""
    now, rungs = start, []
    while now < start + seconds:
        ladder.hear("at0", evidence, now)
        step = ladder.advance(now)
        if step.rung is not None:
            rungs.append(step.rung)
        assert step.wake_at is None or step.wake_at > now
        now = now + 1 if step.wake_at is None else step.wake_at
    return rungs


def test_the_rungs_come_in_order_from_the_mildest() -> None:
    rungs = climb(Ladder(), 400)
    assert list(dict.fromkeys(rungs)) == list(Rung)
    assert rungs[:9] == [
        Rung.RESYNC,
        Rung.RESYNC,
        Rung.REOPEN,
        Rung.REOPEN,
        Rung.OTHER_PORT,
        Rung.RADIO_CYCLE,
        Rung.MODEM_RESTART,
        Rung.MODEM_RESTART,
        Rung.POWER_CUT,
    ]


def test_from_the_top_it_starts_again_after_a_growing_pause() -> None:
    ladder = Ladder()
    now, starts = 0.0, []
    for _ in range(60):
        ladder.hear("at0", Evidence.SILENT, now)
        step = ladder.advance(now)
        if step.rung is Rung.POWER_CUT and step.wake_at is not None:
            starts.append(step.wake_at - now - PACE.wait_s[Rung.POWER_CUT])
        now = step.wake_at or now + 1
    assert starts == [30 * 2**place for place in range(len(starts))]
    assert len(starts) == 6


def test_the_pause_has_a_limit() -> None:
    ladder = Ladder(frozenset({Rung.RESYNC}))
    now = 0.0
    for _ in range(60):
        ladder.hear("at0", Evidence.SILENT, now)
        step = ladder.advance(now)
        assert step.wake_at is not None
        assert step.wake_at - now <= PACE.longest_s + PACE.wait_s[Rung.RESYNC]
        now = step.wake_at


def test_a_network_that_is_away_never_climbs() -> None:
    ladder = Ladder()
    for now in range(0, 100_000, 10):
        ladder.hear("at0", Evidence.NETWORK_AWAY, float(now))
        assert ladder.advance(float(now)) == Step()


def test_a_busy_port_never_climbs() -> None:
    ladder = Ladder()
    ladder.hear("at0", Evidence.PORT_BUSY, 0.0)
    assert ladder.advance(0.0) == Step()


def test_beside_a_healthy_channel_nothing_is_reset() -> None:
    ladder = Ladder()
    now, rungs = 0.0, []
    while now < 5000:
        ladder.hear("at0", Evidence.SILENT, now)
        ladder.hear("at1", Evidence.ANSWERED, now)
        step = ladder.advance(now)
        if step.rung is not None:
            rungs.append(step.rung)
        now = min(step.wake_at or now + 1, now + 10)
    assert max(rungs) is Rung.OTHER_PORT


def test_when_the_other_channel_falls_silent_too_it_climbs_on() -> None:
    ladder = Ladder()
    ladder.hear("at1", Evidence.ANSWERED, 0.0)
    assert Rung.MODEM_RESTART not in climb(ladder, PACE.healthy_s)
    assert Rung.MODEM_RESTART in climb(ladder, 300, start=PACE.healthy_s + 10)


def test_a_lost_port_is_opened_anew_at_once() -> None:
    ladder = Ladder()
    ladder.hear("at0", Evidence.PORT_LOST, 1.0)
    assert ladder.advance(1.0).rung is Rung.REOPEN


def test_a_modem_that_has_just_started_is_given_time() -> None:
    ladder = Ladder()
    ladder.hear("at0", Evidence.SILENT, 0.0)
    ladder.hear("at0", Evidence.REBOOTED, 0.0)
    assert ladder.advance(1.0) == Step(None, PACE.boot_s)


def test_an_answer_ends_the_climb_and_soon_new_trouble_goes_on_from_there() -> None:
    ladder = Ladder()
    before = climb(ladder, 25)
    assert before[-1] is Rung.RADIO_CYCLE or before[-1] is Rung.OTHER_PORT
    ladder.hear("at0", Evidence.ANSWERED, 60.0)
    assert ladder.advance(60.0) == Step()
    assert not ladder.climbing
    ladder.hear("at0", Evidence.SILENT, 70.0)
    assert (ladder.next_rung or 0) > Rung.REOPEN
    ladder.hear("at0", Evidence.ANSWERED, 80.0)
    ladder.hear("at0", Evidence.SILENT, 80.0 + PACE.stable_s)
    assert ladder.next_rung is Rung.RESYNC


def test_only_the_rungs_this_hub_has() -> None:
    have = frozenset({Rung.RESYNC, Rung.REOPEN, Rung.MODEM_RESTART})
    assert set(climb(Ladder(have), 1000)) == have
    assert climb(Ladder(frozenset()), 10) == []


def test_waits_are_spread_by_the_jitter_it_is_given() -> None:
    ladder = Ladder(jitter=lambda seconds: seconds * 1.5)
    ladder.hear("at0", Evidence.SILENT, 0.0)
    assert ladder.advance(0.0).wake_at == PACE.wait_s[Rung.RESYNC] * 1.5


@given(
    st.lists(
        st.tuples(st.sampled_from(["at0", "at1"]), st.sampled_from(list(Evidence)), st.floats(0.0, 40.0)), max_size=120
    )
)
def test_a_reset_is_never_due_within_the_time_an_answer_speaks_for_the_modem(
    steps: list[tuple[str, Evidence, float]],
) -> None:
    ladder = Ladder()
    now, spoke = 0.0, {"at0": float("-inf"), "at1": float("-inf")}
    for channel, evidence, pause in steps:
        now += pause
        ladder.hear(channel, evidence, now)
        if evidence in {Evidence.ANSWERED, Evidence.NETWORK_AWAY}:
            spoke[channel] = now
        elif evidence in {Evidence.SILENT, Evidence.TIMED_OUT, Evidence.PORT_LOST}:
            spoke[channel] = float("-inf")
        step = ladder.advance(now)
        if step.rung is not None and step.rung > Rung.OTHER_PORT:
            assert now - max(spoke.values()) >= PACE.healthy_s


def test_a_port_that_is_lost_stays_lost_whatever_times_out_on_it_afterwards() -> None:
    ladder = Ladder()
    for evidence in (Evidence.PORT_LOST, Evidence.TIMED_OUT, Evidence.SILENT):
        ladder.hear("at0", evidence, 0.0)
    assert ladder.advance(0.0).rung is Rung.REOPEN  # there is no place to find on it


def test_a_channel_s_own_answer_of_before_does_not_speak_for_the_modem() -> None:
    ladder = Ladder(frozenset({Rung.MODEM_RESTART}))
    ladder.hear("at0", Evidence.ANSWERED, 0.0)
    ladder.hear("at0", Evidence.SILENT, 1.0)
    assert ladder.advance(1.0).rung is Rung.MODEM_RESTART


def test_opening_anew_is_tried_as_often_whatever_was_tried_before_the_port_was_lost() -> None:
    ladder = Ladder()
    assert climb(ladder, 1) == [Rung.RESYNC]
    assert climb(ladder, 11, evidence=Evidence.PORT_LOST, start=5.0) == [Rung.REOPEN, Rung.REOPEN, Rung.OTHER_PORT]


def test_a_start_of_the_modem_shortens_no_wait() -> None:
    ladder = Ladder(frozenset({Rung.POWER_CUT}))
    ladder.hear("at0", Evidence.SILENT, 0.0)
    wake_at = ladder.advance(0.0).wake_at
    assert wake_at == PACE.wait_s[Rung.POWER_CUT] + PACE.first_backoff_s
    ladder.hear("at0", Evidence.REBOOTED, 1.0)
    assert ladder.advance(2.0) == Step(None, wake_at)


def test_after_a_time_of_health_nothing_of_the_last_trouble_is_left() -> None:
    only = frozenset({Rung.MODEM_RESTART})
    ladder, fresh = Ladder(only), Ladder(only)
    climb(ladder, 3600)
    ladder.hear("at0", Evidence.ANSWERED, 3600.0)
    later = 3600.0 + PACE.stable_s
    assert climb(ladder, 600, start=later) == climb(fresh, 600, start=later)
    for one in (ladder, fresh):
        one.hear("at0", Evidence.SILENT, later + 600)
    assert ladder.advance(later + 600) == fresh.advance(later + 600)
