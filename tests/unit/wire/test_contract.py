import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_agent import protocol as wire
from tests.unit.wire.vectors import HUB, MESSAGES, SCHEMA, VECTORS, render_doorbell, render_schema


@pytest.mark.parametrize("name", MESSAGES)
def test_encoding_is_the_golden_vector(name: str) -> None:
    _, message = MESSAGES[name]
    assert wire.encode(message) == (VECTORS / f"{name}.json").read_bytes(), "the wire changed: see `make wire`"


@pytest.mark.parametrize("name", MESSAGES)
def test_golden_vector_decodes_to_the_message(name: str) -> None:
    channel, message = MESSAGES[name]
    assert wire.decode(channel, (VECTORS / f"{name}.json").read_bytes()) == message


def test_no_golden_vector_is_left_over() -> None:
    assert {path.stem for path in VECTORS.glob("*.json")} == {*MESSAGES, "doorbell"}


def test_doorbell_texts_are_the_golden_ones() -> None:
    assert render_doorbell() == (VECTORS / "doorbell.json").read_text(), "the doorbell changed: see `make wire`"


def test_schema_is_the_one_checked_in() -> None:
    assert render_schema() == SCHEMA.read_text(), "the schema changed: see `make wire`"


@given(st.sampled_from(list(wire.Channel)), st.binary(max_size=300))
def test_any_bytes_decode_or_raise_a_protocol_error(channel: wire.Channel, data: bytes) -> None:
    try:
        message = wire.decode(channel, data)
    except wire.ProtocolError as error:
        assert error.channel is channel
    else:
        assert wire.decode(channel, wire.encode(message)) == message


@given(st.sampled_from(sorted(MESSAGES)), st.data())
def test_damaged_golden_bytes_decode_or_raise_a_protocol_error(name: str, data: st.DataObject) -> None:
    channel, message = MESSAGES[name]
    good = bytearray(wire.encode(message))
    position = data.draw(st.integers(0, len(good) - 1))
    good[position] = data.draw(st.integers(0, 255))
    try:
        wire.decode(channel, bytes(good))
    except wire.ProtocolError as error:
        assert error.channel is channel


def test_unknown_fields_are_ignored() -> None:
    raw = msgspec.json.decode(wire.encode(MESSAGES["desired-open"][1]))
    raw["colour"] = {"of": "tomorrow"}
    raw["internet"]["speed"] = 3
    assert wire.decode(wire.Channel.DESIRED, msgspec.json.encode(raw)) == MESSAGES["desired-open"][1]


def test_missing_features_are_named() -> None:
    desired = wire.Desired(revision=1, issued_at=1, internet=wire.Internet(on=True), requires=("lease", "quantum"))
    assert wire.missing_features(desired) == ("quantum",)


def test_a_document_over_its_limit_is_refused_both_ways() -> None:
    event = wire.Event(boot=1, seq=1, uptime_ms=0, kind="x", facts={"k": "v" * wire.LIMITS[wire.Channel.EVENT]})
    with pytest.raises(wire.TooLargeError):
        wire.encode(event)
    with pytest.raises(wire.TooLargeError):
        wire.decode(wire.Channel.EVENT, b" " * (wire.LIMITS[wire.Channel.EVENT] + 1))


@given(st.uuids(), st.sampled_from(list(wire.Channel)))
def test_topics_round_trip(hub: object, channel: wire.Channel) -> None:
    assert wire.parse_topic(wire.topic(str(hub), channel)) == (str(hub), channel)


@given(st.text(max_size=80))
def test_any_text_is_a_topic_or_a_topic_error(text: str) -> None:
    try:
        hub, channel = wire.parse_topic(text)
    except wire.TopicError:
        return
    assert wire.topic(hub, channel) == text


@pytest.mark.parametrize("hub", ["", "+", "#", "hub/1", HUB.upper(), HUB + "\n", HUB[:-1]])
def test_what_is_not_a_hub_id_names_no_topic(hub: str) -> None:
    with pytest.raises(wire.TopicError):
        wire.topic(hub, wire.Channel.DESIRED)


def test_identifiers_are_named_by_digest_that_differs_per_hub() -> None:
    one = wire.digest_identifier(HUB, "8944000000000000001")
    other = wire.digest_identifier(HUB.replace("2", "3"), "8944000000000000001")
    assert one != other
    assert "8944" not in one[:11]
