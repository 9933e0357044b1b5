"""Wire words to business words: one delivery becomes a report, a presence, a piece of history, or is set aside.

Nothing here raises: what can't be read is Quarantined with the reason, since asking for it again would not help.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final

import msgspec
from msgspec.structs import astuple

from controller.services.history import HubHistory, Spooled
from controller.services.reported import ConditionView, HubReport, RequestAnswer
from controller.services.samples import SAMPLE
from device_agent.protocol import (
    LIMITS,
    Channel,
    Event,
    Presence,
    ProtocolError,
    Reported,
    Sample,
    Telemetry,
    TopicError,
    decode,
    parse_topic,
)
from device_agent.protocol.reported import Counter

HISTORY: Final = frozenset({Channel.TELEMETRY, Channel.EVENT})
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# A character that PostgreSQL can't keep; JSON can only hold it escaped.
_NUL: Final = b"\\u0000"
_WIDEST: Final = 2**53
_parse: Final = lru_cache(maxsize=20_000)(parse_topic)
assert Sample.__struct_fields__ == SAMPLE, "samples go from the wire to the database by their place"


@dataclass(frozen=True, slots=True)
class Quarantined:
    """What can't be taken in, and why."""

    topic: str
    payload: bytes
    reason: str
    hub_id: str = ""
    number: tuple[int, int] | None = None


class _Number(msgspec.Struct):
    """What can still be read of history that can't: its boot and sequence, so that it need not come again."""

    boot: Counter
    seq: Counter


_TELEMETRY: Final = msgspec.json.Decoder(Telemetry)
_MOST_TELEMETRY: Final = LIMITS[Channel.TELEMETRY]
_BAND: Final = SAMPLE.index("band")
_NUMBERS: Final = msgspec.json.Decoder(_Number)


@dataclass(frozen=True, slots=True)
class ReportMessage:
    """A hub, whole."""

    topic: str
    payload: bytes
    hub_id: str
    report: HubReport


@dataclass(frozen=True, slots=True)
class PresenceMessage:
    """The end of a session."""

    topic: str
    payload: bytes
    hub_id: str
    state: str
    boot: int
    connection: int


class HistoryMessage(msgspec.Struct, frozen=True, gc=False):
    """An event or a batch of samples. A struct that no collector looks at: it can't be part of a cycle."""

    topic: str
    payload: bytes
    hub_id: str
    history: HubHistory


Incoming = Quarantined | ReportMessage | PresenceMessage | HistoryMessage


def decode_message(topic: str, payload: bytes) -> Incoming:
    """Translate one delivery."""
    try:
        hub_id, channel = _parse(topic)
    except TopicError as error:
        return Quarantined(topic, payload, str(error))
    if channel is Channel.TELEMETRY and (fast := _telemetry(topic, hub_id, payload)) is not None:
        return fast
    try:
        message = decode(channel, payload)
    except ProtocolError as error:
        return Quarantined(topic, payload, str(error), hub_id, _number(channel, payload))
    if _NUL in payload or isinstance(message, Telemetry):  # which `_telemetry` did not want
        reason = "it holds the character NUL, or a number that no field has a use for"
        return Quarantined(topic, payload, reason, hub_id, _number(channel, payload))
    match message:
        case Reported():
            return ReportMessage(topic, payload, hub_id, report_of(message))
        case Presence():
            return PresenceMessage(topic, payload, hub_id, message.state.value, message.boot, message.session)
        case Event():
            event = _fields(message)
            return HistoryMessage(topic, payload, hub_id, HubHistory(hub_id, message.boot, message.seq, (), event))
    return Quarantined(topic, payload, f"{channel.value} is the controller's own channel")


def _telemetry(topic: str, hub_id: str, payload: bytes) -> HistoryMessage | None:
    """Translate what nearly all messages are, without the steps that others need; None for what is to be set aside."""
    if len(payload) > _MOST_TELEMETRY or _NUL in payload:
        return None
    try:
        message = _TELEMETRY.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    samples = tuple(map(astuple, message.samples))
    for sample in samples:
        if (band := sample[_BAND]) is not None and abs(band) >= _WIDEST:
            return None
    return HistoryMessage(topic, payload, hub_id, HubHistory(hub_id, message.boot, message.seq, samples))


def report_of(message: Reported) -> HubReport:
    """Translate a report into business words."""
    return HubReport(
        boot=message.boot,
        seq=message.seq,
        session=message.session,
        uptime_ms=message.uptime_ms,
        observed_revision=message.observed_revision,
        sent_at=_instant(message.sent_at),
        protocol=message.protocol,
        features=message.features,
        agent_version=message.agent_version,
        conditions=tuple(
            ConditionView(
                type=each.type,
                status=each.status.value,
                reason=each.reason,
                message=each.message,
                since_ms=each.since_ms,
            )
            for each in message.conditions
        ),
        identity=_present(message.identity),
        network=_present(message.network),
        bearer=_present(message.bearer),
        filter=_present(message.filter),
        requests=tuple(
            RequestAnswer(id=each.id, state=each.state.value, message=each.message, result=each.result)
            for each in message.requests
        ),
        spool=tuple(Spooled(boot=each.boot, oldest=each.oldest, newest=each.newest) for each in message.spool),
    )


def _number(channel: Channel, payload: bytes) -> tuple[int, int] | None:
    if channel not in HISTORY or len(payload) > LIMITS[channel]:
        return None
    try:
        number = _NUMBERS.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return number.boot, number.seq


def _fields(struct: msgspec.Struct) -> dict[str, Any]:
    fields: dict[str, Any] = msgspec.to_builtins(struct)
    if "at" in fields:
        fields["at"] = _instant(fields["at"])
    return fields


def _present(struct: msgspec.Struct) -> dict[str, Any]:
    fields: dict[str, Any] = msgspec.to_builtins(struct)
    return {name: value for name, value in fields.items() if value is not None}


def _instant(milliseconds: int | None) -> datetime | None:
    """Return the instant; absent, and a time no calendar holds, are None: the hub's clock said nothing useful."""
    if milliseconds is None:
        return None
    try:
        return _EPOCH + timedelta(milliseconds=milliseconds)
    except OverflowError:
        return None
