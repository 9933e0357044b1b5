"""A home with Plus, a landline, a plan of two SIMs and a fault that one test found."""

from datetime import UTC, date, datetime, timedelta

from controller.domain import facts as f
from controller.domain.rule_sets import RULE_SETS

RULES = RULE_SETS[0]
AT = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
PLUS = f.Service(
    service_id="s", account_id="a", line_id="l", product="Superfast Fibre Plus", starts_on=date(2026, 1, 1)
)
PLAN = f.Plan(
    plan_id="p",
    account_id="a",
    purchased_at=AT - timedelta(days=99),
    allowances=(f.AllowanceFrom(effective_from=AT, allowance_mb=5),),
)
HOME = f.Facts(
    services=(PLUS,),
    lines=(f.Line(line_id="l", landline="020 7946 0001"),),
    plans=(PLAN,),
    plan_sims=(f.PlanSim(sim_id="m1", plan_id="p", msisdn="+447700900001"), f.PlanSim(sim_id="m2", plan_id="p")),
    faults=(f.Fault(fault_id="f", line_id="l", reported_at=AT),),
    observations=(f.Observation(fault_id="f", kind="line_test", result="no_sync", at=AT),),
)
