"""Stage two for the Mini Hub: is it owed, and how (T§10c-e)?"""

from collections.abc import Mapping
from datetime import datetime

from controller.domain.decisions import Basis, Decision, InputValue, Outcome, Question
from controller.domain.eligibility import broadband_benefits, plus_of_fault, service_on_line
from controller.domain.exclusions import Exclusion, beside_other_causes, exclusions
from controller.domain.facts import (
    BrandFinding,
    BrandVerdict,
    DeterminationKind,
    Facts,
    Fault,
    HubAssignment,
    HubFate,
    HubLoss,
    Service,
    utc,
)
from controller.domain.lookup import fault_of, is_open_between, latest_determination
from controller.domain.memory import remembered
from controller.domain.qualifying import diagnostics_end, qualifies
from controller.domain.rule_sets import RuleSet
from controller.domain.stage_two import decide_stage_two, undecided

BY_CUSTOMER = frozenset({HubFate.LOST_BY_CUSTOMER, HubFate.DAMAGED_BY_CUSTOMER})

_REASONS = {
    "first_fault": "This is the first fault of this line that brings a Mini Hub, so we send one.",
    "reactivate": "You have a Mini Hub already, so we switch it on again. Please plug it in.",
    "sent_for_this_fault": "We have sent a Mini Hub for this fault; it works as soon as you plug it in.",
    "not_bt_branded": "Your Mini Hub is not BT-branded and can't be used again, so we send a new one.",
    "hub_gone": "Your Mini Hub was lost on its way, stolen, returned, or failed by itself, so we send another.",
    "replacement_granted": "We agreed to replace your lost or damaged Mini Hub for later faults, so we send one.",
    "exception": "We send a new Mini Hub, as we agreed with you.",
    "goodwill": "Faulty equipment brings no Mini Hub, but we switch yours on as goodwill.",
    "awaiting_diagnostics": "We send a Mini Hub as soon as our tests have finished.",
    "lost_by_customer": "Your Mini Hub was lost or damaged. We may agree to replace it for later faults.",
    "fault_resolved": "This fault has been resolved.",
    "no_live_plus": "The Plus Broadband that this fault was reported for is not on this line any more.",
}


@remembered
def hubs_of_line(facts: Facts, line_id: str, at: datetime) -> tuple[HubAssignment, ...]:
    """Return the line's hubs at `at`, newest first; one in the post is there already (T§10c).

    Reading: the hub hangs on the service, so it goes with it to another line, and is not the next household's.
    """
    service = service_on_line(facts, line_id, at)
    found = [
        each
        for each in facts.hub_assignments
        if is_open_between(each.dispatched_at, each.ended_at, at) and _goes_with(facts, each, line_id, service)
    ]
    found.sort(key=lambda each: (each.dispatched_at, each.recorded_at, each.hub_id), reverse=True)
    return tuple(found)


def _goes_with(facts: Facts, hub: HubAssignment, line_id: str, service: Service | None) -> bool:
    """Say whether a hub is there for the service that a line carries now."""
    owner = service_on_line(facts, hub.line_id, hub.dispatched_at)
    if owner is None or service is None:
        return hub.line_id == line_id
    same_home = hub.line_id == line_id and owner.account_id == service.account_id
    return same_home or owner.service_id == service.service_id


def loss_of(facts: Facts, hub_id: str, at: datetime) -> HubLoss | None:
    """Return what became of a hub, as it stands at `at`."""
    found = [
        each for each in facts.hub_losses if each.hub_id == hub_id and is_open_between(each.at, each.undone_at, at)
    ]
    return max(found, key=lambda each: (each.at, each.recorded_at), default=None)


def brand_of(facts: Facts, hub_id: str, at: datetime) -> BrandFinding | None:
    """Return the latest verdict on a hub's branding up to `at`."""
    found = [each for each in facts.brand_findings if each.hub_id == hub_id and each.found_at <= at]
    return max(found, key=lambda each: (each.found_at, each.recorded_at), default=None)


def is_reusable(facts: Facts, hub_id: str, fault: Fault, at: datetime) -> bool:
    """Say whether a hub serves this fault: there, sound, and not found unbranded before the fault (T§10c).

    Reading: the finding sends nothing by itself and counts from the next fault on, so a fault that was already open
    keeps the hub it has. Undetermined and inconsistent units are reusable and go to a person.
    """
    finding = brand_of(facts, hub_id, at)
    if finding is not None and finding.verdict is BrandVerdict.NOT_BT_BRANDED and not _was_open(facts, finding, fault):
        return False
    return loss_of(facts, hub_id, at) is None


