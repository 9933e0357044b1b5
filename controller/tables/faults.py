"""Faults and what bears on them: line events, outages, observations, determinations; what was decided and promised."""

from datetime import datetime
from typing import Any

from sqlalchemy import Index, UniqueConstraint, text
from sqlmodel import SQLModel

from controller.tables.columns import BIG_KEY, ID, INSTANT, JSON_DOCUMENT, Retention, column
from controller.tables.versioned import Versioned, indexes

_FAULT = Retention.FAULT


class LineEvent(SQLModel, table=True):
    """One source saw one change of sync or PPP on one line; idempotent under (line, kind, at, source).

    One that was recorded wrongly is withdrawn and stays: what was decided by it can be computed again, and its source
    telling it again brings nothing back. Where that was the error it is recorded once more, as the next edition: a
    source always tells the first.
    """

    __tablename__ = "line_events"
    __table_args__ = (
        UniqueConstraint("line_id", "kind", "at", "source", "edition", name="uq_line_events"),
        Index("ix_line_events_line", "line_id", "at"),
    )

    id: int | None = column("names the row", Retention.HISTORY, type=BIG_KEY, primary_key=True, default=None)
    line_id: str = column("which line", Retention.HISTORY, type=ID)
    kind: str = column("sync or PPP, lost or gained", Retention.HISTORY, max_length=16)
    at: datetime = column("when it happened", Retention.HISTORY, type=INSTANT)
    source: str = column("who saw it; several sources count once", Retention.HISTORY, max_length=64)
    cause: str | None = column("our own restart doesn't count", Retention.HISTORY, default=None, max_length=32)
    recorded_at: datetime = column("when it became known", Retention.HISTORY, type=INSTANT)
    superseded_at: datetime | None = column(
        "when it became known that it was none", Retention.HISTORY, type=INSTANT, default=None
    )
    withdrawn_by: str | None = column("who stands for the withdrawal", Retention.HISTORY, default=None, max_length=128)
    withdrawn_why: str | None = column("why it was none", Retention.HISTORY, default=None, max_length=500)
    edition: int = column("1, and one more each time a withdrawal was taken back", Retention.HISTORY, default=1)
    restored_by: str | None = column("who took the withdrawal back", Retention.HISTORY, default=None, max_length=128)
    restored_why: str | None = column("why it was one after all", Retention.HISTORY, default=None, max_length=500)


class AskedRestart(SQLModel, table=True):
    """We asked for a restart: the first drop within its time is none of the line's."""

    __tablename__ = "asked_restarts"
    __table_args__ = (Index("ix_asked_restarts_line", "line_id"),)

    id: str = column("names the request", _FAULT, type=ID, primary_key=True)
    line_id: str = column("which line", _FAULT, type=ID)
    at: datetime = column("since when", _FAULT, type=INSTANT)
    until: datetime = column("until when", _FAULT, type=INSTANT)
    recorded_at: datetime = column("when it became known", _FAULT, type=INSTANT)


class Outage(Versioned, table=True):
    """A planned or unplanned outage."""

    __tablename__ = "outages"
    __table_args__ = indexes("outages", "id")

    from_at: datetime = column("since when", _FAULT, type=INSTANT)
    until: datetime | None = column("until when", _FAULT, type=INSTANT, default=None)
    declared_at: datetime = column("late declarations withdraw owed work", _FAULT, type=INSTANT)
    planned: bool = column("whether it was planned", _FAULT, default=False)
    whose: str = column("ours or a third party's (T§10e i)", _FAULT, default="ours", max_length=100)
    note: str = column("what a colleague should know", _FAULT, default="", max_length=500)


class OutageLine(SQLModel, table=True):
    """A line that an outage covers."""

    __tablename__ = "outage_lines"
    __table_args__ = (Index("ix_outage_lines_line", "line_id"),)

    outage_id: str = column("which outage", _FAULT, type=ID, primary_key=True)
    line_id: str = column("which line", _FAULT, type=ID, primary_key=True)


class Fault(Versioned, table=True):
    """What a customer, or someone for them, reported."""

    __tablename__ = "faults"
    __table_args__ = (
        *indexes("faults", "line_id", "account_id"),
        Index("ix_faults_open", "closed_at", "superseded_at"),
    )

    line_id: str = column("which line is broken", _FAULT, type=ID)
    account_id: str = column("whose account it was at the report", _FAULT, type=ID)
    reported_at: datetime = column("starts the hour (T§10d, 12c)", _FAULT, type=INSTANT)
    symptom: str = column("what is said to be wrong", _FAULT, max_length=32)
    channel: str = column("how it reached us", _FAULT, max_length=32)
    reporter: str = column("in which role it was reported", _FAULT, max_length=64)
    resolved_at: datetime | None = column("when the fault was fixed (T§10f)", _FAULT, type=INSTANT, default=None)
    closed_at: datetime | None = column("when nothing was left on for it", _FAULT, type=INSTANT, default=None)
    note: str = column("what a colleague should know", _FAULT, default="", max_length=500)


