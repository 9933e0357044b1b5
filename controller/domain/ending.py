"""When a benefit ends (T§10f, 12e).

Strategy: a benefit that is not owed now may still be on, because ending takes time. `ceased_at` finds the instant at
which it stopped being owed by what was known then; from there on the customer is told, the quiet window comes, and it
is off. Nothing is remembered: every answer is computed from the facts.
"""

from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from enum import StrEnum
from functools import cache
from itertools import takewhile
from typing import get_type_hints

from msgspec import Struct
from msgspec.structs import replace

from controller.domain.backup import backup_entitles
from controller.domain.decisions import Decision, Outcome
from controller.domain.eligibility import plus_of_fault, sims_of_account
from controller.domain.exclusions import account_of_fault, exclusions
from controller.domain.facts import DeterminationKind, Fact, Facts, Fault, LineEventKind, utc
from controller.domain.hub_benefit import BY_CUSTOMER, hubs_of_line, loss_of_last_hub, mini_hub_owed
from controller.domain.london import day_ends, day_starts, local_day, local_instant
from controller.domain.lookup import fault_of, latest_determination
from controller.domain.memory import remembered
from controller.domain.rule_sets import RuleSet

_INSTANT = timedelta(microseconds=1)
_ON = frozenset({Outcome.REACTIVATE, Outcome.DISPATCH, Outcome.OWED})
# Fraud and loss end a benefit at once (T§10e iv-v, 12d iii); none outlives Plus (T§6), or Backup its plan (T§5).
_AT_ONCE = {
    "fraud": "We have recorded grounds to suspect fraud.",
    "not_genuine": "We have recorded grounds to suspect that the fault is not genuine.",
    "lost_by_customer": "Your Mini Hub was lost or damaged.",
    "hub_gone": "Your Mini Hub can't be used any more.",
    "no_live_plus": "The line has no Plus Broadband any more.",
    "no_plus_on_line": "The line has no Plus Broadband any more.",
    "no_mobile_plan": "There is no BT Mobile plan on the billing account any more.",
}
# An outage declared late takes away what is in use: a person confirms that first (policy).
_CONFIRMED = frozenset({"outage", "only_drops_in_outage"})
# What is never the reason why an entitlement stops; line events are looked at for themselves.
_IDLE_FIELDS = frozenset(
    {"line_events", "ending_notices", "accounts", "lines", "sim_sightings", "equipment", "hubs", "unused"}
)
_GAINS = frozenset({LineEventKind.SYNC_GAINED, LineEventKind.PPP_GAINED})
# Days that count from their start; every other one counts to its end.
_FIRST_DAYS = frozenset({"starts_on"})


class Benefit(StrEnum):
    """The two benefits of the Keep Connected Promise (T§4)."""

    MINI_HUB = "mini_hub"
    BACKUP = "backup"


class EndingState(StrEnum):
    """Where an ending stands; only `off` means that the benefit is off.

    not_ending: owed now. tell: the customer must be told. waiting: told, or the wait for the notice is over; off at
    `switch_off_at`. held: another entitling fault keeps it on. confirm: a person confirms before anybody is cut.
    """

    NOT_ENDING = "not_ending"
    TELL = "tell"
    WAITING = "waiting"
    HELD = "held"
    CONFIRM = "confirm"
    OFF = "off"


class Ending(Struct, frozen=True, kw_only=True, gc=False):
    """The ending of one benefit of one fault at an instant.

    `cause` is the decision's code when it ceased to be owed (`never_on` where it never was), `switch_off_at` the
    instant to name in the notice, `held_by` the entitling fault that withdraws the ending. While the customer must be
    told, `waits_until` is when it goes on without.
    """

    fault_id: str
    benefit: Benefit
    state: EndingState
    cause: str
    reason: str
    ceased_at: datetime | None = None
    switch_off_at: datetime | None = None
    held_by: str | None = None
    waits_until: datetime | None = None

    @property
    def is_on(self) -> bool:
        """Say whether the benefit is still on."""
        return self.state is not EndingState.OFF


