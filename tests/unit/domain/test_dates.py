import tomllib
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest

from controller.domain import facts as f
from controller.domain.decisions import Question
from controller.domain.delivery import delivery_estimate
from controller.domain.ending import switch_off_instant
from controller.domain.london import LONDON, add_months, day_ends, day_starts, local_day, local_instant
from controller.domain.price_freeze import Charge, PriceChange, freeze_on, last_frozen_day, price_change_allowed
from controller.domain.privacy import RequestKind, fraud_marker_ends_on, keeps_fraud_marker, may_extend, request_due
from controller.domain.rule_sets import RULE_SETS, QuietWindow, RuleSet, rules_at
from controller.domain.working_days import bank_holidays, is_working_day, working_day_from, working_days_after

from .tables import DATA

TABLES = tomllib.loads((DATA / "dates.toml").read_text(encoding="utf-8"))
RULES = RULE_SETS[0]


def rows(name: str) -> list[Any]:
    return [pytest.param(row, id=row["name"]) for row in TABLES[name]]


def stays(row: dict[str, Any], line: str = "l") -> f.Facts:
    return f.Facts(
        services=tuple(
            f.Service(
                service_id="s",
                account_id="a",
                line_id=line,
                product=product,
                starts_on=first,
                last_day=last or None,
            )
            for product, first, last in row["stays"]
        )
    )


FREEZE_REASONS = {
    "not_frozen_charge": "This charge is not part of the price freeze.",
    "no_rise": "The price does not rise.",
    "regrade": "You asked for another product; its price is not a rise.",
    "no_plus": "There is no Plus Broadband on this line on that day.",
    "freeze_over": "The first 18 months of Plus Broadband are over.",
    "frozen": "Your line rental and broadband price is frozen on that day.",
}


@pytest.mark.parametrize("row", rows("freeze"))
def test_the_price_freeze(row: dict[str, Any]) -> None:
    change = PriceChange(
        line_id="l",
        charge=Charge(row.get("charge", "line_rental_and_broadband")),
        effective_on=row["on"],
        old_pence=3000,
        new_pence=row.get("new", 3500),
        is_regrade=row.get("regrade", False),
    )
    decision = price_change_allowed(stays(row), change, RULES)
    assert [decision.outcome.value, decision.code, *decision.flags] == row["expect"].split(), decision
    assert decision.reason == FREEZE_REASONS[decision.code]
    assert (decision.question, decision.rule_set) == (Question.PRICE_RISE, RULES.version)
    freeze = freeze_on(stays(row), "l", row["on"], RULES)
    assert decision.inputs == {
        "effective_on": row["on"].isoformat(),
        "old_pence": 3000,
        "new_pence": row.get("new", 3500),
        "frozen_from": freeze.starts_on.isoformat() if freeze else None,
        "last_frozen_day": freeze.last_day.isoformat() if freeze else None,
    }
    assert decision.at == day_starts(row["on"])
    assert decision.subject == "l"
    assert decision.basis == ("reading" if decision.flags else "text")
    assert decision.clause == ("T§8b" if decision.code == "freeze_over" else "T§8")


def test_the_freeze_goes_with_the_service_to_another_account_or_line() -> None:
    row: dict[str, Any] = {"service_id": "s", "product": "Superfast Fibre Plus"}
    moved = f.Facts(
        services=(
            f.Service(account_id="a", line_id="l", starts_on=date(2026, 1, 1), last_day=date(2026, 1, 31), **row),
            f.Service(account_id="b", line_id="l", starts_on=date(2026, 2, 1), last_day=date(2026, 2, 28), **row),
            f.Service(account_id="b", line_id="k", starts_on=date(2026, 3, 1), **row),
        )
    )
    freeze = freeze_on(moved, "k", date(2026, 3, 1), RULES)
    assert freeze is not None
    assert (freeze.starts_on, freeze.last_day, freeze.flags) == (date(2026, 1, 1), date(2027, 7, 1), ())
    assert freeze_on(moved, "l", date(2026, 3, 1), RULES) is None


