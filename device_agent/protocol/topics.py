"""Topics: `minihub/v1/{hub}/{channel}`.

A hub id is minted at enrolment (UUIDv7, canonical lower case) and equals the certificate's subject, so it can hold
no MQTT wildcard and no separator.
"""

import re
from enum import StrEnum

PREFIX = "minihub/v1"
_HUB_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


class Channel(StrEnum):
    """The six channels of a hub. Only `DESIRED` is retained; every one is QoS 1."""

    DESIRED = "desired"
    REPORTED = "reported"
    TELEMETRY = "telemetry"
    EVENT = "event"
    PRESENCE = "presence"
    ACK = "ack"


class TopicError(ValueError):
    """A topic or a hub id is not of this contract: quarantine the message, never guess."""

    def __init__(self, text: str) -> None:
        super().__init__(f"not a topic or hub id of {PREFIX}: {text[:120]!r}")
        self.text = text


def is_hub_id(text: str) -> bool:
    """Tell whether the text is a canonical hub id."""
    return _HUB_ID.fullmatch(text) is not None


def topic(hub: str, channel: Channel) -> str:
    """Name the hub's topic for a channel. Raises TopicError for anything but a hub id."""
    if not is_hub_id(hub):
        raise TopicError(hub)
    return f"{PREFIX}/{hub}/{channel.value}"


def parse_topic(text: str) -> tuple[str, Channel]:
    """Return (hub id, channel) of a topic. Raises TopicError."""
    parts = text.split("/")
    if len(parts) != 4 or "/".join(parts[:2]) != PREFIX or not is_hub_id(parts[2]):
        raise TopicError(text)
    try:
        return parts[2], Channel(parts[3])
    except ValueError:
        raise TopicError(text) from None
