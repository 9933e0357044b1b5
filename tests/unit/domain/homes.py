"""Random homes: a billing account with lines, plans, hubs, faults and whatever may happen to them, as facts."""

from datetime import UTC, date, datetime, timedelta

from hypothesis import strategies as st

from controller.domain import facts as f
from controller.domain.rule_sets import OBSERVATION_MEANINGS, rules_at

START = datetime(2026, 3, 27, 6, tzinfo=UTC)
RULES = rules_at(START)
PLUS = sorted(RULES.plus_products)
LINES = ("l", "k")
HUBS = ("h1", "h2")
PLANS = ("p", "q")

moments = st.integers(-60 * 48, 60 * 72).map(lambda minutes: START + timedelta(minutes=minutes))
days = st.integers(-3, 4).map(lambda n: date(2026, 3, 27) + timedelta(days=n))
lines = st.sampled_from(LINES)
faults_ids = st.sampled_from(("f1", "f2"))
later = st.none() | moments

services = st.tuples(st.sampled_from([*PLUS, "Superfast Fibre Unlimited"]), st.none() | days).map(
    lambda x: f.Service(
        service_id="s", account_id="a", line_id="l", product=x[0], starts_on=date(2026, 1, 1), last_day=x[1]
    )
)
second_services = st.tuples(st.sampled_from([*PLUS, "Superfast Fibre Unlimited"]), st.sampled_from("ab")).map(
    lambda x: f.Service(service_id="t", account_id=x[1], line_id="k", product=x[0], starts_on=date(2026, 1, 1))
)
plans = st.builds(
    lambda plan, account, bought, last, mb, extra: f.Plan(
        plan_id=plan,
        account_id=account,
        purchased_at=bought,
        last_day=last,
        allowances=(f.AllowanceFrom(effective_from=bought, allowance_mb=mb),),
        extra_speed_from=bought if extra else None,
    ),
    st.sampled_from(PLANS),
    st.sampled_from("aab"),
    st.just(START - timedelta(days=100)) | moments,
    st.none() | days,
    st.none() | st.sampled_from((0, 1, 5000)),
    st.booleans(),
)
line_events = st.builds(
    f.LineEvent, line_id=lines, kind=st.sampled_from(f.LineEventKind), at=moments, source=st.sampled_from(("r", "d"))
)
faults = st.builds(
    lambda fault, line, at, symptom: f.Fault(fault_id=fault, line_id=line, reported_at=at, symptom=symptom),
    faults_ids,
    lines,
    st.integers(0, 600).map(lambda minutes: START + timedelta(minutes=minutes)),
    st.sampled_from(f.Symptom),
)
observations = st.builds(
    lambda fault, what, at: f.Observation(fault_id=fault, kind=what[0], result=what[1], at=at),
    faults_ids,
    st.sampled_from([("line_test", "no_sync")] * 10 + sorted(OBSERVATION_MEANINGS)),
    moments,
)
finished = st.builds(f.DiagnosticsFinished, fault_id=faults_ids, at=moments)
outages = st.builds(
    lambda start, until, which: f.Outage(
        outage_id="o", line_ids=frozenset(which), from_at=start, until=until, declared_at=start
    ),
    moments,
    later,
    st.sets(lines, min_size=1),
)
suspicions = st.builds(
    lambda fault, kind, start, end: f.Suspicion(
        suspicion_id=f"x{start}",
        account_id="a",
        kind=kind,
        grounds="grounds",
        by="J. Smith",
        raised_at=start,
        cleared_at=end,
        fault_id=fault,
    ),
    st.none() | faults_ids,
    st.sampled_from(f.SuspicionKind),
    moments,
    later,
)
bills = st.builds(
    lambda due, paid: f.BillPastDue(bill_id="b", account_id="a", due_on=due, by="billing", paid_at=paid), days, later
)
assignments = st.builds(
    lambda hub, line, sent, delivered: f.HubAssignment(
        hub_id=hub, line_id=line, dispatched_at=sent, delivered_at=delivered
    ),
    st.sampled_from(HUBS),
    lines,
    st.just(START - timedelta(days=50)) | moments,
    later,
)
losses = st.builds(
    lambda hub, fate, at, undone: f.HubLoss(hub_id=hub, fate=fate, at=at, undone_at=undone),
    st.sampled_from(HUBS),
    st.sampled_from(f.HubFate),
    moments,
    later,
)
findings = st.builds(
    f.BrandFinding, hub_id=st.sampled_from(HUBS), verdict=st.sampled_from(f.BrandVerdict), found_at=moments
)
determinations = st.builds(
    lambda n, kind, fault, at, end: f.Determination(
        determination_id=f"d{n}", kind=kind, subject_id=fault, by="J. Smith", reason="why", at=at, withdrawn_at=end
    ),
    st.integers(0, 10**6),
    st.sampled_from(f.DeterminationKind),
    st.sampled_from(("f1", "f2", "l", "h1")),
    moments,
    later,
)
requests = st.builds(
    lambda at, back, to: f.LeaveRequest(service_id="s", requested_at=at, withdrawn_at=back, to_product=to),
    moments,
    later,
    st.none() | st.sampled_from((PLUS[0], "Superfast Fibre Unlimited")),
)


def few(strategy: st.SearchStrategy[f.Fact], most: int) -> st.SearchStrategy[tuple[f.Fact, ...]]:
    return st.lists(strategy, max_size=most).map(tuple)


def once(strategy: st.SearchStrategy[f.Fact], *keys: str, most: int = 2) -> st.SearchStrategy[tuple[f.Fact, ...]]:
    """Facts of which the key stands for one thing only."""
    unique = st.lists(strategy, max_size=most, unique_by=lambda fact: tuple(getattr(fact, key) for key in keys))
    return unique.map(tuple)


homes = st.builds(
    f.Facts,
    services=st.tuples(services, second_services),
    leave_requests=few(requests, 1),
    plans=once(plans, "plan_id"),
    plan_sims=st.just((f.PlanSim(sim_id="m1", plan_id="p"), f.PlanSim(sim_id="m2", plan_id="q"))),
    line_events=few(line_events, 14),
    faults=st.lists(faults, min_size=1, max_size=2, unique_by=lambda fault: fault.fault_id).map(tuple),
    observations=few(observations, 4),
    diagnostics_finished=few(finished, 2),
    outages=few(outages, 1),
    suspicions=once(suspicions, "suspicion_id", most=1),
    bills_past_due=few(bills, 1),
    hub_assignments=once(assignments, "hub_id"),
    hub_losses=once(losses, "hub_id"),
    brand_findings=once(findings, "hub_id", "found_at"),
    determinations=once(determinations, "determination_id", most=2),
)