def switch_off_instant(from_at: datetime, rules: RuleSet) -> datetime:
    """Return the first instant at or after `from_at` inside the quiet window, Europe/London (policy).

    The window's ends are clock times, so it is shorter or longer where the clocks change inside it.
    """
    window = rules.quiet_window
    from_at = utc(from_at)
    if window.immediate:
        return from_at
    day = local_day(from_at) - timedelta(days=1)
    while True:
        closing_day = day if window.closes > window.opens else day + timedelta(days=1)
        if from_at < local_instant(closing_day, window.closes):
            return max(from_at, local_instant(day, window.opens))
        day += timedelta(days=1)


def decide_benefit(facts: Facts, fault_id: str, benefit: Benefit, at: datetime, rules: RuleSet) -> Decision:
    """Decide one of the two benefits of a fault at `at` (T§10, 12)."""
    decide = mini_hub_owed if benefit is Benefit.MINI_HUB else backup_entitles
    return decide(facts, fault_id, at, rules)


def _decide_as_known(facts: Facts, fault_id: str, benefit: Benefit, at: datetime, rules: RuleSet) -> Decision | None:
    """Decide by what was known at `at`; None before the report was known."""
    known = facts.as_known(at)
    fault = next((each for each in known.faults if each.fault_id == fault_id), None)
    return None if fault is None or at < fault.reported_at else decide_benefit(known, fault_id, benefit, at, rules)


@cache
def _dated_fields(kind: type[Fact]) -> tuple[str, ...]:
    """Name a kind's fields that hold an instant or a day, looked up once a kind."""
    dated = {datetime, date, datetime | None, date | None}
    return tuple(name for name, hint in get_type_hints(kind).items() if hint in dated)


def _instants(fact: Fact) -> Iterator[datetime]:
    """Yield every instant at which a fact begins, ends or becomes known."""
    for name in _dated_fields(type(fact)):
        value = getattr(fact, name)
        if isinstance(value, datetime):
            yield value
        elif isinstance(value, date):
            yield day_starts(value) if name in _FIRST_DAYS else day_ends(value)


@remembered
def _changes(facts: Facts, start: datetime, end: datetime) -> list[datetime]:
    """Return the instants after `start` and up to `end` at which an entitlement may have stopped, latest first."""
    found = {
        instant
        for name, of_kind in facts.by_kind()
        if name not in _IDLE_FIELDS
        for fact in of_kind
        for instant in _instants(fact)
        if start < instant <= end
    }
    events = [each for each in facts.line_events if each.kind in _GAINS] if facts.outages else []
    found |= {instant for each in events for instant in (each.at, each.recorded_at) if start < instant <= end}
    found |= {each.superseded_at for each in facts.line_events if start < each.superseded_at <= end}
    return sorted(found, reverse=True)


def _news_of_line(facts: Facts, fault_id: str, start: datetime, end: datetime) -> Iterator[datetime]:
    """Yield the instants up to `end` at which something was told of the fault's line, while it was not resolved.

    Told late, a recovery or a restart of ours shows that the line was not down, or dropped less often.
    """
    known = (each for each in facts.faults if each.fault_id == fault_id and each.recorded_at <= end)
    fault = max(known, key=lambda each: each.recorded_at, default=None)
    if fault is not None:
        last = end if fault.resolved_at is None else min(end, fault.recorded_at)
        for each in facts.line_events:
            if each.line_id == fault.line_id and start < each.recorded_at <= last:
                yield each.recorded_at


