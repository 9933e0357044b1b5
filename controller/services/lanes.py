"""A carrier account is a lane (decision 13): one claimed row, and its holder alone calls."""

from datetime import datetime, timedelta

from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, select

from controller.services.actor import Actor
from controller.tables.sims import CarrierLane


def hold(session: Session, actor: Actor, now: datetime, *, account: str, holder: str, lease: timedelta) -> bool:
    """Take the lane, or keep it, for `lease`. False while another holds it."""
    del actor
    row = _row(session, account)
    if row.holder not in {None, holder} and row.held_until is not None and row.held_until > now:
        return False
    row.holder, row.held_until = holder, now + lease
    session.add(row)
    return True


def release(session: Session, actor: Actor, now: datetime, *, account: str, holder: str) -> None:
    """Let the lane go, if it is the caller's."""
    del actor, now
    row = _row(session, account)
    if row.holder == holder:
        row.holder = row.held_until = None
        session.add(row)


def _row(session: Session, account: str) -> CarrierLane:
    """Return the lane's row, locked, starting one that was never used; two may start it at once."""
    statement = select(CarrierLane).where(CarrierLane.id == account).with_for_update()
    row = session.exec(statement).first()
    if row is None:
        insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
        begun = insert(CarrierLane).values(id=account).on_conflict_do_nothing()
        session.connection().execute(begun)
        row = session.exec(statement).one()
    return row
