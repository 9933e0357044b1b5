"""Clocks and temperatures."""

from datetime import datetime

from firmware_bridge.modem.parse.clock import (
    parse_cclk,
    parse_nwtime,
    parse_qlts,
)
from firmware_bridge.modem.parse.temperature import parse_chiptemp, parse_cpmutemp, parse_qtemp
from firmware_bridge.types import NetworkTime, Temperature
from tests.unit.bridge.modem_parse.row import FAILS, table


def _time(text: str, *, zone_known: bool = True) -> NetworkTime:
    return NetworkTime(datetime.fromisoformat(text), zone_known)


def _degrees(**sensors: float) -> Temperature:
    return Temperature(dict(sensors))


ROWS = [
    *table(
        parse_cclk,
        ('+CCLK: "26/11/21,22:40:00+04"', _time("2026-11-21T22:40:00+01:00")),
        ('+CCLK: "26/11/21,22:40:00+00"', _time("2026-11-21T22:40:00+00:00")),
        ('+CCLK: "26/11/21,22:40:00-20"', _time("2026-11-21T22:40:00-05:00")),
        ('+CCLK: "26/11/21,22:40:00+22"', _time("2026-11-21T22:40:00+05:30")),
        ('+CCLK: "26/11/21,22:40:00+4"', _time("2026-11-21T22:40:00+01:00")),
        ('+CCLK: "2026/11/21,22:40:00+04"', _time("2026-11-21T22:40:00+01:00")),
        ("+CCLK: 26/11/21,22:40:00+04", _time("2026-11-21T22:40:00+01:00")),
        ('+CCLK:"26/11/21,22:40:00+04"', _time("2026-11-21T22:40:00+01:00")),
        ('+CCLK: "26/11/21,22:40:00"', _time("2026-11-21T22:40:00+00:00", zone_known=False)),
        ('+CCLK: "26/11/21,22:40:00+96"', _time("2026-11-21T22:40:00+00:00", zone_known=False)),
        ('+CCLK: "26/03/29,02:30:00+04"', _time("2026-03-29T02:30:00+01:00")),
        ('+CCLK: "24/02/29,23:59:59-48"', _time("2024-02-29T23:59:59-12:00")),
        ('+CCLK: "26/11/21,22:40:00+56"', _time("2026-11-21T22:40:00+14:00")),
        ('+CCLK: "26/11/21,22:40:00+57"', _time("2026-11-21T22:40:00+00:00", zone_known=False)),
        ('+CCLK: "26/11/21,22:40:00-01"', _time("2026-11-21T22:40:00-00:15")),
        ("+CCLK: 26/11/21,22:40:00", _time("2026-11-21T22:40:00+00:00", zone_known=False)),
        ('+CCLK: "70/01/01,00:00:12"', None),
        ('+CCLK: "19/12/31,23:59:59+00"', None),
        ('+CCLK: "80/01/06,00:00:12+00"', None),
        ('+CCLK: "70/01/01,00:00:12+00"', None),
        ('+CCLK: "04/01/01,00:00:12+00"', None),
        ('+CCLK: "00/01/01,00:00:12"', None),
        ('+CCLK: "1980/01/06,00:00:12+00"', None),
        ('+CCLK: "XX/XX/XX,XX:XX:XX"', None),
        ('+CCLK: ""', None),
        ("+CCLK: ", None),
        ("", None),
        ('+CCLK: "26/13/21,22:40:00+04"', FAILS),
        ('+CCLK: "26/02/30,22:40:00+04"', FAILS),
        ('+CCLK: "26/11/21,24:40:00+04"', FAILS),
        ('+CCLK: "today"', FAILS),
    ),
    *table(
        lambda lines: parse_cclk(lines, utc=True),
        ('+CCLK: "26/11/21,22:40:00+04"', _time("2026-11-21T23:40:00+01:00")),
        ('+CCLK: "26/11/21,22:40:00"', _time("2026-11-21T22:40:00+00:00", zone_known=False)),
    ),
    *table(
        parse_qlts,
        ('+QLTS: "2026/10/13,03:40:48+32,0"', _time("2026-10-13T03:40:48+08:00")),
        ('+QLTS: "2026/07/13,03:40:48+04,1"', _time("2026-07-13T03:40:48+01:00")),
        ('+QLTS: "2026/10/13,03:40:48+32",0', _time("2026-10-13T03:40:48+08:00")),
        ('+QLTS: "26/10/13,03:40:48+32,0"', _time("2026-10-13T03:40:48+08:00")),
        ('+QLTS: "2017/10/13,03:40:48+32,0"', None),
        ('+QLTS: ""', None),
        ("+QLTS:", None),
        ("", FAILS),
    ),
    *table(
        lambda lines: parse_qlts(lines, utc=True),
        ('+QLTS: "2026/10/13,03:40:48+32,0"', _time("2026-10-13T11:40:48+08:00")),
        ('+QLTS: "2026/10/13,03:40:48-32,0"', _time("2026-10-12T19:40:48-08:00")),
    ),
    *table(
        parse_nwtime,
        ("^NWTIME: 26/08/05,04:00:21+40,00", _time("2026-08-05T14:00:21+10:00")),
        ('^NWTIME: "26/08/05,04:00:21+04,01"', _time("2026-08-05T05:00:21+01:00")),
        ("^NWTIME: 14/08/05,04:00:21+40,00", None),
        ("^NWTIME: 80/01/06,00:00:00+00,00", None),
        ("", FAILS),
    ),
    *table(
        parse_qtemp,
        ("+QTEMP: 33,31,29", _degrees(pmic=33, xo=31, pa=29)),
        ("+QTEMP:33,31,29", _degrees(pmic=33, xo=31, pa=29)),
        ("+QTEMP: 33,255,29", _degrees(pmic=33, pa=29)),
        ("+QTEMP: 255,255,255", _degrees()),
        ("+QTEMP: 33,-273,29", _degrees(pmic=33, pa=29)),
        ("+QTEMP: -12,31,29", _degrees(pmic=-12, xo=31, pa=29)),
        ("+QTEMP: 0,31,29", _degrees(pmic=0, xo=31, pa=29)),
        ("+QTEMP: 34500,31,29", _degrees(pmic=34.5, xo=31, pa=29)),
        ("+QTEMP: 33", _degrees(pmic=33)),
        ("+QTEMP: 33,-32768,32767", _degrees(pmic=33)),
        ("+QTEMP: 151,-61,29", _degrees(pa=29)),
        ("+QTEMP: 150,-60,29", _degrees(pmic=150, xo=-60, pa=29)),
        ("+QTEMP: -,-,-", _degrees()),
        ('+QTEMP:"pmic","34"', _degrees(pmic=34)),
        ('+QTEMP:"modem-lte-sub6-pa1","34"\n+QTEMP:"aoss0-usr","-273"', Temperature({"modem-lte-sub6-pa1": 34})),
        ('+QTEMP: "cpu0","41000"\n+QTEMP: "cpu1","255"', Temperature({"cpu0": 41})),
        ("", FAILS),
    ),
    *table(
        parse_cpmutemp,
        ("+CPMUTEMP: 34", _degrees(pmu=34)),
        ("+CPMUTEMP:-5", _degrees(pmu=-5)),
        ("+CPMUTEMP: 255", _degrees()),
        ("+CPMUTEMP: ", _degrees()),
        ("", FAILS),
    ),
    *table(
        parse_chiptemp,
        ("^CHIPTEMP: 40,41", _degrees(chip0=40, chip1=41)),
        ("^CHIPTEMP: 408,405,65535", _degrees(chip0=40.8, chip1=40.5)),
        ("^CHIPTEMP: 140,120,65535", _degrees(chip0=14, chip1=12)),
        ("^CHIPTEMP: 105,98", _degrees(chip0=105, chip1=98)),
        ("^CHIPTEMP: 40,255", _degrees(chip0=40)),
        ("^CHIPTEMP: 65535,65535", _degrees()),
        ("^CHIPTEMP:38", _degrees(chip0=38)),
        ("", FAILS),
    ),
]
