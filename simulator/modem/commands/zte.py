"""ZTE MF833: its own commands and the lines it sends unasked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.modem.answers import Answer
from simulator.modem.commands.network import measure, rssi_index
from simulator.modem.commands.sms import COMMANDS as MESSAGES
from simulator.modem.habits import Habits
from simulator.modem.syntax import Op
from simulator.modem.table import Commands, Request
from simulator.radio import operator_of

if TYPE_CHECKING:
    from simulator.modem.device import SimulatedModem

COMMANDS = Commands()
_FLOOD_GAP_S = 2.0


class VendorHabits(Habits):
    """+ZUSIMR until somebody asks for the message memories, +ZPASR, +ZDONR."""

    def __init__(self, modem: SimulatedModem) -> None:
        super().__init__(modem)
        self._flooding = False

    def started(self) -> None:
        """The flood begins."""
        self._flooding = True
        self.modem.plan(1.0, self._flood)

    def _flood(self) -> None:
        if self._flooding:
            self.modem.urc("+ZUSIMR:2")
            self.modem.plan(_FLOOD_GAP_S, self._flood)

    def hush(self) -> None:
        """The flood ends."""
        self._flooding = False

    def registration_changed(self) -> None:
        """System and, once registered, the display name."""
        cell = self.modem.registration.cell
        self.modem.urc('+ZPASR: "LTE"' if cell else '+ZPASR: "No Service"')
        if cell is not None:
            self.modem.urc(
                f'+ZDONR: "{operator_of(cell.plmn).name}",{cell.plmn[:3]},{cell.plmn[3:]},"CS_PS","ROAM_OFF"'
            )

    def sim_changed(self) -> None:
        """Two unlocked, one waiting for a PIN, nought without a card."""
        status = self.modem.sim_status()
        code = {"READY": 2, "ABSENT": 0}.get(status, 1)
        self.modem.urc(f"+ZUSIMR:{code}")

    def sample(self) -> str:
        """The card again."""
        return "+ZUSIMR:2"


def _hushing(op: Op) -> None:
    plain = MESSAGES.entries["+CPMS", op]

    @COMMANDS.on("+CPMS", op, pace=plain.pace)
    def memories(request: Request) -> Answer:
        """+CPMS: as everywhere, and it ends the flood."""
        habits = request.modem.habits
        if isinstance(habits, VendorHabits):
            habits.hush()
        return plain.handler(request)


for _op in (Op.READ, Op.SET):
    _hushing(_op)


@COMMANDS.on("+ZPAS", Op.READ)
def system(request: Request) -> Answer:
    """+ZPAS?: system and domain."""
    return ('+ZPAS: "LTE","CS_PS"' if request.modem.registration.registered else '+ZPAS: "No Service"',)


@COMMANDS.on("+ZSNT", Op.READ)
def selection(request: Request) -> Answer:
    """+ZSNT?: allowed systems, roaming, preference."""
    return (f"+ZSNT: {request.modem.volatile.parameters.get('+ZSNT', '0,0,0')}",)


@COMMANDS.on("+ZSNT", Op.SET)
def select(request: Request) -> Answer:
    """+ZSNT=: choose systems; all cells here are LTE."""
    values = [str(request.number(place, high=6)) for place in range(3)]
    request.modem.volatile.parameters["+ZSNT"] = ",".join(values)
    return None


COMMANDS.fixed("+ZSNT", Op.TEST, ("+ZSNT: (0-6),(0-1),(0-6)",))


@COMMANDS.on("+ZPINPUK", Op.TEST, pace="sim", needs="present")
def pin_counters(request: Request) -> Answer:
    """+ZPINPUK=?: tries left for the PIN and its PUK."""
    card = request.modem.card
    assert card is not None
    return (f"+ZPINPUK: {card.pin1.tries},{card.pin1.puk_tries}",)


@COMMANDS.on("+ZICCID", Op.READ, pace="sim", needs="present")
def iccid(request: Request) -> Answer:
    """+ZICCID?: answered with the prefix ^ICCID."""
    card = request.modem.card
    assert card is not None
    return (f"^ICCID: {card.subscription.iccid}",)


@COMMANDS.on("+ZGETICCID", pace="sim", needs="present")
def get_iccid(request: Request) -> Answer:
    """+ZGETICCID."""
    card = request.modem.card
    assert card is not None
    return (f"+ZGETICCID: {card.subscription.iccid}",)


@COMMANDS.on("+ZRSSI")
def signal(request: Request) -> Answer:
    """+ZRSSI: RSSI, RSRQ and RSRP as positive numbers of dBm and dB."""
    heard = measure(request)
    if heard is None:
        return ("+ZRSSI: 0,0,0",)
    return (f"+ZRSSI: {-heard.rssi:.0f},{-heard.rsrq:.0f},{-heard.rsrp:.0f}",)


@COMMANDS.on("+ZRST")
def reset(request: Request) -> None:
    """+ZRST: OK, then a restart."""
    request.modem.reboot(after_s=0.5)


@COMMANDS.on("+CSQ", Op.READ)
def signal_read(request: Request) -> Answer:
    """+CSQ? answers here like +CSQ."""
    heard = measure(request)
    return (f"+CSQ: {rssi_index(heard.rssi)},99" if heard else "+CSQ: 99,99",)
