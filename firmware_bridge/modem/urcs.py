"""Unsolicited result codes of the families, and what each means (TS 27.007, TS 27.005, and the vendors' own)."""

from collections.abc import Callable, Sequence

from firmware_bridge.at.commands import ChannelEvent, EventsLost, Rebooted, Resynchronised, Unsolicited
from firmware_bridge.errors import ReplyError
from firmware_bridge.modem.parse.registration import parse_registration_urc
from firmware_bridge.modem.parse.signal import parse_csq, parse_hcsq
from firmware_bridge.modem.parse.sim import parse_cpin
from firmware_bridge.modem.parse.sms import parse_cmti
from firmware_bridge.types import ModemEvent, ModemEventKind, Sim

_Value = Callable[[Unsolicited], ModemEvent | None]


def _registration(event: Unsolicited) -> ModemEvent:
    """+CEREG carries the state of packet data; the circuit-switched ones only say that something changed."""
    value = parse_registration_urc(event.line) if event.name == "+CEREG" else None
    return ModemEvent(ModemEventKind.REGISTRATION, value)


def _sim(event: Unsolicited) -> ModemEvent:
    value = Sim(parse_cpin([event.line])) if event.name == "+CPIN" else None
    return ModemEvent(ModemEventKind.SIM, value)


def _message(event: Unsolicited) -> ModemEvent:
    return ModemEvent(ModemEventKind.SMS, parse_cmti(event.line)[1] if event.name == "+CMTI" else None)


_GONE = ("DEACT", "DETACH")


def _packet_event(event: Unsolicited) -> ModemEvent | None:
    """+CGEV (TS 27.007 10.1.19) and +QIURC: only a context that went away matters."""
    text = event.line.upper()
    lost = any(word in text for word in _GONE)
    return ModemEvent(ModemEventKind.BEARER_LOST) if lost else None


def _data_call(event: Unsolicited) -> ModemEvent | None:
    """^NDISSTAT: 0 and +QNETDEVSTATUS with state 0 are a lost call."""
    place = 0 if event.name == "^NDISSTAT" else 1
    state = event.parameters[place : place + 1]
    return ModemEvent(ModemEventKind.BEARER_LOST) if state == ("0",) else None


def _lost(_: Unsolicited) -> ModemEvent:
    return ModemEvent(ModemEventKind.BEARER_LOST)


def _time(_: Unsolicited) -> ModemEvent:
    """No value: +CTZE tells local time by TS 27.007 8.41 and UTC in makers' examples, other lines are told nowhere."""
    return ModemEvent(ModemEventKind.TIME)


def _signal(event: Unsolicited) -> ModemEvent | None:
    if event.name == "+QIND":
        return ModemEvent(ModemEventKind.SIGNAL) if "csq" in event.line.lower() else None
    parse = {"^HCSQ": parse_hcsq, "+CSQ": parse_csq}.get(event.name)
    return ModemEvent(ModemEventKind.SIGNAL, parse([event.line]) if parse else None)


_MEANINGS: dict[str, _Value] = {
    **dict.fromkeys(("+CREG", "+CGREG", "+CEREG", "+C5GREG", "^SRVST", "^MODE", "+ZPASR"), _registration),
    **dict.fromkeys(("+CPIN", "+QSIMSTAT", "+QUSIM", "^SIMST", "+SIMCARD", "+ZUSIMR"), _sim),
    **dict.fromkeys(("+CMTI", "+CMT"), _message),
    **dict.fromkeys(("+CGEV", "+QIURC"), _packet_event),
    **dict.fromkeys(("^NDISSTAT", "+QNETDEVSTATUS"), _data_call),
    **dict.fromkeys(("NO CARRIER", "^NDISEND", "+CIPEVENT"), _lost),
    **dict.fromkeys(("+CTZV", "+CTZE", "+NITZ", "*PSUTTZ", "^NWTIME", "^TIME"), _time),
    **dict.fromkeys(("^HCSQ", "+CSQ", "+QIND", "^RSSI", "+ZRSSI"), _signal),
}


# Meanings that read a value, and what is left to say when it does not parse.
_KINDS_WITH_VALUE: dict[_Value, ModemEventKind] = {
    _registration: ModemEventKind.REGISTRATION,
    _sim: ModemEventKind.SIM,
    _message: ModemEventKind.SMS,
    _signal: ModemEventKind.SIGNAL,
}


def translate(event: ChannelEvent) -> Sequence[ModemEvent]:
    """What an event of the channel means to the agent; a line that does not parse means "look" without a value."""
    if isinstance(event, Rebooted):
        return (ModemEvent(ModemEventKind.REBOOTED, event.evidence),)
    if isinstance(event, Resynchronised | EventsLost):
        kinds = (ModemEventKind.REGISTRATION, ModemEventKind.SIM, ModemEventKind.SMS)
        return tuple(ModemEvent(kind) for kind in kinds)
    meaning = _MEANINGS.get(event.name)
    if meaning is None:
        return ()
    try:
        found = meaning(event)
    except ReplyError:
        found = ModemEvent(_KINDS_WITH_VALUE[meaning])
    return () if found is None else (found,)