def ceased_at(
    facts: Facts, fault_id: str, benefit: Benefit, at: datetime, rules: RuleSet
) -> tuple[datetime, Decision] | None:
    """Return when a benefit that is not owed at `at` stopped being owed, and the decision that says why; else None.

    The past is judged by what was known then: an outage declared late does not undo that a hub was on.
    """
    reported = min(each.reported_at for each in facts.faults if each.fault_id == fault_id)
    found = {*_changes(facts, reported, at), *_news_of_line(facts, fault_id, reported, at)}
    for change in sorted(found, reverse=True):
        before = _decide_as_known(facts, fault_id, benefit, change - _INSTANT, rules)
        if before is not None and before.outcome in _ON:
            after = _decide_as_known(facts, fault_id, benefit, change, rules)
            return None if after is None else (change, after)
    return None


@remembered
def ending_of(facts: Facts, fault_id: str, benefit: Benefit, at: datetime, rules: RuleSet) -> Ending:
    """Say at `at` how the benefit of this fault ends (T§10f, 12e); takes every version of the facts.

    The customer is told first, naming the time, and it goes off in the quiet window. At once for fraud, loss and the
    end of Plus, or where nothing was switched on yet. Held while another entitling fault is open: of the same line for
    the hub, of the account for Backup.
    """
    at = utc(at)
    known = facts.as_known(at)
    now = decide_benefit(known, fault_id, benefit, at, rules)
    if now.outcome in _ON:
        state, cause = EndingState.NOT_ENDING, now.code
        return Ending(fault_id=fault_id, benefit=benefit, state=state, cause=cause, reason=now.reason)
    is_unused = _is_unused(known, fault_of(known, fault_id), benefit, at, rules)
    ceased = None if is_unused else ceased_at(facts, fault_id, benefit, at, rules)
    if ceased is None:
        state, cause = EndingState.OFF, "never_on"
        return Ending(fault_id=fault_id, benefit=benefit, state=state, cause=cause, reason=now.reason)
    since, why = ceased
    state = EndingState.NOT_ENDING
    ending = Ending(fault_id=fault_id, benefit=benefit, state=state, cause=why.code, reason=why.reason, ceased_at=since)
    held_by = _held_by(known, fault_of(known, fault_id), benefit, at, rules)
    if held_by is not None:
        return replace(ending, state=EndingState.HELD, held_by=held_by)
    if ending.cause in _AT_ONCE:
        return replace(ending, state=EndingState.OFF, switch_off_at=since)
    cut = _cut_at_once(known, fault_id, benefit, at, rules)
    if cut is not None:
        return _cut(facts, ending, cut, at, rules)
    if ending.cause in _CONFIRMED and now.code not in _CONFIRMED:
        ending = replace(_overtaken(facts, ending, at, rules), cause=now.code, reason=now.reason)
    return _unheld(known, ending, at, rules)


def _cut_at_once(known: Facts, fault_id: str, benefit: Benefit, at: datetime, rules: RuleSet) -> str | None:
    """Name what ends a benefit at once at `at`, though it may have been ending for another reason already."""
    fault = fault_of(known, fault_id)
    if plus_of_fault(known, fault, at, rules) is None:
        return "no_live_plus" if benefit is Benefit.MINI_HUB else "no_plus_on_line"
    suspected = next((each.code for each in exclusions(known, fault, at, rules) if each.code in _AT_ONCE), None)
    loss = loss_of_last_hub(known, fault, at) if benefit is Benefit.MINI_HUB and suspected is None else None
    if loss is not None:
        return "lost_by_customer" if loss.fate in BY_CUSTOMER else "hub_gone"
    return suspected


def _since(facts: Facts, ending: Ending, at: datetime, holds: Callable[[datetime], bool]) -> datetime:
    """Return since when something that holds at `at` has held, not before the benefit ceased to be owed."""
    ceased = ending.ceased_at or at
    run = list(takewhile(holds, _changes(facts, ceased - _INSTANT, at)))
    return run[-1] if run else at