def _was_open(facts: Facts, finding: BrandFinding, fault: Fault) -> bool:
    """Say whether the fault was open before this run of equal findings began."""
    earlier = sorted(
        (each for each in facts.brand_findings if each.hub_id == finding.hub_id and each.found_at <= finding.found_at),
        key=lambda each: (each.found_at, each.recorded_at),
        reverse=True,
    )
    first = finding
    for each in earlier:
        if each.verdict is not finding.verdict:
            break
        first = each
    return fault.reported_at < first.found_at


def loss_of_last_hub(facts: Facts, fault: Fault, at: datetime) -> HubLoss | None:
    """Return what became of the line's newest hub where none is left that serves the fault."""
    hubs = hubs_of_line(facts, fault.line_id, at)
    if not hubs or any(is_reusable(facts, each.hub_id, fault, at) for each in hubs):
        return None
    return loss_of(facts, hubs[0].hub_id, at)


@remembered
def mini_hub_owed(facts: Facts, fault_id: str, at: datetime, rules: RuleSet) -> Decision:
    """Decide at `at` what the fault's line is owed of the Mini Hub (T§10c-e).

    Outcomes: dispatch; reactivate (`target` is the hub, also one still in the post); hold (not yet known, or tests not
    finished before a dispatch); person_decides; refused; not_owed once the fault is resolved.
    """
    at = utc(at)
    fault = fault_of(facts, fault_id)
    stage_one = qualifies(facts, fault_id, at, rules)
    refusal = _refusal(facts, fault, at, rules, stage_one)
    if refusal is not None:
        return refusal
    return beside_other_causes(_how(facts, fault, at, stage_one), facts, fault, rules)


def _decide(
    stage_one: Decision,
    outcome: Outcome,
    code: str,
    clause: str,
    *,
    basis: Basis = Basis.TEXT,
    reason: str | None = None,
    target: str | None = None,
    flags: tuple[str, ...] = (),
    inputs: Mapping[str, InputValue] | None = None,
) -> Decision:
    return decide_stage_two(
        Question.MINI_HUB,
        stage_one,
        outcome,
        code,
        clause,
        reason=_REASONS[code] if reason is None else reason,
        basis=basis,
        target=target,
        flags=flags,
        inputs=inputs,
    )


def _refusal(facts: Facts, fault: Fault, at: datetime, rules: RuleSet, stage_one: Decision) -> Decision | None:
    """Return the decision where nothing is owed now, else None. Order: Plus, resolved, stage one, exclusions."""
    plus = broadband_benefits(facts, fault.line_id, at, rules)
    if plus.outcome is not Outcome.ENTITLED:
        return _decide(stage_one, Outcome.REFUSED, plus.code, plus.clause, reason=plus.reason)
    if plus_of_fault(facts, fault, at, rules) is None:
        return _decide(stage_one, Outcome.REFUSED, "no_live_plus", "T§6")
    if fault.resolved_at is not None and fault.resolved_at <= at:
        return _decide(stage_one, Outcome.NOT_OWED, "fault_resolved", "T§10f")
    excluded = [each for each in exclusions(facts, fault, at, rules) if each.hub_clause]
    goodwill = _goodwill(facts, fault, at, stage_one, excluded)
    if goodwill is not None:
        return goodwill
    if stage_one.outcome is Outcome.DOES_NOT_QUALIFY:
        return _pass_on(stage_one, Outcome.REFUSED)
    if excluded:
        return _excluded(stage_one, excluded)
    if stage_one.outcome is Outcome.QUALIFIES:
        return None
    return _pass_on(stage_one, undecided(stage_one))


def _pass_on(stage_one: Decision, outcome: Outcome) -> Decision:
    return _decide(stage_one, outcome, stage_one.code, stage_one.clause, basis=stage_one.basis, reason=stage_one.reason)


def _excluded(stage_one: Decision, grounds: list[Exclusion]) -> Decision:
    first = grounds[0]
    return _decide(
        stage_one,
        Outcome.REFUSED,
        first.code,
        first.hub_clause or "T§10e",
        basis=first.basis,
        reason=first.reason,
        flags=first.flags,
        inputs={"excluded_by": tuple(f"{each.code}: {each.evidence}" for each in grounds)},
    )


