"""Hubs: enrolment, assignment, evidence and the verdict on their brand (T§10c, decision 14)."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from sqlmodel import Session, col, select

from controller.domain import brand
from controller.domain.decisions import to_json
from controller.domain.facts import BrandVerdict, HubFate
from controller.domain.sim import SimState as Due
from controller.services import (
    alarms,
    decide,
    desired,
    dispatch,
    homes,
    journal,
    moved_parcels,
    reasons,
    sim_reviews,
    sims,
    versions,
)
from controller.services.actor import Actor
from controller.services.errors import ConflictError, UnprocessableError
from controller.tables.accounts import Line
from controller.tables.faults import ReasonRow
from controller.tables.hubs import (
    BrandFinding,
    EquipmentAssignment,
    Evidence,
    Hub,
    HubAssignment,
    HubLoss,
    HubSim,
    HubState,
    SimSighting,
    Tac,
)
from controller.tables.sims import SimState

PRESENT_FOR: Final = timedelta(minutes=90)
_EVIDENCE: Final = {
    "imei": "imei",
    "hub_model": "model",
    "model": "model",
    "hub_firmware": "firmware",
    "firmware": "firmware",
    "lan_mac": "mac",
    "mac": "mac",
    "usb_id": "usb_id",
    "branding": "branding_file",
    "branding_file": "branding_file",
    "certificate_issuer": "certificate_issuer",
    "iccid": "iccid",
}


def enrol(
    session: Session,
    actor: Actor,
    now: datetime,
    *,
    serial: str,
    iccid: str,
    imsi: str | None = None,
    msisdn: str | None = None,
) -> Hub:
    """Mint a hub's id and take its SIM under control, parked.

    A refurbished unit is revoked and enrolled anew: serial and SIM then belong to the new id (decision 14). Raises
    ConflictError for a serial or ICCID in use.
    """
    del actor
    _refuse_in_use(session, serial, iccid)
    hub = versions.add(
        session, Hub(id=journal.new_id(session), recorded_at=now, serial=serial, enrolled_at=now), action="enrolled"
    )
    sim_id = journal.new_id(session)
    sim = HubSim(id=sim_id, recorded_at=now, hub_id=hub.id, iccid=iccid, imsi=imsi, msisdn=msisdn, from_at=now)
    session.add(sim)
    session.add(HubState(hub_id=hub.id, desired={}, controls=_factory_controls(session, now), reported={}))
    session.flush()
    row = sims.pass_on(session, iccid, hub.id) or sims.enrol(session, sim_id, kind=sims.HUB, iccid=iccid, hub_id=hub.id)
    sims.intend(session, now, row, {"state": "parked"}, None)
    desired.refresh(session, hub.id, now)
    return hub


def _refuse_in_use(session: Session, serial: str, iccid: str) -> None:
    hub = select(Hub).where(Hub.serial == serial, col(Hub.superseded_at).is_(None), col(Hub.revoked_at).is_(None))
    if session.exec(hub).first() is not None:
        raise ConflictError(f"{serial} is enrolled already", remedy="revoke the old enrolment first")
    card = select(HubSim).where(HubSim.iccid == iccid, col(HubSim.superseded_at).is_(None), col(HubSim.until).is_(None))
    if session.exec(card).first() is not None:
        raise ConflictError(f"{iccid} is in an enrolled hub already", remedy="revoke the old enrolment first")
    known = session.exec(select(SimState).where(SimState.iccid == iccid)).first()
    if known is not None and known.kind != sims.HUB:
        raise ConflictError(f"{iccid} is a mobile plan's SIM", remedy="put another SIM into the hub")


def assign(
    session: Session,
    actor: Actor,
    now: datetime,
    *,
    hub_id: str,
    line_id: str,
    dispatched_at: datetime,
    delivered_at: datetime | None = None,
    for_fault_id: str | None = None,
) -> HubAssignment:
    """Assign a hub to a line from its dispatch on; an assignment to another line ends there."""
    versions.present(session, Hub, hub_id)
    versions.present(session, Line, line_id)
    present = homes.assignment_of(session, hub_id)
    if present is not None and present.line_id == line_id:
        return versions.revise(session, present, now, delivered_at=delivered_at or present.delivered_at)
    if present is not None:
        versions.revise(session, present, now, ended_at=dispatched_at, action="ended")
    row = versions.add(
        session,
        HubAssignment(
            id=journal.new_id(session),
            recorded_at=now,
            hub_id=hub_id,
            line_id=line_id,
            dispatched_at=dispatched_at,
            delivered_at=delivered_at,
            for_fault_id=for_fault_id,
        ),
    )
    # Both homes at once: between the two steps a hub on its way would be nobody's, and another one be ordered.
    decide.touch_lines(session, actor, now, {line_id, *([present.line_id] if present else ())})
    if present is not None:
        moved_parcels.look_at_hub(session, hub_id, now)
    return row


def delivered(session: Session, actor: Actor, now: datetime, *, hub_id: str, at: datetime) -> None:
    """Record that a hub arrived: one that served meanwhile need not any more."""
    present = homes.assignment_of(session, hub_id)
    if present is not None:
        versions.revise(session, present, now, delivered_at=at)
        decide.touch_lines(session, actor, now, [present.line_id])


def lose(session: Session, actor: Actor, now: datetime, *, hub_id: str, fate: str, at: datetime) -> HubLoss:
    """Record that a hub is gone or useless (T§10e v)."""
    versions.present(session, Hub, hub_id)
    if fate not in set(HubFate):
        raise UnprocessableError(f"{fate} is no fate of a hub", remedy=f"use one of {', '.join(HubFate)}")
    row = versions.add(session, HubLoss(id=journal.new_id(session), recorded_at=now, hub_id=hub_id, fate=fate, at=at))
    _touch(session, actor, now, hub_id)
    moved_parcels.look_at_hub(session, hub_id, now)
    return row


def found(session: Session, actor: Actor, now: datetime, *, hub_id: str, at: datetime) -> None:
    """Record that a lost hub turned up again; what was ordered in its stead and has not left is not needed."""
    statement = select(HubLoss).where(
        HubLoss.hub_id == hub_id, col(HubLoss.superseded_at).is_(None), col(HubLoss.undone_at).is_(None)
    )
    for row in session.exec(statement).all():
        versions.revise(session, row, now, undone_at=at)
    _touch(session, actor, now, hub_id)
    dispatch.spare(session, hub_id, now)


def add_evidence(
    session: Session, actor: Actor, now: datetime, *, hub_id: str, source: str, fields: dict[str, Any], at: datetime
) -> BrandFinding:
    """Take in what was read of a unit and judge its brand anew over everything known of it."""
    versions.present(session, Hub, hub_id)
    known = {name: value for name, value in fields.items() if value is not None}
    latest = session.exec(
        select(Evidence)
        .where(Evidence.hub_id == hub_id, Evidence.source == source)
        .order_by(col(Evidence.at).desc(), col(Evidence.id).desc())
        .limit(1)
    ).first()
    if latest is None or latest.fields != known:
        session.add(Evidence(id=journal.new_id(session), hub_id=hub_id, source=source, at=at, fields=known))
        session.flush()
        imei = str(known.get("imei", ""))
        if imei and _note_equipment(session, now, hub_id, imei, source=source, at=at):
            _touch(session, actor, now, hub_id)
            sim_reviews.look(session, hub_id, now)
    return judge(session, actor, now, hub_id=hub_id)


def judge(session: Session, actor: Actor, now: datetime, *, hub_id: str) -> BrandFinding:
    """Judge a hub's brand; a changed verdict decides again what it touches."""
    judgement = brand.judge_brand(_evidence(session, hub_id), _table(session))
    snapshot: dict[str, Any] = dict(to_json(judgement))  # type: ignore[arg-type]  # a dataclass becomes an object
    row = versions.find(session, BrandFinding, hub_id)
    if row is not None and row.verdict == judgement.verdict.value and row.judgement == snapshot:
        return row
    before = row.verdict if row else None
    if row is None:
        row = versions.add(
            session,
            BrandFinding(
                id=hub_id,
                recorded_at=now,
                verdict=judgement.verdict.value,
                found_at=now,
                by="domain",
                judgement=snapshot,
            ),
        )
    else:
        row = versions.revise(session, row, now, verdict=judgement.verdict.value, found_at=now, judgement=snapshot)
    _alarm(session, hub_id, judgement, now)
    if before != row.verdict:
        _touch(session, actor, now, hub_id)
    return row


