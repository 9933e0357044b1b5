"""Who has Broadband Benefits and Mobile Benefits at an instant (T§2-6)."""

from datetime import datetime, timedelta

from controller.domain.decisions import Basis, Decision, Outcome, Question
from controller.domain.errors import UnknownSubjectError
from controller.domain.facts import Facts, Fault, LeaveRequest, Plan, PlanSim, Service, utc
from controller.domain.london import day_ends, day_starts
from controller.domain.lookup import is_open_between
from controller.domain.memory import remembered
from controller.domain.rule_sets import RuleSet


def is_plus(product: str, rules: RuleSet) -> bool:
    """Say whether a product is Plus Broadband: the three named ones and nothing else (T§2)."""
    return product in rules.plus_products


def is_service_live(service: Service, at: datetime) -> bool:
    """Say whether the service runs at `at`: from its first day's start to its last day's end, Europe/London (T§6)."""
    end = None if service.last_day is None else day_ends(service.last_day)
    return is_open_between(day_starts(service.starts_on), end, at)


@remembered
def live_plus_on_line(facts: Facts, line_id: str, at: datetime, rules: RuleSet) -> Service | None:
    """Return the live Plus service of a line, if it has one (T§2): line by line, whatever else the account has."""
    live = [
        each
        for each in facts.services
        if each.line_id == line_id and is_plus(each.product, rules) and is_service_live(each, at)
    ]
    return _latest_service(live)


def _latest_service(live: list[Service]) -> Service | None:
    return live[0] if len(live) == 1 else max(live, key=lambda each: (each.starts_on, each.service_id), default=None)


def plus_of_fault(facts: Facts, fault: Fault, at: datetime, rules: RuleSet) -> Service | None:
    """Return the live Plus service that a fault is of, if there is one at `at`: the one its line carries.

    Reading: a fault stays with the household that has it. Once its service has gone to another line, or has ended, the
    next household on the line has not got its fault, nor what it brought.
    """
    live = live_plus_on_line(facts, fault.line_id, at, rules)
    if live is None or day_starts(live.starts_on) <= fault.reported_at:
        return live
    then = service_on_line(facts, fault.line_id, fault.reported_at)
    if then is None or live.service_id == then.service_id or live.account_id == then.account_id:
        return live
    return None


@remembered
def service_on_line(facts: Facts, line_id: str, at: datetime) -> Service | None:
    """Return the service a line carries at `at`, Plus or not."""
    return _latest_service([each for each in facts.services if each.line_id == line_id and is_service_live(each, at)])


def live_plus_on_account(facts: Facts, account_id: str, at: datetime, rules: RuleSet) -> tuple[Service, ...]:
    """Return every live Plus service of an account, in order of service id."""
    live = [
        each
        for each in facts.services
        if each.account_id == account_id and is_plus(each.product, rules) and is_service_live(each, at)
    ]
    if len(live) > 1:
        live.sort(key=lambda each: (each.service_id, each.line_id, each.starts_on))
    return tuple(live)


def plan_is_live(plan: Plan, at: datetime) -> bool:
    """Say whether a plan runs on its account at `at`: to the end of its last day, Europe/London (T§5)."""
    end = None if plan.last_day is None else day_ends(plan.last_day)
    return is_open_between(plan.live_from or plan.purchased_at, end, at)


def has_ended(plan: Plan, at: datetime) -> bool:
    """Say whether a plan's last day on its account is over at `at` (T§5)."""
    return plan.last_day is not None and day_ends(plan.last_day) <= at


def live_plan(facts: Facts, plan_id: str, at: datetime) -> Plan | None:
    """Return the plan's row in force at `at`, on whichever account it is; the latest arrival where rows overlap."""
    rows = [each for each in facts.plans if each.plan_id == plan_id and plan_is_live(each, at)]
    return (
        rows[0]
        if len(rows) == 1
        else max(rows, key=lambda each: (each.live_from or each.purchased_at, each.recorded_at), default=None)
    )


@remembered
def live_sim(facts: Facts, sim_id: str, at: datetime) -> tuple[PlanSim, Plan] | None:
    """Return a SIM and its plan as they are live at `at`, or None."""
    found = []
    for sim in facts.plan_sims:
        if sim.sim_id == sim_id:
            plan = live_plan(facts, sim.plan_id, at)
            if plan and is_open_between(sim.live_from or plan.purchased_at, sim.live_until, at):
                found.append((sim, plan))
    if len(found) == 1:
        return found[0]
    return max(found, key=lambda each: (each[0].live_from or each[1].purchased_at, each[1].plan_id), default=None)


@remembered
def sims_of_account(facts: Facts, account_id: str, at: datetime) -> tuple[str, ...]:
    """Return the ids of every live SIM of every live plan on the account, sorted (T§3: every plan)."""
    found = set()
    for sim in facts.plan_sims:
        live = live_sim(facts, sim.sim_id, at)
        if live and live[1].account_id == account_id:
            found.add(sim.sim_id)
    return tuple(sorted(found))