def _goodwill(
    facts: Facts, fault: Fault, at: datetime, stage_one: Decision, excluded: list[Exclusion]
) -> Decision | None:
    """Reactivate an existing reusable hub where faulty equipment is the only ground (T§10e iii).

    Reading: the words ask for that cause and a person's discretion, not for a fault that qualifies, since a line whose
    hub is faulty is often in service.
    """
    if stage_one.code == "cured" or [each.code for each in excluded] != ["faulty_equipment"]:
        return None
    word = latest_determination(facts, fault.fault_id, frozenset({DeterminationKind.GOODWILL_REACTIVATION}), at)
    hub = next((h for h in hubs_of_line(facts, fault.line_id, at) if is_reusable(facts, h.hub_id, fault, at)), None)
    if word is None or hub is None:
        return None
    return _decide(
        stage_one,
        Outcome.REACTIVATE,
        "goodwill",
        "T§10e(iii)",
        basis=Basis.OPERATOR,
        target=hub.hub_id,
        inputs={"by": word.by, "why": word.reason},
    )


def _how(facts: Facts, fault: Fault, at: datetime, stage_one: Decision) -> Decision:
    """Choose between the hub there is and a new one (T§10c)."""
    hubs = hubs_of_line(facts, fault.line_id, at)
    usable = next((each for each in hubs if is_reusable(facts, each.hub_id, fault, at)), None)
    exception = latest_determination(facts, fault.fault_id, frozenset({DeterminationKind.SEND_NEW_HUB}), at)
    can_send = usable is None or diagnostics_end(facts, fault.fault_id, at) is not None
    if usable is None and hubs and _is_customers_loss(facts, hubs[0], at):
        # Replaced for future faults only, by a word of its own (T§10e v).
        can_send = False
    if exception is not None and can_send and not any(each.dispatched_at >= exception.at for each in hubs):
        inputs = {"by": exception.by, "why": exception.reason}
        return _send(facts, fault, stage_one, "exception", "T§10c", basis=Basis.OPERATOR, inputs=inputs)
    if usable is not None:
        return _reactivate(facts, fault, at, stage_one, usable)
    if not hubs:
        return _send(facts, fault, stage_one, "first_fault", "T§10c")
    return _without_usable(facts, fault, at, stage_one, hubs[0])


def _is_customers_loss(facts: Facts, hub: HubAssignment, at: datetime) -> bool:
    loss = loss_of(facts, hub.hub_id, at)
    return loss is not None and loss.fate in BY_CUSTOMER


def _reactivate(facts: Facts, fault: Fault, at: datetime, stage_one: Decision, hub: HubAssignment) -> Decision:
    finding = brand_of(facts, hub.hub_id, at)
    verdict = finding.verdict if finding else BrandVerdict.UNDETERMINED
    code = "sent_for_this_fault" if hub.for_fault_id == fault.fault_id else "reactivate"
    return _decide(
        stage_one,
        Outcome.REACTIVATE,
        code,
        "T§10c",
        target=hub.hub_id,
        flags=() if verdict is BrandVerdict.BT_BRANDED else (f"brand_{verdict.value}",),
        inputs={"brand": verdict.value, "in_the_post": hub.delivered_at is None or hub.delivered_at > at},
    )


def _without_usable(facts: Facts, fault: Fault, at: datetime, stage_one: Decision, hub: HubAssignment) -> Decision:
    """Decide where the line's newest hub can't serve: lost or damaged by the customer, gone otherwise, or unbranded."""
    loss = loss_of(facts, hub.hub_id, at)
    if loss is None:
        return _send(facts, fault, stage_one, "not_bt_branded", "T§10c")
    if loss.fate not in BY_CUSTOMER:
        return _send(facts, fault, stage_one, "hub_gone", "T§10c", basis=Basis.READING)
    grant = latest_determination(facts, fault.line_id, frozenset({DeterminationKind.GRANT_REPLACEMENT}), at)
    # "For future faults" (T§10e v): granted by the time this one was reported, and since the loss.
    if grant is not None and loss.at <= grant.at <= fault.reported_at:
        inputs = {"by": grant.by, "why": grant.reason}
        return _send(facts, fault, stage_one, "replacement_granted", "T§10e(v)", basis=Basis.OPERATOR, inputs=inputs)
    return _decide(
        stage_one, Outcome.REFUSED, "lost_by_customer", "T§10e(v)", inputs={"hub": hub.hub_id, "fate": loss.fate.value}
    )


def _send(
    facts: Facts,
    fault: Fault,
    stage_one: Decision,
    code: str,
    clause: str,
    *,
    basis: Basis = Basis.TEXT,
    inputs: Mapping[str, InputValue] | None = None,
) -> Decision:
    """Dispatch once diagnostics are finished, before any engineer's visit (T§10d); until then hold."""
    if diagnostics_end(facts, fault.fault_id, stage_one.at) is None:
        return _decide(
            stage_one, Outcome.HOLD, "awaiting_diagnostics", "T§10d", inputs={"then": code, **(inputs or {})}
        )
    return _decide(stage_one, Outcome.DISPATCH, code, clause, basis=basis, inputs=inputs)
