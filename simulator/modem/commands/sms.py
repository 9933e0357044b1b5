"""Short message commands in PDU and text mode (3GPP TS 27.005)."""

from __future__ import annotations

import re

from simulator.modem.answers import Answer, Later, Prompt
from simulator.modem.commands.basic import decoded, encoded
from simulator.modem.memory import StoredMessage
from simulator.modem.messages import CAPACITY, READ, SENT, STATUS_WORDS, UNREAD, UNSENT, in_charset, pdu_text
from simulator.modem.port import Port
from simulator.modem.results import Cme, Cms, Refusal
from simulator.modem.syntax import Op
from simulator.modem.table import Commands, Request
from simulator.modem.tpdu import TpduError, read_delivered, read_submit, submit


def _blame(port: Port) -> Refusal:
    """A wrong parameter in the terms of TS 27.005 clause 3.2.5."""
    return Cms(305 if port.settings.text_mode else 304)


COMMANDS = Commands(_blame)
_MEMORIES = '("ME","MT","SM","SR")'
_NUMBER = re.compile(r"\+?[0-9*#]{1,20}")
_NEW_MESSAGE_RANGES = (2, 3, 3, 2, 1)


def _require_card(request: Request, need: str = "sim") -> None:
    """As `SimulatedModem.require`, in the numbers of +CMS ERROR."""
    try:
        request.modem.require(need)
    except Cme as error:
        numbers = {10: 310, 11: 311, 12: 316, 13: 313, 14: 314, 30: 331}
        raise Cms(numbers.get(error.code, 500)) from None


@COMMANDS.on("+CMGF", Op.READ, Op.SET, Op.TEST)
def message_format(request: Request) -> Answer:
    """+CMGF: 0 PDU, 1 text."""
    if request.call.op is Op.TEST:
        return ("+CMGF: (0,1)",)
    if request.call.op is Op.READ:
        return (f"+CMGF: {int(request.port.settings.text_mode)}",)
    request.port.settings.text_mode = bool(request.number(0, 0, high=1))
    return None


@COMMANDS.on("+CSDH", Op.READ, Op.SET, Op.TEST)
def show_headers(request: Request) -> Answer:
    """+CSDH: whether text mode shows all header fields."""
    if request.call.op is Op.TEST:
        return ("+CSDH: (0,1)",)
    if request.call.op is Op.READ:
        return (f"+CSDH: {int(request.port.settings.header)}",)
    request.port.settings.header = bool(request.number(0, 0, high=1))
    return None


@COMMANDS.on("+CSCA", Op.READ, pace="sim")
def service_centre(request: Request) -> Answer:
    """+CSCA?: the service centre, from the card unless set."""
    _require_card(request)
    number = _centre(request)
    return (f'+CSCA: "{encoded(request, number)}",{145 if number.startswith("+") else 129}',)


@COMMANDS.on("+CSCA", Op.SET, pace="sim")
def set_service_centre(request: Request) -> Answer:
    """+CSCA=number: another service centre."""
    request.modem.stored.service_centre = decoded(request, request.text(0))
    return None


COMMANDS.fixed("+CSCA", Op.TEST, ())


def _centre(request: Request) -> str:
    card = request.modem.card
    return request.modem.stored.service_centre or (card.subscription.smsc if card else "")


@COMMANDS.on("+CSMS", Op.READ, Op.SET, Op.TEST)
def message_service(request: Request) -> Answer:
    """+CSMS: phase 2 (0) or 2+ (1)."""
    volatile = request.modem.volatile
    if request.call.op is Op.TEST:
        return ("+CSMS: (0,1)",)
    if request.call.op is Op.READ:
        return (f"+CSMS: {volatile.message_service},1,1,1",)
    volatile.message_service = request.number(0, high=1)
    return ("+CSMS: 1,1,1",)


@COMMANDS.on("+CSMP", Op.READ, Op.SET, Op.TEST)
def text_parameters(request: Request) -> Answer:
    """+CSMP: first octet, validity, protocol, coding for text mode."""
    volatile = request.modem.volatile
    if request.call.op is Op.TEST:
        return None
    if request.call.op is Op.READ:
        return ("+CSMP: " + ",".join(map(str, volatile.text_parameters)),)
    held = volatile.text_parameters
    values = [request.number(place, held[place], high=255) for place in range(4)]
    volatile.text_parameters = (values[0], values[1], values[2], values[3])
    return None


