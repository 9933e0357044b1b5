"""Broadband Price Freeze: no rise of line rental and broadband price in the first 18 months of Plus (T§8)."""

from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from controller.domain.decisions import Basis, Decision, Outcome, Question
from controller.domain.eligibility import is_plus
from controller.domain.facts import Facts, Service
from controller.domain.london import add_months, day_starts
from controller.domain.rule_sets import RuleSet


class Charge(StrEnum):
    """What a price is paid for; only the first is frozen (T§8)."""

    LINE_RENTAL_AND_BROADBAND = "line_rental_and_broadband"
    TV = "tv"
    MOBILE = "mobile"
    OUT_OF_PLAN = "out_of_plan"
    ADD_ON = "add_on"


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceChange:
    """A monthly price from one amount to another, in pence, from a day on.

    `is_regrade`: the customer asked for another product, whose price this is.
    """

    line_id: str
    charge: Charge
    effective_on: date
    old_pence: int
    new_pence: int
    is_regrade: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Freeze:
    """The freeze that holds on a day: first and last frozen day, and what a person should look at."""

    starts_on: date
    last_day: date
    flags: tuple[str, ...] = ()


def last_frozen_day(starts_on: date, rules: RuleSet) -> date:
    """Return the corresponding date 18 months on, clamped to its month's end, in one step (T§8)."""
    return add_months(starts_on, rules.freeze_months)


def _is_same_stay(earlier: Service, later: Service) -> bool:
    """Say whether Plus went on from one row to the next without a day between (T§8c): any Plus product, any account."""
    is_one = earlier.service_id == later.service_id or (
        earlier.line_id == later.line_id and earlier.account_id == later.account_id
    )
    is_joined = earlier.last_day is not None and earlier.last_day + timedelta(days=1) >= later.starts_on
    return is_one and is_joined and earlier.starts_on < later.starts_on


def _stay_began(rows: list[Service], row: Service) -> Service:
    earlier = [each for each in rows if _is_same_stay(each, row)]
    # A service that moved to where its account had another brings its own freeze.
    earlier = [each for each in earlier if each.service_id == row.service_id] or earlier
    return _stay_began(rows, min(earlier, key=lambda each: each.starts_on)) if earlier else row


def _returned(rows: list[Service], first: Service) -> bool:
    """Say whether the household had Plus on this line, or with this service, before, and then a day without.

    What another household had on the line is not theirs.
    """
    return any(
        each.service_id == first.service_id or (each.line_id == first.line_id and each.account_id == first.account_id)
        for each in rows
        if each.last_day is not None and each.last_day < first.starts_on
    )


def _covers(service: Service, day: date) -> bool:
    return service.starts_on <= day and (service.last_day is None or day <= service.last_day)


def freeze_on(facts: Facts, line_id: str, day: date, rules: RuleSet) -> Freeze | None:
    """Return the freeze of the line's Plus service that runs on a day, or None without one.

    Plus to Plus, extension and recontract add nothing (T§8c). Reading: Plus taken again after leaving starts anew, and
    a person looks at it.
    """
    rows = [each for each in facts.services if is_plus(each.product, rules)]
    running = [each for each in rows if each.line_id == line_id and _covers(each, day)]
    if not running:
        return None
    first = min((_stay_began(rows, each) for each in running), key=lambda each: each.starts_on)
    flags = ("returned_after_leaving",) if _returned(rows, first) else ()
    return Freeze(starts_on=first.starts_on, last_day=last_frozen_day(first.starts_on, rules), flags=flags)


def price_change_allowed(facts: Facts, change: PriceChange, rules: RuleSet) -> Decision:
    """Decide whether a price change may take effect: permitted or forbidden (T§8).

    What counts is the day it takes effect. A contract that has run out doesn't: T§8b asks for both of its conditions.
    """
    freeze = freeze_on(facts, change.line_id, change.effective_on, rules)
    if change.charge is not Charge.LINE_RENTAL_AND_BROADBAND:
        return _decide(change, rules, freeze, "not_frozen_charge", "This charge is not part of the price freeze.")
    if change.new_pence <= change.old_pence:
        return _decide(change, rules, freeze, "no_rise", "The price does not rise.")
    if change.is_regrade:
        return _decide(change, rules, freeze, "regrade", "You asked for another product; its price is not a rise.")
    if freeze is None:
        return _decide(change, rules, freeze, "no_plus", "There is no Plus Broadband on this line on that day.")
    if change.effective_on > freeze.last_day:
        return _decide(change, rules, freeze, "freeze_over", "The first 18 months of Plus Broadband are over.")
    return _decide(change, rules, freeze, "frozen", "Your line rental and broadband price is frozen on that day.")


def _decide(change: PriceChange, rules: RuleSet, freeze: Freeze | None, code: str, reason: str) -> Decision:
    flags = freeze.flags if freeze else ()
    return Decision(
        question=Question.PRICE_RISE,
        subject=change.line_id,
        outcome=Outcome.FORBIDDEN if code == "frozen" else Outcome.PERMITTED,
        clause="T§8b" if code == "freeze_over" else "T§8",
        basis=Basis.READING if flags else Basis.TEXT,
        code=code,
        reason=reason,
        at=day_starts(change.effective_on),
        rule_set=rules.version,
        flags=flags,
        inputs={
            "effective_on": change.effective_on.isoformat(),
            "old_pence": change.old_pence,
            "new_pence": change.new_pence,
            "frozen_from": freeze.starts_on.isoformat() if freeze else None,
            "last_frozen_day": freeze.last_day.isoformat() if freeze else None,
        },
    )
