"""Functionality levels, activity, battery and the clock (TS 27.007 clauses 8.1, 8.2, 8.4 and 8.15)."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from simulator.modem.answers import Answer
from simulator.modem.results import Cme
from simulator.modem.syntax import Op
from simulator.modem.table import Commands, Request
from simulator.modem.timekeeping import quarters

COMMANDS = Commands()
_RESET_PAUSE_S = 0.3  # between OK and the end of the ports
_CLOCK = re.compile(r"(\d\d(?:\d\d)?)/(\d\d)/(\d\d),(\d\d):(\d\d):(\d\d)([+-]\d\d)?")


@COMMANDS.on("+CFUN", Op.READ)
def functionality(request: Request) -> Answer:
    """+CFUN?: the level."""
    return (f"+CFUN: {request.modem.volatile.functionality}",)


@COMMANDS.on("+CFUN", Op.SET, pace="cfun")
def set_functionality(request: Request) -> Answer:
    """+CFUN=level[,1]: with a reset the answer comes before it."""
    level = request.number(0, high=7)
    if level not in {0, 1, 4, 6, 7}:
        raise Cme(50)
    if level == 6 or request.number(1, 0, high=1):
        request.modem.reboot(after_s=_RESET_PAUSE_S)
    else:
        request.modem.set_functionality(4 if level == 7 else level)
    return None


COMMANDS.fixed("+CFUN", Op.TEST, ("+CFUN: (0,1,4,6,7),(0,1)",))
COMMANDS.fixed("+CPAS", Op.EXECUTE, ("+CPAS: 0",))
COMMANDS.fixed("+CPAS", Op.TEST, ("+CPAS: (0,3,4)",))


@COMMANDS.on("+CBC")
def battery(request: Request) -> Answer:
    """+CBC: supply voltage, in the make's own form."""
    return (str(request.modem.personality.quirk("battery", "+CBC: 0,100")),)


@COMMANDS.on("+CCLK", Op.READ)
def clock(request: Request) -> Answer:
    """+CCLK?: local time with its zone in quarters of an hour, or the epoch while nobody has set it."""
    time = request.modem.time
    local = request.modem.personality.quirk("clock_is_local", default=True) or request.modem.volatile.time_updates == 3
    shown = time.local if local else time.utc
    return (f'+CCLK: "{shown:%y/%m/%d,%H:%M:%S}{quarters(time.zone)}"',)


@COMMANDS.on("+CCLK", Op.SET)
def set_clock(request: Request) -> Answer:
    """+CCLK=: set it by hand."""
    match = _CLOCK.fullmatch(request.text(0))
    if match is None:
        raise Cme(50)
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    zone = int(match[7] or 0)
    try:
        local = datetime(year if year > 99 else 2000 + year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        raise Cme(50) from None
    request.modem.time.set_clock(local - timedelta(minutes=15 * zone), zone)
    return None


COMMANDS.fixed("+CCLK", Op.TEST, ())


def _flag(name: str, attribute: str, values: str, high: int) -> None:
    @COMMANDS.on(name, Op.READ)
    def read(request: Request) -> Answer:
        return (f"{name}: {getattr(request.modem.volatile, attribute)}",)

    @COMMANDS.on(name, Op.SET)
    def store(request: Request) -> None:
        setattr(request.modem.volatile, attribute, request.number(0, 0, high=high))

    COMMANDS.fixed(name, Op.TEST, (f"{name}: {values}",))


_flag("+CTZU", "time_updates", "(0,1,3)", 3)
_flag("+CTZR", "time_reports", "(0-2)", 2)