def _first_row_of_stay(facts: Facts, service: Service) -> Service:
    """Follow one product of one service back over account moves, which start no new service."""
    for earlier in facts.services:
        if (
            earlier.service_id == service.service_id
            and earlier.product == service.product
            and earlier.last_day is not None
            and earlier.last_day + timedelta(days=1) == service.starts_on
        ):
            return _first_row_of_stay(facts, earlier)
    return service


def _leaves(request: LeaveRequest, facts: Facts, service: Service, at: datetime, rules: RuleSet) -> bool:
    """Say whether this request, in effect at `at`, leaves Plus on this service.

    Reading (T§6): moving to another Plus product is not leaving. A Plus product that started after the request is a new
    Plus service, which the request does not touch.
    """
    return (
        request.service_id == service.service_id
        and is_open_between(request.requested_at, request.withdrawn_at, at)
        and (request.to_product is None or not is_plus(request.to_product, rules))
        and day_starts(_first_row_of_stay(facts, service).starts_on) <= request.requested_at
    )


def gives_mobile_benefits(facts: Facts, service: Service, plan: Plan, at: datetime, rules: RuleSet) -> bool:
    """Say whether a live Plus service gives a plan of its account Mobile Benefits.

    It does not where the plan was purchased after an open request to leave that service (T§6). Reading: the purchase
    decides, not activation or arrival; a purchase at the very instant of the request is not after it.
    """
    return not any(
        plan.purchased_at > request.requested_at and _leaves(request, facts, service, at, rules)
        for request in facts.leave_requests
    )


def broadband_benefits(facts: Facts, line_id: str, at: datetime, rules: RuleSet) -> Decision:
    """Decide whether this line has a live Plus service at `at`: entitled or not_entitled (T§2, 6)."""
    at = utc(at)
    service = live_plus_on_line(facts, line_id, at, rules)
    return Decision(
        question=Question.BROADBAND_BENEFITS,
        subject=line_id,
        outcome=Outcome.ENTITLED if service else Outcome.NOT_ENTITLED,
        clause="T§2" if service else _why_no_plus(facts, line_id, at, rules),
        basis=Basis.TEXT,
        code="plus_is_live" if service else "no_live_plus",
        reason="This line has Plus Broadband."
        if service
        else "This line has no Plus Broadband at this time, so it has none of the Plus benefits.",
        at=at,
        rule_set=rules.version,
        inputs={"service": service.service_id if service else None, "product": service.product if service else None},
    )


def _why_no_plus(facts: Facts, line_id: str, at: datetime, rules: RuleSet) -> str:
    """Name the clause: Plus that has ended is T§6, never having had it T§2."""
    had = any(
        each.line_id == line_id
        and is_plus(each.product, rules)
        and each.last_day is not None
        and day_ends(each.last_day) <= at
        for each in facts.services
    )
    return "T§6" if had else "T§2"


@remembered
def mobile_benefits(facts: Facts, plan_id: str, at: datetime, rules: RuleSet) -> Decision:
    """Decide whether this plan has Mobile Benefits at `at`: entitled or not_entitled (T§3, 5, 6)."""
    at = utc(at)
    plan = live_plan(facts, plan_id, at)
    if plan is None and not any(each.plan_id == plan_id for each in facts.plans):
        raise UnknownSubjectError("plan", plan_id)
    if plan is None:
        return _mobile(plan_id, at, rules, "plan_not_live")
    services = live_plus_on_account(facts, plan.account_id, at, rules)
    if not services:
        return _mobile(plan_id, at, rules, "no_plus_on_account")
    giving = [each for each in services if gives_mobile_benefits(facts, each, plan, at, rules)]
    if not giving:
        return _mobile(plan_id, at, rules, "bought_after_leave_request")
    return _mobile(plan_id, at, rules, "plan_beside_plus", giving[0].service_id)


_MOBILE = {
    "plan_not_live": ("T§5", "This plan is not live on a BT Mobile account at this time."),
    "no_plus_on_account": ("T§3", "There is no Plus Broadband on the billing account this plan is on."),
    "bought_after_leave_request": (
        "T§6",
        "This plan was bought after a request to leave Plus Broadband that still stands.",
    ),
    "plan_beside_plus": ("T§3", "This plan is on the same billing account as Plus Broadband."),
}
"""Code of a mobile decision → its clause and reason."""


def _mobile(plan_id: str, at: datetime, rules: RuleSet, code: str, service_id: str | None = None) -> Decision:
    clause, reason = _MOBILE[code]
    return Decision(
        question=Question.MOBILE_BENEFITS,
        subject=plan_id,
        outcome=Outcome.NOT_ENTITLED if service_id is None else Outcome.ENTITLED,
        clause=clause,
        basis=Basis.TEXT,
        code=code,
        reason=reason,
        at=at,
        rule_set=rules.version,
        inputs={"service": service_id},
    )
