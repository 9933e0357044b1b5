"""What a hub of a fleet says and heeds, on a transport that only collects, and the rounds that call it."""

import asyncio
from collections.abc import Callable
from itertools import pairwise
from random import Random
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from device_agent.protocol import (
    Ack,
    BootAck,
    Channel,
    ConditionStatus,
    Desired,
    Internet,
    Presence,
    PresenceState,
    Reported,
    Sample,
    Telemetry,
    decode,
    encode,
    parse_topic,
    topic,
)
from simulator.fleet import Counts, FleetHub, Habits, make_hub_id, packets
from simulator.fleet.hub import IN_FLIGHT, Shared
from simulator.fleet.sample import DOCUMENT, head, signal, tail
from simulator.fleet.wheel import SLOT_S, Rounds, Wheel
from simulator.virtual.loop import run_virtual

HUB_ID = make_hub_id(1, 5)
COUNTER = st.integers(0, 2**53 - 1)


@given(COUNTER, COUNTER, COUNTER, st.integers(44, 140), st.integers(3, 20), COUNTER, COUNTER)
def test_a_document_put_together_is_what_the_codec_writes(
    boot: int, seq: int, uptime_ms: int, rsrp: int, rsrq: int, cell_id: int, rx_bytes: int
) -> None:
    sample = Sample(
        uptime_ms=uptime_ms,
        rsrp_dbm=-float(rsrp),
        rsrq_db=-float(rsrq),
        operator="EE",
        technology="lte",
        cell_id=cell_id,
        rx_bytes=rx_bytes,
    )
    told = Telemetry(boot=boot, seq=seq, samples=(sample,))
    written = DOCUMENT % (head(boot), seq, uptime_ms, signal(rsrp, rsrq), tail(cell_id), rx_bytes)
    assert written == encode(told)
    assert decode(Channel.TELEMETRY, written) == told


class Wire(asyncio.Transport):
    """Collects what a hub writes."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.aborted = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)

    def abort(self) -> None:
        self.aborted = True

    def close(self) -> None:
        self.aborted = True

    def said(self) -> list[tuple[Channel, object]]:
        """The messages since the last call, each decoded by the contract's codec."""
        found, rest = packets.split(self.written)
        assert rest == b""
        self.written = b""
        told: list[tuple[Channel, object]] = []
        for packet in found:
            if packet.kind == packets.PUBLISH:
                message = packets.read_publish(packet)
                hub, channel = parse_topic(message.topic)
                assert hub == HUB_ID
                told.append((channel, decode(channel, message.payload)))
        return told


def play(scene: Callable[[FleetHub, Wire, Counts], object], habits: Habits) -> None:
    """Connect one hub in virtual time and let `scene` drive it."""

    async def run() -> None:
        loop = asyncio.get_running_loop()
        counts, wheel = Counts(), Wheel(loop)
        shared = Shared(loop, wheel, Rounds(wheel, habits.interval_s), habits, counts, lambda _hub: None)
        hub, wire = FleetHub(shared, HUB_ID, 5, 1), Wire()
        hub.connection_made(wire)
        wire.written = b""
        hear(hub, bytes.fromhex("2003000000"))
        outcome = scene(hub, wire, counts)
        if asyncio.iscoroutine(outcome):
            await outcome
        shared.stopping = True
        wheel.stop()

    run_virtual(run())


def hear(hub: FleetHub, data: bytes) -> None:
    buffer = hub.get_buffer(-1)
    buffer[: len(data)] = data
    hub.buffer_updated(len(data))


def tell(hub: FleetHub, message: Desired | Ack, channel: Channel) -> None:
    hear(hub, packets.publish(packets.text(topic(HUB_ID, channel)), 9, encode(message)))


def test_it_says_hello_samples_once_an_interval_and_heeds_acknowledgements() -> None:
    async def scene(hub: FleetHub, wire: Wire, counts: Counts) -> None:
        (channel, hello), *_ = wire.said()
        assert channel is Channel.REPORTED
        assert isinstance(hello, Reported)
        assert (hello.observed_revision, hello.spool) == (0, ())
        await asyncio.sleep(10.5)
        samples = [told for _, told in wire.said() if isinstance(told, Telemetry)]
        assert [told.seq for told in samples] == list(range(1, len(samples) + 1))
        assert len(samples) in {10, 11}
        uptimes = [told.samples[0].uptime_ms for told in samples]
        assert all(990 <= later - earlier <= 1010 for earlier, later in pairwise(uptimes))
        received = [told.samples[0].rx_bytes or 0 for told in samples]
        assert received == sorted(set(received))
        assert len({told.samples[0].rsrp_dbm for told in samples}) > 3
        tell(hub, Ack(boots=(BootAck(boot=hub.boot, seq=hub.seq - 1), BootAck(boot=hub.boot + 1, seq=99))), Channel.ACK)
        tell(hub, Desired(revision=7, issued_at=1, internet=Internet(on=True, until=2)), Channel.DESIRED)
        (_, report), *_ = wire.said()
        assert isinstance(report, Reported)
        assert report.observed_revision == 7
        assert [(each.oldest, each.newest) for each in report.spool] == [(hub.seq, hub.seq)]
        assert report.conditions[0].status is ConditionStatus.TRUE
        for revision in (7, 6):  # told again, and too late: answered with what holds
            tell(hub, Desired(revision=revision, issued_at=1, internet=Internet(on=False)), Channel.DESIRED)
            ((_, again),) = wire.said()
            assert isinstance(again, Reported)
            assert again.observed_revision == 7
            assert again.conditions[0].status is ConditionStatus.TRUE
        assert counts.acks == 1
        assert counts.undecodable == 0

    play(scene, Habits(interval_s=1.0, spool=4))


