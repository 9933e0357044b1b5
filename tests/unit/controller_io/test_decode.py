from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.ingest.decode import (
    HistoryMessage,
    PresenceMessage,
    Quarantined,
    ReportMessage,
    decode_message,
)
from controller.services.samples import SAMPLE
from device_agent import protocol
from device_agent.protocol import LIMITS, Channel, encode, topic

HUB = "01890000-0000-7000-8000-000000000001"
CHANNELS = st.sampled_from([topic(HUB, channel) for channel in Channel])


@given(st.one_of(CHANNELS, st.text(max_size=80)), st.binary(max_size=200))
def test_nothing_that_arrives_raises(name: str, payload: bytes) -> None:
    message = decode_message(name, payload)
    assert (message.topic, message.payload) == (name, payload)


@pytest.mark.parametrize(
    "name",
    ["minihub/v1/not-a-hub/event", f"minihub/v2/{HUB}/event", f"minihub/v1/{HUB}/event/x", f"minihub/v1/{HUB}/gossip"],
)
def test_a_foreign_topic_is_set_aside(name: str) -> None:
    event = protocol.Event(boot=1, seq=1, uptime_ms=0, kind="x")
    message = decode_message(name, encode(event))
    assert isinstance(message, Quarantined)
    assert message.reason


@pytest.mark.parametrize("channel", [Channel.DESIRED, Channel.ACK])
def test_the_controllers_own_channels_are_not_taken_from_hubs(channel: Channel) -> None:
    desired = protocol.Desired(revision=1, issued_at=1, internet=protocol.Internet(on=False))
    ack = protocol.Ack(boots=(protocol.BootAck(boot=1, seq=1),))
    payload = encode(desired if channel is Channel.DESIRED else ack)
    assert isinstance(decode_message(topic(HUB, channel), payload), Quarantined)


def test_a_report_is_translated_whole() -> None:
    report = protocol.Reported(
        boot=3,
        seq=4,
        uptime_ms=5,
        observed_revision=6,
        sent_at=1_700_000_000_000,
        session=2,
        conditions=(
            protocol.Condition(type="forwarding_open", status=protocol.ConditionStatus.FALSE, reason="lease_ended"),
        ),
        identity=protocol.IdentityEvidence(serial="S1"),
        spool=(protocol.SpoolReport(boot=2, oldest=10, newest=20),),
        requests=(protocol.RequestOutcome(id="r", state=protocol.RequestState.DONE, result={"a": "b"}),),
    )
    message = decode_message(topic(HUB, Channel.REPORTED), encode(report))
    assert isinstance(message, ReportMessage)
    taken = message.report
    assert (taken.boot, taken.seq, taken.session, taken.observed_revision) == (3, 4, 2, 6)
    assert taken.sent_at == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
    assert (taken.conditions[0].status, taken.conditions[0].reason) == ("false", "lease_ended")
    assert taken.identity == {"serial": "S1"}
    assert (taken.spool[0].oldest, taken.requests[0].result) == (10, {"a": "b"})


def test_history_keeps_its_numbers_and_times() -> None:
    batch = protocol.Telemetry(
        boot=1, seq=9, samples=(protocol.Sample(uptime_ms=7, at=1000, rsrp_dbm=-101.5), protocol.Sample(uptime_ms=8))
    )
    message = decode_message(topic(HUB, Channel.TELEMETRY), encode(batch))
    assert isinstance(message, HistoryMessage)
    first, second = message.history.samples
    assert (message.history.boot, message.history.seq) == (1, 9)
    told = dict(zip(SAMPLE, first, strict=True))
    assert {name for name, value in told.items() if value is not None} == {"uptime_ms", "at", "rsrp_dbm"}
    assert (told["at"], told["rsrp_dbm"]) == (1000, -101.5)
    assert second == (8, *(None,) * (len(SAMPLE) - 1))


@pytest.mark.parametrize("channel", [Channel.TELEMETRY, Channel.EVENT])
def test_what_a_database_cannot_keep_is_set_aside(channel: Channel) -> None:
    sample = protocol.Sample(uptime_ms=1, operator="E\x00E")
    telemetry = protocol.Telemetry(boot=1, seq=1, samples=(sample,))
    event = protocol.Event(boot=1, seq=1, uptime_ms=0, kind="od\x00d")
    message = decode_message(topic(HUB, channel), encode(telemetry if channel is Channel.TELEMETRY else event))
    assert isinstance(message, Quarantined)
    assert "NUL" in message.reason


@pytest.mark.parametrize("band", [2**53, -(2**53), 10**30])
def test_a_band_that_no_column_holds_is_set_aside_under_its_number(band: int) -> None:
    samples = (protocol.Sample(uptime_ms=1), protocol.Sample(uptime_ms=2, band=band))
    message = decode_message(topic(HUB, Channel.TELEMETRY), encode(protocol.Telemetry(boot=3, seq=4, samples=samples)))
    assert isinstance(message, Quarantined)
    assert (message.hub_id, message.number) == (HUB, (3, 4))


def test_telemetry_beyond_its_limit_is_set_aside_unread() -> None:
    largest = LIMITS[Channel.TELEMETRY]
    whole = encode(protocol.Telemetry(boot=1, seq=1, samples=(protocol.Sample(uptime_ms=1),)))
    within = decode_message(topic(HUB, Channel.TELEMETRY), whole.ljust(largest))
    beyond = decode_message(topic(HUB, Channel.TELEMETRY), whole.ljust(largest + 1))
    assert (type(within), type(beyond)) == (HistoryMessage, Quarantined)
    # Nor is its number looked for: it is not kept whole here, so its hub keeps it.
    assert getattr(beyond, "number", ()) is None


def test_a_time_beyond_every_calendar_is_no_time() -> None:
    event = protocol.Event(boot=1, seq=1, uptime_ms=0, kind="odd", at=2**53 - 1)
    message = decode_message(topic(HUB, Channel.EVENT), encode(event))
    assert isinstance(message, HistoryMessage)
    assert message.history.event is not None
    assert message.history.event["at"] is None


def test_a_presence_names_its_session() -> None:
    presence = protocol.Presence(state=protocol.PresenceState.LOST, boot=4, session=5)
    message = decode_message(topic(HUB, Channel.PRESENCE), encode(presence))
    assert isinstance(message, PresenceMessage)
    assert (message.state, message.boot, message.connection) == ("lost", 4, 5)
