"""One hub of a fleet: a few hundred bytes of state, a place in a round, one connection, the wire contract.

It boots, says hello, follows its document's revision, samples, repeats itself after a reconnect until the controller's
own acknowledgement covers it, and now and then sends something twice, as real hubs and brokers do.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, cast
from uuid import UUID

from device_agent.protocol import (
    FEATURES,
    Ack,
    BearerReport,
    Channel,
    Condition,
    ConditionStatus,
    ConditionType,
    Desired,
    IdentityEvidence,
    NetworkReport,
    Presence,
    PresenceState,
    ProtocolError,
    Reported,
    SpoolReport,
    TopicError,
    decode,
    encode,
    parse_topic,
    topic,
)
from simulator.fleet import packets
from simulator.fleet.connections import Transport
from simulator.fleet.sample import DOCUMENT, SIGNALS, head, tail
from simulator.fleet.wheel import Rounds, Wheel

KEEP_ALIVE_S: Final = 60
SESSION_EXPIRY_S: Final = 3600
# QoS 1 messages on their way at a time; beyond it a sample is not sent, and counted as held.
IN_FLIGHT: Final = 20
# Packet ids go round below this: many more than can be on their way.
PACKET_IDS: Final = 1023
BUFFER: Final = 64 * 1024
_AGENT: Final = "fleet-1"
_MASK: Final = (1 << 64) - 1


@dataclass(slots=True)
class Counts:
    """What a fleet did, all hubs together."""

    connected: int = 0
    connections: int = 0
    refused: int = 0
    lost: int = 0
    hellos: int = 0
    telemetry: int = 0
    duplicates: int = 0
    held: int = 0
    acknowledged: int = 0
    documents: int = 0
    acks: int = 0
    undecodable: int = 0
    denied: int = 0


@dataclass(frozen=True, slots=True)
class Habits:
    """How the hubs of a fleet behave.

    `duplicates`: chance that a message is sent twice. `spool`: how many unacknowledged messages a hub keeps and
    repeats after a reconnect. `reconnect_s`: the first and the longest wait.
    """

    interval_s: float = 60.0
    duplicates: float = 0.0
    spool: int = 4
    reconnect_s: tuple[float, float] = (0.5, 60.0)


class Dice:
    """A seeded source of 8 bytes (SplitMix64); random.Random would take 2.5 kB a hub."""

    __slots__ = ("_state",)

    def __init__(self, seed: int) -> None:
        self._state = seed & _MASK

    def bits(self) -> int:
        """64 random bits."""
        self._state = state = (self._state + 0x9E3779B97F4A7C15) & _MASK
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & _MASK
        return state ^ (state >> 31)

    def uniform(self, low: float, high: float) -> float:
        """A number of [low, high)."""
        return low + (high - low) * (self.bits() / 2**64)


def make_hub_id(seed: int, number: int) -> str:
    """The id of the fleet's hub with this number: a UUIDv7 whose time lies in 2026, the same for the same seed."""
    random = Dice(seed * 0x1_0000_0001 + number)
    value = (0x019B_0000_0000 + number) << 80 | (random.bits() << 64 | random.bits()) & ((1 << 80) - 1)
    value = value & ~(0xF << 76) & ~(0x3 << 62) | 0x7 << 76 | 0x2 << 62
    return str(UUID(int=value))


@dataclass(slots=True)
class Shared:
    """What all hubs of a fleet share.

    `buffer` takes what any hub receives: it is read out before the next hub's turn. Until `sampling` hubs only say
    hello.
    """

    loop: asyncio.AbstractEventLoop
    wheel: Wheel
    rounds: Rounds
    habits: Habits
    counts: Counts
    dial: Callable[["FleetHub"], None]
    buffer: bytearray = field(default_factory=lambda: bytearray(BUFFER))
    sampling: bool = True
    stopping: bool = False


