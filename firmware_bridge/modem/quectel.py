"""Quectel EC25 and EG25: cell by +QENG, levels by +QCSQ, counters by +QGDCNT, the call by $QCRMCALL where it exists."""

from typing import ClassVar

from firmware_bridge.at.commands import Arrival, Bare, Command, NoInfo, Prefixed, Urc
from firmware_bridge.at.urcs import GENERIC as GENERIC_URCS
from firmware_bridge.modem import bearer
from firmware_bridge.modem.dialect import (
    CESQ,
    CLOCK,
    CSQ,
    EF_ICCID,
    GENERIC_INIT,
    IMEI,
    IMEI_QUOTED,
    PIN_TRIES,
    Dialect,
)
from firmware_bridge.modem.generic import Modem
from firmware_bridge.modem.parse.bearer import parse_qcrmcall
from firmware_bridge.modem.parse.cell import parse_qeng, parse_qnwinfo
from firmware_bridge.modem.parse.clock import parse_qlts
from firmware_bridge.modem.parse.counters import parse_qgdcnt
from firmware_bridge.modem.parse.identity import parse_iccid, parse_imei, tells_iccid, tells_imei
from firmware_bridge.modem.parse.signal import parse_qcsq
from firmware_bridge.modem.parse.sim import parse_qpinc
from firmware_bridge.modem.parse.temperature import parse_qtemp
from firmware_bridge.modem.query import Query, step
from firmware_bridge.types import Bearer, BearerSettings

SERVING_CELL = Query(Command('AT+QENG="servingcell"', Prefixed("+QENG")), parse_qeng)
NETWORK_INFO = Query(Command("AT+QNWINFO", Prefixed("+QNWINFO")), parse_qnwinfo)
LEVELS = Query(Command("AT+QCSQ", Prefixed("+QCSQ")), parse_qcsq)
DATA_CALL = Query(Command("AT$QCRMCALL?", Prefixed("$QCRMCALL", required=False)), parse_qcrmcall)
START_CALL = Command(f"AT$QCRMCALL=1,{bearer.CID}", Prefixed("$QCRMCALL", required=False))
END_CALL = Command(f"AT$QCRMCALL=0,{bearer.CID}", NoInfo())

# Clocks: +QLTS=2 is the network's local time now; +QLTS alone is the moment of the last synchronisation.
_LOCAL_TIME = Query(Command("AT+QLTS=2", Prefixed("+QLTS")), parse_qlts)

_INIT = (
    *(known for known in GENERIC_INIT if known.alternatives[0].text != "AT+CTZU=1"),
    # 3 sets the clock to local time, as +CCLK should tell by TS 27.007 8.15; 1 leaves it on UTC (EC25).
    step("AT+CTZU=3"),
    step("AT+QSIMSTAT=1"),
    step('AT+QINDCFG="csq",0'),
    step('AT+QURCCFG="urcport","all"', 'AT+QURCCFG="urcport","usbat"'),
)

DIALECT = Dialect(
    family="quectel",
    init=_INIT,
    urcs=GENERIC_URCS.extended(
        "+QSIMSTAT", "+QUSIM", "+QIURC", "+QNETDEVSTATUS", Urc("+QIND", Arrival.LATEST), "POWERED DOWN"
    ),
    imei=(IMEI, IMEI_QUOTED, Query(Command("AT+EGMR=0,7", Bare(tells_imei, ("+EGMR",))), parse_imei)),
    iccid=(Query(Command("AT+QCCID", Bare(tells_iccid, ("+QCCID",))), parse_iccid), EF_ICCID),
    tries=(Query(Command('AT+QPINC="SC"', Prefixed("+QPINC")), parse_qpinc), PIN_TRIES),
    cell=(SERVING_CELL, NETWORK_INFO),
    signal=(LEVELS, CESQ, CSQ),
    clock=(_LOCAL_TIME, CLOCK),
    temperature=(Query(Command("AT+QTEMP", Prefixed("+QTEMP")), parse_qtemp),),
    counters=Query(Command("AT+QGDCNT?", Prefixed("+QGDCNT")), parse_qgdcnt),
    power_off=Command("AT+QPOWD"),
    powered_down=("POWERED DOWN",),
)


class QuectelModem(Modem):
    """EC25, EG25."""

    dialect: ClassVar[Dialect] = DIALECT

    async def bearer(self) -> Bearer:
        """Context 1, and the data call where the firmware has one (RmNet): both must be up."""
        found = await super().bearer()
        if found.up and await self._call_is_up() is False:
            return Bearer(up=False)
        return found

    async def _call_is_up(self) -> bool | None:
        calls = await self._session.ask_first([DATA_CALL])
        return None if calls is None else any(call.up for call in calls)

    async def _start_call(self, settings: BearerSettings) -> None:
        await super()._start_call(settings)
        if await self._call_is_up() is False:
            await self._session.execute(START_CALL)

    async def _end_call(self) -> None:
        if await self._call_is_up():
            await self._session.execute(END_CALL)
        await super()._end_call()
