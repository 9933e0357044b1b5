"""Bytes to structs and back, with a size limit per channel.

Every failure is a ProtocolError with data; nothing else is raised for any bytes.
"""

from typing import Final

import msgspec

from device_agent.protocol.ack import Ack
from device_agent.protocol.desired import Desired
from device_agent.protocol.event import Event
from device_agent.protocol.presence import Presence
from device_agent.protocol.reported import Reported
from device_agent.protocol.telemetry import Telemetry
from device_agent.protocol.topics import Channel

Message = Desired | Reported | Telemetry | Event | Presence | Ack

_TYPES: Final[dict[Channel, type[Message]]] = {
    Channel.DESIRED: Desired,
    Channel.REPORTED: Reported,
    Channel.TELEMETRY: Telemetry,
    Channel.EVENT: Event,
    Channel.PRESENCE: Presence,
    Channel.ACK: Ack,
}
_DECODERS: Final = {channel: msgspec.json.Decoder(type_) for channel, type_ in _TYPES.items()}
_ENCODER: Final = msgspec.json.Encoder(order="deterministic")

# The largest document of each channel, in bytes.
LIMITS: Final[dict[Channel, int]] = {
    Channel.DESIRED: 128 * 1024,
    Channel.REPORTED: 64 * 1024,
    Channel.TELEMETRY: 128 * 1024,
    Channel.EVENT: 8 * 1024,
    Channel.PRESENCE: 512,
    Channel.ACK: 4 * 1024,
}


class ProtocolError(Exception):
    """The bytes are not a message of this contract: quarantine and acknowledge; asking again will not help."""

    def __init__(self, channel: Channel, reason: str) -> None:
        super().__init__(f"{channel.value}: {reason}")
        self.channel = channel
        self.reason = reason


class TooLargeError(ProtocolError):
    """The document is over its channel's limit."""

    def __init__(self, channel: Channel, size: int) -> None:
        super().__init__(channel, f"{size} bytes, at most {LIMITS[channel]} are allowed")
        self.size = size


class UndecodableError(ProtocolError):
    """The bytes are not JSON, or not of the channel's shape."""


def encode(message: Message) -> bytes:
    """Encode deterministically: the same message gives the same bytes. Raises TooLargeError."""
    channel = _channel_of(message)
    data = _ENCODER.encode(message)
    if len(data) > LIMITS[channel]:
        raise TooLargeError(channel, len(data))
    return data


def decode(channel: Channel, data: bytes) -> Message:
    """Decode the bytes of a channel. Raises TooLargeError or UndecodableError."""
    if len(data) > LIMITS[channel]:
        raise TooLargeError(channel, len(data))
    try:
        return _DECODERS[channel].decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise UndecodableError(channel, str(error)[:200]) from None


def _channel_of(message: Message) -> Channel:
    for channel, type_ in _TYPES.items():
        if isinstance(message, type_):
            return channel
    raise TypeError(f"not a message of the contract: {type(message).__name__}")
