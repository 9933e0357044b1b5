"""A message out of the quarantine, once more: after the software, or the hub's enrolment, was mended."""

from datetime import datetime

from sqlmodel import Session

from controller.ingest.decode import HistoryMessage, Quarantined, decode_message
from controller.ingest.record import take_in
from controller.services import history, quarantine
from controller.services.actor import Actor
from controller.tables.hubs import Quarantined as Row

UNKNOWN: str = "no such hub is enrolled, or it was revoked"


def replay(session: Session, actor: Actor, now: datetime, *, message_id: str) -> Row:
    """Take a message in as if it came now; if it still can't be read it stays, with the reason of this time.

    Raises NotFoundError, and ConflictError for one that was taken in already.
    """
    row = quarantine.get(session, message_id)
    message = decode_message(row.topic, row.payload)
    if isinstance(message, Quarantined):
        quarantine.refused(session, row, message.reason)
    elif message.hub_id not in history.known_hubs(session, {message.hub_id}, now):
        quarantine.refused(session, row, UNKNOWN)
    else:
        # Its number was counted when it was set aside, so its content goes by another way.
        taken = take_in(session, actor, now, received=[message])
        if isinstance(message, HistoryMessage) and taken.acks:
            history.keep(session, now, message=message.history)
        quarantine.replayed(session, row, now)
    return row