@COMMANDS.on("+CNMI", Op.READ, Op.SET, Op.TEST)
def new_message_indications(request: Request) -> Answer:
    """+CNMI: how arrivals are announced."""
    volatile = request.modem.volatile
    if request.call.op is Op.TEST:
        return ("+CNMI: (0,1,2),(0,1,2,3),(0,2),(0,1,2),(0,1)",)
    if request.call.op is Op.READ:
        return ("+CNMI: " + ",".join(map(str, volatile.new_message)),)
    try:
        values = [request.number(place, 0, high=high) for place, high in enumerate(_NEW_MESSAGE_RANGES)]
    except Cme:
        raise Cms(302) from None
    volatile.new_message = (values[0], values[1], values[2], values[3], values[4])
    return None


COMMANDS.fixed("+CNMA", Op.EXECUTE, ())
COMMANDS.fixed("+CNMA", Op.SET, ())
COMMANDS.fixed("+CNMA", Op.TEST, ("+CNMA: (0-2)",))
COMMANDS.fixed("+CSAS", Op.EXECUTE, ())
COMMANDS.fixed("+CRES", Op.EXECUTE, ())


@COMMANDS.on("+CMMS", Op.SET)
def more_messages(request: Request) -> Answer:
    """+CMMS: keep the link open for more messages: accepted, without effect here."""
    request.number(0, high=2)
    return None


@COMMANDS.on("+CPMS", Op.READ, Op.SET, Op.TEST, pace="sim")
def memories(request: Request) -> Answer:
    """+CPMS: memories for reading, writing and receiving, with how full they are."""
    if request.call.op is Op.TEST:
        return (f"+CPMS: {_MEMORIES},{_MEMORIES},{_MEMORIES}",)
    _require_card(request)
    volatile = request.modem.volatile
    if request.call.op is Op.READ:
        return ("+CPMS: " + ",".join(f'"{name}",{_fill(request, name)}' for name in volatile.memories),)
    wanted = [request.text(place, volatile.memories[place]).upper() for place in range(min(3, len(request.args)))]
    if any(name not in {"ME", "MT", "SM", "SR"} for name in wanted):
        raise Cms(302)
    volatile.memories[: len(wanted)] = wanted
    return ("+CPMS: " + ",".join(_fill(request, name) for name in volatile.memories),)


def _fill(request: Request, name: str) -> str:
    real = "ME" if name == "MT" else name
    return f"{len(request.modem.stored.messages[real])},{CAPACITY[real]}"


@COMMANDS.on("+CMGL", Op.SET, pace="sim")
@COMMANDS.on("+CMGL", pace="sim")
def list_messages(request: Request) -> Answer:
    """+CMGL: messages of a status; reading marks received ones as read."""
    _require_card(request)
    wanted = _wanted_status(request)
    _, store = request.modem.messages.store_of(0)
    lines: list[str] = []
    for index in sorted(store):
        message = store[index]
        if wanted in {4, message.status}:
            lines += _listed(request, index, message)
            if message.status == UNREAD:
                message.status = READ
    return tuple(lines)


def _wanted_status(request: Request) -> int:
    default = STATUS_WORDS[UNREAD] if request.port.settings.text_mode else "0"
    text = request.text(0, default).upper()
    if request.port.settings.text_mode:
        if text not in STATUS_WORDS:
            raise Cms(302)
        return STATUS_WORDS.index(text)
    if text not in {"0", "1", "2", "3", "4"}:
        raise Cms(302)
    return int(text)


def _listed(request: Request, index: int, message: StoredMessage) -> list[str]:
    if not request.port.settings.text_mode:
        return [f"+CMGL: {index},{message.status},,{len(message.pdu)}", pdu_text(message)]
    header, text = _as_text(request, message)
    return [f'+CMGL: {index},"{STATUS_WORDS[message.status]}",{header}', text]


def _as_text(request: Request, message: StoredMessage) -> tuple[str, str]:
    """Header fields after the status, and the text."""
    port = request.port
    if message.status in {UNSENT, SENT}:
        sent = read_submit(message.pdu)
        return f'"{in_charset(port, sent.destination)}",,', in_charset(port, sent.text or "")
    read = read_delivered(message.pdu)
    header = f'"{in_charset(port, read.sender)}",,"{read.stamp}"'
    if port.settings.header:
        kind = 145 if read.sender.startswith("+") else 129
        header += f',{kind},{read.first_octet},{read.protocol},{read.coding},"{message.smsc}",145,{read.length}'
    return header, in_charset(port, read.text)


COMMANDS.fixed("+CMGR", Op.TEST, ())
COMMANDS.fixed("+CMGD", Op.TEST, ("+CMGD: (0-254),(0-4)",))


