"""Support, parental controls and changes."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from controller.domain.changes import SPEED_GUARANTEE, Substitution, may_publish, may_substitute, takes_away
from controller.domain.decisions import Outcome, Question
from controller.domain.errors import DomainError
from controller.domain.parental import (
    ParentalSetting,
    ParentalSettingError,
    categories_of,
    change_setting,
    checked_setting,
    plain_name,
    setting_due,
)
from controller.domain.rule_sets import LEVEL_CATEGORIES
from controller.domain.support import Team, normal_number, overflow, route_call
from tests.unit.domain.copies import replace
from tests.unit.domain.plain_home import AT, HOME, PLUS, RULES

# Dedicated support


@pytest.mark.parametrize(
    ("caller", "typed", "team", "by"),
    [
        ("020 7946 0001", None, Team.PLUS, "caller"),
        ("+44 20 7946 0001", None, Team.PLUS, "caller"),
        ("07700 900001", None, Team.PLUS, "caller"),
        (None, "02079460001", Team.PLUS, "typed_landline"),
        ("07700 900999", "02079460001", Team.PLUS, "typed_landline"),
        ("020 7946 0001", "020 7946 0002", Team.PLUS, "caller"),
        (None, "07700 900001", Team.GENERAL, None),
        ("07700 900999", None, Team.GENERAL, None),
        (None, None, Team.GENERAL, None),
        ("withheld", None, Team.GENERAL, None),
    ],
)
def test_where_a_call_goes(caller: str | None, typed: str | None, team: Team, by: str | None) -> None:
    route = route_call(HOME, caller, AT, RULES, typed_landline=typed)
    assert (route.team, route.recognised_by) == (team, by)
    assert route.account_ids == (("a",) if team is Team.PLUS else ())
    assert route.countries == (("GB", "IE") if team is Team.PLUS else ())
    assert route.ask_for_landline is (team is Team.GENERAL and typed is None)
    assert route.authenticates is False
    assert route.is_logged is False


def test_a_number_of_a_home_without_plus_is_not_recognised() -> None:
    without = replace(HOME, services=(replace(PLUS, product="Superfast Fibre Unlimited"),))
    assert route_call(without, "07700 900001", AT, RULES).team is Team.GENERAL
    assert route_call(without, "020 7946 0001", AT, RULES).team is Team.GENERAL


@pytest.mark.parametrize(
    ("number", "plain"),
    [("020 7946 0001", "+442079460001"), ("150", None), ("", None), (None, None), ("anonymous", None)],
)
def test_numbers(number: str | None, plain: str | None) -> None:
    assert normal_number(number) == plain


EXCEPTION: dict[str, Any] = {
    "country": "IN",
    "wait_here_s": 600,
    "wait_there_s": 60,
    "safeguard": "model contract",
    "circumstances": "storm",
}


def test_an_overflow_is_quicker_safeguarded_and_logged() -> None:
    route = route_call(HOME, "07700 900001", AT, RULES)
    found = overflow(route, **EXCEPTION)
    assert (found.team, found.countries, found.is_logged) == (Team.OVERFLOW, ("IN",), True)
    assert (found.safeguard, found.reason, found.account_ids) == ("model contract", "storm", ("a",))


@pytest.mark.parametrize(
    "change", [{"wait_there_s": 600}, {"wait_there_s": 601}, {"safeguard": " "}, {"circumstances": ""}]
)
def test_an_overflow_without_these_is_none(change: dict[str, Any]) -> None:
    route = route_call(HOME, "07700 900001", AT, RULES)
    assert overflow(route, **(EXCEPTION | change)) == route


def test_other_calls_do_not_overflow() -> None:
    route = route_call(HOME, None, AT, RULES)
    assert overflow(route, **EXCEPTION) == route


# Parental controls


def test_a_reactivated_hub_keeps_its_setting_and_a_new_one_starts_at_light() -> None:
    kept = ParentalSetting(level="strict", deny=frozenset({"a.example"}))
    assert setting_due(kept, RULES) == kept
    assert setting_due(None, RULES) == ParentalSetting(level="light")


def test_an_operator_changes_a_setting() -> None:
    before = ParentalSetting(level="light")
    after = ParentalSetting(level="custom", categories=frozenset({"games"}), allow=frozenset({"Bücher.Example."}))
    change = change_setting(before, after, by="J. Smith", at=AT, rules=RULES)
    assert (change.before, change.by, change.at, change.tell_account_holder) == (before, "J. Smith", AT, True)
    assert change.after.allow == {"xn--bcher-kva.example"}
    assert change.after.categories == {"games"}
    assert "may differ" in change.note
    off = change_setting(before, ParentalSetting(level="off"), by="J. Smith", at=AT, rules=RULES)
    assert off.after.level == "off"


CLASH = frozenset({"A.example", "b.example"})


@pytest.mark.parametrize(
    ("setting", "part", "problem"),
    [
        (ParentalSetting(level="none"), "level", "'none' is none of off, light, moderate, strict, custom"),
        (
            ParentalSetting(level="light", categories=frozenset({"games"})),
            "categories",
            "they go with the level custom only",
        ),
        (
            ParentalSetting(level="custom", categories=frozenset({"games", "moon", "mars"})),
            "categories",
            "there is no mars, moon",
        ),
        (
            ParentalSetting(level="light", allow=CLASH | {"c.example"}, deny=CLASH),
            "allow",
            "a.example, b.example is denied too: keep one of them",
        ),
        (
            ParentalSetting(level="light", deny=frozenset({"nonsense"})),
            "'nonsense'",
            "is no name of a site: write it like example.org",
        ),
        (
            ParentalSetting(level="light", allow=frozenset({"\udcff.example"})),
            repr("\udcff.example"),
            "is no name of a site: write it like example.org",
        ),
    ],
)
def test_a_broken_setting_names_its_part(setting: ParentalSetting, part: str, problem: str) -> None:
    with pytest.raises(ParentalSettingError) as caught:
        checked_setting(setting, RULES)
    assert caught.value.part == part
    assert str(caught.value) == f"{part}: {problem}"
    assert isinstance(caught.value, DomainError)


def test_a_change_needs_a_name() -> None:
    with pytest.raises(ParentalSettingError) as caught:
        change_setting(ParentalSetting(level="off"), ParentalSetting(level="light"), by=" ", at=AT, rules=RULES)
    assert str(caught.value) == "by: the operator's name is needed"


@pytest.mark.parametrize(
    "name",
    ["", "a", "-a.example", "a-.example", "a..example", "a_b.example", "x" * 64 + ".example", ".".join(["a" * 62] * 5)],
)
def test_names_that_are_none(name: str) -> None:
    with pytest.raises(ParentalSettingError):
        plain_name(name)


def test_names() -> None:
    assert plain_name(" WWW.Example.ORG. ") == "www.example.org"
    assert plain_name("x" * 63 + ".example") == "x" * 63 + ".example"


def test_what_a_level_refuses() -> None:
    assert categories_of(ParentalSetting(level="off"), RULES) == frozenset()
    light, moderate, strict = (categories_of(ParentalSetting(level=x), RULES) for x in ("light", "moderate", "strict"))
    assert light < moderate < strict
    assert light >= {"pornography", "obscene_and_tasteless", "hate_and_self_harm"}
    assert categories_of(ParentalSetting(level="custom", categories=frozenset({"games"})), RULES) == {"games"}
    assert set(LEVEL_CATEGORIES) == {"off", "light", "moderate", "strict"}
    with pytest.raises(ParentalSettingError, match=r"^level: 'none' is no level$"):
        categories_of(ParentalSetting(level="none"), RULES)


# Changes

WORSE: Mapping[str, Any] = {
    "plus_products": frozenset({"Superfast Fibre Plus"}),
    "drop_threshold": 6,
    "drop_window": timedelta(hours=23),
    "same_loss": timedelta(seconds=61),
    "no_service_after": timedelta(minutes=16),
    "promise": timedelta(minutes=61),
    "freeze_months": 17,
    "boost_factor": 1,
}
BETTER: Mapping[str, Any] = {
    "plus_products": RULES.plus_products | {"More Plus"},
    "drop_threshold": 4,
    "drop_window": timedelta(hours=25),
    "same_loss": timedelta(seconds=59),
    "no_service_after": timedelta(minutes=14),
    "promise": timedelta(minutes=59),
    "freeze_months": 19,
    "boost_factor": 3,
}
NEXT = replace(RULES, version="next", valid_from=AT)


@pytest.mark.parametrize("name", WORSE)
def test_terms_that_take_away_need_a_basis(name: str) -> None:
    change = {name: WORSE[name]}
    worse = replace(NEXT, **change)
    assert takes_away(RULES, worse) == (name,)
    refused = may_publish(RULES, worse, AT)
    assert (refused.outcome, refused.code) == (Outcome.FORBIDDEN, "takes_away")
    assert name in refused.reason
    based = may_publish(RULES, worse, AT, other_basis="a change of the law")
    assert (based.outcome, based.code) == (Outcome.PERMITTED, "other_basis")
    assert "a change of the law" in based.reason


@pytest.mark.parametrize("name", BETTER)
def test_terms_that_add_may_follow(name: str) -> None:
    change = {name: BETTER[name]}
    better = replace(NEXT, **change)
    decision = may_publish(RULES, better, AT)
    assert (decision.outcome, decision.code) == (Outcome.PERMITTED, "adds_only")
    assert (decision.subject, decision.rule_set, decision.clause, decision.at) == ("next", "next", "T§17", AT)
    assert decision.reason == "The new terms only add to the benefits."
    assert decision.question is Question.CHANGE


def test_terms_follow_in_time() -> None:
    same = may_publish(RULES, replace(NEXT, valid_from=RULES.valid_from), AT, other_basis="any")
    assert (same.outcome, same.code) == (Outcome.FORBIDDEN, "not_later")
    assert same.reason == "The new terms must be valid from a later time than the old ones."


SUBSTITUTE = Substitution(
    benefit="Mini Hub", equivalent="a dongle", necessity="none are made", cause_beyond_control="a fire", approver="Ann"
)


def test_a_substitute_records_why() -> None:
    decision = may_substitute(SUBSTITUTE, AT, RULES)
    assert (decision.outcome, decision.code, decision.clause) == (Outcome.PERMITTED, "substituted", "T§16")
    assert decision.reason == "Mini Hub is replaced by a dongle, because none are made."
    assert decision.subject == "Mini Hub"


@pytest.mark.parametrize("name", ["equivalent", "necessity", "cause_beyond_control", "approver"])
def test_a_substitute_lacks_nothing(name: str) -> None:
    change = {name: " "}
    decision = may_substitute(replace(SUBSTITUTE, **change), AT, RULES)
    assert (decision.outcome, decision.code) == (Outcome.FORBIDDEN, "incomplete")
    assert decision.reason == f"Say also: {name}."


def test_the_speed_guarantee_is_elsewhere() -> None:
    assert SPEED_GUARANTEE == "https://www.bt.com/fasterspeeds"
