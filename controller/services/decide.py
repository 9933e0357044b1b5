"""Deciding: from an account's facts to decisions, promises, orders, reasons, and what SIMs and hubs should be.

Level, not edge: everything is computed anew from facts whenever a fact of the account changes, and again at the next
instant that matters. The cost is one account's, whatever else is in the database.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from sqlalchemy import text
from sqlmodel import Session

from controller.domain import allowance, backup, hub_benefit, qualifying, sim
from controller.domain.decisions import Decision, Outcome
from controller.domain.eligibility import live_sim
from controller.domain.ending import Benefit, Ending, ending_of
from controller.domain.facts import Facts, Fault
from controller.domain.lookup import line_of
from controller.services import (
    decisions,
    desired,
    dispatch,
    endings,
    gather,
    instants,
    journal,
    notices,
    owed,
    promises,
    sims,
)
from controller.services import reasons as reason_rows
from controller.services.actor import Actor
from controller.services.policy import Policy

NOUN: Final = "decide"
INLINE: Final = 20

_PROMISED: Final = frozenset({Outcome.HOLD, Outcome.PERSON_DECIDES, Outcome.REACTIVATE, Outcome.OWED})


def touch(session: Session, actor: Actor, now: datetime, account_ids: Iterable[str]) -> None:
    """Decide again, in this transaction, what the facts of some accounts touch; many are left to owed rows."""
    del actor
    ids = sorted(set(account_ids))
    if len(ids) > INLINE:
        owed.mark_many(session, NOUN, [(id_, None, now) for id_ in ids], now=now)
        return
    for account_id, look_at in redecide(session, ids, now).items():
        if look_at is not None:
            owed.mark(session, NOUN, account_id, now=now, due=look_at)


def touch_lines(session: Session, actor: Actor, now: datetime, line_ids: Sequence[str]) -> None:
    """Decide again what touches the accounts of some lines."""
    session.flush()
    touch(session, actor, now, gather.accounts_on_lines(session, line_ids))


def redecide(session: Session, account_ids: Sequence[str], now: datetime) -> dict[str, datetime | None]:
    """Decide accounts anew; returns when each must be looked at again though nothing changes."""
    _lock(session, account_ids)
    return {
        account_id: _Account(session, account_id, facts, facts.as_known(now), now).decide()
        for account_id, facts in gather.gather(session, account_ids).items()
    }


def _lock(session: Session, account_ids: Sequence[str]) -> None:
    """On PostgreSQL two transactions that change facts of one account decide one after the other."""
    session.flush()
    if session.get_bind().dialect.name == "postgresql":
        lock = text("SELECT pg_advisory_xact_lock(hashtextextended(:id, 42))")
        for account_id in sorted(set(account_ids)):
            session.connection().execute(lock, {"id": account_id})


@dataclass(slots=True)
class _Account:
    """One pass over one account."""

    session: Session
    account_id: str
    facts: Facts
    known: Facts
    now: datetime
    deadlines: dict[str, datetime] = field(default_factory=dict)

    @property
    def policy(self) -> Policy:
        return journal.policy_of(self.session)

    def decide(self) -> datetime | None:
        open_faults = sorted(self.known.faults, key=lambda fault: (fault.reported_at, fault.fault_id))
        known = [fault for fault in open_faults if fault.reported_at <= self.now]
        for fault in known:
            if fault.resolved_at is None:
                self._decide_fault(fault)
        ends = [end for fault in known for end in self._endings(fault)]
        self._hubs()
        self._sims()
        for fault in known:
            promises.observe(self.session, fault.fault_id, self.now)
        endings.close(self.session, known, ends, self.now)
        return instants.next_look(self.known, ends, self.now, self.policy)

    def _decide_fault(self, fault: Fault) -> None:
        rules = self.policy.rules_at(fault.reported_at)
        arguments = (self.known, fault.fault_id, self.now, rules)
        hub = hub_benefit.mini_hub_owed(*arguments)
        whole = backup.backup_entitles(*arguments)
        each = backup.backup_for_account(*arguments)
        decisions.record(self.session, fault.fault_id, [qualifying.qualifies(*arguments), hub, whole, *each], self.now)
        self._hub_consequences(fault, hub)
        self._backup_consequences(fault, whole, each)

    def _hub_consequences(self, fault: Fault, decision: Decision) -> None:
        has_hub = bool(hub_benefit.hubs_of_line(self.known, fault.line_id, self.now))
        if decision.outcome is Outcome.DISPATCH:
            dispatch.order(self.session, fault, self.account_id, self.now, estimate=self._estimate(fault))
        elif decision.outcome in {Outcome.REFUSED, Outcome.NOT_OWED}:
            dispatch.cancel(self.session, fault.fault_id, self.now)
            self._refuse(fault, decision)
        if decision.outcome in _PROMISED and has_hub:
            goodwill = decision.code == "goodwill"
            promise = promises.owe(self.session, fault, Benefit.MINI_HUB, goodwill=goodwill, now=self.now)
            if decision.target is not None:
                self.deadlines[decision.target] = promise.due_at
        else:
            promises.end(self.session, fault.fault_id, Benefit.MINI_HUB, "not_owed", self.now)

    def _refuse(self, fault: Fault, decision: Decision) -> None:
        """Tell the customer why, and how to contest, once the tests are done (T§15)."""
        finished = qualifying.diagnostics_end(self.known, fault.fault_id, self.now)
        if finished is not None and decision.outcome is Outcome.REFUSED:
            told = {"reason": decision.reason, "contest": decision.contest}
            notices.owe_facts(self.session, fault.fault_id, "refused", self.now, facts=told, since=finished.at)

    def _estimate(self, fault: Fault) -> str | None:
        finished = qualifying.diagnostics_end(self.known, fault.fault_id, self.now)
        if finished is None:
            return None
        # The bank holidays' tables are large: only a dispatch needs them.
        from controller.domain.delivery import delivery_estimate

        rules = self.policy.rules_at(fault.reported_at)
        line = line_of(self.known, fault.line_id)
        day = delivery_estimate(line, fault.reported_at, finished.at, rules).usually_on
        return f"by {day:%A} {day.day} {day:%B}"

    def _backup_consequences(self, fault: Fault, whole: Decision, each: Sequence[Decision]) -> None:
        if whole.outcome in _PROMISED and each:
            promise = promises.owe(self.session, fault, Benefit.BACKUP, goodwill=False, now=self.now)
            for decision in each:
                self.deadlines[decision.target or decision.subject] = promise.due_at
        else:
            promises.end(self.session, fault.fault_id, Benefit.BACKUP, "not_owed", self.now)

    def _endings(self, fault: Fault) -> list[Ending]:
        rules = self.policy.rules_at(fault.reported_at)
        found = [ending_of(self.facts, fault.fault_id, benefit, self.now, rules) for benefit in Benefit]
        endings.follow(self.session, fault, found, self.now)
        return found

    def _hubs(self) -> None:
        rules = self.policy.rules_at(self.now)
        for hub_id in sorted({each.hub_id for each in self.known.hub_assignments}):
            due_reasons = sim.reasons_for_hub(self.facts, hub_id, self.now, rules)
            reason_rows.replace(self.session, "hub", hub_id, due_reasons, self.now)
            due = sim.state_due(due_reasons, self.now).state
            deadline = self.deadlines.get(hub_id)
            for row in sims.of_hub(self.session, hub_id):
                sims.intend(self.session, self.now, row, {"state": due.value}, deadline)
            desired.set_fold(self.session, hub_id, due, self.now, deadline=deadline)

    def _sims(self) -> None:
        rules = self.policy.rules_at(self.now)
        opened = {fault.fault_id: fault.reported_at for fault in self.facts.faults}
        for row in sims.of_account(self.session, self.account_id):
            if live_sim(self.known, row.id, self.now) is None:
                continue
            due = allowance.allowance_due(self.facts, row.id, self.now, rules)
            fold = [
                sim.Reason(reason_id=fault_id, kind=sim.ReasonKind.FAULT, opened_at=opened[fault_id])
                for fault_id in due.backup_for
            ]
            reason_rows.replace(self.session, "sim", row.id, fold, self.now)
            intended = {"allowance_mb": due.allowance_mb, "tier": due.tier, "backup": due.uncounted}
            sims.intend(self.session, self.now, row, intended, self.deadlines.get(row.id))
