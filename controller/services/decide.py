"""Deciding: from accounts' facts to decisions, promises, orders, reasons, and what SIMs and hubs should be.

Level, not edge: everything is computed anew from facts whenever a fact of an account changes, and again at the next
instant that matters. Three steps: gather the facts of all accounts, decide each of them as a value (`outcome`), write
what differs from what is on record, noun by noun. The number of statements does not grow with the number of accounts,
and the cost of an account is its own, whatever else is in the database.
"""

from collections.abc import Container, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlmodel import Session

from controller.domain.facts import Facts
from controller.services import (
    decisions,
    desired,
    dispatch,
    endings,
    gather,
    journal,
    on_record,
    owed,
    promises,
    rows,
    sending,
    sims,
)
from controller.services import reasons as reason_rows
from controller.services.actor import Actor
from controller.services.on_record import OnRecord
from controller.services.outcome import AccountOutcome, FaultOutcome, Order, SimOutcome, outcome_of
from controller.services.telling import Telling, owe_many

NOUN: Final = "decide"
INLINE: Final = 20
# Two controllers' clocks may differ by so much, and a transaction may wait so long for the account.
_LATEST_SKEW: Final = timedelta(minutes=1)


def touch(session: Session, actor: Actor, now: datetime, account_ids: Iterable[str]) -> None:
    """Decide again, in this transaction, what the facts of some accounts touch; many are left to owed rows."""
    del actor
    ids = sorted(set(account_ids))
    if len(ids) > INLINE:
        owed.mark_many(session, NOUN, [(id_, None, now) for id_ in ids], now=now)
        return
    with owed.together(session, now):
        looks = redecide(session, ids, now)
        owed.mark_many(session, NOUN, [(id_, None, at) for id_, at in looks.items() if at is not None], now=now)


def touch_lines(session: Session, actor: Actor, now: datetime, line_ids: Iterable[str]) -> None:
    """Decide again what touches the accounts of some lines."""
    touch(session, actor, now, gather.accounts_on_lines(session, line_ids))


def redecide(session: Session, account_ids: Sequence[str], now: datetime) -> dict[str, datetime | None]:
    """Decide accounts anew; returns when each must be looked at again though nothing changes."""
    _lock(session, account_ids)
    policy = journal.policy_of(session)
    gathered = gather.gather(session, account_ids, hold_sims=True)
    outcomes = [
        outcome_of(account_id, facts, _not_before(facts, now), policy) for account_id, facts in gathered.facts.items()
    ]
    with owed.together(session, now):
        _write(session, outcomes, gathered.sims, now)
    return {each.account_id: each.next_look for each in outcomes}


def _lock(session: Session, account_ids: Iterable[str]) -> None:
    """On PostgreSQL two transactions that change facts of one account decide one after the other."""
    session.flush()
    if rows.is_postgresql(session):
        sending.send(session, _LOCKS, (sorted(set(account_ids)),))


_LOCKS: Final = (
    "SELECT pg_advisory_xact_lock(hashtextextended(id, 42)) FROM (SELECT id FROM unnest(%s::text[]) AS id"
    " ORDER BY id) AS sorted"
)


def _not_before(facts: Facts, now: datetime) -> datetime:
    """Return the instant to decide for: not before what another transaction recorded while this one waited.

    `now` was read before the account was ours; what was recorded since is known all the same.
    """
    newest = facts.newest()
    return newest if now < newest <= now + _LATEST_SKEW else now


def _write(session: Session, outcomes: Sequence[AccountOutcome], states: Sequence[rows.Found], now: datetime) -> None:
    """Write what differs from what is on record, noun by noun."""
    of_faults = [fault for each in outcomes for fault in each.faults]
    found = on_record.read(
        session,
        fault_ids=[each.fault.fault_id for each in of_faults],
        hub_ids={hub_id for each in outcomes for hub_id in each.hubs},
        sim_ids={sim_id for each in outcomes for sim_id in each.sims},
        now=now,
    )
    made = {each.fault.fault_id: each.decisions for each in of_faults if each.decisions}
    decisions.record_many(session, made, found)
    _follow_orders(session, outcomes, found, now)
    withdrawn = promises.follow(session, of_faults, found, now)
    _refuse(session, of_faults, withdrawn, found, now)
    endings.follow(session, of_faults, found, now)
    _follow_targets(session, outcomes, states, found, now)
    promises.observe(session, _perhaps_ready(outcomes, states), now)
    endings.close(session, of_faults, now)


