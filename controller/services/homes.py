"""Where things are at home: whose a line is, and which service a hub hangs on, as households move (T§10c)."""

from datetime import date, datetime
from typing import Final

from sqlmodel import Session, col, select

from controller.domain import facts as domain
from controller.domain import hub_owner
from controller.domain.eligibility import service_on_line
from controller.domain.facts import Facts
from controller.domain.london import local_day
from controller.services import rows
from controller.tables.accounts import Service
from controller.tables.hubs import HubAssignment


def account_of_line(session: Session, line_id: str, at: datetime) -> str | None:
    """Return whose line it is at an instant: the account of the period that covers its London day, else the latest."""
    found = _period_on(session, line_id, at)
    return None if found is None else found.account_id


def assignment_of(session: Session, hub_id: str) -> HubAssignment | None:
    """Return the present assignment of a hub."""
    statement = select(HubAssignment).where(
        HubAssignment.hub_id == hub_id,
        col(HubAssignment.superseded_at).is_(None),
        col(HubAssignment.ended_at).is_(None),
    )
    return session.exec(statement).first()


def home_of_hub(session: Session, hub_id: str, now: datetime) -> domain.Service | None:
    """Return the period that a hub hangs on now (T§10c): of the service it was sent for; None where it is nobody's.

    One that was sent to a line without a service is for whoever the line serves now.
    """
    present = assignment_of(session, hub_id)
    if present is None:
        return None
    facts = periods_around(session, present.line_id)
    found = hub_owner.home_of_hub(facts, present.line_id, present.dispatched_at, now)
    return found or service_on_line(facts, present.line_id, now)


def lines_of_service(session: Session, service_id: str) -> tuple[str, ...]:
    """Return the lines that a service is on, was on, or will be on, in order."""
    found = rows.read(session, Service, "service_id", [service_id], columns=("line_id",))
    return tuple(sorted({row.line_id for row in found}))


def periods_around(session: Session, line_id: str) -> Facts:
    """Return every present period of the services that a line has, or had, wherever they are."""
    on_line = rows.read(session, Service, "line_id", [line_id], rows.present, columns=("service_id",))
    found = rows.read(session, Service, "service_id", {row.service_id for row in on_line}, rows.present)
    names = ("service_id", "account_id", "line_id", "product", "starts_on", "last_day")
    return Facts(services=tuple(domain.Service(**{name: getattr(row, name) for name in names}) for row in found))


def _period_on(session: Session, line_id: str, at: datetime) -> rows.Found | None:
    found_rows = rows.read(session, Service, "line_id", [line_id], rows.present, columns=_OF_PERIOD)
    periods = sorted(sorted(found_rows, key=_id_of), key=_start_of, reverse=True)
    day = local_day(at)
    covering = (p for p in periods if p.starts_on <= day and (p.last_day is None or day <= p.last_day))
    return next(covering, next(iter(periods), None))


_OF_PERIOD: Final = ("id", "account_id", "starts_on", "last_day")


def _id_of(row: rows.Found) -> str:
    return str(row.id)


def _start_of(row: rows.Found) -> date:
    starts_on: date = row.starts_on
    return starts_on
