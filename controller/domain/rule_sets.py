"""Versioned rules as data: what may change without the code changing (T§15-17).

A rule set is in force from `valid_from` and is published at an address on a date. A fault is decided under the one in
force at its report.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum


class Bearing(StrEnum):
    """What a result of diagnostics bears on."""

    NO_SERVICE = "no_service"
    SERVICE_PRESENT = "service_present"
    LINE_CAUSE = "line_cause"
    OUTAGE_CAUSE = "outage_cause"
    HOME_CAUSE = "home_cause"
    EQUIPMENT_CAUSE = "equipment_cause"
    CURED = "cured"
    NOTHING_FOUND = "nothing_found"


OBSERVATION_MEANINGS: Mapping[tuple[str, str], Bearing] = {
    ("line_test", "no_sync"): Bearing.NO_SERVICE,
    ("line_test", "no_ppp"): Bearing.NO_SERVICE,
    ("line_test", "no_service"): Bearing.NO_SERVICE,
    ("line_test", "in_service"): Bearing.SERVICE_PRESENT,
    ("line_test", "line_fault"): Bearing.LINE_CAUSE,
    ("line_test", "outage"): Bearing.OUTAGE_CAUSE,
    ("line_test", "clear"): Bearing.NOTHING_FOUND,
    ("restart", "cured"): Bearing.CURED,
    ("restart", "not_cured"): Bearing.NOTHING_FOUND,
    ("wiring", "fault"): Bearing.HOME_CAUSE,
    ("wiring", "clear"): Bearing.NOTHING_FOUND,
    ("wiring", "cured"): Bearing.CURED,
    ("power_cycles", "by_customer"): Bearing.HOME_CAUSE,
    ("power_cycles", "clear"): Bearing.NOTHING_FOUND,
    ("equipment", "faulty"): Bearing.EQUIPMENT_CAUSE,
    ("equipment", "clear"): Bearing.NOTHING_FOUND,
    ("unplug_devices", "device_faulty"): Bearing.EQUIPMENT_CAUSE,
    ("unplug_devices", "cured"): Bearing.CURED,
    ("unplug_devices", "clear"): Bearing.NOTHING_FOUND,
    ("engineer", "line_fault"): Bearing.LINE_CAUSE,
    ("engineer", "outage"): Bearing.OUTAGE_CAUSE,
    ("engineer", "home"): Bearing.HOME_CAUSE,
    ("engineer", "equipment"): Bearing.EQUIPMENT_CAUSE,
    ("engineer", "cured"): Bearing.CURED,
    ("engineer", "clear"): Bearing.NOTHING_FOUND,
}
"""(kind, result) of an observation → what it bears on; anything else bears on nothing and is flagged."""


_ALL_LEVELS = frozenset({"pornography", "obscene_and_tasteless", "hate_and_self_harm"})
_LIGHT = _ALL_LEVELS | {"drugs", "alcohol_and_tobacco", "dating"}
_MODERATE = _LIGHT | {"nudity", "weapons_and_violence", "gambling", "social_networking"}
_STRICT = _MODERATE | {"fashion_and_beauty", "file_sharing", "games", "media_streaming"}
LEVEL_CATEGORIES: Mapping[str, frozenset[str]] = {
    "off": frozenset(),
    "light": _LIGHT,
    "moderate": _MODERATE,
    "strict": _STRICT,
}
"""Level → categories it refuses; the three of every level are attested, the rest is unverified."""
CATEGORIES = _STRICT | {"search_engines", "sex_education"}


@dataclass(frozen=True, slots=True, kw_only=True)
class QuietWindow:
    """When benefits are switched off, local time (policy); `immediate` for demonstrations."""

    opens: time = time(2)
    closes: time = time(5)
    immediate: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryRules:
    """The estimate of T§10d: local cut-off of a working day, and extra working days for a remote place."""

    cut_off: time = time(15)
    remote_extra_days: int = 1
    days: int = 1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RuleSet:
    """One version of the rules; each is itself and equals no other, so that what it says is found by its identity."""

    version: str
    valid_from: datetime
    published_at: str
    published_on: date
    plus_products: frozenset[str]
    drop_threshold: int = 5
    drop_window: timedelta = timedelta(hours=24)
    same_loss: timedelta = timedelta(seconds=60)
    late_sighting: timedelta = timedelta(minutes=15)
    no_service_after: timedelta = timedelta(minutes=15)
    promise: timedelta = timedelta(hours=1)
    alarm_shares: tuple[float, ...] = (0.5, 0.8)
    quiet_window: QuietWindow = QuietWindow()
    notice_wait: timedelta = timedelta(hours=24)
    freeze_months: int = 18
    boost_factor: int = 2
    fastest_tier: str = "fastest"
    delivery: DeliveryRules = DeliveryRules()
    new_unit_level: str = "light"
    level_categories: Mapping[str, frozenset[str]] = field(default_factory=lambda: LEVEL_CATEGORIES)
    categories: frozenset[str] = CATEGORIES
    identity_review: timedelta = timedelta(hours=4)
    observation_meanings: Mapping[tuple[str, str], Bearing] = field(default_factory=lambda: OBSERVATION_MEANINGS)


RULE_SETS: tuple[RuleSet, ...] = (
    RuleSet(
        version="2018-10-01",
        valid_from=datetime(2018, 10, 1, tzinfo=UTC),
        published_at="https://www.bt.com/btplusterms",
        published_on=date(2018, 10, 1),
        plus_products=frozenset({"Superfast Fibre Plus", "Ultrafast Fibre Plus", "Ultrafast Fibre 2 Plus"}),
    ),
)


def rules_at(instant: datetime, rule_sets: tuple[RuleSet, ...] = RULE_SETS) -> RuleSet:
    """Return the rule set in force at `instant`; before the first one, the first (T§17)."""
    if len(rule_sets) == 1:
        return rule_sets[0]
    in_force = [each for each in rule_sets if each.valid_from <= instant]
    return (
        max(in_force, key=lambda each: each.valid_from)
        if in_force
        else min(rule_sets, key=lambda each: each.valid_from)
    )
