"""Facts to wire and wire to goal: the only module of the hub where hardware words and wire words meet.

TR-181: registration and signal are Device.Cellular.Interface.{i}, the bearer's bytes its Stats; see docs/agent.md.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

import msgspec

from device_agent.facts import (
    FILTERING,
    CertificateFacts,
    CertificateStatus,
    ControlsWanted,
    FilterStatus,
    GateFacts,
    Goal,
    ListWanted,
    ModemFacts,
    Reason,
)
from device_agent.protocol import (
    FEATURES,
    Bearer,
    BearerReport,
    Condition,
    ConditionStatus,
    ConditionType,
    Desired,
    DoorbellReport,
    FilterReport,
    FilterState,
    IdentityEvidence,
    NetworkReport,
    Reported,
    RequestOutcome,
    RequestState,
    Sample,
    SpoolReport,
    digest_identifier,
    missing_features,
)
from device_agent.store import RequestRow, SpoolSpan
from firmware_bridge.types import (
    AccessTechnology,
    Authentication,
    BearerSettings,
    PdpType,
    RegistrationState,
    Sim,
    SimState,
)

_AUTHENTICATION: Final = {"none": Authentication.NONE, "pap": Authentication.PAP, "chap": Authentication.CHAP}
_FILTER: Final = {
    FilterStatus.IN_FORCE: FilterState.IN_FORCE,
    FilterStatus.STALE: FilterState.STALE,
    FilterStatus.DEGRADED: FilterState.DEGRADED,
}
_SENTENCES: Final = {
    Reason.OPEN: "The home is online.",
    Reason.NO_DOCUMENT: "No document has come from the controller yet.",
    Reason.UNSUPPORTED: "The document asks for features that this agent does not have.",
    Reason.INTERNET_OFF: "The document says off.",
    Reason.CLOCK_UNKNOWN: "The network has told no time that can be trusted.",
    Reason.LEASE_MISSING: "The document says on, but until no time.",
    Reason.LEASE_ENDED: "The lease has ended.",
    Reason.SIM_UNKNOWN: "The SIM cannot be read.",
    Reason.SIM_FOREIGN: "This SIM is not one the document names.",
    Reason.NETWORK_UNKNOWN: "The modem is not attached to a network that is known.",
    Reason.NETWORK_NOT_UK: "The network is not one of the UK's.",
    Reason.FILTER_ABSENT: "The parental controls are not in force.",
    Reason.FILTER_CHANGING: "The parental controls are being changed.",
    Reason.BEARER_DOWN: "There is no data connection to forward over yet.",
    Reason.SETTLING: "Something failed a moment ago; waiting for a minute without failure.",
}


# How much of a report outcomes may fill (bytes of JSON): what else it says fits into the rest of its limit.
OUTCOMES_MOST: Final = 48 * 1024
# A batch of samples has a limit too; the longest name that a SIM or a network gives itself has some 20 characters.
SAMPLE_OPERATOR_MOST: Final = 40
_CERTIFICATE_BAD: Final = frozenset(
    {CertificateStatus.EXPIRED, CertificateStatus.REFUSED, CertificateStatus.UNREADABLE}
)


def goal_of(desired: Desired) -> Goal:
    """The document in the hub's own words."""
    return Goal(
        revision=desired.revision,
        internet_on=desired.internet.on,
        until_ms=desired.internet.until,
        unsupported=missing_features(desired),
        sims=frozenset(desired.sims),
        bearer=None if desired.bearer is None else _settings(desired.bearer),
        controls=_controls(desired),
    )


def _settings(bearer: Bearer) -> BearerSettings:
    return BearerSettings(
        apn=bearer.apn,
        pdp_type=PdpType(bearer.pdp_type),
        username=bearer.username,
        password=bearer.password,
        authentication=_AUTHENTICATION[bearer.authentication],
    )


def _controls(desired: Desired) -> ControlsWanted | None:
    controls = desired.parental_controls
    if controls is None:
        return None
    lists = tuple(ListWanted(item.category, item.digest, item.size, item.url) for item in controls.lists)
    return ControlsWanted(
        level=controls.level,
        enabled=controls.enabled,
        lists=lists,
        allow=controls.allow,
        deny=controls.deny,
        safe_search=controls.safe_search,
    )


def knows_sim(hub: str, goal: Goal, sim: Sim | None) -> bool | None:
    """Whether the document names this SIM; None while it cannot be read. An ICCID's pad digit F is no part of it."""
    if sim is None or sim.state is not SimState.READY or sim.iccid is None:
        return None
    return digest_identifier(hub, sim.iccid.rstrip("Ff")) in goal.sims or digest_identifier(hub, sim.iccid) in goal.sims


