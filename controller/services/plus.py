"""What else Plus brings: a frozen price (T§8) and a team of its own (T§9), asked for by systems that bill and route."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Table
from sqlmodel import Session

from controller.domain import price_freeze, support
from controller.domain.decisions import Decision
from controller.domain.facts import Facts
from controller.domain.price_freeze import Charge, PriceChange
from controller.domain.support import CallRoute
from controller.services import gather, journal, rows, versions
from controller.services.actor import Actor
from controller.tables.accounts import Line, Plan, PlanSim


@dataclass(frozen=True, slots=True, kw_only=True)
class Elsewhere:
    """Another country that would answer sooner (T§9)."""

    country: str
    wait_here_s: int
    wait_there_s: int
    safeguard: str
    circumstances: str


def may_change_price(
    session: Session, actor: Actor, now: datetime, *, line_id: str, charge: Charge, **change: Any
) -> Decision:
    """Decide whether a price may change on a line (T§8). Raises NotFoundError."""
    del actor
    versions.present(session, Line, line_id)
    facts = _facts(session, gather.accounts_on_lines(session, [line_id])).as_known(now)
    wanted = PriceChange(line_id=line_id, charge=charge, **change)
    decision = price_freeze.price_change_allowed(facts, wanted, journal.policy_of(session).rules_at(now))
    journal.audited(session, "line", line_id, "price_asked", outcome=decision.outcome.value, code=decision.code)
    return decision


def route_call(
    session: Session,
    actor: Actor,
    now: datetime,
    *,
    caller: str | None,
    typed_landline: str | None = None,
    elsewhere: Elsewhere | None = None,
) -> CallRoute:
    """Say which team takes a call (T§9); an overflow to another country is a transfer, and logged as one."""
    del actor
    numbers = {number for each in (caller, typed_landline) if (number := support.normal_number(each)) is not None}
    facts = _facts(session, _accounts_of_numbers(session, numbers)).as_known(now)
    rules = journal.policy_of(session).rules_at(now)
    route = support.route_call(facts, caller, now, rules, typed_landline=typed_landline)
    if elsewhere is not None:
        route = support.overflow(
            route,
            country=elsewhere.country,
            wait_here_s=elsewhere.wait_here_s,
            wait_there_s=elsewhere.wait_there_s,
            safeguard=elsewhere.safeguard,
            circumstances=elsewhere.circumstances,
        )
    for account_id in route.account_ids:
        transfer = {"country": route.countries[0], "safeguard": route.safeguard} if route.is_logged else {}
        journal.audited(session, "account", account_id, "call_routed", team=route.team.value, **transfer)
    return route


def _facts(session: Session, account_ids: tuple[str, ...]) -> Facts:
    """Return the facts of some accounts as one."""
    merged = Facts()
    for facts in gather.gather(session, account_ids).facts.values():
        merged = merged.adding(**dict(facts.by_kind()))
    return merged


def _accounts_of_numbers(session: Session, numbers: set[str]) -> tuple[str, ...]:
    """Return the accounts that a landline or a mobile number belongs to; numbers are kept as E.164."""
    lines = [row.id for row in rows.read(session, Line, "landline", numbers, rows.present, columns=("id",))]
    sims = rows.read(session, PlanSim, "msisdn", numbers, _is_in_use, columns=("plan_id",))
    plans = rows.read(session, Plan, "plan_id", {row.plan_id for row in sims}, rows.present, columns=("account_id",))
    return tuple(sorted({*gather.accounts_on_lines(session, lines), *(row.account_id for row in plans)}))


def _is_in_use(table: Table) -> ColumnElement[bool]:
    return table.c.superseded_at.is_(None)
