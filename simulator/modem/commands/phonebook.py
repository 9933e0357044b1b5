"""Phonebooks (TS 27.007 clauses 8.11 to 8.14): the card's, the module's, one's own number and the emergency numbers."""

from __future__ import annotations

from simulator.modem.answers import Answer
from simulator.modem.commands.basic import decoded, encoded
from simulator.modem.results import Cme
from simulator.modem.syntax import Op
from simulator.modem.table import Commands, Request
from simulator.uicc import PhonebookEntry

COMMANDS = Commands()
_NUMBER_LENGTH, _TEXT_LENGTH = 40, 14
# How many entries each holds; own and emergency numbers are read only.
_SIZES = {"SM": 250, "ME": 250, "ON": 4, "EN": 10}
_READ_ONLY = {"ON", "EN"}
_EMERGENCY = ("112", "999", "911")
_INTERNATIONAL, _UNKNOWN = 145, 129


def _selected(request: Request) -> str:
    return request.modem.volatile.parameters.get("+CPBS", "SM")


def _entries(request: Request) -> dict[int, PhonebookEntry]:
    """The selected phonebook by index. Raises Cme as a card does that is not open."""
    modem, name = request.modem, _selected(request)
    if name == "ME":
        return modem.stored.phonebook
    if name == "EN":
        return {place: PhonebookEntry(number, "") for place, number in enumerate(_EMERGENCY, 1)}
    modem.require("sim")
    card = modem.card
    assert card is not None
    if name == "SM":
        return card.phonebook
    number = card.subscription.msisdn
    return {1: PhonebookEntry(number, "")} if number else {}


@COMMANDS.on("+CPBS", Op.READ, pace="sim")
def selected(request: Request) -> Answer:
    """+CPBS?: the phonebook in use, how many entries it has and can have."""
    name = _selected(request)
    return (f'+CPBS: "{name}",{len(_entries(request))},{_SIZES[name]}',)


@COMMANDS.on("+CPBS", Op.SET)
def select(request: Request) -> None:
    """+CPBS=name: use it from now on, on every port."""
    name = request.text(0).upper()
    if name not in _SIZES:
        raise Cme(50)
    request.modem.volatile.parameters["+CPBS"] = name


COMMANDS.fixed("+CPBS", Op.TEST, ("+CPBS: (" + ",".join(f'"{name}"' for name in _SIZES) + ")",))


@COMMANDS.on("+CPBR", Op.SET, pace="sim")
def read_entries(request: Request) -> Answer:
    """+CPBR=first[,last]: what stands there; nothing is no error, an index beyond the end is."""
    entries, size = _entries(request), _SIZES[_selected(request)]
    first = request.number(0)
    last = request.number(1, first)
    if not 1 <= first <= last <= size:
        raise Cme(21)
    chosen = [place for place in sorted(entries) if first <= place <= last]
    return tuple(_line("+CPBR", request, place, entries[place]) for place in chosen)


@COMMANDS.on("+CPBR", Op.TEST, pace="sim")
def readable(request: Request) -> Answer:
    """+CPBR=?: indices and lengths."""
    return (f"+CPBR: (1-{_SIZES[_selected(request)]}),{_NUMBER_LENGTH},{_TEXT_LENGTH}",)


@COMMANDS.on("+CPBF", Op.SET, pace="sim")
def find_entries(request: Request) -> Answer:
    """+CPBF=text: entries whose text begins with it, whatever the case."""
    wanted = decoded(request, request.text(0)).lower()
    found = sorted(_entries(request).items())
    return tuple(_line("+CPBF", request, place, e) for place, e in found if e.text.lower().startswith(wanted))


COMMANDS.fixed("+CPBF", Op.TEST, (f"+CPBF: {_NUMBER_LENGTH},{_TEXT_LENGTH}",))


def _line(name: str, request: Request, place: int, entry: PhonebookEntry) -> str:
    kind = _INTERNATIONAL if entry.number.startswith("+") else _UNKNOWN
    return f'{name}: {place},"{entry.number}",{kind},"{encoded(request, entry.text)}"'


@COMMANDS.on("+CPBW", Op.SET, pace="sim")
def write_entry(request: Request) -> None:
    """+CPBW=[index],number[,type[,text]]: write; an index alone deletes; without one the first free place is taken."""
    name, entries = _selected(request), _entries(request)
    if name in _READ_ONLY:
        raise Cme(3)
    place = request.number(0, 0)
    if not 0 <= place <= _SIZES[name]:
        raise Cme(21)
    if len(request.args) == 1:
        entries.pop(place, None)
        return
    number, text = request.text(1), decoded(request, request.text(3, ""))
    if len(number) > _NUMBER_LENGTH or len(text) > _TEXT_LENGTH:
        raise Cme(26 if len(number) > _NUMBER_LENGTH else 24)
    free = next((each for each in range(1, _SIZES[name] + 1) if each not in entries), 0)
    if not place and not free:
        raise Cme(20)
    entries[place or free] = PhonebookEntry(number, text)


@COMMANDS.on("+CPBW", Op.TEST)
def writable(request: Request) -> Answer:
    """+CPBW=?: indices, lengths and types."""
    size = _SIZES[_selected(request)]
    return (f"+CPBW: (1-{size}),{_NUMBER_LENGTH},({_UNKNOWN},{_INTERNATIONAL}),{_TEXT_LENGTH}",)