def _perhaps_ready(outcomes: Sequence[AccountOutcome], states: Sequence[rows.Found]) -> list[str]:
    """Return the faults that may be ready: where the carrier showed nothing of an account on, nothing is."""
    on = {row.hub_id or row.id for row in states if gather.is_on(row)}
    return [
        fault.fault.fault_id
        for each in outcomes
        if not on.isdisjoint((*each.hubs, *each.sims))
        for fault in each.faults
    ]


def _follow_orders(session: Session, outcomes: Sequence[AccountOutcome], found: OnRecord, now: datetime) -> None:
    """Order a hub for each fault that is owed one and has none to come; cancel what is not owed and has not left.

    Orders come first, so that one of two faults of a line takes over what the other does not need.
    """
    wanted = {each.fault.fault_id: (account, each) for account in outcomes for each in account.faults}
    concerned = [fault_id for fault_id, (_, each) in wanted.items() if each.order is not Order.KEEP]
    newest = found.orders
    spare = frozenset(fault_id for fault_id in concerned if wanted[fault_id][1].order is Order.CANCEL)
    for fault_id in concerned:
        account, each = wanted[fault_id]
        if each.order is Order.SEND and dispatch.is_wanting(newest.get(fault_id)):
            dispatch.order(session, each.fault, account.account_id, now, estimate=each.estimate, spare=spare)
    for fault_id in sorted(spare & newest.keys()):
        if newest[fault_id].state == "ordered":
            dispatch.cancel(session, fault_id, now)


def _refuse(
    session: Session, outcomes: Sequence[FaultOutcome], withdrawn: Container[str], found: OnRecord, now: datetime
) -> None:
    """Tell customers why not, and how to contest (T§15): once the tests are done, or what was promised is withdrawn."""
    told = [
        Telling(
            fault_id=each.fault.fault_id,
            kind="refused",
            since=each.fault.reported_at,
            facts={"reason": each.refusal.reason, "contest": each.refusal.contest},
        )
        for each in outcomes
        if each.refusal is not None and (each.refusal.is_final or each.fault.fault_id in withdrawn)
    ]
    owe_many(session, told, now, found)


def _follow_targets(
    session: Session,
    outcomes: Sequence[AccountOutcome],
    states: Sequence[rows.Found],
    found: OnRecord,
    now: datetime,
) -> None:
    """Make reasons, SIMs and documents what the outcomes say."""
    hubs = {hub_id: hub for each in outcomes for hub_id, hub in each.hubs.items()}
    mobile = {sim_id: (each.account_id, sim) for each in outcomes for sim_id, sim in each.sims.items()}
    ours = [row for row in states if row.id in mobile and _is_ours(row, mobile)]
    due = {("hub", hub_id): hub.reasons for hub_id, hub in hubs.items()}
    due |= {("sim", row.id): mobile[row.id][1].reasons for row in ours}
    changed = reason_rows.replace_many(session, due, found, now)
    wanted = [(row, mobile[row.id][1].intended, mobile[row.id][1].deadline) for row in ours]
    of_hubs = [(row, hubs[row.hub_id]) for row in states if row.hub_id in hubs]
    wanted += [(row, {"state": hub.state.value}, hub.deadline) for row, hub in of_hubs]
    of_sims = {sim_id: open_now for (noun, sim_id), open_now in changed.items() if noun == "sim"}
    intended = sims.intend_many(session, now, wanted, of_sims)
    # What changed a SIM was told with it.
    folds = {hub_id: (hub.state, hub.deadline) for hub_id, hub in hubs.items()}
    composed = desired.set_folds(session, folds, found, now)
    untold = {target: each for target, each in changed.items() if target[1] not in intended}
    reason_rows.tell(session, untold, composed)


def _is_ours(row: rows.Found, mobile: Mapping[str, tuple[str, SimOutcome]]) -> bool:
    """Say whether an account answers for a SIM: live on it, or ended on it with something of Plus still on."""
    account_id, outcome = mobile[row.id]
    return outcome.is_live or (row.account_id == account_id and row.intended.get("backup") is True)
