"""Whose a Mini Hub is, when households and hubs move."""

from datetime import date, datetime, timedelta

import pytest

from controller.domain import facts as f
from controller.domain.hub_owner import account_of_hub, answers_for_hub
from tests.unit.domain.plain_home import AT

DAY = timedelta(days=1)
NEXT_DAY = AT.date() + DAY
THERE = f.Line(line_id="there", landline="020 7946 0002")
HERE = f.Line(line_id="here", landline="020 7946 0001")


def service(
    account: str, line: str, starts_on: date = date(2026, 1, 1), *, name: str = "s", last_day: date | None = None
) -> f.Service:
    plus = "Superfast Fibre Plus"
    return f.Service(
        service_id=name, account_id=account, line_id=line, product=plus, starts_on=starts_on, last_day=last_day
    )


def sent(line: str, days_ago: float, **more: object) -> f.HubAssignment:
    return f.HubAssignment(hub_id="h", line_id=line, dispatched_at=AT - days_ago * DAY, **more)  # type: ignore[arg-type]  # fields of one dataclass


STAYS = (service("mine", "here"),)
MOVED = (service("mine", "here", last_day=AT.date()), service("mine", "there", NEXT_DAY))
# The next household on the line.
NEXT = service("next", "here", NEXT_DAY, name="n")
LATER = AT + 2 * DAY


@pytest.mark.parametrize(
    ("lines", "services", "hubs", "at", "account"),
    [
        pytest.param((HERE,), STAYS, (sent("here", 3),), AT, "mine", id="sent to my service"),
        pytest.param((HERE,), STAYS, (sent("here", 0),), AT, "mine", id="sent this very moment"),
        pytest.param((HERE,), STAYS, (sent("here", -1),), AT, None, id="not sent yet"),
        pytest.param((HERE,), (), (sent("here", 3),), AT, None, id="sent to a line without a service"),
        pytest.param((HERE,), STAYS, (), AT, None, id="no hub at all"),
        pytest.param((HERE, THERE), MOVED, (sent("here", 3),), LATER, "mine", id="it moves with its service"),
        pytest.param((HERE,), (*MOVED, NEXT), (sent("here", 3),), LATER, "mine", id="it stays the mover's"),
        pytest.param((HERE,), (*MOVED, NEXT), (sent("here", -1.5),), LATER, "next", id="sent to who came next"),
        pytest.param(
            (HERE, THERE),
            (*STAYS, service("yours", "there", name="y")),
            (sent("there", 3), sent("here", 9, ended_at=AT - 3 * DAY)),
            AT,
            "yours",
            id="the newest sending counts, however they are listed",
        ),
        pytest.param(
            (HERE, THERE),
            (*STAYS, service("yours", "there", name="y")),
            (sent("here", 3, recorded_at=AT), sent("there", 3, recorded_at=AT - DAY)),
            AT,
            "mine",
            id="of two at one instant the word given last",
        ),
    ],
)
def test_a_hub_belongs_to_the_service_it_was_sent_for(
    lines: tuple[f.Line, ...],
    services: tuple[f.Service, ...],
    hubs: tuple[f.HubAssignment, ...],
    at: datetime,
    account: str | None,
) -> None:
    known = f.Facts(lines=lines, services=services, hub_assignments=hubs)
    assert account_of_hub(known, "h", at) == account
    assert account_of_hub(known, "another", at) is None
    assert answers_for_hub(known, account or "anybody", "h", at)
    assert answers_for_hub(known, "somebody else", "h", at) is (account is None)


def test_who_never_had_the_line_a_hub_was_sent_on_to_has_nothing_to_say_of_it() -> None:
    known = f.Facts(
        lines=(HERE,), services=STAYS, hub_assignments=(sent("here", 9, ended_at=AT - 3 * DAY), sent("far", 3))
    )
    assert not answers_for_hub(known, "mine", "h", AT)
    assert answers_for_hub(known, "mine", "h", AT - 4 * DAY), "it was theirs until it was sent on"
