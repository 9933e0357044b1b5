"""What hubs say they are: the newest report wins, conditions make homes online, and a difference owes a document."""

from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from sqlmodel import Session, col, select

from controller.services import alarms, desired, history, hubs, journal, owed, promises
from controller.services.actor import Actor
from controller.services.history import BootAck, Spooled
from controller.tables.hubs import HubRequest, HubState

# The hub's word for waiting after its service flapped (device_agent/facts.py).
SETTLING: Final = "settling"
# Two of a hub's telemetry batches: who has said nothing for longer may be gone for as long.
FRESH: Final = timedelta(minutes=10)
FINAL: Final = frozenset({"done", "failed", "expired", "rejected"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionView:
    """One condition as a hub reported it; `status` is true, false or unknown."""

    type: str
    status: str
    reason: str = ""
    message: str = ""
    since_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestAnswer:
    """How a request went, in the hub's words."""

    id: str
    state: str
    message: str = ""
    result: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class HubReport:
    """A hub, whole. `session` tells one connection from the next within a boot."""

    boot: int
    seq: int
    session: int
    uptime_ms: int
    observed_revision: int
    sent_at: datetime | None = None
    protocol: int = 1
    features: tuple[str, ...] = ()
    agent_version: str = ""
    conditions: tuple[ConditionView, ...] = ()
    identity: dict[str, Any] = field(default_factory=dict)
    network: dict[str, Any] = field(default_factory=dict)
    bearer: dict[str, Any] = field(default_factory=dict)
    filter: dict[str, Any] = field(default_factory=dict)
    requests: tuple[RequestAnswer, ...] = ()
    spool: tuple[Spooled, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What a report led to: `stale` changed nothing; `acks` are to be told to the hub at once."""

    stale: bool
    document_owed: bool
    acks: tuple[BootAck, ...]


def record(session: Session, actor: Actor, now: datetime, *, hub_id: str, report: HubReport) -> Recorded:
    """Record a report; one older than (boot, seq) of the last changes nothing. Raises NotFoundError."""
    row = desired.state_of(session, hub_id)
    if (report.boot, report.seq) <= (row.boot, row.sequence) and row.reported:
        row.last_seen_at = now
        session.add(row)
        return Recorded(stale=True, document_owed=False, acks=history.acks_of(session, hub_id))
    was_open = row.forwarding_open
    _take(row, report, now)
    session.add(row)
    session.flush()
    history.note_spool(session, hub_id=hub_id, spool=report.spool)
    _take_answers(session, now, hub_id, report.requests)
    _take_identity(session, actor, now, hub_id, report.identity)
    if row.forwarding_open:
        promises.observe_online(session, hub_id, now)
    _raise_alarms(session, hub_id, report, now)
    if report.observed_revision > row.revision and not desired.overtake(session, hub_id, report.observed_revision, now):
        message = f"hub {hub_id} reports a document that no controller ever numbered"
        alarms.raise_alarm(session, "revision_absurd", "hub", hub_id, severity="major", message=message, now=now)
    document_owed = report.observed_revision != row.revision
    if document_owed:
        owed.mark(session, desired.NOUN, hub_id, now=now)
    action = "reported" if was_open == row.forwarding_open else "forwarding"
    journal.changed(session, "hub", hub_id, action, open=row.forwarding_open)
    return Recorded(stale=False, document_owed=document_owed, acks=history.acks_of(session, hub_id))


def presence(
    session: Session, actor: Actor, now: datetime, *, hub_id: str, state: str, boot: int, connection: int
) -> bool:
    """Record a goodbye or a will; one of an older connection changes nothing. True if the hub is gone now."""
    del actor
    row = desired.state_of(session, hub_id)
    if (boot, connection) > (row.ended_boot, row.ended_session):
        row.ended_boot, row.ended_session = boot, connection
        session.add(row)
    if (boot, connection) < (row.boot, row.session):
        return False
    was_present = row.present
    row.present = False
    if state == "goodbye":
        row.last_seen_at = now
    session.add(row)
    if was_present:
        journal.changed(session, "hub", hub_id, "gone", how=state)
    return True


def doubt(session: Session, now: datetime) -> tuple[str, ...]:
    """Take as gone, until they are heard of, hubs whose evidence is old: on a new link, nobody knows what was missed.

    Returns them; each is owed its document, which a hub that is there answers by reporting itself.
    """
    statement = select(HubState).where(col(HubState.present), col(HubState.last_seen_at) < now - FRESH)
    doubted = session.exec(statement.order_by(col(HubState.hub_id)).with_for_update()).all()
    for row in doubted:
        row.present, row.published_revision = False, 0
        session.add(row)
        journal.changed(session, "hub", row.hub_id, "gone", how="unheard")
    session.flush()
    ids = tuple(row.hub_id for row in doubted)
    owed.mark_many(session, desired.NOUN, [(hub_id, None, now) for hub_id in ids], now=now)
    return ids


def _take(row: HubState, report: HubReport, now: datetime) -> None:
    row.boot, row.sequence, row.session = report.boot, report.seq, report.session
    row.observed_revision = report.observed_revision
    row.reported = _document(report)
    row.reported_at = row.last_seen_at = now
    row.present = (report.boot, report.session) > (row.ended_boot, row.ended_session)
    row.forwarding_open = _status(report, "forwarding_open") == "true"
    if report.observed_revision == row.revision:
        until = row.desired.get("until")
        row.lease_until = datetime.fromisoformat(until) if until else None
    row.version += 1


def _document(report: HubReport) -> dict[str, Any]:
    document = asdict(report)
    document["sent_at"] = report.sent_at.isoformat() if report.sent_at else None
    # Kept in tables of their own, which answer for a longer time.
    for name in ("requests", "spool", "identity"):
        del document[name]
    return document


def _status(report: HubReport, type_: str) -> str:
    return next((each.status for each in report.conditions if each.type == type_), "unknown")


def _reason(report: HubReport, type_: str) -> str:
    return next((each.reason for each in report.conditions if each.type == type_), "")


def _take_answers(session: Session, now: datetime, hub_id: str, answers: tuple[RequestAnswer, ...]) -> None:
    changed = False
    for answer in answers:
        row = session.get(HubRequest, answer.id)
        if row is None or row.hub_id != hub_id or row.state in FINAL or row.state == answer.state:
            continue
        row.state, row.message, row.result = answer.state, answer.message, dict(answer.result)
        row.answered_at = now if answer.state in FINAL else None
        session.add(row)
        changed = True
        journal.changed(session, "hub", hub_id, "answered", request=answer.id, state=answer.state)
    if changed:
        session.flush()
        desired.refresh(session, hub_id, now)


def _take_identity(session: Session, actor: Actor, now: datetime, hub_id: str, identity: dict[str, Any]) -> None:
    known = {name: value for name, value in identity.items() if value is not None}
    if not known:
        return
    hubs.add_evidence(session, actor, now, hub_id=hub_id, source="hub", fields=known, at=now)
    if known.get("imei"):
        hubs.sight(session, actor, now, hub_id=hub_id, imei=str(known["imei"]))


def _raise_alarms(session: Session, hub_id: str, report: HubReport, now: datetime) -> None:
    state = report.filter.get("state")
    if state == "degraded":
        message = f"hub {hub_id}: not all of the parental controls are in force: {report.filter.get('reason', '')}"
        alarms.raise_alarm(session, "filter_degraded", "hub", hub_id, severity="major", message=message, now=now)
    elif state in {"in_force", "stale"}:
        alarms.clear(session, "filter_degraded", "hub", hub_id, now=now)
    if _reason(report, "forwarding_open") == SETTLING:
        message = f"hub {hub_id}: its mobile service comes and goes, so it waits for a minute without a change"
        alarms.raise_alarm(session, "flapping", "hub", hub_id, severity="warning", message=message, now=now)
    elif _status(report, "forwarding_open") == "true":
        alarms.clear(session, "flapping", "hub", hub_id, now=now)
    if _status(report, "clock_trusted") == "false":
        message = f"hub {hub_id}: its clock is not trusted, so it stays closed"
        alarms.raise_alarm(session, "clock_untrusted", "hub", hub_id, severity="minor", message=message, now=now)
    elif _status(report, "clock_trusted") == "true":
        alarms.clear(session, "clock_untrusted", "hub", hub_id, now=now)
