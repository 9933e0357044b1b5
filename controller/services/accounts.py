"""Billing accounts, their broadband services and lines, and what excludes them."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlmodel import Session, col, select

from controller.domain.allowance import Allowance, allowance_due, remaining_mb
from controller.domain.eligibility import sims_of_account
from controller.domain.facts import Jurisdiction, SuspicionKind
from controller.services import decide, gather, homes, journal, moved_parcels, rows, sims, versions
from controller.services.actor import Actor
from controller.services.errors import ConflictError, NotFoundError, UnprocessableError
from controller.tables.accounts import Account, BillPastDue, LeaveRequest, Line, Plan, PlanSim, Service, Suspicion
from controller.tables.sims import SimState


def create(
    session: Session, actor: Actor, now: datetime, *, holder_name: str, email: str | None, mobile: str | None
) -> Account:
    """Open a billing account."""
    del actor
    row = Account(
        id=journal.new_id(session), recorded_at=now, holder_name=holder_name, email=email or None, mobile=mobile or None
    )
    return versions.add(session, row)


def change(
    session: Session, actor: Actor, now: datetime, *, account_id: str, expected: int | None = None, **changes: Any
) -> Account:
    """Change who the holder is or how they are told. Raises VersionConflictError."""
    row = versions.revise(session, versions.present(session, Account, account_id), now, expected=expected, **changes)
    decide.touch(session, actor, now, [account_id])
    return row


def start_service(
    session: Session,
    actor: Actor,
    now: datetime,
    *,
    account_id: str,
    product: str,
    starts_on: date,
    line_id: str | None = None,
    landline: str | None = None,
    postcode: str | None = None,
    jurisdiction: Jurisdiction = Jurisdiction.ENGLAND_AND_WALES,
    remote: bool = False,
) -> Service:
    """Start a broadband service, on a new line unless one is named."""
    versions.present(session, Account, account_id)
    if line_id is None:
        line_id = _new_line(
            session, now, landline=landline, postcode=postcode, jurisdiction=jurisdiction, remote=remote
        )
    else:
        versions.present(session, Line, line_id)
    id_ = journal.new_id(session)
    row = versions.add(
        session,
        Service(
            id=id_,
            recorded_at=now,
            service_id=id_,
            account_id=account_id,
            line_id=line_id,
            product=product,
            starts_on=starts_on,
        ),
    )
    decide.touch(session, actor, now, [account_id])
    return row


def end_service(session: Session, actor: Actor, now: datetime, *, service_id: str, last_day: date | None) -> Service:
    """Set (or with None take back) the last day of a service (T§6)."""
    row = versions.revise(session, _period(session, service_id), now, last_day=last_day, action="ended")
    decide.touch(session, actor, now, [row.account_id])
    return row


def regrade(session: Session, actor: Actor, now: datetime, *, service_id: str, product: str, from_day: date) -> Service:
    """Change a service's product from a day on; the service goes on in a new period (T§6, 8)."""
    row = _period(session, service_id)
    if from_day <= row.starts_on:
        raise UnprocessableError("a regrade starts after the period it ends", remedy="name a later day")
    versions.revise(session, row, now, last_day=date.fromordinal(from_day.toordinal() - 1), action="regraded")
    newer = Service(
        id=journal.new_id(session),
        recorded_at=now,
        service_id=row.service_id,
        account_id=row.account_id,
        line_id=row.line_id,
        product=product,
        starts_on=from_day,
    )
    versions.add(session, newer)
    decide.touch(session, actor, now, [row.account_id])
    return newer


def move_service(
    session: Session,
    actor: Actor,
    now: datetime,
    *,
    service_id: str,
    from_day: date,
    line_id: str | None = None,
    **place: Any,
) -> Service:
    """Move a service to another line from a day on, a new one unless one is named; it goes on in a new period.

    What Plus started with it goes on (T§6, 8), and its hub goes with it (T§10c); the fault of the line it leaves is
    this account's no longer; a parcel on its way there is a person's to redirect. The first day of its latest period
    corrects that one, a move that does not come included.
    Raises NotFoundError, UnprocessableError for a day that is too early or the line it is on, ConflictError where the
    service has ended by then or the line carries another.
    """
    row = _period(session, service_id)
    if from_day < row.starts_on:
        raise UnprocessableError("a move comes after the period it ends", remedy=f"name {row.starts_on} or a later day")
    if row.last_day is not None and row.last_day < from_day:
        raise ConflictError("the service has ended by then", remedy="start a service on the other line")
    if line_id == row.line_id:
        raise UnprocessableError("the service is on that line already", remedy="name the line it moves to")
    to_line = (
        _new_line(session, now, **place) if line_id is None else _free_line(session, line_id, service_id, from_day)
    )
    lines = [row.line_id, to_line]
    newer = _next_period(session, now, row, from_day, to_line)
    decide.touch(session, actor, now, {row.account_id, *gather.accounts_on_lines(session, lines)})
    moved_parcels.look_at_lines(session, homes.lines_of_service(session, service_id), now)
    return newer


