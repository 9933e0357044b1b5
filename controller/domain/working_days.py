"""Working days of the three jurisdictions: Monday to Friday without their bank holidays."""

from datetime import date, timedelta
from functools import cache

import holidays

from controller.domain.facts import Jurisdiction

_SUBDIVISIONS = {
    Jurisdiction.ENGLAND_AND_WALES: "ENG",
    Jurisdiction.SCOTLAND: "SCT",
    Jurisdiction.NORTHERN_IRELAND: "NIR",
}


@cache
def bank_holidays(jurisdiction: Jurisdiction, year: int) -> frozenset[date]:
    """Return the bank holidays of a year; England and Wales share theirs."""
    return frozenset(holidays.country_holidays("GB", subdiv=_SUBDIVISIONS[jurisdiction], years=year))


def is_working_day(day: date, jurisdiction: Jurisdiction) -> bool:
    """Say whether a day is neither at a weekend nor a bank holiday there."""
    return day.weekday() < 5 and day not in bank_holidays(jurisdiction, day.year)


def working_day_from(day: date, jurisdiction: Jurisdiction) -> date:
    """Return the day itself where it is a working day, else the next one."""
    while not is_working_day(day, jurisdiction):
        day += timedelta(days=1)
    return day


def working_days_after(day: date, count: int, jurisdiction: Jurisdiction) -> date:
    """Return the `count`-th working day after a day; the day itself never counts."""
    for _ in range(count):
        day = working_day_from(day + timedelta(days=1), jurisdiction)
    return day
