"""SIM state and PIN tries (TS 27.007 8.3, TS 31.101) and what families say instead."""

from collections.abc import Sequence
from dataclasses import dataclass

from firmware_bridge.modem.parse.fields import at, failure, fields, first_payload, number, unquoted
from firmware_bridge.types import SimState

_STATES = {
    "READY": SimState.READY,
    "SIM PIN": SimState.PIN,
    "SIM PUK": SimState.PUK,
    "SIM PIN2": SimState.PIN2,
    "SIM PUK2": SimState.PUK2,
    "NOT INSERTED": SimState.ABSENT,
    "SIM REMOVED": SimState.ABSENT,
    "SIM NOT INSERTED": SimState.ABSENT,
    "NOT READY": SimState.BUSY,
    "BUSY": SimState.BUSY,
    "SIM FAILURE": SimState.FAILED,
    "BLOCKED": SimState.FAILED,
}

# TS 27.007 9.2: the +CME codes that tell the SIM's state, as numbers and as texts (CMEE=2).
_CODES = {
    5: SimState.LOCKED,
    10: SimState.ABSENT,
    11: SimState.PIN,
    12: SimState.PUK,
    13: SimState.FAILED,
    14: SimState.BUSY,
    15: SimState.FAILED,
    17: SimState.PIN2,
    18: SimState.PUK2,
    **dict.fromkeys(range(40, 48), SimState.LOCKED),
}
_TEXTS = {
    "SIM NOT INSERTED": 10,
    "SIM PIN REQUIRED": 11,
    "SIM PUK REQUIRED": 12,
    "SIM FAILURE": 13,
    "SIM BUSY": 14,
    "SIM WRONG": 15,
    "INCORRECT PASSWORD": 16,
    "SIM PIN2 REQUIRED": 17,
    "SIM PUK2 REQUIRED": 18,
    "OPERATION NOT ALLOWED": 3,
    "OPERATION NOT SUPPORTED": 4,
}


@dataclass(frozen=True, slots=True)
class Tries:
    """Tries left; None where the modem does not tell."""

    pin: int | None = None
    puk: int | None = None


def parse_cpin(lines: Sequence[str]) -> SimState:
    """The state of +CPIN? and of its URC, quoted or not (`+CPIN: READY`, `"SIM PIN"`, `PH-NET PIN`, `NOT INSERTED`)."""
    code = unquoted(first_payload(lines, "+CPIN", "CPIN")).upper()
    if code.startswith(("PH-", "PH_")):
        return SimState.LOCKED
    return _STATES.get(code, SimState.UNKNOWN)


def sim_state_of_error(code: int | None, text: str | None = None) -> SimState:
    """What a +CME error of +CPIN? says; a plain ERROR says nothing."""
    number_ = code if code is not None else _TEXTS.get((text or "").strip().upper())
    return _CODES.get(number_, SimState.UNKNOWN) if number_ is not None else SimState.UNKNOWN


def cme_code(code: int | None, text: str | None) -> int | None:
    """The +CME number of an error in either form (CMEE=1 or 2), None where the text is not in TS 27.007 9.2."""
    return code if code is not None else _TEXTS.get((text or "").strip().upper())


def _tries(field: str) -> int | None:
    count = number(field)
    return count if count is not None and 0 <= count <= 10 else None


def parse_huawei_cpin(lines: Sequence[str]) -> tuple[SimState, Tries]:
    """`^CPIN: <code>,[<times>],<puk>,<pin>,<puk2>,<pin2>`: the PUK count comes first."""
    values = fields(first_payload(lines, "^CPIN"))
    return parse_cpin([f"+CPIN: {values[0]}"]), Tries(pin=_tries(at(values, 3)), puk=_tries(at(values, 2)))


def parse_qpinc(lines: Sequence[str]) -> Tries:
    """Quectel `+QPINC: "SC",<pin>,<puk>`."""
    for line in lines:
        values = fields(first_payload([line], "+QPINC"))
        if values[0].upper() == "SC":
            return Tries(_tries(at(values, 1)), _tries(at(values, 2)))
    raise failure("+QPINC", " | ".join(lines), "no SC facility")


def parse_zpinpuk(lines: Sequence[str]) -> Tries:
    """ZTE `+ZPINPUK: <pin>,<puk>`."""
    values = fields(first_payload(lines, "+ZPINPUK"))
    return Tries(_tries(values[0]), _tries(at(values, 1)))


def parse_spic(lines: Sequence[str]) -> Tries:
    """SIMCom `+SPIC: <pin>,<puk>,<pin2>,<puk2>`."""
    values = fields(first_payload(lines, "+SPIC"))
    return Tries(_tries(values[0]), _tries(at(values, 1)))


def tries_of_status_word(status: int) -> int | None:
    """Tries left from an empty VERIFY: 0x63Cx, none when 0x6983 says blocked (TS 102 221 10.2.1.5, 11.1.9.1)."""
    if status == 0x6983:
        return 0
    return status & 0x0F if status & 0xFFF0 == 0x63C0 else None
