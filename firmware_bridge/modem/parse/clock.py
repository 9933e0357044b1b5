"""Network time: zones in quarter hours, clocks never set, UTC or local (TS 27.007 8.15)."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone

from firmware_bridge.modem.parse.fields import failure, first_payload
from firmware_bridge.types import NetworkTime

_STAMP = re.compile(
    r"(?P<year>\d{4}|\d{2})[/-](?P<month>\d{1,2})[/-](?P<day>\d{1,2})[ ,]\s*"
    r"(?P<hour>\d{1,2}):(?P<minute>\d{2}):(?P<second>\d{2})\s*(?P<zone>[+-]\d{1,3})?"
)
# Clocks that were never set start in 1970, 1980, 2000 or 2004; no network of this decade says less than 2020.
_FIRST_YEAR = 2020
_LAST_YEAR = 2069
_QUARTERS_MOST = 56  # UTC+14


def _zone(text: str | None) -> timezone | None:
    """A zone in quarter hours from UTC; None when missing or not of this planet."""
    quarters = int(text) if text else None
    return (
        timezone(timedelta(minutes=15 * quarters)) if quarters is not None and abs(quarters) <= _QUARTERS_MOST else None
    )


def _year(text: str) -> int:
    return int(text) if len(text) == 4 else 2000 + int(text)


def _stamp(name: str, text: str) -> tuple[datetime, str | None] | None:
    """The wall time and the zone text; None for a clock that was never set.

    Raises:
        ReplyError: for a text that is no date at all.
    """
    match = _STAMP.search(text)
    if match is None:
        if not text.strip('", X/:') or "X" in text.upper():
            return None
        raise failure(name, text, "no date")
    if not _FIRST_YEAR <= _year(match["year"]) <= _LAST_YEAR:
        return None
    parts = [int(match[part]) for part in ("month", "day", "hour", "minute", "second")]
    try:
        return datetime(_year(match["year"]), *parts), match["zone"]  # type: ignore[arg-type]  # noqa: DTZ001 - zone follows
    except ValueError as error:
        raise failure(name, text, "no such date") from error


def _as_local(name: str, text: str) -> NetworkTime | None:
    """Local time with its zone."""
    found = _stamp(name, text)
    if found is None:
        return None
    wall, zone_text = found
    zone = _zone(zone_text)
    return NetworkTime(wall.replace(tzinfo=zone or UTC), zone_known=zone is not None)


def _as_utc(name: str, text: str) -> NetworkTime | None:
    """UTC with the zone told beside."""
    found = _stamp(name, text)
    if found is None:
        return None
    wall, zone_text = found
    zone = _zone(zone_text)
    return NetworkTime(wall.replace(tzinfo=UTC).astimezone(zone or UTC), zone_known=zone is not None)


def parse_cclk(lines: Sequence[str], *, utc: bool = False) -> NetworkTime | None:
    """`+CCLK: "yy/MM/dd,hh:mm:ss±zz"`: local time by TS 27.007 8.15; `utc` for a modem whose clock runs on UTC.

    None for a bare OK and for a clock never set. Without a zone the time is taken as UTC, `zone_known` False.
    """
    if not lines:
        return None
    text = first_payload(lines, "+CCLK")
    return _as_utc("+CCLK", text) if utc else _as_local("+CCLK", text)


def parse_qlts(lines: Sequence[str], *, utc: bool = False) -> NetworkTime | None:
    """Quectel `+QLTS: "2017/10/13,03:40:48+32,0"`, DST inside the quotes; `""` unset. `+QLTS=1` is UTC, `=2` local."""
    text = first_payload(lines, "+QLTS")
    return _as_utc("+QLTS", text) if utc else _as_local("+QLTS", text)


def parse_nwtime(lines: Sequence[str]) -> NetworkTime | None:
    """Huawei `^NWTIME: 14/08/05,04:00:21+40,00`: UTC with the zone, then the DST (TS 24.008 10.5.3.9 order)."""
    return _as_utc("^NWTIME", first_payload(lines, "^NWTIME"))
