"""Final result codes: whole lines in tables, never part of one. V.250 5.7.1, TS 27.007 9.2, TS 27.005 3.2.5."""

import re
from collections.abc import Mapping

from firmware_bridge.at.commands import Final, FinalKind

OK = Final(FinalKind.OK)
ERROR = Final(FinalKind.ERROR)

PLAIN: Mapping[str, Final] = {
    "OK": OK,
    "ERROR": ERROR,
    "+CME ERROR": Final(FinalKind.CME),
    "+CMS ERROR": Final(FinalKind.CMS),
    "COMMAND NOT SUPPORT": Final(FinalKind.NOT_SUPPORTED),
    "COMMAND NOT SUPPORTED": Final(FinalKind.NOT_SUPPORTED),
    "NA": Final(FinalKind.NOT_SUPPORTED, text="NA"),
    "+EXT ERROR": Final(FinalKind.VENDOR, text="+EXT ERROR"),
    "MODEM ERROR": Final(FinalKind.VENDOR, text="MODEM ERROR"),
    "TOO MANY PARAMETERS": Final(FinalKind.VENDOR, text="TOO MANY PARAMETERS"),
}
CALL: Mapping[str, Final] = {
    **PLAIN,
    "CONNECT": Final(FinalKind.CONNECT),
    "NO CARRIER": Final(FinalKind.NO_CARRIER),
    "BUSY": Final(FinalKind.BUSY),
    "NO ANSWER": Final(FinalKind.NO_ANSWER),
    "NO DIALTONE": Final(FinalKind.NO_DIALTONE),
    "NO DIAL TONE": Final(FinalKind.NO_DIALTONE),
}
CALL_RESULTS = frozenset(CALL) - frozenset(PLAIN)

# ATV0 (V.250 table 1). 2 is RING and no final.
NUMERIC: Mapping[str, Final] = {"0": OK, "4": ERROR}
NUMERIC_CALL: Mapping[str, Final] = {
    **NUMERIC,
    "1": CALL["CONNECT"],
    "3": CALL["NO CARRIER"],
    "6": CALL["NO DIALTONE"],
    "7": CALL["BUSY"],
    "8": CALL["NO ANSWER"],
}

_CALLING = re.compile(r"AT([DAO]|\+CGACT=|\+CGATT=|\+CGDATA|\$QCRMCALL=|\+NETOPEN|\^NDISDUP=)", re.IGNORECASE)

CME_TEXTS: Mapping[str, int] = {
    "phone failure": 0,
    "no connection to phone": 1,
    "phone-adaptor link reserved": 2,
    "operation not allowed": 3,
    "operation not supported": 4,
    "ph-sim pin required": 5,
    "ph-fsim pin required": 6,
    "ph-fsim puk required": 7,
    "sim not inserted": 10,
    "sim pin required": 11,
    "sim puk required": 12,
    "sim failure": 13,
    "sim busy": 14,
    "sim wrong": 15,
    "incorrect password": 16,
    "sim pin2 required": 17,
    "sim puk2 required": 18,
    "memory full": 20,
    "invalid index": 21,
    "not found": 22,
    "memory failure": 23,
    "text string too long": 24,
    "invalid characters in text string": 25,
    "dial string too long": 26,
    "invalid characters in dial string": 27,
    "no network service": 30,
    "network timeout": 31,
    "network not allowed - emergency calls only": 32,
    "network not allowed, emergency calls only": 32,
    "emergency calls only": 32,
    "network personalization pin required": 40,
    "network personalisation pin required": 40,
    "network personalization puk required": 41,
    "network personalisation puk required": 41,
    "incorrect parameters": 50,
    "unknown": 100,
    "unknown error": 100,
    "illegal ms": 103,
    "illegal me": 106,
    "gprs services not allowed": 107,
    "plmn not allowed": 111,
    "location area not allowed": 112,
    "roaming not allowed in this location area": 113,
    "service option not supported": 132,
    "requested service option not subscribed": 133,
    "service option temporarily out of order": 134,
    "unspecified gprs error": 148,
    "pdp authentication failure": 149,
    "please wait, init or command processing in progress": 515,
}
CMS_TEXTS: Mapping[str, int] = {
    "me failure": 300,
    "sms service of me reserved": 301,
    "operation not allowed": 302,
    "operation not supported": 303,
    "invalid pdu mode parameter": 304,
    "invalid text mode parameter": 305,
    "sim not inserted": 310,
    "sim pin required": 311,
    "sim failure": 313,
    "sim busy": 314,
    "sim wrong": 315,
    "sim puk required": 316,
    "memory failure": 320,
    "invalid memory index": 321,
    "memory full": 322,
    "smsc address unknown": 330,
    "no network service": 331,
    "network timeout": 332,
    "unknown error": 500,
}

# Names before a colon that end a command.
ERROR_NAMES: Mapping[str, FinalKind] = {
    "+CME ERROR": FinalKind.CME,
    "+CMS ERROR": FinalKind.CMS,
    "+EXT ERROR": FinalKind.VENDOR,
    "+IP ERROR": FinalKind.VENDOR,
    "MODEM ERROR": FinalKind.VENDOR,
}


def final_from_error_line(name: str, line: str) -> Final | None:
    """The final of `+CME ERROR: 10`, `+CME ERROR: SIM not inserted`, `+EXT ERROR: 7` …, None for any other name."""
    kind = ERROR_NAMES.get(name)
    if kind is None:
        return None
    words = line.partition(":")[2].strip()
    if kind is FinalKind.VENDOR:
        return Final(kind, int(words) if is_short_number(words) else None, line.strip())
    if is_short_number(words):
        return Final(kind, int(words))
    table = CME_TEXTS if kind is FinalKind.CME else CMS_TEXTS
    return Final(kind, table.get(words.lower()), words)


def is_short_number(text: str) -> bool:
    """At most six ASCII digits: nothing that could make `int` slow or wrong."""
    return 0 < len(text) <= 6 and text.isascii() and text.isdigit()


def ends_in_call_result(text: str) -> bool:
    """Whether NO CARRIER, BUSY … may be this command's final; for every other command they are unsolicited."""
    return _CALLING.match(text) is not None


def connect_final(line: str) -> Final | None:
    """The final of `CONNECT 150000000`."""
    return Final(FinalKind.CONNECT, text=line[8:].strip()) if line.startswith("CONNECT ") else None
