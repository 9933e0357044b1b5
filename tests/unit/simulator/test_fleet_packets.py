"""The fleet's MQTT 5 codec, against the standard's own bytes and laws, and what makes a fleet repeatable."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device_agent.protocol import is_hub_id
from simulator.fleet import make_hub_id, packets, read_hub_ids
from simulator.fleet.fleet import Broker, FleetError
from simulator.fleet.hub import Dice


@pytest.mark.parametrize(
    ("value", "encoded"),
    [(0, "00"), (127, "7f"), (128, "8001"), (16383, "ff7f"), (16384, "808001"), (2097152, "80808001")],
)
def test_lengths_are_variable_byte_integers(value: int, encoded: str) -> None:
    assert packets.encode_length(value).hex() == encoded


def test_a_connect_is_what_the_standard_says() -> None:
    made = packets.connect("a", keep_alive_s=60, session_expiry_s=10, will_topic="w", will=b"x")
    assert (
        made.hex()
        == "101a" + "00044d515454" + "05" + "0c" + "003c" + "05110000000a" + "000161" + "00" + "000177" + "000178"
    )


def test_a_subscribe_asks_for_quality_one() -> None:
    assert packets.subscribe(7, ("t",)).hex() == "82070007" + "00" + "000174" + "01"


@settings(deadline=None)
@given(
    st.text(min_size=1, max_size=50).filter(lambda text: max(text) < "\ud800" or max(text) > "\udfff"),
    st.integers(1, 65535),
    st.binary(max_size=1000),
)
def test_a_publish_comes_back_as_it_was(topic: str, packet_id: int, payload: bytes) -> None:
    data = packets.publish(packets.text(topic), packet_id, payload)
    (packet,), rest = packets.split(data)
    assert rest == b""
    assert packets.read_publish(packet) == (topic, packet_id, payload)


@pytest.mark.parametrize("size", [0, 120, 121, 122, 250, 251, 16_376, 16_377, 16_378, 40_000])
def test_a_publish_of_any_length_comes_back(size: int) -> None:
    data = packets.publish(packets.text("to"), 0x1234, b"x" * size)
    (packet,), rest = packets.split(data)
    assert rest == b""
    assert packets.read_publish(packet) == ("to", 0x1234, b"x" * size)


@settings(deadline=None)
@given(st.lists(st.binary(max_size=300), min_size=1, max_size=6), st.integers(1, 50))
def test_packets_come_whole_however_the_stream_is_cut(payloads: list[bytes], size: int) -> None:
    stream = b"".join(packets.publish(packets.text("t"), 1, payload) for payload in payloads)
    found, buffer = [], b""
    for at in range(0, len(stream), size):
        got, buffer = packets.split(buffer + stream[at : at + size])
        found += [packets.read_publish(packet).payload for packet in got]
    assert found == payloads
    assert buffer == b""


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_packets_or_a_packet_error(data: bytes) -> None:
    try:
        for packet in packets.split(data)[0]:
            assert all(0 <= reason <= 255 for reason in packets.reasons(packet))
            if packet.kind == packets.PUBLISH:
                assert packets.read_publish(packet).payload in data
    except packets.PacketError:
        return


def test_reasons_are_read_from_every_kind_of_acknowledgement() -> None:
    def read(data: str) -> list[int]:
        return list(packets.reasons(packets.split(bytes.fromhex(data))[0][0]))

    assert read("20030000 00") == [0]
    assert read("2003008700") == [0x87]
    assert read("40020001") == []
    assert read("4003000110") == [0x10]
    assert read("900500010001 87") == [1, 0x87]


def test_hub_ids_are_canonical_distinct_and_the_same_for_the_same_seed() -> None:
    ids = [make_hub_id(5, number) for number in range(2000)]
    assert all(is_hub_id(each) and each[14] == "7" and each[19] in "89ab" for each in ids)
    assert len(set(ids)) == 2000
    assert ids[:3] == [make_hub_id(5, number) for number in range(3)]
    assert not set(ids) & {make_hub_id(6, number) for number in range(2000)}


def test_dice_are_fair_enough_and_repeatable() -> None:
    dice = Dice(1)
    rolls = [dice.uniform(0, 1) for _ in range(4000)]
    again = Dice(1)
    assert rolls == [again.uniform(0, 1) for _ in range(4000)]
    assert 0.48 < sum(rolls) / 4000 < 0.52


@pytest.mark.parametrize("url", ["http://x", "mqtt://", "x:1883", "mqtt://h:port"])
def test_a_wrong_broker_is_refused_in_words(url: str) -> None:
    with pytest.raises(FleetError, match="mqtt://HOST:PORT"):
        Broker.parse(url)


def test_brokers_have_their_usual_ports() -> None:
    assert (Broker.parse("mqtt://h").port, Broker.parse("mqtts://h").port, Broker.parse("mqtt://h:5").port) == (
        1883,
        8883,
        5,
    )


@pytest.mark.parametrize(("text", "told"), [("x\n", ":1: 'x' is no hub id"), ("{0}\n\n{0}\n", "twice")])
def test_a_file_of_hub_ids_is_checked(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "hubs"
    path.write_text(f"{make_hub_id(1, 1)}\n{make_hub_id(1, 2)}\n")
    assert len(read_hub_ids(path)) == 2
    path.write_text(text.format(make_hub_id(1, 1)))
    with pytest.raises(FleetError, match=told):
        read_hub_ids(path)
