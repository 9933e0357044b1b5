"""Service notices to account holders: owed with the fact they tell, sent by the work loop, recorded as it goes."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlmodel import Session, col, select

from controller.services import alarms, journal, owed, rows, tasks, versions
from controller.services.actor import Actor
from controller.services.errors import NotFoundError
from controller.tables.accounts import Account
from controller.tables.faults import Fault, Notice

NOUN: Final = "notices"
CHANNELS: Final = ("email", "sms")
OPEN: Final = ("owed", "sent")


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeWork:
    """A notice to send: `to` is the address as it is known now, None when there is none.

    `may_have_left`: an earlier attempt may have sent it.
    """

    id: str
    kind: str
    channel: str
    to: str | None
    holder_name: str
    facts: dict[str, Any]
    state: str
    may_have_left: bool = False


def owe(
    session: Session,
    fault_id: str,
    kind: str,
    now: datetime,
    *,
    due_at: datetime | None = None,
    since: datetime | None = None,
    **facts: Any,
) -> None:
    """Owe a notice about a fault on every channel, once for each kind and `since` (what it tells of began then)."""
    owe_facts(session, fault_id, kind, now, facts=facts, due_at=due_at, since=since)


def owe_facts(
    session: Session,
    fault_id: str,
    kind: str,
    now: datetime,
    *,
    facts: dict[str, Any],
    due_at: datetime | None = None,
    since: datetime | None = None,
) -> None:
    """Owe a notice, see `owe`; `facts` fill the template in."""
    fault = versions.present(session, Fault, fault_id)
    told = {"fault_id": fault_id, "reported_at": fault.reported_at.isoformat(), **facts}
    if since is not None:
        told["since"] = since.isoformat()
    matter = _Matter(kind=kind, account_id=fault.account_id, fault_id=fault_id, about=fault_id)
    _owe_copies(session, matter, told, now=now, due_at=due_at)


def owe_account(
    session: Session, account_id: str, kind: str, now: datetime, *, about: str, facts: dict[str, Any]
) -> None:
    """Owe an account's holder a notice of what happened just now to a thing that is no fault: `about` is its id."""
    matter = _Matter(kind=kind, account_id=account_id, fault_id=None, about=about)
    _owe_copies(session, matter, {**facts, "since": now.isoformat()}, now=now, due_at=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Matter:
    """What a notice tells, to whom; `about` is the id of the thing, so that the same is told once."""

    kind: str
    account_id: str
    fault_id: str | None
    about: str


def _owe_copies(
    session: Session, matter: _Matter, told: dict[str, Any], *, now: datetime, due_at: datetime | None
) -> None:
    """Owe a copy on every channel; one without an address is somebody's to look at."""
    kind, account = matter.kind, versions.present(session, Account, matter.account_id)
    for channel, address in zip(CHANNELS, (account.email, account.mobile), strict=True):
        _owe_one(session, matter, channel, told, now=now, due_at=due_at)
        if not address:
            message = f"account {account.id} has no address for {channel}; {kind} can't be told"
            alarms.raise_alarm(
                session, f"missing_{channel}", "account", account.id, severity="minor", message=message, now=now
            )


def look(session: Session, actor: Actor, now: datetime, *, notice_id: str) -> NoticeWork:
    """Return what is to be sent now. Raises NotFoundError."""
    del actor, now
    row = _get(session, notice_id)
    return _work(row, versions.present(session, Account, row.account_id))


def attempt_many(session: Session, now: datetime, notice_ids: Iterable[str]) -> dict[str, NoticeWork]:
    """Return what is to be sent now, and write that from now on it may have left; what is not owed is left out.

    Written before the messages are: a crash after one left must not let a withdrawal go untold.
    """
    found = rows.read(session, Notice, "id", notice_ids, state="owed", for_update=True)
    accounts = rows.read(session, Account, "id", {row.account_id for row in found}, rows.present)
    holders = {row.id: row for row in accounts}
    works = {row.id: _work(row, holders[row.account_id]) for row in found}
    leaving = [row for row in found if works[row.id].to and row.attempted_at is None]
    rows.change(session, Notice, {row.id: {"attempted_at": now} for row in leaving})
    return works


def _work(row: Notice | rows.Found, account: Account | rows.Found) -> NoticeWork:
    return NoticeWork(
        id=row.id,
        kind=row.kind,
        channel=row.channel,
        to=account.email if row.channel == "email" else account.mobile,
        holder_name=account.holder_name,
        facts={"at": row.owed_at.isoformat(), **row.facts},
        state=row.state,
        may_have_left=row.attempted_at is not None,
    )


def record_unsent(session: Session, actor: Actor, now: datetime, *, notice_id: str) -> None:
    """Record that nothing of it ever left; only for a notice that no earlier attempt may have sent."""
    del actor, now
    row = _get(session, notice_id)
    row.attempted_at = None
    session.add(row)


def record_doubt(session: Session, actor: Actor, now: datetime, *, notice_id: str, error: str) -> None:
    """Record that nobody knows whether it left."""
    del actor, now
    row = _get(session, notice_id)
    row.error = error[:300]
    session.add(row)


def record(
    session: Session,
    actor: Actor,
    now: datetime,
    *,
    notice_id: str,
    outcome: str,
    reference: str | None = None,
    error: str | None = None,
) -> None:
    """Record that a notice was sent, delivered or can't be delivered; what depends on it is decided again.

    When no copy of it can be delivered, telling the customer becomes a person's task.
    """
    del actor
    row = _get(session, notice_id)
    # All copies are locked first: two that fail at once must not each wait for the other.
    copies = copies_of(session, row) if outcome == "undeliverable" else ()
    if row.state not in OPEN:
        if row.state == "withdrawn" and outcome != "undeliverable":
            _left_after_withdrawal(session, row, now)
        return
    row.state = outcome
    row.sent_at = row.sent_at or now if outcome != "undeliverable" else row.sent_at
    row.settled_at = now if outcome in {"delivered", "undeliverable"} else None
    row.reference, row.error = reference or row.reference, error and error[:300]
    row.version += 1
    session.add(row)
    session.flush()
    journal.audited(session, "notice", row.id, outcome, kind=row.kind, channel=row.channel)
    journal.changed(session, "notice", row.id, outcome, kind=row.kind)
    if outcome == "undeliverable":
        _give_to_a_person(session, row, copies, now)
    if row.kind == "switch_off":
        owed.mark(session, "decide", row.account_id, now=now)


def told_by_a_person(session: Session, notice_id: str, now: datetime) -> None:
    """Record that a person told the customer what this notice and its copies could not."""
    for row in copies_of(session, _get(session, notice_id)):
        if row.state == "undeliverable":
            row.state, row.settled_at, row.reference = "delivered", now, "by a person"
            row.sent_at = row.sent_at or now
            row.version += 1
            session.add(row)
            journal.changed(session, "notice", row.id, "delivered", kind=row.kind)
            alarms.clear(session, "notice_undeliverable", "notice", row.id, now=now)
            owed.mark(session, "decide", row.account_id, now=now)
    session.flush()


def copies_of(session: Session, row: Notice) -> tuple[Notice, ...]:
    """Return the copies of one notice on every channel, itself included; withdrawn ones are none."""
    statement = select(Notice).where(
        Notice.account_id == row.account_id,
        Notice.fault_id == row.fault_id,
        Notice.kind == row.kind,
        Notice.state != "withdrawn",
    )
    since = row.facts.get("since")
    found = session.exec(statement.order_by(Notice.id).with_for_update()).all()
    return tuple(each for each in found if each.facts.get("since") == since)


def withdraw(session: Session, fault_id: str, kind: str, now: datetime) -> bool:
    """Withdraw the notices of a kind; those that left, or may have, are followed by the caller's own. True if any."""
    statement = select(Notice).where(Notice.fault_id == fault_id, Notice.kind == kind, Notice.state != "withdrawn")
    told = False
    for row in session.exec(statement.with_for_update()):
        told = told or row.sent_at is not None or row.attempted_at is not None
        row.state, row.settled_at = "withdrawn", now
        row.version += 1
        session.add(row)
        owed.withdraw(session, NOUN, row.id)
        tasks.withdraw(session, tasks.TELL_CUSTOMER, row.id, now)
        alarms.clear(session, "notice_undeliverable", "notice", row.id, now=now)
        journal.changed(session, "notice", row.id, "withdrawn", kind=kind)
    session.flush()
    return told


def of_account(session: Session, actor: Actor, now: datetime, *, account_id: str) -> tuple[Notice, ...]:
    """Return the notices to an account's holder, oldest first; reading them is audited."""
    del actor, now
    statement = select(Notice).where(Notice.account_id == account_id).order_by(col(Notice.owed_at), Notice.id)
    found = tuple(session.exec(statement))
    if found:
        journal.audited(session, "account", account_id, "read_notices")
    return found


def _owe_one(
    session: Session,
    matter: _Matter,
    channel: str,
    facts: dict[str, Any],
    *,
    now: datetime,
    due_at: datetime | None,
) -> None:
    dedup = f"{matter.kind}:{matter.about}:{channel}:{facts.get('since', '')}"
    known = session.exec(select(Notice).where(Notice.dedup == dedup)).first()
    if known is not None and known.state != "withdrawn":
        return
    if known is not None:
        # Withdrawn and owed again: the old row keeps its history under a name of its own.
        known.dedup = f"{known.id}:{dedup}"[:200]
        session.add(known)
        session.flush()
    row = Notice(
        id=journal.new_id(session),
        account_id=matter.account_id,
        fault_id=matter.fault_id,
        kind=matter.kind,
        channel=channel,
        dedup=dedup,
        facts=facts,
        state="owed",
        owed_at=now,
    )
    session.add(row)
    session.flush()
    owed.mark(session, NOUN, row.id, now=now, deadline=due_at)
    journal.changed(session, "notice", row.id, "owed", kind=matter.kind)


def _give_to_a_person(session: Session, row: Notice, copies: tuple[Notice, ...], now: datetime) -> None:
    """Raise the alarm; open the task once the last copy is undeliverable too."""
    message = f"{row.kind} can't be delivered by {row.channel}: {row.error or 'no address'}"
    alarms.raise_alarm(session, "notice_undeliverable", "notice", row.id, severity="minor", message=message, now=now)
    if any(each.state != "undeliverable" for each in copies):
        return
    why = "; ".join(f"{each.channel}: {each.error or 'no address'}" for each in copies)
    tasks.open_task(
        session,
        tasks.TELL_CUSTOMER,
        row.id,
        now,
        account_id=row.account_id,
        fault_id=row.fault_id,
        reason=f"tell the customer {row.kind}: {why}",
    )


def _left_after_withdrawal(session: Session, row: Notice, now: datetime) -> None:
    """Follow a notice that left while it was being withdrawn by its withdrawal, if nobody did."""
    row.sent_at = row.sent_at or now
    session.add(row)
    session.flush()
    if row.kind == "switch_off" and row.fault_id is not None:
        owe(session, row.fault_id, "switch_off_withdrawn", now, since=row.settled_at)


def _get(session: Session, notice_id: str) -> Notice:
    row = session.get(Notice, notice_id, with_for_update=True)
    if row is None:
        raise NotFoundError("notice", notice_id)
    return row