@dataclass(frozen=True, slots=True)
class Whole:
    """Everything that a report says, before it gets a number."""

    goal: Goal
    modem: ModemFacts
    gate: GateFacts
    reason: Reason
    clock_trusted: bool
    evidence: Mapping[str, str]
    requests: Sequence[RequestOutcome] = ()
    waiting: str = ""
    sent_bytes: tuple[int, int] = (0, 0)
    certificate: CertificateFacts | None = None
    doorbell: tuple[int, int] = (0, 0)
    refused_names: Mapping[str, int] = field(default_factory=dict)


def conditions(whole: Whole, previous: Sequence[Condition], uptime_ms: int) -> tuple[Condition, ...]:
    """What is true of the hub; `since_ms` is kept while status and reason stay."""
    before = {condition.type: condition for condition in previous}
    told = []
    for type_, status, reason, message in _facts(whole):
        earlier = before.get(type_)
        same = earlier is not None and (earlier.status, earlier.reason) == (status, reason)
        since = earlier.since_ms if earlier is not None and same else uptime_ms
        told.append(Condition(type=type_, status=status, reason=reason, message=message[:256], since_ms=since))
    return tuple(told)


def _facts(whole: Whole) -> list[tuple[ConditionType, ConditionStatus, str, str]]:
    modem, gate = whole.modem, whole.gate
    state = gate.filter_status
    attached = None if modem.registration is None else modem.registration.state.attached
    ready = None if modem.sim is None else modem.sim.state is SimState.READY
    # A rule set that cannot be read may still forward, for as long as the kernel's timeout lasts.
    is_open = None if gate.firewall is None else gate.firewall.open_for_s is not None
    reason = _shown_reason(whole.reason, is_open=bool(is_open))
    registration = "unknown" if modem.registration is None else modem.registration.state.name.lower()
    rows = (
        (ConditionType.FORWARDING_OPEN, is_open, str(reason), _SENTENCES[reason]),
        (ConditionType.FILTER_IN_FORCE, state in FILTERING, str(state), gate.problem),
        (ConditionType.MODEM_PRESENT, modem.present, modem.family or "absent", modem.problem),
        (ConditionType.SIM_READY, ready, "unknown" if modem.sim is None else str(modem.sim.state), ""),
        (ConditionType.NETWORK_REGISTERED, attached, registration, ""),
        (ConditionType.BEARER_UP, None if modem.bearer is None else modem.bearer.up, "", ""),
        (ConditionType.CLOCK_TRUSTED, whole.clock_trusted, "anchored" if whole.clock_trusted else "no_anchor", ""),
        (ConditionType.CONVERGED, not whole.waiting, whole.waiting and "waiting", whole.waiting),
    )
    told = [(type_, _status(value), reason_, message) for type_, value, reason_, message in rows]
    return told if whole.certificate is None else [*told, _certificate(whole.certificate)]


def _certificate(certificate: CertificateFacts) -> tuple[ConditionType, ConditionStatus, str, str]:
    """False when a person must act: it has expired, is no use, or the controller will not renew it."""
    good = certificate.status not in _CERTIFICATE_BAD and not certificate.fallback
    until = f"{datetime.fromtimestamp(certificate.not_after_ms / 1000, UTC):until %Y-%m-%d}"
    parts = (
        until if certificate.not_after_ms else "",
        f"an earlier one is shown: {certificate.fallback}" if certificate.fallback else "",
        certificate.problem,
    )
    reason = "fallback" if certificate.fallback else str(certificate.status)
    return ConditionType.CERTIFICATE, _status(good), reason, "; ".join(filter(None, parts))


def _shown_reason(verdict: Reason, *, is_open: bool) -> Reason:
    """The verdict is a word about what may be; the report is one about what is."""
    if is_open:
        return Reason.OPEN
    return Reason.BEARER_DOWN if verdict is Reason.OPEN else verdict


def _status(value: bool | None) -> ConditionStatus:  # noqa: FBT001  # the value is what is translated
    if value is None:
        return ConditionStatus.UNKNOWN
    return ConditionStatus.TRUE if value else ConditionStatus.FALSE


def reported(
    whole: Whole,
    told: tuple[Condition, ...],
    *,
    boot: int,
    seq: int,
    session: int,
    uptime_ms: int,
    sent_at: int | None,
    spool: Sequence[SpoolSpan],
    version: str,
) -> Reported:
    """The hub, whole."""
    return Reported(
        boot=boot,
        seq=seq,
        uptime_ms=uptime_ms,
        observed_revision=whole.goal.revision or 0,
        sent_at=sent_at,
        features=tuple(sorted(FEATURES)),
        agent_version=version,
        session=session,
        conditions=told,
        identity=_identity(whole),
        network=_network(whole.modem),
        bearer=_bearer(whole),
        filter=_filter(whole.gate, whole.refused_names),
        requests=tuple(whole.requests)[-32:],
        spool=tuple(SpoolReport(boot=span.boot, oldest=span.oldest, newest=span.newest) for span in spool),
        doorbell=DoorbellReport(rung=whole.doorbell[0], ignored=whole.doorbell[1]),
    )