def sight(session: Session, actor: Actor, now: datetime, *, hub_id: str, imei: str) -> None:
    """Record that a hub's SIM was seen in an equipment; a foreign one is decided at once."""
    latest = session.exec(
        select(SimSighting)
        .where(SimSighting.hub_id == hub_id)
        .order_by(col(SimSighting.at).desc(), col(SimSighting.id).desc())
        .limit(1)
    ).first()
    if latest is not None and latest.imei == imei:
        return
    session.add(SimSighting(id=journal.new_id(session), hub_id=hub_id, imei=imei, at=now, recorded_at=now))
    session.flush()
    journal.audited(session, "hub", hub_id, "sim_sighted")
    _touch(session, actor, now, hub_id)
    sim_reviews.look(session, hub_id, now)


def is_known(session: Session, hub_id: str) -> bool:
    """Tell whether a hub is enrolled and not revoked."""
    row = versions.find(session, Hub, hub_id)
    return row is not None and row.revoked_at is None


def revoke(session: Session, actor: Actor, now: datetime, *, hub_id: str) -> Hub:
    """End a hub's place in the system; `enrolment.revoke` is the whole of it, certificates included.

    Its SIM is parked and free for another enrolment, and its line has no hub any more.
    """
    row = versions.revise(session, versions.present(session, Hub, hub_id), now, revoked_at=now, action="revoked")
    cards = select(HubSim).where(
        HubSim.hub_id == hub_id, col(HubSim.superseded_at).is_(None), col(HubSim.until).is_(None)
    )
    for card in session.exec(cards).all():
        versions.revise(session, card, now, until=now)
    assignment = homes.assignment_of(session, hub_id)
    if assignment is not None:
        versions.revise(session, assignment, now, ended_at=now, action="ended")
        decide.touch_lines(session, actor, now, [assignment.line_id])
        moved_parcels.look_at_hub(session, hub_id, now)
    for sim in sims.of_hub(session, hub_id):
        sims.intend(session, now, sim, {"state": "parked"}, None)
    state = desired.state_of(session, hub_id)
    state.desired = {**state.desired, "state": Due.PARKED.value}
    desired.refresh(session, hub_id, now)
    return row


