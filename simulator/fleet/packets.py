"""MQTT 5 packets (OASIS MQTT Version 5.0), the few a hub needs, written for speed. Bytes in, values out; no I/O."""

import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

CONNACK: Final = 2
PUBLISH: Final = 3
PUBACK: Final = 4
SUBACK: Final = 9
PINGRESP: Final = 13
DISCONNECT: Final = 14

PINGREQ: Final = b"\xc0\x00"
# Normal disconnection without and with the will (3.14.2.1: reason 0x00, 0x04).
GOODBYE: Final = b"\xe0\x00"
# Reason codes from 0x80 on are failures (2.4).
FAILURE: Final = 0x80
# A packet beyond this is nothing a controller sends to a hub: the connection is given up.
PACKET_LIMIT: Final = 256 * 1024


class PacketError(ValueError):
    """The bytes are not MQTT 5, or a packet is larger than PACKET_LIMIT: drop the connection."""


class Packet(NamedTuple):
    """A packet as it came: its type, its flags, and what follows the fixed header."""

    kind: int
    flags: int
    body: bytes


class Message(NamedTuple):
    """An incoming PUBLISH. `id` is None for QoS 0."""

    topic: str
    id: int | None
    payload: bytes


def encode_length(value: int) -> bytes:
    """A variable byte integer (1.5.5)."""
    if value < 16384:
        return bytes((value,)) if value < 128 else bytes((value & 0x7F | 0x80, value >> 7))
    out = bytearray()
    while True:
        value, digit = value >> 7, value & 0x7F
        if not value:
            out.append(digit)
            return bytes(out)
        out.append(digit | 0x80)


def text(value: str) -> bytes:
    """A UTF-8 string with its length (1.5.4)."""
    data = value.encode()
    return struct.pack("!H", len(data)) + data


def connect(
    client_id: str, *, keep_alive_s: int, session_expiry_s: int, will_topic: str, will: bytes, clean: bool = False
) -> bytes:
    """A CONNECT with a QoS 1 will (3.1)."""
    flags = 0x04 | 0x08 | (0x02 if clean else 0)
    properties = b"\x11" + struct.pack("!I", session_expiry_s)
    body = b"\x00\x04MQTT\x05" + bytes([flags]) + struct.pack("!H", keep_alive_s)
    body += bytes([len(properties)]) + properties
    body += text(client_id) + b"\x00" + text(will_topic) + struct.pack("!H", len(will)) + will
    return b"\x10" + encode_length(len(body)) + body


def subscribe(packet_id: int, topics: tuple[str, ...]) -> bytes:
    """A SUBSCRIBE at QoS 1 (3.8)."""
    body = struct.pack("!H", packet_id) + b"\x00" + b"".join(text(topic) + b"\x01" for topic in topics)
    return b"\x82" + encode_length(len(body)) + body


# Fixed headers of PUBLISH at QoS 1 by remaining length, and packet ids with an empty property list behind them (3.3):
# what every message has, written once.
_PUBLISH_HEADS: Final = tuple(b"\x32" + encode_length(length) for length in range(1024))
_PUBLISH_IDS: Final = tuple(packet_id.to_bytes(2, "big") + b"\x00" for packet_id in range(1024))


def publish(topic: bytes, packet_id: int, payload: bytes) -> bytes:
    """A PUBLISH at QoS 1 (3.3); `topic` already has its length before it."""
    length = len(topic) + 3 + len(payload)
    if length < 1024 > packet_id:  # the usual one
        return b"".join((_PUBLISH_HEADS[length], topic, _PUBLISH_IDS[packet_id], payload))
    return b"".join((b"\x32", encode_length(length), topic, packet_id.to_bytes(2, "big"), b"\x00", payload))


def puback(packet_id: int) -> bytes:
    """A PUBACK with reason success (3.4)."""
    return b"\x40\x02" + packet_id.to_bytes(2, "big")


def split(data: bytes | bytearray) -> tuple[list[Packet], bytes]:
    """Whole packets, and what is left of one that has not arrived yet. Raises PacketError."""
    packets, at = [], 0
    while len(data) - at >= 2:
        length, start = _read_length(data, at + 1)
        if length is None or start + length > len(data):
            break
        packets.append(Packet(data[at] >> 4, data[at] & 0x0F, bytes(data[start : start + length])))
        at = start + length
    return packets, bytes(data[at:])


def read_publish(packet: Packet) -> Message:
    """Read an incoming PUBLISH. Raises PacketError."""
    body = packet.body
    try:
        (size,) = struct.unpack_from("!H", body)
        topic, at, packet_id = body[2 : 2 + size].decode(), 2 + size, None
        if packet.flags & 0x06:
            (packet_id,) = struct.unpack_from("!H", body, at)
            at += 2
    except (struct.error, UnicodeDecodeError) as error:
        raise PacketError(str(error)) from None
    properties, start = _read_length(body, at)
    if properties is None or start + properties > len(body):
        raise PacketError("a PUBLISH without its properties")
    return Message(topic, packet_id, body[start + properties :])


def reasons(packet: Packet) -> Iterator[int]:
    """The reason codes of a CONNACK, PUBACK or SUBACK; a PUBACK that is short has succeeded (3.4.2.1)."""
    body = packet.body
    if packet.kind == CONNACK and len(body) >= 2:
        yield body[1]
    elif packet.kind == PUBACK and len(body) >= 3:
        yield body[2]
    elif packet.kind == SUBACK and len(body) >= 3:
        properties, start = _read_length(body, 2)
        yield from body[start + (properties or 0) :]


def _read_length(data: bytes | bytearray, at: int) -> tuple[int | None, int]:
    value = shift = 0
    for position in range(at, at + 4):
        if position >= len(data):
            return None, at
        value |= (data[position] & 0x7F) << shift
        if data[position] < 0x80:
            if value > PACKET_LIMIT:
                raise PacketError(f"a packet of {value} bytes")
            return value, position + 1
        shift += 7
    raise PacketError("a length of more than four bytes")
