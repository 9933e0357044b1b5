"""Network identity and time zone (3GPP TS 22.042): local time as a network announces it."""

from datetime import UTC, datetime, timedelta

_STANDARD_QUARTERS = {"GB": 0, "IE": 0, "JE": 0, "GG": 0, "IM": 0, "FR": 4, "DE": 4, "US": -20}


def _last_sunday(year: int, month: int) -> datetime:
    following = datetime(year + month // 12, month % 12 + 1, 1, 1, tzinfo=UTC)
    last = following - timedelta(days=1)
    return last - timedelta(days=(last.weekday() + 1) % 7)


def zone_of(country: str, utc: datetime) -> tuple[int, int]:
    """(offset from UTC in quarters of an hour with summer time included, hours of summer time) at a moment.

    Summer time is the European rule (last Sundays of March and October, 01:00 UTC), the United States' two weeks apart
    being left out.
    """
    summer = _last_sunday(utc.year, 3) <= utc < _last_sunday(utc.year, 10)
    return _STANDARD_QUARTERS.get(country, 0) + (4 if summer else 0), int(summer)