@dataclass(frozen=True, slots=True, kw_only=True)
class HubView:
    """A hub as people and programs see it: desired against reported."""

    hub: Hub
    state: HubState
    finding: BrandFinding | None
    assignment: HubAssignment | None
    line_id: str | None
    sims: tuple[SimState, ...]
    reasons: tuple[ReasonRow, ...]
    present: bool
    converged: bool


def view(session: Session, actor: Actor, now: datetime, *, hub_id: str) -> HubView:
    """Return everything about a hub, its SIM and the line its service is on too; audited. Raises NotFoundError."""
    del actor
    hub = versions.present(session, Hub, hub_id)
    journal.audited(session, "hub", hub_id, "read")
    state, assignment = desired.state_of(session, hub_id), homes.assignment_of(session, hub_id)
    return HubView(
        hub=hub,
        state=state,
        finding=versions.find(session, BrandFinding, hub_id),
        assignment=assignment,
        line_id=None if assignment is None else _line_of(session, assignment, now),
        sims=sims.of_hub(session, hub_id),
        reasons=reasons.open_rows(session, "hub", hub_id),
        present=is_present(state, now),
        converged=state.observed_revision == state.revision,
    )


def is_present(state: HubState, now: datetime) -> bool:
    """Tell whether a hub is connected: it said so, did not say goodbye, and was heard of within the hourly report."""
    return state.present and state.last_seen_at is not None and now - state.last_seen_at <= PRESENT_FOR