def _next_period(session: Session, now: datetime, row: Service, from_day: date, line_id: str) -> Service:
    """End a period and begin the next on another line; one that begins that very day is put right instead."""
    if from_day == row.starts_on:
        return versions.revise(session, row, now, line_id=line_id, action="moved")
    last_day = row.last_day
    versions.revise(session, row, now, last_day=date.fromordinal(from_day.toordinal() - 1), action="moved")
    newer = Service(
        id=journal.new_id(session),
        recorded_at=now,
        service_id=row.service_id,
        account_id=row.account_id,
        line_id=line_id,
        product=row.product,
        starts_on=from_day,
        last_day=last_day,
    )
    return versions.add(session, newer, action="moved")


def _new_line(
    session: Session,
    now: datetime,
    *,
    landline: str | None = None,
    postcode: str | None = None,
    jurisdiction: Jurisdiction = Jurisdiction.ENGLAND_AND_WALES,
    remote: bool = False,
) -> str:
    line = Line(
        id=journal.new_id(session),
        recorded_at=now,
        landline=landline,
        postcode=postcode,
        jurisdiction=jurisdiction.value,
        remote=remote,
    )
    return versions.add(session, line).id


def _free_line(session: Session, line_id: str, service_id: str, from_day: date) -> str:
    """Return a known line that carries no other service from a day on."""
    versions.present(session, Line, line_id)
    there = rows.read(session, Service, "line_id", [line_id], rows.present, columns=("service_id", "last_day"))
    others = [
        row for row in there if row.service_id != service_id and (row.last_day is None or row.last_day >= from_day)
    ]
    if others:
        raise ConflictError(
            "the line carries another service on that day",
            remedy="end that one first, or move on the day after its last",
            service_id=others[0].service_id,
        )
    return line_id


def request_leave(
    session: Session,
    actor: Actor,
    now: datetime,
    *,
    service_id: str,
    requested_at: datetime | None = None,
    to_product: str | None = None,
) -> LeaveRequest:
    """Record a request to leave Plus (T§6)."""
    period = _period(session, service_id)
    row = versions.add(
        session,
        LeaveRequest(
            id=journal.new_id(session),
            recorded_at=now,
            service_id=period.service_id,
            requested_at=requested_at or now,
            to_product=to_product,
        ),
    )
    decide.touch(session, actor, now, [period.account_id])
    return row


def withdraw_leave(session: Session, actor: Actor, now: datetime, *, request_id: str) -> LeaveRequest:
    """Record that a request to leave was withdrawn (T§6)."""
    row = versions.revise(
        session, versions.present(session, LeaveRequest, request_id), now, withdrawn_at=now, action="withdrawn"
    )
    decide.touch(session, actor, now, [_period(session, row.service_id).account_id])
    return row


def bill_past_due(
    session: Session, actor: Actor, now: datetime, *, account_id: str, due_on: date, grounds: str = ""
) -> BillPastDue:
    """Record a bill past its due day (T§10e iv)."""
    versions.present(session, Account, account_id)
    row = versions.add(
        session,
        BillPastDue(
            id=journal.new_id(session),
            recorded_at=now,
            account_id=account_id,
            due_on=due_on,
            by=actor.name,
            grounds=grounds or "bill unpaid after its due date",
        ),
    )
    decide.touch(session, actor, now, [account_id])
    return row


def bill_paid(
    session: Session, actor: Actor, now: datetime, *, bill_id: str, paid_at: datetime | None = None
) -> BillPastDue:
    """Record that a bill was paid: what it excluded comes back."""
    row = versions.revise(
        session, versions.present(session, BillPastDue, bill_id), now, paid_at=paid_at or now, action="paid"
    )
    decide.touch(session, actor, now, [row.account_id])
    return row


