"""The packets that control protocols share (RFC 1661 clause 5) and their options (clause 6)."""

from collections.abc import Iterable
from enum import IntEnum
from typing import NamedTuple


class Code(IntEnum):
    """What a control packet is."""

    CONFIGURE_REQUEST = 1
    CONFIGURE_ACK = 2
    CONFIGURE_NAK = 3
    CONFIGURE_REJECT = 4
    TERMINATE_REQUEST = 5
    TERMINATE_ACK = 6
    CODE_REJECT = 7
    PROTOCOL_REJECT = 8
    ECHO_REQUEST = 9
    ECHO_REPLY = 10
    DISCARD_REQUEST = 11


class Packet(NamedTuple):
    """Code, identifier, data."""

    code: int
    identifier: int
    data: bytes = b""

    def encoded(self) -> bytes:
        """The packet with its length."""
        return bytes((self.code, self.identifier)) + (len(self.data) + 4).to_bytes(2, "big") + self.data


class Option(NamedTuple):
    """Type and value."""

    kind: int
    value: bytes = b""


def read_packet(information: bytes) -> Packet | None:
    """A control packet, its padding off; None for what is none (it is silently discarded)."""
    size = int.from_bytes(information[2:4], "big")
    if len(information) < 4 or not 4 <= size <= len(information):
        return None
    return Packet(information[0], information[1], information[4:size])


def read_options(data: bytes) -> tuple[Option, ...] | None:
    """The options of a Configure packet; None when their lengths make no sense."""
    options, at = [], 0
    while at < len(data):
        size = data[at + 1] if at + 1 < len(data) else 0
        if size < 2 or at + size > len(data):
            return None
        options.append(Option(data[at], data[at + 2 : at + size]))
        at += size
    return tuple(options)


def write_options(options: Iterable[Option]) -> bytes:
    """Options one after the other."""
    return b"".join(bytes((option.kind, len(option.value) + 2)) + option.value for option in options)