def _identity(whole: Whole) -> IdentityEvidence:
    modem, evidence = whole.modem, whole.evidence
    who = modem.identity
    return IdentityEvidence(
        serial=_short(evidence.get("serial")),
        imei=_number(who.imei if who else None, 17),
        iccid=_number(modem.sim.iccid if modem.sim else None, 22),
        modem_manufacturer=_short(who.manufacturer if who else None),
        modem_model=_short(who.model if who else None),
        modem_firmware=_short(who.firmware if who else None),
        hub_model=_short(evidence.get("hub_model")),
        hub_firmware=_short(evidence.get("hub_firmware")),
        usb_id=_number(evidence.get("usb_id"), 9),
        lan_mac=_number(evidence.get("lan_mac"), 17),
        branding=_short(evidence.get("branding")),
        certificate_issuer=_short(whole.certificate.issuer) if whole.certificate else None,
    )


def _short(text: str | None, most: int = 256) -> str | None:
    """As much of a text as the contract takes: a report with more is refused whole, and so would be every later one."""
    return text[:most] or None if text else None


def _number(text: str | None, most: int) -> str | None:
    """A number, or None for one too long to be one: what is cut would name something else."""
    return text if text and len(text) <= most else None


def _network(modem: ModemFacts) -> NetworkReport:
    operator, registration = modem.operator, modem.registration
    state = RegistrationState.UNKNOWN if registration is None else registration.state
    technology = (operator.technology if operator else None) or (registration.technology if registration else None)
    return NetworkReport(
        registration=state.name.lower(),
        mcc=operator.mcc if operator else None,
        mnc=operator.mnc if operator else None,
        operator=_short(operator.name) if operator else None,
        technology=_technology(technology),
        reject_cause=registration.reject_cause if registration else None,
    )


def _technology(technology: AccessTechnology | None) -> str | None:
    """E_UTRAN and its kin are what TR-181 calls LTE."""
    if technology is None:
        return None
    return "LTE" if technology in {AccessTechnology.E_UTRAN, AccessTechnology.E_UTRA_5GCN} else technology.name


def _bearer(whole: Whole) -> BearerReport:
    bearer = whole.modem.bearer
    sent, received = whole.sent_bytes
    return BearerReport(
        up=bearer is not None and bearer.up,
        apn=_short(bearer.apn) if bearer else None,
        tx_bytes=sent,
        rx_bytes=received,
    )


def _filter(gate: GateFacts, names: Mapping[str, int]) -> FilterReport:
    state = _FILTER.get(gate.filter_status, FilterState.ABSENT)
    walls = gate.firewall.refused if gate.firewall else {}
    shown = gate.wanted if state is not FilterState.ABSENT else None
    unusable = gate.wanted.unusable if gate.wanted else ()
    reason = gate.problem or (f"{len(unusable)} entries are no host names" if unusable else "")
    if gate.missing:
        reason = "lists missing: " + ", ".join(gate.missing)
    return FilterReport(
        state=state,
        level=gate.level,
        digest=shown.rules_digest if shown else None,
        reason=reason[:256],
        refused_by_category={kind: walls.get(kind, 0) + names.get(kind, 0) for kind in {**walls, **names}},
    )


def outcomes(rows: Iterable[RequestRow]) -> list[RequestOutcome]:
    """How requests stand, as many as fit into a report; the others are told when the document holds these no more."""
    told, left = list[RequestOutcome](), OUTCOMES_MOST
    for row in rows:
        each = RequestOutcome(id=row.id, state=RequestState(row.state), message=row.message[:256], result=row.result)
        size = len(msgspec.json.encode(each))
        if size > OUTCOMES_MOST:
            each = msgspec.structs.replace(each, message=f"its result has {size} bytes, too many to tell", result={})
            size = 0
        if size > left:
            break
        told.append(each)
        left -= size
    return told


def sample(modem: ModemFacts, *, uptime_ms: int, at_ms: int | None, sent_bytes: tuple[int, int] | None) -> Sample:
    """One sample of radio and bearer."""
    signal, operator = modem.signal, modem.operator
    technology = (signal.technology if signal else None) or (operator.technology if operator else None)
    temperature = modem.temperature.hottest if modem.temperature else None
    return Sample(
        uptime_ms=uptime_ms,
        at=at_ms,
        rssi_dbm=signal.rssi_dbm if signal else None,
        rsrp_dbm=signal.rsrp_dbm if signal else None,
        rsrq_db=signal.rsrq_db if signal else None,
        sinr_db=signal.sinr_db if signal else None,
        operator=_short(operator.name, SAMPLE_OPERATOR_MOST) if operator else None,
        technology=_technology(technology),
        band=signal.band if signal else None,
        cell_id=signal.cell_id if signal else None,
        tac=signal.tac if signal else None,
        tx_bytes=sent_bytes[0] if sent_bytes else None,
        rx_bytes=sent_bytes[1] if sent_bytes else None,
        temperature_c=temperature,
    )
