"""The card: PIN, facility locks, and access to its files (TS 27.007 clauses 7.4, 7.5, 8.3, 8.17 and 8.18)."""

from __future__ import annotations

from simulator.modem.answers import Answer
from simulator.modem.results import Cme
from simulator.modem.syntax import Op
from simulator.modem.table import Commands, Request
from simulator.uicc import WRONG_LENGTH, PinState, Uicc

COMMANDS = Commands()
_LOCK_LIST = '+CLCK: ("SC","AO","OI","OX","AI","IR","AB","AG","AC","PN","PU","PP","PC","FD")'
_UNLOCKED_PAUSE_S = 0.05  # from the right PIN to a card that can be used


def card_of(request: Request) -> Uicc:
    """The card, present and initialised. Raises Cme."""
    request.modem.require("present")
    card = request.modem.card
    assert card is not None
    return card


@COMMANDS.on("+CPIN", Op.READ, pace="sim", needs="present")
def pin_state(request: Request) -> Answer:
    """+CPIN?: READY, or what the card waits for."""
    return (f"+CPIN: {card_of(request).status}",)


@COMMANDS.on("+CPIN", Op.SET, pace="sim", needs="present")
def enter_pin(request: Request) -> Answer:
    """+CPIN=pin, or puk,newpin."""
    card = card_of(request)
    pin, new = request.text(0), _new_pin(request, 1) if len(request.args) > 1 else None
    if card.status == "READY":
        raise Cme(3)
    if card.status == "SIM PUK":
        if new is None:
            raise Cme(12)
        if not card.pin1.unblock(pin, new):
            raise Cme(16)
    else:
        _check(request, card.pin1, _new_pin(request, 0))
    request.modem.plan(_UNLOCKED_PAUSE_S, lambda: _unlocked(request))
    return None


def _new_pin(request: Request, place: int) -> str:
    """A PIN as the card takes it: what has not 4 to 8 digits never reaches it, and costs no try."""
    pin = request.text(place)
    if not (pin.isascii() and pin.isdecimal() and 4 <= len(pin) <= 8):
        raise Cme(50)
    return pin


def _check(request: Request, pin: PinState, code: str) -> None:
    """Verify. Raises Cme: 16 for a wrong code, 12 when none counts any more, after which there is no service."""
    if pin.verify(code):
        return
    if not pin.blocked:
        raise Cme(16)
    request.modem.refresh_subscription()
    raise Cme(12)


def _unlocked(request: Request) -> None:
    request.modem.habits.sim_changed()
    request.modem.refresh_subscription()


COMMANDS.fixed("+CPIN", Op.TEST, ())
COMMANDS.fixed("+CLCK", Op.TEST, (_LOCK_LIST,))


@COMMANDS.on("+CLCK", Op.SET, pace="sim", needs="present")
def facility_lock(request: Request) -> Answer:
    """+CLCK: ask for (2), lift (0) or set (1) a facility lock; only the SIM lock does anything."""
    facility, mode = request.text(0).upper(), request.number(1, high=2)
    card = card_of(request)
    if mode == 2:
        return (f"+CLCK: {int(facility == 'SC' and card.pin1.enabled)}",)
    if facility != "SC":
        raise Cme(4)
    _check(request, card.pin1, _new_pin(request, 2))
    card.pin1.enabled = mode == 1
    return None


COMMANDS.fixed("+CPWD", Op.TEST, ('+CPWD: ("SC",8),("P2",8),("AB",4)',))


@COMMANDS.on("+CPWD", Op.SET, pace="sim", needs="present")
def change_password(request: Request) -> Answer:
    """+CPWD: change PIN or PIN2 by knowing the old one."""
    card = card_of(request)
    pin = {"SC": card.pin1, "P2": card.pin2}.get(request.text(0).upper())
    if pin is None:
        raise Cme(4)
    if pin is card.pin1 and not pin.enabled:
        raise Cme(3)
    old, new = _new_pin(request, 1), _new_pin(request, 2)
    _check(request, pin, old)
    pin.code = new
    return None


COMMANDS.fixed("+CRSM", Op.TEST, ())
COMMANDS.fixed("+CSIM", Op.TEST, ())


@COMMANDS.on("+CRSM", Op.SET, pace="sim", needs="present")
def restricted_access(request: Request) -> Answer:
    """+CRSM=command,file,P1,P2,P3,data: one access to a file of the card."""
    command, number = request.number(0, high=255), request.number(1, 0, high=0xFFFF)
    p1, p2, p3 = (request.number(place, 0, high=255) for place in (2, 3, 4))
    data = _octets(request.text(5, ""))
    (sw1, sw2), response = card_of(request).access(command, number, (p1, p2, p3), data)
    text = f"+CRSM: {sw1},{sw2}"
    return (f'{text},"{response.hex().upper()}"' if response else text,)


@COMMANDS.on("+CSIM", Op.SET, pace="sim", needs="present")
def generic_access(request: Request) -> Answer:
    """+CSIM=length,apdu: one command APDU, as it is."""
    length, apdu = request.number(0), _octets(request.text(1))
    if length != len(apdu) * 2:
        raise Cme(50)
    (sw1, sw2), response = card_of(request).transmit(apdu) if apdu else (WRONG_LENGTH, b"")
    answer = response + bytes([sw1, sw2])
    return (f'+CSIM: {len(answer) * 2},"{answer.hex().upper()}"',)


def _octets(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise Cme(50) from None