def _cut(facts: Facts, ending: Ending, cause: str, at: datetime, rules: RuleSet) -> Ending:
    """End at once a benefit that was on while the customer was being told, or until a person confirmed."""

    def was_cut(then: datetime) -> bool:
        return _cut_at_once(facts.as_known(then), ending.fault_id, ending.benefit, then, rules) == cause

    cut_at = _since(facts, ending, at, was_cut)
    return replace(
        ending, state=EndingState.OFF, cause=cause, reason=_AT_ONCE[cause], ceased_at=cut_at, switch_off_at=cut_at
    )


def _overtaken(facts: Facts, ending: Ending, at: datetime, rules: RuleSet) -> Ending:
    """Date an ending that waited for a person's confirmation from when it needs none: resolved, cured, excluded."""

    def needs_no_person(then: datetime) -> bool:
        decision = _decide_as_known(facts, ending.fault_id, ending.benefit, then, rules)
        return decision is not None and decision.code not in _CONFIRMED

    return replace(ending, ceased_at=_since(facts, ending, at, needs_no_person))


def _is_unused(known: Facts, fault: Fault, benefit: Benefit, at: datetime, rules: RuleSet) -> bool:
    """Say whether nothing was switched on yet: then nobody is cut, and there is nothing to announce or to confirm."""
    unused = {each.subject_id for each in known.unused}
    if benefit is Benefit.MINI_HUB:
        concerned = {each.hub_id for each in hubs_of_line(known, fault.line_id, at)}
        if not concerned:
            return True
    elif not unused:
        return False
    else:
        account_id = account_of_fault(known, fault, at, rules)
        concerned = set() if account_id is None else set(sims_of_account(known, account_id, at))
    return bool(concerned) and concerned <= unused


def _unheld(known: Facts, ending: Ending, at: datetime, rules: RuleSet) -> Ending:
    """Say how an ending that nothing holds goes on; `ending` tells why and since when."""
    since = ending.ceased_at or at
    if ending.cause in _CONFIRMED:
        kinds = frozenset({DeterminationKind.WITHDRAW_DESPITE_USE})
        word = latest_determination(known, ending.fault_id, kinds, at)
        if word is None or word.at < since:
            return replace(ending, state=EndingState.CONFIRM)
        since = word.at
    return _told(known, ending, since, at, rules)


def _told(known: Facts, ending: Ending, since: datetime, at: datetime, rules: RuleSet) -> Ending:
    """Wait for the notice, for a bounded time only, and then for the quiet window (T§10f, 12e)."""
    bound = since + rules.notice_wait
    told = [
        max(each.delivered_at, each.names_time or each.delivered_at)
        for each in known.ending_notices
        if each.fault_id == ending.fault_id
        and each.sent_at >= (ending.ceased_at or since)
        and each.delivered_at is not None
        and each.delivered_at <= min(at, bound)
    ]
    if not told and at < bound:
        named = switch_off_instant(at, rules)
        return replace(ending, state=EndingState.TELL, switch_off_at=named, waits_until=bound)
    off_at = switch_off_instant(min(told, default=bound), rules)
    return replace(ending, state=EndingState.OFF if at >= off_at else EndingState.WAITING, switch_off_at=off_at)


def _held_by(known: Facts, fault: Fault, benefit: Benefit, at: datetime, rules: RuleSet) -> str | None:
    """Return another open fault that entitles now: of the same line for the hub, of the account for Backup."""
    account_id = account_of_fault(known, fault, at, rules)
    for other in sorted(known.faults, key=lambda each: (each.reported_at, each.fault_id)):
        if other.fault_id == fault.fault_id or other.reported_at > at:
            continue
        same_line = other.line_id == fault.line_id
        same_account = account_id is not None and account_of_fault(known, other, at, rules) == account_id
        within = same_line if benefit is Benefit.MINI_HUB else same_account
        if within and decide_benefit(known, other.fault_id, benefit, at, rules).outcome in _ON:
            return other.fault_id
    return None