class FleetHub(asyncio.BufferedProtocol):
    """One hub. `dial` of Shared connects it; everything else it does by its timer and by what arrives."""

    __slots__ = (
        "_buffer",
        "_dice",
        "_failures",
        "_forwarding",
        "_head",
        "_in_flight",
        "_next_id",
        "_sampling",
        "_shared",
        "_tail",
        "_topic",
        "_transport",
        "_unacknowledged",
        "_wander",
        "boot",
        "id",
        "number",
        "ready",
        "report_seq",
        "revision",
        "rx_bytes",
        "seq",
        "session",
        "started",
    )

    def __init__(self, shared: Shared, hub_id: str, number: int, seed: int) -> None:
        self.id = hub_id
        self.number = number
        self._shared = shared
        self._dice = Dice(seed ^ number * 0x9E3779B1)
        self._topic = packets.text(topic(hub_id, Channel.TELEMETRY))
        self._transport: Transport | None = None
        self._sampling = False  # a round calls `_sample`
        self._buffer = b""
        # The last messages, up to `seq` without a gap.
        self._unacknowledged: list[bytes] = []
        self._in_flight = 0
        self._next_id = 0
        self._failures = 0
        self._forwarding = False
        self.ready = False
        self.boot = 1 + self._dice.bits() % 50
        self.started = shared.loop.time()
        self.session = self.seq = self.report_seq = self.revision = 0
        self.rx_bytes = self._dice.bits() % 1_000_000_000
        self._head, self._tail = head(self.boot), tail(1000 + number % 500)
        self._wander = self._dice.bits() & 0xFFFFFFFF

    # The connection.

    def connection_made(self, transport: asyncio.BaseTransport | Transport) -> None:
        """Introduce ourselves to the broker."""
        self._transport = cast("Transport", transport)
        self._buffer, self._in_flight = b"", 0
        self.session += 1
        will = encode(Presence(state=PresenceState.LOST, boot=self.boot, session=self.session))
        self._transport.write(
            packets.connect(
                self.id,
                keep_alive_s=KEEP_ALIVE_S,
                session_expiry_s=SESSION_EXPIRY_S,
                will_topic=topic(self.id, Channel.PRESENCE),
                will=will,
            )
        )

    def connection_lost(self, exc: Exception | None) -> None:
        """Plan to come back, later after each failure."""
        del exc
        self._transport = None
        if self.ready:
            self.ready = False
            self._shared.counts.connected -= 1
            self._shared.counts.lost += 1
        if not self._shared.stopping:
            self.retry()

    def retry(self) -> None:
        """Dial again after a bounded, jittered wait."""
        low, high = self._shared.habits.reconnect_s
        wait = min(high, low * 2.0**self._failures) * self._dice.uniform(0.5, 1.5)
        self._failures = min(self._failures + 1, 10)
        self._shared.wheel.after(wait, self._redial)

    def _redial(self) -> None:
        if not self._shared.stopping:
            self._shared.dial(self)

    def drop(self) -> None:
        """Lose the connection as a power cut loses it: no goodbye, the will speaks."""
        if self._transport is not None:
            self._transport.abort()

    def leave(self) -> None:
        """Say goodbye and close."""
        if self._transport is not None:
            if self.ready:
                goodbye = encode(Presence(state=PresenceState.GOODBYE, boot=self.boot, session=self.session))
                self._publish(packets.text(topic(self.id, Channel.PRESENCE)), goodbye)
                self._transport.write(packets.GOODBYE)
            self._transport.close()

    # What arrives.

    def get_buffer(self, sizehint: int) -> bytearray:
        """The buffer that all hubs share."""
        del sizehint
        return self._shared.buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Take packets; the usual one is a single PUBACK."""
        shared = self._shared
        data = shared.buffer
        if data[0] == 0x40 and not self._buffer and nbytes == data[1] + 2:
            self._in_flight -= 1
            if nbytes == 4 or data[4] < packets.FAILURE:
                shared.counts.acknowledged += 1
            else:
                shared.counts.denied += 1
            return
        try:
            found, self._buffer = packets.split(self._buffer + data[:nbytes])
            for packet in found:
                self._take(packet)
        except packets.PacketError:
            self._shared.counts.undecodable += 1
            self.drop()

    def _take(self, packet: packets.Packet) -> None:
        match packet.kind:
            case packets.PUBACK:
                self._acknowledged(next(packets.reasons(packet), 0))
            case packets.PUBLISH:
                self._deliver(packets.read_publish(packet))
            case packets.CONNACK:
                self._connected(next(packets.reasons(packet), packets.FAILURE))
            case packets.SUBACK:
                self._shared.counts.denied += sum(code >= packets.FAILURE for code in packets.reasons(packet))
            case packets.DISCONNECT:
                self.drop()

    def _connected(self, reason: int) -> None:
        if reason >= packets.FAILURE or self._transport is None:
            self._shared.counts.refused += 1
            self.drop()
            return
        self.ready = True
        self._failures = 0
        self._shared.counts.connected += 1
        self._shared.counts.connections += 1
        topics = (topic(self.id, Channel.DESIRED), topic(self.id, Channel.ACK))
        self._transport.write(packets.subscribe(self._take_id(), topics))
        self._report()
        self._shared.counts.hellos += 1
        for payload in self._unacknowledged:
            self._send(payload)
            self._shared.counts.duplicates += 1
        if self._shared.sampling:
            self.begin_sampling()

    def begin_sampling(self) -> None:
        """Sample from now on, the first time at a moment of its own within the interval."""
        if not self._sampling:
            self._sampling = True
            self._shared.rounds.join(self._dice.uniform(0, self._shared.habits.interval_s), self._sample)

    def _acknowledged(self, reason: int) -> None:
        self._in_flight -= 1
        if reason >= packets.FAILURE:
            self._shared.counts.denied += 1
        else:
            self._shared.counts.acknowledged += 1

    def _deliver(self, message: packets.Message) -> None:
        if message.id is not None and self._transport is not None:
            self._transport.write(packets.puback(message.id))
        try:
            hub, channel = parse_topic(message.topic)
            document = decode(channel, message.payload)
        except (TopicError, ProtocolError):
            self._shared.counts.undecodable += 1
            return
        if hub != self.id:
            self._shared.counts.undecodable += 1
        elif isinstance(document, Desired):
            self._follow(document)
        elif isinstance(document, Ack):
            self._settle(document)

    def _follow(self, document: Desired) -> None:
        self._shared.counts.documents += 1
        if document.revision > self.revision:
            self.revision, self._forwarding = document.revision, document.internet.on
        # Whatever was sent is answered: a controller that lost the hello learns from it how the hub stands.
        self._report()

    def _settle(self, document: Ack) -> None:
        self._shared.counts.acks += 1
        covered = max((each.seq for each in document.boots if each.boot == self.boot), default=0)
        del self._unacknowledged[: max(0, covered - self._oldest + 1)]

    # What is said.

    def _sample(self, now: float) -> bool:
        """Send one sample; False ends the sampling. The path of every message of a fleet: no call without need."""
        shared, transport = self._shared, self._transport
        if not self.ready or shared.stopping or transport is None:
            self._sampling = False
            return False
        counts, habits = shared.counts, shared.habits
        if self._in_flight >= IN_FLIGHT:
            counts.held += 1
            transport.write(packets.PINGREQ)
            return True
        self.seq = seq = self.seq + 1
        # One step of a 32-bit generator (Numerical Recipes, "quick and dirty"): its high bits wander well enough.
        self._wander = wander = (self._wander * 1664525 + 1013904223) & 0xFFFFFFFF
        self.rx_bytes = rx_bytes = self.rx_bytes + (wander >> 8) % 50_000
        uptime_ms = int((now - self.started) * 1000)
        found = SIGNALS[(wander >> 12) % len(SIGNALS)]
        payload = DOCUMENT % (self._head, seq, uptime_ms, found, self._tail, rx_bytes)
        if habits.spool:
            self._unacknowledged.append(payload)
            if len(self._unacknowledged) > habits.spool:
                del self._unacknowledged[0]
        self._in_flight += 1
        self._next_id = packet_id = self._next_id % PACKET_IDS + 1
        transport.write(packets.publish(self._topic, packet_id, payload))
        counts.telemetry += 1
        if habits.duplicates and self._dice.uniform(0, 1) < habits.duplicates:
            self._send(payload)
            counts.duplicates += 1
        return True

    def _report(self) -> None:
        status = ConditionStatus.TRUE if self._forwarding else ConditionStatus.FALSE
        self.report_seq += 1
        spool = (SpoolReport(boot=self.boot, oldest=self._oldest, newest=self.seq),) if self._unacknowledged else ()
        document = Reported(
            boot=self.boot,
            seq=self.report_seq,
            uptime_ms=self._uptime_ms(),
            observed_revision=self.revision,
            features=tuple(sorted(FEATURES)),
            agent_version=_AGENT,
            session=self.session,
            conditions=(Condition(type=ConditionType.FORWARDING_OPEN, status=status),),
            identity=IdentityEvidence(serial=f"FLEET{self.number:06}"),
            network=NetworkReport(registration="home", mcc="234", mnc="30"),
            bearer=BearerReport(up=True, rx_bytes=self.rx_bytes),
            spool=spool,
        )
        self._publish(packets.text(topic(self.id, Channel.REPORTED)), encode(document))

    def _send(self, payload: bytes) -> None:
        self._publish(self._topic, payload)

    def _publish(self, wire_topic: bytes, payload: bytes) -> None:
        if self._transport is not None:
            self._in_flight += 1
            self._transport.write(packets.publish(wire_topic, self._take_id(), payload))

    # Small change.

    @property
    def _oldest(self) -> int:
        """The sequence number of the oldest unacknowledged message."""
        return self.seq - len(self._unacknowledged) + 1

    def _take_id(self) -> int:
        self._next_id = self._next_id % PACKET_IDS + 1
        return self._next_id

    def _uptime_ms(self) -> int:
        return int((self._shared.loop.time() - self.started) * 1000)