# Earlier stays as service, account, line, first and last day, beside service s of account a on line l from 2026-03-01.
ELSEWHERE = [
    ("another household had Plus on the line", [("x", "b", "l", date(2024, 1, 1), date(2026, 2, 27))], ()),
    ("and to the day before", [("x", "b", "l", date(2024, 1, 1), date(2026, 2, 28))], ()),
    ("it moved here from where it was", [("s", "a", "k", date(2026, 1, 1), date(2026, 2, 28))], "2026-01-01"),
    (
        "it moved to where another household had Plus",
        [("s", "a", "k", date(2026, 1, 1), date(2026, 2, 28)), ("x", "b", "l", date(2024, 1, 1), date(2026, 1, 31))],
        "2026-01-01",
    ),
    ("it was not Plus for a day on the way", [("s", "a", "k", date(2026, 1, 1), date(2026, 2, 27))], "returned"),
    ("the household had another service elsewhere", [("x", "a", "k", date(2024, 1, 1), date(2026, 2, 27))], ()),
    (
        "the household left it on this line a day before",
        [("x", "a", "l", date(2024, 1, 1), date(2026, 2, 27))],
        "returned",
    ),
    (
        "and kept it on another",
        [("x", "a", "l", date(2024, 1, 1), date(2026, 2, 27)), ("y", "a", "m", date(2025, 1, 1), None)],
        "returned",
    ),
    (
        "the account's other service ended where it moved to",
        [("s", "a", "k", date(2026, 1, 1), date(2026, 2, 28)), ("x", "a", "l", date(2025, 6, 1), date(2026, 2, 28))],
        "2026-01-01",
    ),
]


@pytest.mark.parametrize(("earlier", "expected"), [pytest.param(*row[1:], id=row[0]) for row in ELSEWHERE])
def test_whose_plus_counts_for_the_freeze_of_who_moves(earlier: list[tuple[Any, ...]], expected: Any) -> None:
    services = tuple(
        f.Service(
            service_id=name,
            account_id=account,
            line_id=line,
            product="Superfast Fibre Plus",
            starts_on=on,
            last_day=end,
        )
        for name, account, line, on, end in [*earlier, ("s", "a", "l", date(2026, 3, 1), None)]
    )
    freeze = freeze_on(f.Facts(services=services), "l", date(2026, 3, 1), RULES)
    assert freeze is not None
    assert freeze.flags == (("returned_after_leaving",) if expected == "returned" else ())
    assert freeze.starts_on.isoformat() == (expected if isinstance(expected, str) and "-" in expected else "2026-03-01")


def test_a_new_number_for_the_same_line_is_the_same_stay() -> None:
    services = tuple(
        f.Service(service_id=name, account_id="a", line_id="l", product=product, starts_on=first, last_day=last)
        for name, product, first, last in (
            ("s", "Superfast Fibre Plus", date(2026, 1, 1), date(2026, 5, 31)),
            ("t", "Ultrafast Fibre Plus", date(2026, 6, 1), None),
        )
    )
    freeze = freeze_on(f.Facts(services=services), "l", date(2026, 7, 1), RULES)
    assert freeze is not None
    assert freeze.starts_on == date(2026, 1, 1)
    assert not freeze.flags


def test_another_service_of_the_account_lends_no_freeze() -> None:
    services = (
        f.Service(
            service_id="t",
            account_id="a",
            line_id="k",
            product="Ultrafast Fibre Plus",
            starts_on=date(2025, 1, 1),
            last_day=date(2025, 12, 31),
        ),
        f.Service(
            service_id="s", account_id="a", line_id="l", product="Ultrafast Fibre Plus", starts_on=date(2026, 1, 1)
        ),
    )
    freeze = freeze_on(f.Facts(services=services), "l", date(2026, 7, 1), RULES)
    assert freeze is not None
    assert (freeze.starts_on, freeze.flags) == (date(2026, 1, 1), ())


def test_the_last_frozen_day_is_rule_set_data() -> None:
    assert last_frozen_day(date(2026, 1, 31), RULES) == date(2027, 7, 31)
    assert RULES.freeze_months == 18


