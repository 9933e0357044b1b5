"""Short messages of one modem: the stores, what arrives and how it is announced, what is sent (TS 27.005)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulator.modem.memory import StoredMessage
from simulator.modem.tpdu import deliver_parts, encode_centre, read_delivered, read_submit, status_report
from simulator.radio import operator_of
from simulator.radio.nitz import zone_of

if TYPE_CHECKING:
    from simulator.modem.device import SimulatedModem
    from simulator.modem.port import Port

CAPACITY = {"ME": 255, "SM": 50, "SR": 20}
UNREAD, READ, UNSENT, SENT = range(4)
STATUS_WORDS = ("REC UNREAD", "REC READ", "STO UNSENT", "STO SENT", "ALL")
WAITING_LIMIT = 100  # messages the network keeps for a phone out of reach; beyond it the oldest go


@dataclass(frozen=True, slots=True)
class SentMessage:
    """A message the phone sent: `text` is None for 8-bit data."""

    destination: str
    text: str | None


class Messages:
    """`on_sent` is called with every message the network took."""

    def __init__(self, modem: SimulatedModem) -> None:
        self._modem = modem
        self._waiting: list[bytes] = []
        self.on_sent: list[Callable[[SentMessage], None]] = []

    def store_of(self, place: int) -> tuple[str, dict[int, StoredMessage]]:
        """The memory +CPMS chose for reading (0), writing (1) or receiving (2). MT reads as ME."""
        name = self._modem.volatile.memories[place]
        return name, self._modem.stored.messages["ME" if name == "MT" else name]

    def deliver(self, sender: str, text: str) -> None:
        """A message for this subscriber: now if in reach, otherwise when the modem registers."""
        modem = self._modem
        cell = modem.registration.cell
        utc = modem.clock.utc()
        zone, _ = zone_of(operator_of(cell.plmn).country if cell else "GB", utc)
        self._waiting += deliver_parts(sender, text, utc, zone, modem.random.randrange(256))
        del self._waiting[:-WAITING_LIMIT]
        self.deliver_waiting()

    def deliver_waiting(self) -> None:
        """The network hands over what it kept, one after the other."""
        modem = self._modem
        if not modem.registration.registered or not self._waiting:
            return
        waiting, self._waiting = self._waiting, []
        delay = 0.0
        for tpdu in waiting:
            delay += modem.random.uniform(0.4, 1.5)
            modem.plan(delay, lambda tpdu=tpdu: self._arrive(tpdu))  # type: ignore[misc]

    def _arrive(self, tpdu: bytes) -> None:
        modem = self._modem
        if not modem.registration.registered:
            self._waiting.append(tpdu)
            return
        centre = modem.card.subscription.smsc if modem.card else ""
        if modem.volatile.new_message[1] in {2, 3}:
            for port in modem.at_ports():
                port.urc(direct_report(port, tpdu, centre))
            return
        name, store = self.store_of(2)
        index = self.free_index(store, name)
        if index is None:
            self._waiting.append(tpdu)  # the network tries again when there is room
            return
        store[index] = StoredMessage(UNREAD, tpdu, centre)
        if modem.volatile.new_message[1] == 1:
            modem.urc(f'+CMTI: "{name}",{index}')

    def free_index(self, store: dict[int, StoredMessage], name: str) -> int | None:
        """The first free place, or None when the memory is full."""
        capacity = CAPACITY["ME" if name == "MT" else name]
        return next((index for index in range(capacity) if index not in store), None)

    def send(self, tpdu: bytes) -> int:
        """Give a message to the network; its reference. Raises TpduError."""
        modem = self._modem
        message = read_submit(tpdu)
        reference = modem.volatile.message_reference = (modem.volatile.message_reference + 1) % 256
        for listener in list(self.on_sent):
            listener(SentMessage(message.destination, message.text))
        if message.report_wanted:
            modem.plan(3.0, lambda: self._report(reference, message.destination))
        own = modem.card.subscription.msisdn if modem.card else ""
        if own and message.destination.lstrip("+") == own.lstrip("+") and message.text is not None:
            modem.plan(2.0, lambda text=message.text: self.deliver(own, text))  # type: ignore[misc]
        return reference

    def _report(self, reference: int, recipient: str) -> None:
        modem = self._modem
        report = status_report(reference, recipient, modem.clock.utc(), 0)
        mode = modem.volatile.new_message[3]
        if mode == 1:
            modem.urc(f"+CDS: {len(report)}\r\n{report.hex().upper()}")
        elif mode == 2:
            store = modem.stored.messages["SR"]
            index = self.free_index(store, "SR")
            if index is not None:
                store[index] = StoredMessage(UNREAD, report, "")
                modem.urc(f'+CDSI: "SR",{index}')


def pdu_text(message: StoredMessage) -> str:
    """Service centre and TPDU in hexadecimal."""
    return (encode_centre(message.smsc) + message.pdu).hex().upper()


def direct_report(port: Port, tpdu: bytes, centre: str) -> str:
    """+CMT in the port's own mode: a header line and the message."""
    if not port.settings.text_mode:
        return f"+CMT: ,{len(tpdu)}\r\n{(encode_centre(centre) + tpdu).hex().upper()}"
    read = read_delivered(tpdu)
    text, sender = in_charset(port, read.text), in_charset(port, read.sender)
    return f'+CMT: "{sender}",,"{read.stamp}"\r\n{text}'


def in_charset(port: Port, text: str) -> str:
    """Text as +CSCS wants it; characters an 8-bit alphabet lacks become UCS-2 hexadecimal of the whole."""
    if port.settings.charset == "UCS2" or not text.isascii():
        return text.encode("utf-16-be").hex().upper()
    return text
