"""The IMSI behind an ICCID: a home location register knows no cards, only subscriptions."""

from datetime import datetime

from sqlmodel import Session, col, select

from controller.services.actor import Actor
from controller.tables.accounts import PlanSim
from controller.tables.hubs import HubSim


def imsi_of(session: Session, actor: Actor, now: datetime, *, iccid: str) -> str | None:
    """Return the IMSI recorded for a SIM, of a hub or of a plan; None when nobody recorded one."""
    del actor, now
    for table in (HubSim, PlanSim):
        statement = select(table.imsi).where(
            table.iccid == iccid, col(table.superseded_at).is_(None), col(table.imsi).is_not(None)
        )
        found = session.exec(statement.order_by(col(table.recorded_at).desc())).first()
        if found is not None:
            return found
    return None