def set_tac(session: Session, actor: Actor, now: datetime, *, tac: str, model: str, bt_branded: bool) -> Tac:
    """Set a row of the operators' table of type allocation codes."""
    del actor, now
    row = session.get(Tac, tac) or Tac(tac=tac, model=model, bt_branded=bt_branded)
    row.model, row.bt_branded = model, bt_branded
    session.add(row)
    journal.audited(session, "tac", tac, "set", model=model, bt_branded=bt_branded)
    return row


def _touch(session: Session, actor: Actor, now: datetime, hub_id: str) -> None:
    present = homes.assignment_of(session, hub_id)
    if present is not None:
        decide.touch_lines(session, actor, now, [present.line_id])


def _line_of(session: Session, present: HubAssignment, now: datetime) -> str:
    """Return the line a hub is for: it hangs on the service, and moves with it (T§10c)."""
    home = homes.home_of_hub(session, present.hub_id, now)
    return present.line_id if home is None else str(home.line_id)


def _factory_controls(session: Session, now: datetime) -> dict[str, Any]:
    # A new unit starts at the rule set's level for new units (T§19).
    return {"level": journal.policy_of(session).rules_at(now).new_unit_level, "enabled": True}


def _evidence(session: Session, hub_id: str) -> brand.Evidence:
    """Merge what is known of a unit, the newest word on each field last.

    What somebody held in their hands and read outlasts what the unit says of itself, which one flashed firmware can.
    """
    merged: dict[str, Any] = {}
    found = session.exec(select(Evidence).where(Evidence.hub_id == hub_id).order_by(col(Evidence.at), Evidence.id))
    for row in sorted(found, key=lambda row: row.source != "hub"):
        for name, value in row.fields.items():
            if name in _EVIDENCE:
                merged[_EVIDENCE[name]] = value
            elif name == "operator_verdict":
                merged[name] = BrandVerdict(value)
    sim = session.exec(
        select(HubSim).where(HubSim.hub_id == hub_id, col(HubSim.superseded_at).is_(None), col(HubSim.until).is_(None))
    ).first()
    return brand.Evidence(**merged, expected_iccid=sim.iccid if sim else None)


def _table(session: Session) -> brand.BrandTable:
    """Return what operators know; an operator's row wins over the shipped test ranges."""
    rows = {
        row.tac: brand.TacEntry(tac=row.tac, model=row.model, bt_branded=row.bt_branded)
        for row in session.exec(select(Tac))
    }
    return replace(brand.TEST_TABLE, tacs={**brand.TEST_TABLE.tacs, **rows})


def _alarm(session: Session, hub_id: str, judgement: brand.BrandJudgement, now: datetime) -> None:
    if judgement.alarm:
        message = f"hub {hub_id}: {judgement.reason}"
        alarms.raise_alarm(session, "brand_contradiction", "hub", hub_id, severity="major", message=message, now=now)
    else:
        alarms.clear(session, "brand_contradiction", "hub", hub_id, now=now)


def _note_equipment(session: Session, now: datetime, hub_id: str, imei: str, *, source: str, at: datetime) -> bool:
    """The depot's reading assigns the equipment from when it was read, however late that is told; so does the first.

    True where it changed what the SIM belongs in.
    """
    statement = select(EquipmentAssignment).where(
        EquipmentAssignment.hub_id == hub_id,
        col(EquipmentAssignment.superseded_at).is_(None),
        col(EquipmentAssignment.until).is_(None),
    )
    present = session.exec(statement).first()
    if present is not None and (present.imei == imei or source == "hub" or at < present.from_at):
        return False
    from_at = now if present is None else min(at, now)
    if present is not None:
        versions.revise(session, present, now, until=from_at)
    versions.add(
        session,
        EquipmentAssignment(id=journal.new_id(session), recorded_at=now, hub_id=hub_id, imei=imei, from_at=from_at),
    )
    return True
