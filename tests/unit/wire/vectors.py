"""The golden vectors of the wire contract and its JSON Schema; run as a module to write them again."""

import json
from pathlib import Path

import msgspec

from device_agent import protocol as wire
from device_agent.protocol import doorbell

HUB = "01936d0e-7a1c-7c3e-9b1f-0242ac120002"
VECTORS = Path(__file__).parents[2] / "data" / "wire"
SCHEMA = Path(__file__).parents[3] / "docs" / "wire" / "minihub-v1.schema.json"
_DIGEST = "sha256:" + "ab" * 32

MESSAGES: dict[str, tuple[wire.Channel, wire.Message]] = {
    "desired-closed": (
        wire.Channel.DESIRED,
        wire.Desired(revision=1, issued_at=1_790_000_000_000, internet=wire.Internet(on=False)),
    ),
    "desired-open": (
        wire.Channel.DESIRED,
        wire.Desired(
            revision=1_790_000_000_123,
            issued_at=1_790_000_000_000,
            requires=("lease", "parental-controls", "sim-lock"),
            internet=wire.Internet(on=True, until=1_790_086_400_000),
            sims=(wire.digest_identifier(HUB, "8944000000000000001"),),
            bearer=wire.Bearer(apn="everywhere", username="eesecure", password="secure", authentication="chap"),
            parental_controls=wire.ParentalControls(
                level="light",
                lists=(
                    wire.ListReference(category="gambling", digest=_DIGEST, size=12, url="https://lists.example/g"),
                ),
                allow=("allowed.example",),
                deny=("blocked.example",),
                safe_search=True,
            ),
            reporting=wire.Reporting(sample_interval_s=30),
            requests=(wire.Request(id="r1", kind=wire.RequestKind.DIAGNOSE, expires_at=1_790_000_600_000),),
        ),
    ),
    "reported-hello": (
        wire.Channel.REPORTED,
        wire.Reported(
            boot=7,
            seq=1,
            uptime_ms=12_345,
            observed_revision=1_790_000_000_123,
            sent_at=1_790_000_012_345,
            features=tuple(sorted(wire.FEATURES)),
            agent_version="0.1.0",
            session=1,
            conditions=(
                wire.Condition(
                    type=wire.ConditionType.FORWARDING_OPEN,
                    status=wire.ConditionStatus.FALSE,
                    reason="filter_not_in_force",
                    message="The filter is being installed.",
                    since_ms=1_000,
                ),
            ),
            identity=wire.IdentityEvidence(serial="MH-0001", imei="001010000000009", modem_model="EC25"),
            network=wire.NetworkReport(registration="home", mcc="234", mnc="30", operator="EE", technology="E_UTRAN"),
            bearer=wire.BearerReport(up=True, apn="everywhere", tx_bytes=1, rx_bytes=2),
            filter=wire.FilterReport(
                state=wire.FilterState.IN_FORCE, level="light", digest=_DIGEST, refused_by_category={"gambling": 3}
            ),
            requests=(wire.RequestOutcome(id="r1", state=wire.RequestState.DONE, result={"ping_ms": "41"}),),
            spool=(wire.SpoolReport(boot=6, oldest=4, newest=9),),
        ),
    ),
    "reported-rung": (
        wire.Channel.REPORTED,
        wire.Reported(
            boot=8,
            seq=2,
            uptime_ms=99_000,
            observed_revision=1_790_000_000_123,
            conditions=(
                wire.Condition(
                    type=wire.ConditionType.CERTIFICATE,
                    status=wire.ConditionStatus.TRUE,
                    reason="renewed",
                    message="until 2029-01-01",
                    since_ms=2_000,
                ),
            ),
            doorbell=wire.DoorbellReport(rung=1, ignored=3),
        ),
    ),
    "telemetry": (
        wire.Channel.TELEMETRY,
        wire.Telemetry(
            boot=7,
            seq=2,
            samples=(
                wire.Sample(uptime_ms=20_000, rsrp_dbm=-95.0, rsrq_db=-10.5, operator="EE", tx_bytes=10, rx_bytes=20),
            ),
        ),
    ),
    "event": (
        wire.Channel.EVENT,
        wire.Event(
            boot=7,
            seq=3,
            uptime_ms=21_000,
            kind="forwarding_opened",
            severity=wire.Severity.INFO,
            facts={"cause": "lease"},
        ),
    ),
    "presence-lost": (wire.Channel.PRESENCE, wire.Presence(state=wire.PresenceState.LOST, boot=7, session=1)),
    "ack": (wire.Channel.ACK, wire.Ack(boots=(wire.BootAck(boot=6, seq=9), wire.BootAck(boot=7, seq=3)))),
}

DOORBELL_KEY = bytes(range(32))
DOORBELL_COUNTERS = (1, 1_790_000_000_123, doorbell.COUNTER_MOST)


def render_doorbell() -> str:
    """The doorbell's texts, as checked in: both sides sign with the same bytes."""
    rows = [{"counter": number, "text": doorbell.ring(DOORBELL_KEY, HUB, number)} for number in DOORBELL_COUNTERS]
    return json.dumps({"key": DOORBELL_KEY.hex(), "hub": HUB, "texts": rows}, indent=1) + "\n"


def render_schema() -> str:
    """The JSON Schema of every channel, as checked in."""
    types = [type(message) for _, message in MESSAGES.values()]
    unique = list(dict.fromkeys(types))
    _, components = msgspec.json.schema_components(unique, ref_template="#/$defs/{name}")
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Mini Hub wire contract, minihub/v1",
        "$defs": components,
    }
    return json.dumps(schema, indent=1, sort_keys=True) + "\n"


def main() -> None:
    """Write vectors and schema; a deliberate act, since hubs in homes hold the old ones."""
    VECTORS.mkdir(parents=True, exist_ok=True)
    for name, (_, message) in MESSAGES.items():
        (VECTORS / f"{name}.json").write_bytes(wire.encode(message))
    (VECTORS / "doorbell.json").write_text(render_doorbell())
    SCHEMA.parent.mkdir(parents=True, exist_ok=True)
    SCHEMA.write_text(render_schema())


if __name__ == "__main__":
    main()