class Observation(SQLModel, table=True):
    """A result of diagnostics; never a verdict. Idempotent under (fault, kind, at, result)."""

    __tablename__ = "observations"
    __table_args__ = (
        UniqueConstraint("fault_id", "kind", "at", "result", name="uq_observations"),
        Index("ix_observations_fault", "fault_id"),
    )

    id: str = column("names the observation", _FAULT, type=ID, primary_key=True)
    fault_id: str = column("which fault", _FAULT, type=ID)
    kind: str = column("which test", _FAULT, max_length=64)
    result: str = column("what came out", _FAULT, max_length=64)
    at: datetime = column("when it was observed", _FAULT, type=INSTANT)
    facts: dict[str, Any] = column("the test's own figures", _FAULT, type=JSON_DOCUMENT)
    recorded_at: datetime = column("when it became known", _FAULT, type=INSTANT)


class DiagnosticsFinished(Versioned, table=True):
    """The tests of a fault (its id) are done; a delivery estimate runs from here (T§10d)."""

    __tablename__ = "diagnostics_finished"
    __table_args__ = indexes("diagnostics_finished", "id")

    at: datetime = column("when they ended", _FAULT, type=INSTANT)
    engineer_booked: bool = column("both benefits come before the visit (T§10d, 12c)", _FAULT, default=False)


class Determination(Versioned, table=True):
    """A named person's discretion with a reason."""

    __tablename__ = "determinations"
    __table_args__ = indexes("determinations", "subject_id")

    kind: str = column("what was determined", _FAULT, max_length=32)
    subject_id: str = column("the fault, line or hub concerned", _FAULT, type=ID)
    by: str = column("who stands for it", _FAULT, max_length=128)
    reason: str = column("why it was determined", _FAULT, max_length=2000)
    at: datetime = column("since when", _FAULT, type=INSTANT)
    withdrawn_at: datetime | None = column("until when", _FAULT, type=INSTANT, default=None)


class DecisionRow(SQLModel, table=True):
    """A decision as it was made, with the snapshot of what it rests on; the newest about the same thing stands."""

    __tablename__ = "decisions"
    __table_args__ = (Index("ix_decisions_fault", "fault_id"),)

    id: str = column("names the decision", _FAULT, type=ID, primary_key=True)
    fault_id: str = column("which fault", _FAULT, type=ID)
    question: str = column("what was asked", _FAULT, max_length=32)
    subject: str = column("of what", _FAULT, max_length=64)
    outcome: str = column("what came out", _FAULT, max_length=32)
    clause: str = column("on which clause", _FAULT, max_length=64)
    basis: str = column("text, reading, operator or policy", _FAULT, max_length=16)
    code: str = column("the reason as a word", _FAULT, max_length=64)
    reason: str = column("the reason in plain words", _FAULT, max_length=1000)
    contest: str = column("how to contest (T§15)", _FAULT, max_length=500)
    rule_set: str = column("rules in force at the report", _FAULT, max_length=32)
    target: str | None = column("the hub or SIM it acts on", _FAULT, default=None, max_length=64)
    due_at: datetime | None = column("a deadline it carries", _FAULT, type=INSTANT, default=None)
    inputs: dict[str, Any] = column("what it rests on", _FAULT, type=JSON_DOCUMENT)
    flags: list[str] = column("what a person should look at", _FAULT, type=JSON_DOCUMENT)
    at: datetime = column("the instant it was made for", _FAULT, type=INSTANT)


class ReasonRow(SQLModel, table=True):
    """A reason for a hub or SIM to be on, or barred; what is on is a fold over the open ones (decision 1)."""

    __tablename__ = "reasons"
    __table_args__ = (Index("ix_reasons_target", "target"), Index("ix_reasons_reason", "reason"))

    id: str = column("names the row", _FAULT, type=ID, primary_key=True)
    noun: str = column("hub or sim", _FAULT, max_length=8)
    target: str = column("which hub or SIM", _FAULT, type=ID)
    kind: str = column("fault, discretion or bar", _FAULT, max_length=16)
    reason: str = column("the fault or determination it rests on", _FAULT, max_length=64)
    opened_at: datetime = column("since when", _FAULT, type=INSTANT)
    closed_at: datetime | None = column("until when", _FAULT, type=INSTANT, default=None)


