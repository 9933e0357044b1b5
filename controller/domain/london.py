"""Days, months and clock times of Europe/London as instants in UTC."""

from calendar import monthrange
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

LONDON = ZoneInfo("Europe/London")


@lru_cache(maxsize=4096)
def local_instant(day: date, at: time) -> datetime:
    """Return the instant of a local clock time.

    One the clocks skip counts as if they had not moved yet; of a repeated one, the first.
    """
    local = datetime.combine(day, at, tzinfo=LONDON)
    return local.astimezone(UTC)


@lru_cache(maxsize=4096)
def day_starts(day: date) -> datetime:
    """Return the first instant of a day (local midnight)."""
    return local_instant(day, time())


@lru_cache(maxsize=4096)
def day_ends(day: date) -> datetime:
    """Return the first instant after a day: a benefit that lasts to the end of a last day is over at it (T§5, 6)."""
    return day_starts(day + timedelta(days=1))


def local_day(instant: datetime) -> date:
    """Return the day an instant falls on."""
    return instant.astimezone(LONDON).date()


def add_months(day: date, months: int) -> date:
    """Return the corresponding date that many months on, clamped to its month's end, in one step."""
    years, month = divmod(day.month - 1 + months, 12)
    year = day.year + years
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))
