"""The form that both benefits' decisions share: each rests on stage one and says so (T§10c-e, 12)."""

from collections.abc import Mapping

from controller.domain.decisions import Basis, Decision, InputValue, Outcome, Question


def decide_stage_two(
    question: Question,
    stage_one: Decision,
    outcome: Outcome,
    code: str,
    clause: str,
    *,
    reason: str,
    basis: Basis = Basis.TEXT,
    target: str | None = None,
    flags: tuple[str, ...] = (),
    inputs: Mapping[str, InputValue] | None = None,
) -> Decision:
    """Put what a benefit comes to into a decision about the fault of stage one, at its instant."""
    return Decision(
        question=question,
        subject=stage_one.subject,
        outcome=outcome,
        clause=clause,
        basis=basis,
        code=code,
        reason=reason,
        at=stage_one.at,
        rule_set=stage_one.rule_set,
        target=target,
        flags=(*stage_one.flags, *flags),
        inputs={"qualifies": str(stage_one.outcome), "qualifies_by": stage_one.code, **(inputs or {})},
    )


def undecided(stage_one: Decision) -> Outcome:
    """Return what a benefit is while stage one is open: held until more is known, or a person's."""
    return Outcome.HOLD if stage_one.outcome is Outcome.NOT_YET_KNOWN else Outcome.PERSON_DECIDES
