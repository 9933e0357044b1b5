"""Mobile plans and their SIMs (T§3, 5, 13, 14)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from sqlmodel import Session, col, select

from controller.domain.london import day_starts, local_day
from controller.services import decide, journal, sims, versions
from controller.services.actor import Actor
from controller.services.errors import ConflictError, NotFoundError, UnprocessableError
from controller.tables.accounts import Account, AddOn, Plan, PlanSim, SimAbroad
from controller.tables.sims import SimState


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSim:
    """A SIM to put on a plan."""

    iccid: str
    imsi: str | None = None
    msisdn: str | None = None


def create(
    session: Session,
    actor: Actor,
    now: datetime,
    *,
    account_id: str,
    name: str,
    allowance_mb: int | None,
    purchased_at: datetime,
    sim_cards: Sequence[NewSim],
    live_from: datetime | None = None,
    extra_speed_from: datetime | None = None,
) -> Plan:
    """Put a plan and its SIMs on an account; `allowance_mb` None is unlimited. ConflictError for a known ICCID."""
    versions.present(session, Account, account_id)
    id_ = journal.new_id(session)
    plan = versions.add(
        session,
        Plan(
            id=id_,
            recorded_at=now,
            plan_id=id_,
            account_id=account_id,
            name=name,
            purchased_at=purchased_at,
            live_from=live_from,
            allowances=[_allowance(purchased_at, allowance_mb)],
            extra_speed_from=extra_speed_from,
        ),
    )
    for card in sim_cards:
        _add_sim(session, now, plan, card)
    decide.touch(session, actor, now, [account_id])
    return plan


def add_sim(session: Session, actor: Actor, now: datetime, *, plan_id: str, card: NewSim) -> PlanSim:
    """Put another SIM on a plan."""
    plan = present(session, plan_id)
    row = _add_sim(session, now, plan, card, live_from=now)
    decide.touch(session, actor, now, [plan.account_id])
    return row


def set_allowance(
    session: Session, actor: Actor, now: datetime, *, plan_id: str, allowance_mb: int | None, effective_from: datetime
) -> Plan:
    """Change a plan's own allowance from an instant on."""
    plan = present(session, plan_id)
    allowances = [*plan.allowances, _allowance(effective_from, allowance_mb)]
    newer = versions.revise(session, plan, now, allowances=allowances)
    decide.touch(session, actor, now, [plan.account_id])
    return newer


def end(session: Session, actor: Actor, now: datetime, *, plan_id: str, last_day: date | None) -> Plan:
    """Set (or with None take back) a plan's last day (T§5)."""
    newer = versions.revise(session, present(session, plan_id), now, last_day=last_day, action="ended")
    decide.touch(session, actor, now, [newer.account_id])
    return newer


def move(session: Session, actor: Actor, now: datetime, *, plan_id: str, account_id: str, from_at: datetime) -> Plan:
    """Move a plan to another account on the London day of an instant; it keeps its purchase (T§6).

    The day is the new account's, whole, so that no hour of it is on neither.
    """
    plan = present(session, plan_id)
    versions.present(session, Account, account_id)
    if plan.account_id == account_id:
        raise ConflictError("the plan is on that account already", remedy="nothing is left to do")
    first_day = local_day(from_at)
    last_day = first_day - timedelta(days=1)
    versions.revise(session, plan, now, last_day=last_day, action="moved")
    newer = Plan(
        id=journal.new_id(session),
        recorded_at=now,
        plan_id=plan.plan_id,
        account_id=account_id,
        name=plan.name,
        purchased_at=plan.purchased_at,
        live_from=day_starts(first_day),
        allowances=list(plan.allowances),
        extra_speed_from=plan.extra_speed_from,
        base_tier=plan.base_tier,
    )
    versions.add(session, newer)
    for row in session.exec(select(SimState).where(SimState.plan_id == plan_id)):
        row.account_id = account_id
        session.add(row)
    decide.touch(session, actor, now, [plan.account_id, account_id])
    return newer


def buy_add_on(
    session: Session,
    actor: Actor,
    now: datetime,
    *,
    plan_id: str,
    add_on_mb: int,
    valid_from: datetime,
    valid_until: datetime | None = None,
) -> AddOn:
    """Record data bought on top (T§14: never doubled)."""
    if add_on_mb <= 0:
        raise UnprocessableError("an add-on is more than nothing", remedy="send add_on_mb above 0")
    plan = present(session, plan_id)
    row = versions.add(
        session,
        AddOn(
            id=journal.new_id(session),
            recorded_at=now,
            plan_id=plan_id,
            add_on_mb=add_on_mb,
            valid_from=valid_from,
            valid_until=valid_until,
        ),
    )
    decide.touch(session, actor, now, [plan.account_id])
    return row


def abroad(session: Session, actor: Actor, now: datetime, *, sim_id: str, from_at: datetime) -> SimAbroad:
    """Record that a SIM is outside the UK (T§12d iv)."""
    sim = versions.present(session, PlanSim, sim_id)
    row = versions.add(session, SimAbroad(id=journal.new_id(session), recorded_at=now, sim_id=sim_id, from_at=from_at))
    decide.touch(session, actor, now, [present(session, sim.plan_id).account_id])
    return row


def back_home(session: Session, actor: Actor, now: datetime, *, sim_id: str, at: datetime) -> None:
    """Record that a SIM is in the UK again."""
    sim = versions.present(session, PlanSim, sim_id)
    statement = select(SimAbroad).where(
        SimAbroad.sim_id == sim_id, col(SimAbroad.superseded_at).is_(None), col(SimAbroad.until).is_(None)
    )
    for row in session.exec(statement).all():
        versions.revise(session, row, now, until=at)
    decide.touch(session, actor, now, [present(session, sim.plan_id).account_id])


def present(session: Session, plan_id: str) -> Plan:
    """Return the latest present period of a plan. Raises NotFoundError."""
    statement = (
        select(Plan)
        .where(Plan.plan_id == plan_id, col(Plan.superseded_at).is_(None))
        .order_by(col(Plan.live_from).is_(None), col(Plan.live_from).desc())
    )
    row = session.exec(statement).first()
    if row is None:
        raise NotFoundError("plan", plan_id)
    return row


def view_sims(session: Session, actor: Actor, now: datetime, *, plan_id: str) -> tuple[PlanSim, ...]:
    """Return the SIMs on a plan, in order of id."""
    del actor, now
    statement = select(PlanSim).where(PlanSim.plan_id == plan_id, col(PlanSim.superseded_at).is_(None))
    return tuple(session.exec(statement.order_by(PlanSim.id)))


def _add_sim(
    session: Session, now: datetime, plan: Plan, card: NewSim, *, live_from: datetime | None = None
) -> PlanSim:
    if session.exec(select(SimState).where(SimState.iccid == card.iccid)).first() is not None:
        raise ConflictError("this ICCID is known already", remedy="end the SIM where it is first")
    row = versions.add(
        session,
        PlanSim(
            id=journal.new_id(session),
            recorded_at=now,
            plan_id=plan.plan_id,
            iccid=card.iccid,
            imsi=card.imsi,
            msisdn=card.msisdn,
            live_from=live_from,
        ),
    )
    sims.enrol(session, row.id, kind=sims.MOBILE, iccid=card.iccid, plan_id=plan.plan_id, account_id=plan.account_id)
    return row


def _allowance(effective_from: datetime, allowance_mb: int | None) -> dict[str, object]:
    return {"effective_from": effective_from.astimezone(UTC).isoformat(), "allowance_mb": allowance_mb}
