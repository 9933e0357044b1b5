"""What was known at an instant: by the edges of the versions, whatever lies between them."""

from datetime import UTC, datetime, timedelta

from controller.domain.facts import NOT_SUPERSEDED, Facts, Fault

AT = datetime(2026, 3, 2, 9, tzinfo=UTC)


def _version(begins: int, ends: int | None, *, resolved: bool = False) -> Fault:
    return Fault(
        fault_id="f",
        line_id="l",
        reported_at=AT,
        resolved_at=AT if resolved else None,
        recorded_at=AT + timedelta(minutes=begins),
        superseded_at=NOT_SUPERSEDED if ends is None else AT + timedelta(minutes=ends),
    )


def test_version_is_known_from_its_first_instant_to_just_before_its_last() -> None:
    first, second = _version(10, 20), _version(20, None, resolved=True)
    facts = Facts(faults=(first, second))
    instant = timedelta(microseconds=1)
    known = {
        AT + timedelta(minutes=10) - instant: (),
        AT + timedelta(minutes=10): (first,),
        AT + timedelta(minutes=20) - instant: (first,),
        AT + timedelta(minutes=20): (second,),
        AT + timedelta(days=400): (second,),
    }
    assert {at: facts.as_known(at).faults for at in known} == known


def test_what_is_known_of_facts_without_other_versions_is_themselves() -> None:
    facts = Facts(faults=(_version(10, None),))
    assert facts.as_known(AT + timedelta(minutes=10)) is facts
    assert facts.as_known(AT) == Facts()