@pytest.mark.parametrize("row", rows("delivery"))
def test_the_delivery_estimate(row: dict[str, Any]) -> None:
    line = f.Line(
        line_id="l",
        jurisdiction=f.Jurisdiction(row.get("where", "england_and_wales")),
        remote=row.get("remote", False),
    )
    found = delivery_estimate(line, row["reported"], row["ended"], RULES)
    assert found.usually_on == row["expect"]
    assert "usually" in found.wording
    assert str(row["expect"].day) in found.wording
    assert (found.by_letterbox, found.needs_signature) == (True, False)


def test_the_wording_names_the_day() -> None:
    at = datetime(2026, 6, 2, 9, tzinfo=UTC)
    found = delivery_estimate(f.Line(line_id="l"), at, at, RULES)
    assert found.wording == "It usually arrives by Wednesday 3 June 2026."


@pytest.mark.parametrize("row", rows("request"))
def test_when_a_request_for_data_is_due(row: dict[str, Any]) -> None:
    for kind in RequestKind:
        due = request_due(
            kind,
            row["received"],
            is_complex=row.get("complex", False),
            jurisdiction=f.Jurisdiction(row.get("where", "england_and_wales")),
        )
        assert due.due_on == row["expect"]
        assert due.acknowledge_with == due.due_on
        assert due.charge_pence == 0
        assert due.kind is kind
        assert due.is_extended is row.get("complex", False)
        assert due.received_on == local_day(row["received"])


def test_an_extension_must_be_told_within_the_month() -> None:
    due = request_due(RequestKind.COPY, datetime(2026, 6, 2, tzinfo=UTC), is_complex=True)
    assert may_extend(due, date(2026, 7, 2))
    assert not may_extend(due, date(2026, 7, 3))


@pytest.mark.parametrize(
    ("placed", "last"),
    [
        (date(2026, 3, 1), date(2032, 3, 1)),
        (date(2024, 2, 29), date(2030, 2, 28)),
        (date(2026, 2, 28), date(2032, 2, 28)),
    ],
)
def test_a_fraud_marker_lasts_six_years(placed: date, last: date) -> None:
    assert fraud_marker_ends_on(placed) == last
    assert keeps_fraud_marker(placed, day_ends(last) - timedelta(microseconds=1))
    assert not keeps_fraud_marker(placed, day_ends(last))


@pytest.mark.parametrize(
    ("from_at", "off"),
    [
        ("2026-03-02T00:00+00:00", "2026-03-02T02:00+00:00"),
        ("2026-03-02T02:00+00:00", "2026-03-02T02:00+00:00"),
        ("2026-03-02T04:59:59+00:00", "2026-03-02T04:59:59+00:00"),
        ("2026-03-02T05:00+00:00", "2026-03-03T02:00+00:00"),
        ("2026-03-29T00:30+00:00", "2026-03-29T01:00+00:00"),
        ("2026-03-29T03:59:59+00:00", "2026-03-29T03:59:59+00:00"),
        ("2026-03-29T04:00+00:00", "2026-03-30T01:00+00:00"),
        ("2026-10-25T01:30+00:00", "2026-10-25T02:00+00:00"),
        ("2026-10-25T04:59+00:00", "2026-10-25T04:59+00:00"),
        ("2026-07-01T22:30+00:00", "2026-07-02T01:00+00:00"),
    ],
)
def test_the_quiet_window(from_at: str, off: str) -> None:
    assert switch_off_instant(datetime.fromisoformat(from_at), RULES) == datetime.fromisoformat(off)


def with_window(opens: time, closes: time, *, immediate: bool = False) -> RuleSet:
    return RuleSet(
        version="t",
        valid_from=RULES.valid_from,
        published_at="",
        published_on=RULES.published_on,
        plus_products=RULES.plus_products,
        quiet_window=QuietWindow(opens=opens, closes=closes, immediate=immediate),
    )


