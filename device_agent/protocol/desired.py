"""What a hub should be and do: one document, one number.

`revision` grows with every change (max(previous + 1, now in ms)); a hub refuses a lower one. `issued_at`, `until` and
`expires_at` are Unix time in milliseconds. The document holds no personal data: SIMs are named by digest.
"""

import hashlib
from enum import StrEnum
from typing import Annotated

import msgspec

PROTOCOL_VERSION = 1

# What this code's hub side understands; a controller names in `requires` what a document relies on.
FEATURES = frozenset({"lease", "sim-lock", "parental-controls", "safe-search", "requests"})

Revision = Annotated[int, msgspec.Meta(ge=0, lt=2**53)]
Milliseconds = Annotated[int, msgspec.Meta(ge=0, lt=2**53)]
Digest = Annotated[str, msgspec.Meta(pattern="^sha256:[0-9a-f]{64}$")]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=253)]


class Wire(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The base of every struct of the contract: frozen, by name, defaults left out."""


class Internet(Wire, frozen=True, kw_only=True):
    """Whether the hub may forward, and until when (the lease). `on` without `until` is closed."""

    on: bool
    until: Milliseconds | None = None


class Bearer(Wire, frozen=True, kw_only=True):
    """The packet data network connection (3GPP TS 27.007 +CGDCONT, +CGAUTH)."""

    apn: Annotated[str, msgspec.Meta(max_length=100)]
    pdp_type: Annotated[str, msgspec.Meta(pattern="^(IP|IPV6|IPV4V6)$")] = "IPV4V6"
    username: Annotated[str, msgspec.Meta(max_length=64)] = ""
    password: Annotated[str, msgspec.Meta(max_length=64)] = ""
    authentication: Annotated[str, msgspec.Meta(pattern="^(none|pap|chap)$")] = "none"


class ListReference(Wire, frozen=True, kw_only=True):
    """A category list, fetched over HTTPS and used only if its bytes have this digest. `size` in bytes."""

    category: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    digest: Digest
    size: Annotated[int, msgspec.Meta(ge=0, le=64 * 1024 * 1024)]
    url: Annotated[str, msgspec.Meta(max_length=512)]


class ParentalControls(Wire, frozen=True, kw_only=True):
    """Light parental controls (T§19): the level, what it blocks, and the household's own names.

    `level` is a label for people ("off", "light", …); what is enforced is `lists` + `deny`, without `allow`.
    `enabled` false is the level Off: the hub's own DNS still answers, nothing is refused.
    """

    level: Annotated[str, msgspec.Meta(min_length=1, max_length=32)]
    enabled: bool = True
    lists: tuple[ListReference, ...] = ()
    allow: Annotated[tuple[Name, ...], msgspec.Meta(max_length=500)] = ()
    deny: Annotated[tuple[Name, ...], msgspec.Meta(max_length=500)] = ()
    safe_search: bool = False


class Reporting(Wire, frozen=True, kw_only=True):
    """How often the hub samples, sends a batch, and sends itself whole. Seconds."""

    sample_interval_s: Annotated[int, msgspec.Meta(ge=1, le=86400)] = 60
    telemetry_interval_s: Annotated[int, msgspec.Meta(ge=1, le=86400)] = 300
    report_interval_s: Annotated[int, msgspec.Meta(ge=10, le=86400)] = 3600


class RequestKind(StrEnum):
    """One-off requests a hub may be asked to carry out, each at most once per id."""

    RESTART_MODEM = "restart_modem"
    RESTART_AGENT = "restart_agent"
    DIAGNOSE = "diagnose"
    LOCATE = "locate"
    COLLECT_LOGS = "collect_logs"
    RESCAN_NETWORK = "rescan_network"


class Request(Wire, frozen=True, kw_only=True):
    """A one-off request; `kind` is text so that an unknown one is answered `rejected`, not undecodable."""

    id: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    kind: Annotated[str, msgspec.Meta(min_length=1, max_length=32)]
    expires_at: Milliseconds


class Desired(Wire, frozen=True, kw_only=True):
    """The whole document (`minihub/v1/{hub}/desired`, retained, expiring).

    `sims`: digests (`digest_identifier`) of the ICCIDs this hub may forward with; empty means none is known, so closed.
    """

    revision: Revision
    issued_at: Milliseconds
    internet: Internet
    requires: tuple[str, ...] = ()
    sims: Annotated[tuple[Digest, ...], msgspec.Meta(max_length=8)] = ()
    bearer: Bearer | None = None
    parental_controls: ParentalControls | None = None
    reporting: Reporting = Reporting()
    requests: Annotated[tuple[Request, ...], msgspec.Meta(max_length=32)] = ()


def missing_features(desired: Desired) -> tuple[str, ...]:
    """Name the required features that this code lacks; any makes the hub stay closed."""
    return tuple(sorted(set(desired.requires) - FEATURES))


def digest_identifier(hub: str, identifier: str) -> str:
    """Name an ICCID without showing it: SHA-256 over hub id and identifier, as `sha256:<hex>`."""
    return "sha256:" + hashlib.sha256(f"{hub}|{identifier}".encode()).hexdigest()