def suspect(
    session: Session,
    actor: Actor,
    now: datetime,
    *,
    account_id: str,
    kind: SuspicionKind,
    grounds: str,
    by: str,
    fault_id: str | None = None,
) -> Suspicion:
    """Record a reasonable suspicion with its grounds and the person who stands for it (T§10e iv)."""
    versions.present(session, Account, account_id)
    if not grounds.strip() or not by.strip():
        raise UnprocessableError("a suspicion needs grounds and a named person", remedy="send both")
    row = versions.add(
        session,
        Suspicion(
            id=journal.new_id(session),
            recorded_at=now,
            account_id=account_id,
            kind=kind.value,
            grounds=grounds,
            by=by,
            raised_at=now,
            fault_id=fault_id,
        ),
    )
    decide.touch(session, actor, now, [account_id])
    return row


def clear_suspicion(session: Session, actor: Actor, now: datetime, *, suspicion_id: str) -> Suspicion:
    """Record that a suspicion was cleared: it excludes no longer."""
    row = versions.present(session, Suspicion, suspicion_id)
    if row.cleared_at is not None:
        raise ConflictError("the suspicion was cleared before", remedy="nothing is left to do")
    row = versions.revise(session, row, now, cleared_at=now, action="cleared")
    decide.touch(session, actor, now, [row.account_id])
    return row


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountView:
    """An account with its present services and plans."""

    account: Account
    services: tuple[Service, ...]
    plans: tuple[Plan, ...]


def view(session: Session, actor: Actor, now: datetime, *, account_id: str) -> AccountView:
    """Return an account; reading personal data is audited. Raises NotFoundError."""
    del actor, now
    account = versions.present(session, Account, account_id)
    journal.audited(session, "account", account_id, "read")
    services = select(Service).where(Service.account_id == account_id, col(Service.superseded_at).is_(None))
    plans = select(Plan).where(Plan.account_id == account_id, col(Plan.superseded_at).is_(None))
    return AccountView(
        account=account,
        services=tuple(session.exec(services.order_by(Service.id))),
        plans=tuple(session.exec(plans.order_by(Plan.id))),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class MyBtSim:
    """One SIM as MyBT shows it."""

    sim_id: str
    plan_id: str
    plan_name: str
    msisdn: str | None
    due: Allowance
    observed: dict[str, Any]
    as_intended: bool
    counted_mb: int | None
    uncounted_mb: int | None

    @property
    def remaining_mb(self) -> int | None:
        """Return what is left: the allowance due now less counted use; None is unlimited."""
        return remaining_mb(self.due, self.counted_mb or 0)


def mybt_view(session: Session, actor: Actor, now: datetime, *, account_id: str) -> tuple[MyBtSim, ...]:
    """Return each SIM's allowance as MyBT would show it; reading it is audited."""
    del actor
    versions.present(session, Account, account_id)
    facts = gather.facts_of(session, account_id)
    rules = journal.policy_of(session).rules_at(now)
    journal.audited(session, "account", account_id, "read_mybt")
    found = []
    for sim_id in sims_of_account(facts.as_known(now), account_id, now):
        sim, row = versions.find(session, PlanSim, sim_id), session.get(SimState, sim_id)
        if sim is None or row is None:
            continue
        plan = session.exec(select(Plan).where(Plan.plan_id == sim.plan_id, col(Plan.superseded_at).is_(None))).first()
        found.append(
            MyBtSim(
                sim_id=row.id,
                plan_id=sim.plan_id,
                plan_name=plan.name if plan else "",
                msisdn=sim.msisdn,
                due=allowance_due(facts, row.id, now, rules),
                observed=dict(row.observed),
                as_intended=sims.is_as_intended(row),
                counted_mb=row.counted_mb,
                uncounted_mb=row.uncounted_mb,
            )
        )
    return tuple(found)


def _period(session: Session, service_id: str) -> Service:
    """Return the latest present period of a service."""
    statement = (
        select(Service)
        .where(Service.service_id == service_id, col(Service.superseded_at).is_(None))
        .order_by(col(Service.starts_on).desc())
    )
    row = session.exec(statement).first()
    if row is None:
        raise NotFoundError("service", service_id)
    return row