@pytest.mark.parametrize(
    ("from_at", "off"),
    [
        ("2026-03-02T22:00+00:00", "2026-03-02T23:00+00:00"),
        ("2026-03-02T23:30+00:00", "2026-03-02T23:30+00:00"),
        ("2026-03-03T03:59+00:00", "2026-03-03T03:59+00:00"),
        ("2026-03-03T04:00+00:00", "2026-03-03T23:00+00:00"),
    ],
)
def test_a_window_over_midnight(from_at: str, off: str) -> None:
    rules = with_window(time(23), time(4))
    assert switch_off_instant(datetime.fromisoformat(from_at), rules) == datetime.fromisoformat(off)


def test_a_window_inside_the_repeated_hour_opens_at_its_first() -> None:
    rules = with_window(time(1), time(2))
    assert switch_off_instant(datetime(2026, 10, 24, 23, tzinfo=UTC), rules) == datetime(2026, 10, 25, 0, tzinfo=UTC)
    assert switch_off_instant(datetime(2026, 10, 25, 1, 59, tzinfo=UTC), rules) == datetime(
        2026, 10, 25, 1, 59, tzinfo=UTC
    )


def test_immediate_is_at_once() -> None:
    at = datetime(2026, 3, 2, 12, tzinfo=LONDON)
    assert switch_off_instant(at, with_window(time(2), time(5), immediate=True)) == at


def test_days_of_london() -> None:
    assert day_starts(date(2026, 7, 1)) == datetime(2026, 6, 30, 23, tzinfo=UTC)
    assert day_ends(date(2026, 3, 29)) - day_starts(date(2026, 3, 29)) == timedelta(hours=23)
    assert day_ends(date(2026, 10, 25)) - day_starts(date(2026, 10, 25)) == timedelta(hours=25)
    assert local_day(datetime(2026, 6, 30, 23, tzinfo=UTC)) == date(2026, 7, 1)
    assert local_instant(date(2026, 3, 29), time(1, 30)) == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
    assert local_instant(date(2026, 10, 25), time(1, 30)) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


def test_months_over_the_year() -> None:
    assert add_months(date(2026, 12, 31), 2) == date(2027, 2, 28)
    assert add_months(date(2026, 1, 31), 0) == date(2026, 1, 31)
    assert add_months(date(2026, 11, 30), 1) == date(2026, 12, 30)


def test_working_days_of_three_jurisdictions() -> None:
    england, scotland, ireland = f.Jurisdiction
    assert (england, scotland, ireland) == ("england_and_wales", "scotland", "northern_ireland")
    assert not is_working_day(date(2026, 8, 31), england)
    assert is_working_day(date(2026, 8, 31), scotland)
    assert not is_working_day(date(2026, 8, 3), scotland)
    assert not is_working_day(date(2026, 3, 17), ireland)
    assert is_working_day(date(2026, 3, 17), england)
    assert not is_working_day(date(2026, 6, 6), england)
    assert is_working_day(date(2026, 6, 5), england)
    assert date(2026, 12, 25) in bank_holidays(england, 2026)
    assert working_day_from(date(2026, 6, 6), england) == date(2026, 6, 8)
    assert working_day_from(date(2026, 6, 5), england) == date(2026, 6, 5)
    assert working_days_after(date(2026, 6, 5), 2, england) == date(2026, 6, 9)
    assert working_days_after(date(2026, 6, 6), 0, england) == date(2026, 6, 6)


def test_the_rule_set_in_force() -> None:
    first = RULES
    second = RuleSet(
        version="2",
        valid_from=datetime(2030, 1, 1, tzinfo=UTC),
        published_at="",
        published_on=date(2029, 12, 1),
        plus_products=first.plus_products,
    )
    both = (second, first)
    assert rules_at(datetime(2029, 12, 31, 23, 59, tzinfo=UTC), both) is first
    assert rules_at(datetime(2030, 1, 1, tzinfo=UTC), both) is second
    assert rules_at(datetime(2001, 1, 1, tzinfo=UTC), both) is first
    assert rules_at(datetime(2026, 1, 1, tzinfo=UTC)) is first
    assert first.published_at == "https://www.bt.com/btplusterms"
