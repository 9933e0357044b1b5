"""Dedicated support: which team takes a call (T§9)."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

import phonenumbers

from controller.domain.eligibility import live_plus_on_account, live_plus_on_line, live_sim
from controller.domain.facts import Facts, utc
from controller.domain.rule_sets import RuleSet

SUPPORT_NUMBER = "150"
FAULT_NUMBER = "0800 800 150"


class Team(StrEnum):
    """Who takes the call."""

    PLUS = "plus"
    GENERAL = "general"
    OVERFLOW = "overflow"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRoute:
    """Where a call goes. Recognition routes it; it never authenticates the caller.

    `is_logged` and `safeguard` for an overflow, which transfers personal data to another country.
    """

    team: Team
    recognised_by: str | None
    account_ids: tuple[str, ...]
    countries: tuple[str, ...]
    ask_for_landline: bool
    is_logged: bool = False
    safeguard: str | None = None
    reason: str = ""
    authenticates: bool = False


def normal_number(number: str | None) -> str | None:
    """Return a number as E.164, read as a British one where it has no country code; None where it is none."""
    if not number:
        return None
    try:
        parsed = phonenumbers.parse(number, "GB")
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(parsed):
        return None
    return str(phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164))


def _accounts_of_landline(facts: Facts, number: str, at: datetime, rules: RuleSet) -> set[str]:
    lines = [each.line_id for each in facts.lines if normal_number(each.landline) == number]
    services = [live_plus_on_line(facts, line_id, at, rules) for line_id in lines]
    return {each.account_id for each in services if each is not None}


def _accounts_of_mobile(facts: Facts, number: str, at: datetime, rules: RuleSet) -> set[str]:
    plans = [
        live[1]
        for each in facts.plan_sims
        if normal_number(each.msisdn) == number and (live := live_sim(facts, each.sim_id, at)) is not None
    ]
    return {each.account_id for each in plans if live_plus_on_account(facts, each.account_id, at, rules)}


def route_call(
    facts: Facts, caller: str | None, at: datetime, rules: RuleSet, *, typed_landline: str | None = None
) -> CallRoute:
    """Route a call by the caller's number or a typed landline (T§9).

    Plus, by either number, goes to the dedicated team in the UK and Ireland. Without a number known to be Plus's the
    caller is asked for a landline; one that was typed and isn't Plus goes to the general team.
    """
    at = utc(at)
    for number, by in ((normal_number(typed_landline), "typed_landline"), (normal_number(caller), "caller")):
        if number is not None:
            found = _accounts_of_landline(facts, number, at, rules)
            found |= _accounts_of_mobile(facts, number, at, rules) if by == "caller" else set()
            if found:
                return CallRoute(
                    team=Team.PLUS,
                    recognised_by=by,
                    account_ids=tuple(sorted(found)),
                    countries=("GB", "IE"),
                    ask_for_landline=False,
                )
    return CallRoute(
        team=Team.GENERAL,
        recognised_by=None,
        account_ids=(),
        countries=(),
        ask_for_landline=typed_landline is None,
    )


def overflow(
    route: CallRoute, *, country: str, wait_here_s: int, wait_there_s: int, safeguard: str, circumstances: str
) -> CallRoute:
    """Route a Plus call elsewhere in exceptional circumstances, to be quicker (T§9); else return the route unchanged.

    It must be quicker, its circumstances stated and its safeguard for the transfer named; it is logged.
    """
    is_allowed = wait_there_s < wait_here_s and bool(safeguard.strip()) and bool(circumstances.strip())
    if route.team is not Team.PLUS or not is_allowed:
        return route
    return replace(
        route, team=Team.OVERFLOW, countries=(country,), is_logged=True, safeguard=safeguard, reason=circumstances
    )