class Promise(SQLModel, table=True):
    """The hour from the report, for one benefit of one fault; ready is what it measures (decision 2)."""

    __tablename__ = "promises"
    __table_args__ = (
        UniqueConstraint("fault_id", "benefit", name="uq_promises"),
        Index(
            "ix_promises_open",
            "due_at",
            sqlite_where=text("ended_at IS NULL"),
            postgresql_where=text("ended_at IS NULL"),
        ),
    )

    id: str = column("names the promise", _FAULT, type=ID, primary_key=True)
    version: int = column("row version", _FAULT, default=1)
    fault_id: str = column("which fault", _FAULT, type=ID)
    benefit: str = column("mini_hub or backup", _FAULT, max_length=16)
    made_at: datetime = column("when the hour began", _FAULT, type=INSTANT)
    due_at: datetime = column("when it ends", _FAULT, type=INSTANT)
    goodwill: bool = column("shown beside the hour, never a breach of it", _FAULT, default=False)
    ready_at: datetime | None = column("observed ready", _FAULT, type=INSTANT, default=None)
    online_at: datetime | None = column("observed online", _FAULT, type=INSTANT, default=None)
    ended_at: datetime | None = column("kept, withdrawn or over", _FAULT, type=INSTANT, default=None)
    end: str | None = column("how it ended", _FAULT, default=None, max_length=32)


class Notice(SQLModel, table=True):
    """A service notice to the account holder; its address is looked up when it is sent."""

    __tablename__ = "notices"
    __table_args__ = (
        UniqueConstraint("dedup", name="uq_notices_dedup"),
        Index("ix_notices_account", "account_id"),
        Index("ix_notices_fault", "fault_id"),
    )

    id: str = column("names the notice; makes a second copy recognisable", Retention.MESSAGE, type=ID, primary_key=True)
    version: int = column("row version", Retention.MESSAGE, default=1)
    account_id: str = column("to whose holder", Retention.MESSAGE, type=ID)
    fault_id: str | None = column("about which fault", Retention.MESSAGE, type=ID, default=None)
    kind: str = column("which template", Retention.MESSAGE, max_length=48)
    channel: str = column("email or sms", Retention.MESSAGE, max_length=8)
    dedup: str = column("the same thing is told once", Retention.MESSAGE, max_length=200)
    facts: dict[str, Any] = column("what the template fills in", Retention.MESSAGE, type=JSON_DOCUMENT)
    state: str = column("owed, sent, delivered, undeliverable or withdrawn", Retention.MESSAGE, max_length=16)
    owed_at: datetime = column("since when it is owed", Retention.MESSAGE, type=INSTANT)
    attempted_at: datetime | None = column("since when it may have left", Retention.MESSAGE, type=INSTANT, default=None)
    sent_at: datetime | None = column("when it left", Retention.MESSAGE, type=INSTANT, default=None)
    settled_at: datetime | None = column(
        "delivered, undeliverable or withdrawn", Retention.MESSAGE, type=INSTANT, default=None
    )
    reference: str | None = column("the gateway's own id", Retention.MESSAGE, default=None, max_length=200)
    error: str | None = column("why it was not delivered", Retention.MESSAGE, default=None, max_length=300)


class DispatchOrder(SQLModel, table=True):
    """An order to send a hub to a line (T§10c-d); a fault's newest one counts, and those before it did not serve it."""

    __tablename__ = "dispatch_orders"
    __table_args__ = (
        UniqueConstraint("fault_id", "sequence", name="uq_dispatch_orders_sequence"),
        Index("ix_dispatch_orders_account", "account_id"),
        Index("ix_dispatch_orders_line", "line_id"),
    )

    id: str = column("names the order; the courier's reference", _FAULT, type=ID, primary_key=True)
    version: int = column("row version", _FAULT, default=1)
    account_id: str = column("whose account", _FAULT, type=ID)
    line_id: str = column("for which line", _FAULT, type=ID)
    fault_id: str = column("for which fault", _FAULT, type=ID)
    sequence: int = column("its number among the fault's orders, from 1", _FAULT, default=1)
    state: str = column("ordered, dispatched, delivered, lost, returned or cancelled", _FAULT, max_length=16)
    ordered_at: datetime = column("when it became owed", _FAULT, type=INSTANT)
    estimate: str | None = column("the delivery day that is usual (T§10d)", _FAULT, default=None, max_length=200)
    handed_at: datetime | None = column("since when the courier may have it", _FAULT, type=INSTANT, default=None)
    hub_id: str | None = column("which hub went", _FAULT, type=ID, default=None)
    dispatched_at: datetime | None = column("when it left", _FAULT, type=INSTANT, default=None)
    settled_at: datetime | None = column("delivered, lost, returned or cancelled", _FAULT, type=INSTANT, default=None)
    courier_reference: str | None = column("the courier's own id", _FAULT, default=None, max_length=100)