@COMMANDS.on("+CMGL", Op.TEST)
def listable(request: Request) -> Answer:
    """+CMGL=?: statuses in the port's mode."""
    words = ",".join(f'"{word}"' for word in STATUS_WORDS)
    return (f"+CMGL: ({words})" if request.port.settings.text_mode else "+CMGL: (0-4)",)


@COMMANDS.on("+CMGR", Op.SET, pace="sim")
def read_message(request: Request) -> Answer:
    """+CMGR=index: one message."""
    _require_card(request)
    message = _message(request, request.number(0))
    if request.port.settings.text_mode:
        header, text = _as_text(request, message)
        lines = (f'+CMGR: "{STATUS_WORDS[message.status]}",{header}', text)
    else:
        lines = (f"+CMGR: {message.status},,{len(message.pdu)}", pdu_text(message))
    if message.status == UNREAD:
        message.status = READ
    return lines


def _message(request: Request, index: int) -> StoredMessage:
    _, store = request.modem.messages.store_of(0)
    if index not in store:
        raise Cms(321)
    return store[index]


@COMMANDS.on("+CMGD", Op.SET, pace="sim")
def delete_message(request: Request) -> Answer:
    """+CMGD=index[,flag]: one, or all that are read (1), sent too (2), unsent too (3), everything (4)."""
    _require_card(request)
    index, flag = request.number(0), request.number(1, 0, high=4)
    _, store = request.modem.messages.store_of(0)
    if flag == 0:
        _message(request, index)
        del store[index]
    else:
        doomed = {1: {READ}, 2: {READ, SENT}, 3: {READ, SENT, UNSENT}, 4: {UNREAD, READ, SENT, UNSENT}}[flag]
        for each in [index for index, message in store.items() if message.status in doomed]:
            del store[each]
    request.modem.messages.deliver_waiting()
    return None


@COMMANDS.on("+CMGS", Op.SET, pace="plain")
def send_message(request: Request) -> Answer:
    """+CMGS: length (PDU) or number (text), then the message up to Ctrl-Z."""
    _require_card(request)
    if request.port.settings.text_mode:
        number = decoded(request, request.text(0))
        return Prompt(lambda text: _send(request, _composed(request, number, text)))
    length = request.number(0, high=164)
    return Prompt(lambda text: _send(request, _given(text, length)))


COMMANDS.fixed("+CMGS", Op.TEST, ())
COMMANDS.fixed("+CMGW", Op.TEST, ())


@COMMANDS.on("+CMGW", Op.SET, pace="plain")
def write_message(request: Request) -> Answer:
    """+CMGW: store a message to be sent later."""
    _require_card(request)
    if request.port.settings.text_mode:
        number = decoded(request, request.text(0))
        return Prompt(lambda text: _write(request, _composed(request, number, text)))
    length = request.number(0, high=164)
    return Prompt(lambda text: _write(request, _given(text, length)))


@COMMANDS.on("+CMSS", Op.SET, pace="plain")
def send_stored(request: Request) -> Answer:
    """+CMSS=index: send what +CMGW stored."""
    _require_card(request)
    message = _message(request, request.number(0))
    return _send(request, message.pdu, "+CMSS", message)


def _composed(request: Request, number: str, text: bytes) -> bytes:
    if not _NUMBER.fullmatch(number):
        raise Cms(305)
    report = bool(request.modem.volatile.text_parameters[0] & 0x20)
    try:
        return submit(number, decoded(request, text.decode("latin-1")), report=report)
    except (TpduError, Cme):
        raise Cms(305) from None


def _given(text: bytes, length: int) -> bytes:
    """The TPDU out of a hexadecimal line: the service centre's octets stand before it."""
    try:
        octets = bytes.fromhex(text.decode("ascii").strip())
        tpdu = octets[octets[0] + 1 :]
        read_submit(tpdu)
    except (ValueError, IndexError):
        raise Cms(304) from None
    if len(tpdu) != length:
        raise Cms(304)
    return tpdu


def _send(request: Request, tpdu: bytes, name: str = "+CMGS", stored: StoredMessage | None = None) -> Answer:
    """The network takes it after a while, or there is none."""

    def finish() -> Answer:
        _require_card(request, "service")
        reference = request.modem.messages.send(tpdu)
        if stored is not None:
            stored.status = SENT
        return (f"{name}: {reference}",)

    return Later(request.modem.latency("sms"), finish)


def _write(request: Request, tpdu: bytes) -> Answer:
    name, store = request.modem.messages.store_of(1)
    index = request.modem.messages.free_index(store, name)
    if index is None:
        raise Cms(322)
    store[index] = StoredMessage(UNSENT, tpdu, _centre(request))
    return (f"+CMGW: {index}",)