def test_after_a_reconnect_it_repeats_what_nobody_acknowledged_byte_for_byte() -> None:
    async def scene(hub: FleetHub, wire: Wire, counts: Counts) -> None:
        await asyncio.sleep(6)
        before = [told for _, told in wire.said() if isinstance(told, Telemetry)][-3:]
        hub.connection_lost(None)
        again = Wire()
        hub.connection_made(again)
        again.written = b""
        hear(hub, bytes.fromhex("2003000000"))
        (_, hello), *repeated = again.said()
        assert isinstance(hello, Reported)
        assert (hello.spool[0].oldest, hello.spool[0].newest) == (before[0].seq, before[-1].seq)
        assert [told for _, told in repeated] == before
        assert counts.duplicates == 3
        sent = hub.seq
        await asyncio.sleep(5)
        assert hub.seq == sent + 5  # one round, not one for each connection

    play(scene, Habits(interval_s=1.0, spool=3))


def test_a_broker_that_acknowledges_nothing_holds_it_back_but_keeps_the_connection_alive() -> None:
    async def scene(hub: FleetHub, wire: Wire, counts: Counts) -> None:
        await asyncio.sleep(IN_FLIGHT + 10)
        assert hub.seq == IN_FLIGHT - 1  # the hello waits too
        assert counts.held >= 10
        assert packets.PINGREQ in wire.written
        for number in range(1, 4):
            hear(hub, packets.puback(number))
        assert counts.acknowledged == 3
        wire.written = b""
        await asyncio.sleep(10)
        assert len(wire.said()) == 3

    play(scene, Habits(interval_s=1.0))


def test_packet_ids_go_round_without_nought_and_none_is_on_its_way_twice() -> None:
    async def scene(_hub: FleetHub, wire: Wire, _counts: Counts) -> None:
        used: list[int] = []
        for _ in range(110):
            await asyncio.sleep(10)
            found, _ = packets.split(wire.written)
            wire.written = b""
            used += [packets.read_publish(packet).id or 0 for packet in found if packet.kind == packets.PUBLISH]
            for number in used[-len(found) :]:
                hear(_hub, packets.puback(number))
        assert len(used) > 1050
        assert min(used) == 1
        assert all(len(set(used[at : at + IN_FLIGHT])) == IN_FLIGHT for at in range(1030))

    play(scene, Habits(interval_s=1.0))


def test_a_refusal_and_garbage_end_the_connection() -> None:
    def scene(hub: FleetHub, wire: Wire, counts: Counts) -> None:
        hear(hub, b"\x40\x03\x00\x01\x87")
        assert counts.denied == 1
        hear(hub, b"\x30\xff\xff\xff\xff\xff")
        assert counts.undecodable == 1
        assert wire.aborted

    play(scene, Habits())


def test_it_says_goodbye_and_nothing_more() -> None:
    async def scene(hub: FleetHub, wire: Wire, _counts: Counts) -> None:
        await asyncio.sleep(2)
        wire.said()
        hub._shared.stopping = True
        hub.leave()
        ((channel, told),) = wire.said()
        assert channel is Channel.PRESENCE
        assert isinstance(told, Presence)
        assert told.state is PresenceState.GOODBYE
        await asyncio.sleep(3)
        assert not wire.said()

    play(scene, Habits(interval_s=0.5))


def test_rounds_keep_their_phase_leave_out_what_was_missed_and_end() -> None:
    async def run() -> None:
        loop = asyncio.get_running_loop()
        wheel = Wheel(loop)
        rounds, random = Rounds(wheel, 0.5), Random(1)
        called: dict[int, list[float]] = {number: [] for number in range(50)}

        def member(number: int) -> Callable[[float], bool]:
            def call(now: float) -> bool:
                called[number].append(now)
                return len(called[number]) < 4

            return call

        for number in called:
            rounds.join(random.uniform(0, 0.5), member(number))
        await asyncio.sleep(5)
        for times in called.values():
            assert len(times) == 4
            assert all(abs(b - a - 0.5) <= SLOT_S for a, b in pairwise(times))
        assert wheel._timer is None  # an empty wheel asks for no wake-up

    run_virtual(run())


def test_whoever_joins_a_round_while_it_runs_is_called_from_the_next_turn_on() -> None:
    async def run() -> None:
        wheel = Wheel(asyncio.get_running_loop())
        rounds, turns = Rounds(wheel, 0.5), list[str]()

        def late(_now: float) -> bool:
            turns.append("late")
            return False

        def first(_now: float) -> bool:
            turns.append("first")
            if len(turns) == 1:
                rounds.join(0.49, late)  # the same phase, the next turn
            return len(turns) < 4

        rounds.join(0.2, first)
        await asyncio.sleep(3)
        assert turns == ["first", "first", "late", "first"]

    run_virtual(run())


def test_a_stalled_loop_brings_one_turn_not_all_that_were_missed() -> None:
    class Stalling:
        """Time that is moved by hand, and the one timer a wheel has."""

        now = 0.0
        due: Callable[[], object] | None = None

        def time(self) -> float:
            return self.now

        def call_at(self, _when: float, callback: Callable[[], object]) -> "Stalling":
            self.due = callback
            return self

        def cancel(self) -> None:
            self.due = None

    loop = Stalling()
    calls: list[float] = []

    def member(now: float) -> bool:
        calls.append(now)
        return True

    Rounds(Wheel(cast("Any", loop)), 1.0).join(0.3, member)
    for now in (0.32, 7.0, 7.1, 8.0, 8.4):
        loop.now = now
        if loop.due is not None:
            loop.due()
    assert calls == [0.32, 7.0, 8.0, 8.4]  # 7.0 stands for seven turns
