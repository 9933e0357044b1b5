"""The wire contract between hub and controller: MQTT 5, JSON by msgspec, major version in the topic.

A leaf: the standard library and msgspec, nothing else. Golden byte vectors (tests/data/wire) and the JSON Schema
(docs/wire) are checked in; a test fails when the code and they differ.

Compatibility: a receiver ignores fields it does not know. A field that *restricts* what a hub may do is named in
`Desired.requires`; a hub that lacks the feature stays closed and says so.
"""

from device_agent.protocol.ack import Ack, BootAck
from device_agent.protocol.codec import (
    LIMITS,
    Message,
    ProtocolError,
    TooLargeError,
    UndecodableError,
    decode,
    encode,
)
from device_agent.protocol.desired import (
    FEATURES,
    PROTOCOL_VERSION,
    Bearer,
    Desired,
    Internet,
    ListReference,
    ParentalControls,
    Reporting,
    Request,
    RequestKind,
    digest_identifier,
    missing_features,
)
from device_agent.protocol.event import Event, Severity
from device_agent.protocol.presence import Presence, PresenceState
from device_agent.protocol.reported import (
    BearerReport,
    Condition,
    ConditionStatus,
    ConditionType,
    DoorbellReport,
    FilterReport,
    FilterState,
    IdentityEvidence,
    NetworkReport,
    Reported,
    RequestOutcome,
    RequestState,
    SpoolReport,
)
from device_agent.protocol.telemetry import Sample, Telemetry
from device_agent.protocol.topics import Channel, TopicError, is_hub_id, parse_topic, topic

__all__ = [
    "FEATURES",
    "LIMITS",
    "PROTOCOL_VERSION",
    "Ack",
    "Bearer",
    "BearerReport",
    "BootAck",
    "Channel",
    "Condition",
    "ConditionStatus",
    "ConditionType",
    "Desired",
    "DoorbellReport",
    "Event",
    "FilterReport",
    "FilterState",
    "IdentityEvidence",
    "Internet",
    "ListReference",
    "Message",
    "NetworkReport",
    "ParentalControls",
    "Presence",
    "PresenceState",
    "ProtocolError",
    "Reported",
    "Reporting",
    "Request",
    "RequestKind",
    "RequestOutcome",
    "RequestState",
    "Sample",
    "Severity",
    "SpoolReport",
    "Telemetry",
    "TooLargeError",
    "TopicError",
    "UndecodableError",
    "decode",
    "digest_identifier",
    "encode",
    "is_hub_id",
    "missing_features",
    "parse_topic",
    "topic",
]
