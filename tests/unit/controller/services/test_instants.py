"""When an account is looked at though no fact changes."""

from datetime import UTC, datetime, timedelta

from controller.domain import facts as f
from controller.domain.ending import Benefit, ending_of
from controller.domain.rule_sets import RULE_SETS
from controller.services.instants import next_look
from controller.services.policy import Policy

AT = datetime(2026, 3, 2, 3, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
POLICY = Policy(poll=timedelta(days=9))
FAULT = f.Fault(fault_id="f", line_id="l", reported_at=AT)


def test_a_loss_that_lasts_is_looked_at_when_it_becomes_no_service() -> None:
    loss = f.LineEvent(line_id="l", kind=f.LineEventKind.PPP_LOST, at=AT - 5 * MINUTE, source="bras")
    facts = f.Facts(faults=(FAULT,), line_events=(loss,))
    assert next_look(facts, (), AT, POLICY) == AT + 10 * MINUTE
    assert next_look(facts, (), AT + 10 * MINUTE, POLICY) == AT + 10 * MINUTE + POLICY.poll


def test_an_ending_that_nobody_could_be_told_of_is_looked_at_when_the_wait_is_over() -> None:
    facts = f.Facts(
        services=(
            f.Service(service_id="s", account_id="a", line_id="l", product="Ultrafast Fibre Plus", starts_on=AT.date()),
        ),
        faults=(f.Fault(fault_id="f", line_id="l", reported_at=AT, recorded_at=AT, superseded_at=AT + MINUTE),),
        observations=(f.Observation(fault_id="f", kind="line_test", result="no_sync", at=AT),),
        hub_assignments=(f.HubAssignment(hub_id="h", line_id="l", dispatched_at=AT, delivered_at=AT),),
    ).adding(
        faults=[
            f.Fault(fault_id="f", line_id="l", reported_at=AT, resolved_at=AT + MINUTE, recorded_at=AT + MINUTE),
        ]
    )
    now = AT + 2 * MINUTE
    ending = ending_of(facts, "f", Benefit.MINI_HUB, now, RULE_SETS[0])
    assert next_look(f.Facts(), (ending,), now, POLICY) == AT + MINUTE + RULE_SETS[0].notice_wait
