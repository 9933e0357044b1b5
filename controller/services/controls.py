"""A household's Light parental controls, changed by an operator for a customer who called (T§19)."""

from datetime import datetime
from typing import Any, Final

from sqlmodel import Session

from controller.services import desired, homes, journal, notices
from controller.services.actor import Actor
from controller.services.desired import DesiredDocument

CHANGED: Final = "controls_changed"


def set_controls(
    session: Session, actor: Actor, now: datetime, *, hub_id: str, controls: dict[str, Any]
) -> DesiredDocument:
    """Set the household's parental controls, which stay over reactivations, and owe its holder a notice of a change.

    The notice names the level, never a site. What is set as it was already is told to nobody.
    """
    row = desired.state_of(session, hub_id)
    before = dict(row.controls)
    row.controls = {**before, **controls}
    session.add(row)
    journal.audited(session, "hub", hub_id, "controls", by=actor.name, fields=sorted(controls))
    if row.controls != before:
        _tell(session, hub_id, str(row.controls.get("level", "light")), now)
    return desired.refresh(session, hub_id, now)


def _tell(session: Session, hub_id: str, level: str, now: datetime) -> None:
    """Tell the holder of the service that the hub is for, wherever that has moved; a hub on no line is nobody's."""
    home = homes.home_of_hub(session, hub_id, now)
    if home is not None:
        notices.owe_account(
            session, home.account_id, CHANGED, now, about=hub_id, facts={"at": now.isoformat(), "level": level}
        )
