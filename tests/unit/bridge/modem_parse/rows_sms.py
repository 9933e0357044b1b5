"""Stored messages."""

from datetime import UTC, datetime

from firmware_bridge.modem.parse.pdu import Deliver
from firmware_bridge.modem.parse.sms import Stored, parse_cmgl, parse_cmgr, parse_cmti, parse_cpms
from tests.unit.bridge.modem_parse.row import FAILS, of_line, table

# SMS-DELIVER from +447700900123, 2026-11-21 22:40:00 UTC, GSM 7-bit "wake".
PDU = "0791447758100650" + "04" + "0C91447700091032" + "0000" + "62111222040000" + "04" + "F7F0BA0C"
WAKE = Deliver("+447700900123", datetime(2026, 11, 21, 22, 40, tzinfo=UTC), "wake")

ROWS = [
    *table(
        parse_cmgl,
        (f"+CMGL: 1,0,,24\n{PDU}", (Stored(1, WAKE),)),
        (f'+CMGL: 1,0,"",24\n{PDU}', (Stored(1, WAKE),)),
        (f"+CMGL:7,1,,24\n{PDU}", (Stored(7, WAKE),)),
        (f"+CMGL: 1,0,,24\n{PDU}\n+CMGL: 2,0,,24\n{PDU}", (Stored(1, WAKE), Stored(2, WAKE))),
        (f"+CMGL: 1,0,,24\n\n{PDU}", (Stored(1, WAKE),)),
        ("+CMGL: 1,0,,24\nABC", (Stored(1, None),)),
        (f"+CMGL: 1,0,,24\nZZ\n+CMGL: 2,0,,24\n{PDU}", (Stored(1, None), Stored(2, WAKE))),
        ("+CMGL: 1,0,,24", ()),
        ("", ()),
        (f"+CMGL: x,0,,24\n{PDU}", FAILS),
    ),
    *table(
        lambda lines: parse_cmgr(lines, 5),
        (f"+CMGR: 0,,24\n{PDU}", Stored(5, WAKE)),
        (f'+CMGR: 1,"",24\n{PDU}', Stored(5, WAKE)),
        ("+CMGR: 0,,24\nOK?", Stored(5, None)),
        ("", None),
    ),
    *table(
        of_line(parse_cmti),
        ('+CMTI: "ME",5', ("ME", 5)),
        ("+CMTI: SM,12", ("SM", 12)),
        ('+CMTI: "SM", 26', ("SM", 26)),
        ('+CMTI:"sm",0', ("SM", 0)),
        ('+CMTI: "ME"', FAILS),
        ("+CMTI: ", FAILS),
    ),
    *table(
        parse_cpms,
        ('+CPMS: "ME",0,255,"ME",0,255,"ME",0,255', ("ME", 0, 255)),
        ('+CPMS: "SM",12,50', ("SM", 12, 50)),
        ("+CPMS: 3,50,3,50,3,50", (None, 3, 50)),
        ("+CPMS:SM,1,20", ("SM", 1, 20)),
        ('+CPMS: "ME"', FAILS),
        ("+CPMS: (),(),()", FAILS),
        ("", FAILS),
    ),
]
