"""ZTE MF-series: service by +ZPAS; the +ZUSIMR flood stops only when the storage was asked for (Q30)."""

from typing import ClassVar

from firmware_bridge.at.commands import Arrival, Bare, Command, Prefixed, Urc
from firmware_bridge.at.urcs import GENERIC as GENERIC_URCS
from firmware_bridge.modem.dialect import EF_ICCID, GENERIC_INIT, PIN_TRIES, Dialect
from firmware_bridge.modem.generic import Modem
from firmware_bridge.modem.parse.cell import parse_zpas
from firmware_bridge.modem.parse.identity import parse_iccid, tells_iccid
from firmware_bridge.modem.parse.sim import parse_zpinpuk
from firmware_bridge.modem.query import Query, Step

DIALECT = Dialect(
    family="zte",
    init=(GENERIC_INIT[0], Step((Command("AT+CPMS?", Prefixed("+CPMS", required=False)),)), *GENERIC_INIT[1:]),
    urcs=GENERIC_URCS.extended(
        Urc("+ZUSIMR", Arrival.LATEST),
        Urc("+ZPASR", Arrival.LATEST),
        Urc("+ZPSTM", Arrival.LATEST),
        "+ZDONR",
        "+ZEND",
        Urc("+ZRSSI", Arrival.LATEST),
    ),
    iccid=(
        Query(Command("AT+ZICCID?", Bare(tells_iccid, ("^ICCID", "+ZICCID"))), parse_iccid),
        Query(Command("AT+ZGETICCID", Bare(tells_iccid, ("+ZGETICCID",))), parse_iccid),
        EF_ICCID,
    ),
    tries=(Query(Command("AT+ZPINPUK=?", Prefixed("+ZPINPUK")), parse_zpinpuk), PIN_TRIES),
    cell=(Query(Command("AT+ZPAS?", Prefixed("+ZPAS", "+BEARTYPE")), parse_zpas),),
)


class ZteModem(Modem):
    """MF-series: context activation by +CGACT; no counters, no temperature."""

    dialect: ClassVar[Dialect] = DIALECT
