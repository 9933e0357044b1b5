"""Every combination of the policy's inputs: open for one kind only, closed with a reason for all others."""

import itertools

from device_agent.facts import FilterStatus, Reason
from device_agent.policy import Inputs, decide

MAYBE = (True, False, None)
SURE = (True, False)
DOMAINS = (MAYBE, SURE, SURE, MAYBE, MAYBE, MAYBE, tuple(FilterStatus), SURE)
FILTERING = {FilterStatus.IN_FORCE, FilterStatus.STALE}


def every() -> list[Inputs]:
    return [Inputs(*values) for values in itertools.product(*DOMAINS)]


def test_it_is_open_for_all_good_and_for_nothing_else() -> None:
    for inputs in every():
        good = (
            inputs.document_on is True
            and inputs.supported
            and inputs.clock_trusted
            and inputs.lease_live is True
            and inputs.known_sim is True
            and inputs.uk_network is True
            and inputs.filter in FILTERING
            and inputs.settled
        )
        assert (decide(inputs) is Reason.OPEN) is good, inputs


def test_every_answer_is_a_reason_and_every_reason_is_given() -> None:
    given = {decide(inputs) for inputs in every()}
    assert given == set(Reason) - {Reason.BEARER_DOWN}


def test_the_domains_cover_every_field() -> None:
    assert len(DOMAINS) == len(Inputs.__dataclass_fields__)
    assert len(every()) == 3**4 * 2**3 * len(FilterStatus)


def test_making_one_input_worse_never_opens() -> None:
    worse = {True: (False, None), False: (), None: ()}
    for inputs in every():
        if decide(inputs) is Reason.OPEN:
            continue
        for name in ("document_on", "lease_live", "known_sim", "uk_network"):
            for value in worse[getattr(inputs, name)]:
                changed = {f: getattr(inputs, f) for f in Inputs.__dataclass_fields__} | {name: value}
                assert decide(Inputs(**changed)) is not Reason.OPEN
