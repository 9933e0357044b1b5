"""A hub's SIM that is suspended since it was seen in foreign equipment: a person reviews it, by a deadline (policy)."""

from datetime import datetime

from sqlmodel import Session

from controller.services import homes, journal, reasons, tasks

_SUSPENDED = "identity:"


def look(session: Session, hub_id: str, now: datetime) -> None:
    """Open the review of a hub's SIM where it is suspended; withdraw it where it was released or explained."""
    held = [row for row in reasons.open_rows(session, "hub", hub_id) if row.reason.startswith(_SUSPENDED)]
    if not held:
        tasks.withdraw(session, tasks.REVIEW_SIM, hub_id, now)
        return
    home = homes.home_of_hub(session, hub_id, now)
    if home is not None and not _was_reviewed(session, hub_id, held[0].opened_at):
        tasks.open_task(
            session,
            tasks.REVIEW_SIM,
            hub_id,
            now,
            account_id=home.account_id,
            fault_id=None,
            reason=f"the SIM of hub {hub_id} was seen in foreign equipment: release it, or record a swap",
            due_at=held[0].opened_at + journal.policy_of(session).rules_at(now).identity_review,
        )


def _was_reviewed(session: Session, hub_id: str, since: datetime) -> bool:
    before = tasks.newest(session, tasks.REVIEW_SIM, hub_id)
    return before is not None and before.closed_at is not None and before.closed_at >= since
