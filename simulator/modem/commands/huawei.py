"""Huawei ME909: its own commands and the many lines it sends unasked, on every port."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from simulator.modem.answers import Answer
from simulator.modem.commands.network import measure, rssi_index
from simulator.modem.habits import Habits
from simulator.modem.results import Cme
from simulator.modem.syntax import Op
from simulator.modem.table import Commands, Request
from simulator.radio import Measurement, Stat
from simulator.radio.bearers import PdpContext

if TYPE_CHECKING:
    from simulator.modem.device import SimulatedModem

COMMANDS = Commands()
_BOOT_GAP_S, _FLOW_GAP_S, _SIGNAL_GAP_S = 2.0, 2.0, 5.0
_NDIS_CID = 1
_NO_SERVICE_REASON = 33  # requested service option not subscribed, as ^NDISSTAT gives it
_LTE_SYSTEM, _LTE_SUBMODE = 6, 101


class VendorHabits(Habits):
    """^BOOT until queried, ^SIMST, ^SRVST, ^MODE, ^HCSQ, ^NDISSTAT, ^DSFLOWRPT; all silenced by ^CURC=0."""

    def __init__(self, modem: SimulatedModem) -> None:
        super().__init__(modem)
        self._booting = False
        self._last_signal = ""

    @property
    def wanted(self) -> bool:
        """^CURC."""
        return self.modem.volatile.parameters.get("^CURC", "1") != "0"

    def tell(self, line: str) -> None:
        """An unsolicited line, unless they are switched off."""
        if self.wanted:
            self.modem.urc(line)

    def started(self) -> None:
        """^BOOT repeats until somebody asks for it."""
        self._booting = True
        self.modem.plan(1.0, self._boot_again)
        self.modem.plan(_SIGNAL_GAP_S, self._signal_again)

    def _boot_again(self) -> None:
        if self._booting:
            self.tell("^BOOT:27710117,0,0,0,75")
            self.modem.plan(_BOOT_GAP_S, self._boot_again)

    def _signal_again(self) -> None:
        line = f"^HCSQ:{hcsq(self.modem)}"
        if line != self._last_signal:
            self.tell(line)
        self._last_signal = line
        self.modem.plan(_SIGNAL_GAP_S, self._signal_again)

    def boot_heard(self) -> None:
        """^BOOT was asked for: it stops."""
        self._booting = False

    def registration_changed(self) -> None:
        """Service and system mode."""
        registered = self.modem.registration.registered
        self.tell(f"^SRVST:{2 if registered else 0}")
        self.tell("^MODE:7,7" if registered else "^MODE:0,0")

    def sim_changed(self) -> None:
        """1 valid, 255 none."""
        card = self.modem.card
        self.tell("^SIMST:255,0" if card is None else f"^SIMST:{int(card.status == 'READY')},0")

    def bearer_changed(self, cid: int, *, up: bool, by_network: bool = False) -> None:
        """^NDISSTAT, and the flow reports that run while a bearer is up."""
        if cid != _NDIS_CID:
            return
        reason = _NO_SERVICE_REASON if by_network else ""
        self.tell(f'^NDISSTAT:{int(up)},{reason},,"IPV4"')
        if up:
            self.modem.plan(_FLOW_GAP_S, self._flow_again)

    def _flow_again(self) -> None:
        bearers, now = self.modem.bearers, self.modem.agenda.now
        if not bearers.active:
            return
        sent, received = bearers.traffic.totals(now)
        seconds = int(now - bearers.session_started)
        tx_rate, rx_rate = int(bearers.traffic.tx_rate), int(bearers.traffic.rx_rate)
        self.tell(f"^DSFLOWRPT:{seconds:08X},{tx_rate:08X},{rx_rate:08X},{sent:016X},{received:016X},00000000,00000000")
        self.modem.plan(_FLOW_GAP_S, self._flow_again)

    def time_received(self) -> None:
        """^NWTIME."""
        self.tell(f"^NWTIME: {network_time(self.modem)}")

    def sample(self) -> str:
        """Signal strength, again and again."""
        return "^RSSI:20"


def _step(value: float, origin: float, size: float, high: int) -> int:
    return max(0, min(high, int((value - origin) / size)))


def hcsq(modem: SimulatedModem) -> str:
    """The fields of ^HCSQ: RSSI from -120, RSRP from -140, SINR from -20 by 0.2, RSRQ from -19.5 by 0.5."""
    cell = modem.registration.cell
    if cell is None:
        return '"NOSERVICE"'
    heard: Measurement = modem.air.measure(cell, modem.agenda.now)
    rssi, rsrp = _step(heard.rssi, -121, 1, 96), _step(heard.rsrp, -141, 1, 97)
    return f'"LTE",{rssi},{rsrp},{_step(heard.sinr, -20.2, 0.2, 251)},{_step(heard.rsrq, -20, 0.5, 34)}'


def network_time(modem: SimulatedModem) -> str:
    """The time as ^NWTIME prints it: UTC, zone in quarters, hours of summer time."""
    time = modem.time
    return f"{time.utc:%y/%m/%d,%H:%M:%S}{'-' if time.zone < 0 else '+'}{abs(time.zone):02d},{time.dst:02d}"


@COMMANDS.on("^BOOT", Op.SET)
@COMMANDS.on("^BOOT", Op.READ)
def boot(request: Request) -> Answer:
    """^BOOT: hush."""
    habits = request.modem.habits
    if isinstance(habits, VendorHabits):
        habits.boot_heard()
    return None


@COMMANDS.on("^HCSQ", Op.READ)
def signal(request: Request) -> Answer:
    """^HCSQ?: signal in steps."""
    return (f"^HCSQ: {hcsq(request.modem)}",)


COMMANDS.fixed("^HCSQ", Op.TEST, ('^HCSQ: "NOSERVICE","GSM","WCDMA","LTE"',))


@COMMANDS.on("^MONSC")
def serving_cell(request: Request) -> Answer:
    """^MONSC: the serving cell: network, channel, cell id, PCI and TAC in hexadecimal, RSRP, RSRQ, RSSI."""
    cell, heard = request.modem.registration.cell, measure(request)
    if cell is None or heard is None:
        return ("^MONSC: NONE",)
    place = f"{cell.plmn[:3]},{cell.plmn[3:]},{cell.earfcn},{cell.cell_id:X},{cell.pci:X},{cell.tac:X}"
    return (f"^MONSC: LTE,{place},{heard.rsrp:.0f},{heard.rsrq:.0f},{heard.rssi:.0f}",)


@COMMANDS.on("^MONNC")
def neighbour_cells(request: Request) -> Answer:
    """^MONNC: the neighbours of the same network: channel, PCI, RSRP, RSRQ, RSSI."""
    modem = request.modem
    serving, now = modem.registration.cell, modem.agenda.now
    others = [cell for cell in modem.air.usable(now) if serving and cell is not serving and cell.plmn == serving.plmn]
    heard = [(cell, modem.air.measure(cell, now)) for cell in others]
    lines = (f"^MONNC: LTE,{c.earfcn},{c.pci:X},{h.rsrp:.0f},{h.rsrq:.0f},{h.rssi:.0f}" for c, h in heard)
    return tuple(lines) or ("^MONNC: NONE",)


for _name in ("^MONSC", "^MONNC"):
    COMMANDS.fixed(_name, Op.TEST, ())


@COMMANDS.on("^SYSINFOEX")
def system_information(request: Request) -> Answer:
    """^SYSINFOEX: service, domain, roaming, card, lock, system and submode with their names."""
    service, roaming, card = _system(request)
    if not service:
        return (f'^SYSINFOEX:0,0,{roaming},{card},,0,"NO SERVICE",0,"NO SERVICE"',)
    return (f'^SYSINFOEX:{service},3,{roaming},{card},,{_LTE_SYSTEM},"LTE",{_LTE_SUBMODE},"LTE"',)


@COMMANDS.on("^SYSINFO")
def old_system_information(request: Request) -> Answer:
    """^SYSINFO: the same in the older form."""
    service, roaming, card = _system(request)
    return (f"^SYSINFO:{service},{3 if service else 0},{roaming},{7 if service else 0},{card}",)


COMMANDS.fixed("^SYSINFOEX", Op.TEST, ())


def _system(request: Request) -> tuple[int, int, int]:
    modem = request.modem
    service = 2 if modem.registration.registered else 0
    card = 255 if modem.card is None else int(modem.card.status == "READY")
    return service, int(modem.registration.stat is Stat.ROAMING), card


COMMANDS.fixed("^SYSCFGEX", Op.READ, ('^SYSCFGEX:"00",3FFFFFFF,1,2,7FFFFFFFFFFFFFFF',))
COMMANDS.fixed("^SYSCFGEX", Op.SET, ())
_SYSTEMS = (
    '^SYSCFGEX: ("00","01","02","03"),((400380,"GSM900/GSM1800/WCDMA2100"),(3fffffff,"All Bands")),(0-3),(0-4),'
    '((7fffffffffffffff,"All Bands"))'
)
COMMANDS.fixed("^SYSCFGEX", Op.TEST, (_SYSTEMS,))


@COMMANDS.on("^CPIN", Op.READ, pace="sim", needs="present")
def pin_state(request: Request) -> Answer:
    """^CPIN?: state, tries for what is asked now, then PUK, PIN, PUK2, PIN2."""
    card = request.modem.card
    assert card is not None
    first, second = card.pin1, card.pin2
    now = {"SIM PIN": str(first.tries), "SIM PUK": str(first.puk_tries)}.get(card.status, "")
    return (f"^CPIN: {card.status},{now},{first.puk_tries},{first.tries},{second.puk_tries},{second.tries}",)


@COMMANDS.on("^ICCID", Op.READ, pace="sim", needs="present")
def iccid(request: Request) -> Answer:
    """^ICCID?."""
    card = request.modem.card
    assert card is not None
    return (f"^ICCID: {card.subscription.iccid.ljust(20, 'F')}",)


@COMMANDS.on("^NDISDUP", Op.SET, pace="plain", needs="sim")
def ndis_call(request: Request) -> Answer:
    """^NDISDUP=cid,state[,apn,user,password,auth]: OK now, ^NDISSTAT when it is done."""
    modem = request.modem
    cid, state = request.number(0, low=1, high=16), request.number(1, high=1)
    if len(request.args) > 2:
        context = modem.bearers.contexts.setdefault(cid, PdpContext(cid, "IP", ""))
        context.apn = request.text(2, "")
        context.user, context.password = request.text(3, ""), request.text(4, "")
    if cid not in modem.bearers.contexts:
        raise Cme(50)
    modem.renew_service()
    modem.plan(modem.latency("bearer"), lambda: _finish_call(modem, cid, up=bool(state)))
    return None


def _finish_call(modem: SimulatedModem, cid: int, *, up: bool) -> None:
    if not up:
        modem.release_bearer(cid)
        return
    try:
        modem.activate(cid)
    except Cme:
        if isinstance(modem.habits, VendorHabits):
            modem.habits.tell(f'^NDISSTAT:0,{_NO_SERVICE_REASON},,"IPV4"')


@COMMANDS.on("^NDISSTATQRY", Op.READ)
@COMMANDS.on("^NDISSTATQRY", Op.SET)
def ndis_state(request: Request) -> Answer:
    """^NDISSTATQRY?: both stacks on one line."""
    bearer = request.modem.bearers.active.get(_NDIS_CID)
    four, six = int(bool(bearer and bearer.ipv4)), int(bool(bearer and bearer.ipv6))
    return (f'^NDISSTATQRY: {four},,,"IPV4",{six},,,"IPV6"',)


@COMMANDS.on("^DHCP", Op.READ)
def leased(request: Request) -> Answer:
    """^DHCP?: address, mask, gateway, server, resolvers: hexadecimal, lowest octet last, leading noughts dropped."""
    bearer = request.modem.bearers.active.get(_NDIS_CID)
    if bearer is None or bearer.ipv4 is None or bearer.gateway is None:
        raise Cme(30)
    values = (bearer.ipv4, IPv4Address("255.255.255.252"), bearer.gateway, bearer.gateway)
    fields = [_little_endian(value) for value in (*values, *(IPv4Address(each) for each in bearer.dns))]
    return (f"^DHCP: {','.join(fields)},43200000,43200000",)


def _little_endian(address: IPv4Address) -> str:
    return f"{int.from_bytes(address.packed, 'little'):X}"


@COMMANDS.on("^DSFLOWQRY")
def flow(request: Request) -> Answer:
    """^DSFLOWQRY: seconds, sent, received of this session, then of all; hexadecimal, the value on its own line."""
    modem = request.modem
    sent, received = modem.bearers.traffic.totals(modem.agenda.now)
    seconds = int(modem.agenda.now - modem.bearers.session_started) if modem.bearers.active else 0
    values = f"{seconds:08X},{sent:016X},{received:016X}"
    joint = "\r\n" if modem.personality.quirk("flow_on_next_line") else ""
    return (f"^DSFLOWQRY:{joint}{values},{values}",)


@COMMANDS.on("^DSFLOWCLR")
def clear_flow(request: Request) -> None:
    """^DSFLOWCLR: counters to nought."""
    request.modem.bearers.traffic.reset(request.modem.agenda.now)


@COMMANDS.on("^RFSWITCH", Op.READ)
def radio_switch(request: Request) -> Answer:
    """^RFSWITCH?: software and hardware switch."""
    return (f"^RFSWITCH:{int(request.modem.volatile.functionality == 1)},1",)


@COMMANDS.on("^RFSWITCH", Op.SET, pace="cfun")
def switch_radio(request: Request) -> None:
    """^RFSWITCH=state: the radio only; the card stays powered."""
    request.modem.set_functionality(1 if request.number(0, high=1) else 4)


COMMANDS.fixed("^RFSWITCH", Op.TEST, ("^RFSWITCH: (0,1)",))


@COMMANDS.on("^RESET")
def reset(request: Request) -> None:
    """^RESET: OK, then a restart."""
    request.modem.reboot(after_s=0.5)


@COMMANDS.on("^CHIPTEMP", Op.READ)
def temperatures(request: Request) -> Answer:
    """^CHIPTEMP?: amplifiers, SIM, battery; tenths of a degree, 65535 where there is no sensor."""
    warm = 40 if request.modem.bearers.active else 0
    base = 310 + warm + 10 * (int(request.modem.agenda.now / 60) % 3)
    return (f"^CHIPTEMP: {base},{base},{base},{base - 30},65535",)


@COMMANDS.on("^NWTIME", Op.READ)
def last_network_time(request: Request) -> Answer:
    """^NWTIME?: the network's time; an error while there was none."""
    if request.modem.time.network_time is None:
        raise Cme(22)
    return (f"^NWTIME: {network_time(request.modem)}",)


@COMMANDS.on("^TIME")
@COMMANDS.on("^TIME", Op.READ)
def time_of_day(request: Request) -> Answer:
    """^TIME: local time, a blank between date and time."""
    if request.modem.time.network_time is None:
        raise Cme(22)
    return (f"^TIME: {request.modem.time.local:%y/%m/%d %H:%M:%S}",)


@COMMANDS.on("^CURC", Op.READ, Op.SET, Op.TEST)
def unsolicited(request: Request) -> Answer:
    """^CURC: 0 silences this make's own unsolicited lines."""
    held = request.modem.volatile.parameters
    if request.call.op is Op.TEST:
        return ("^CURC: (0-2)",)
    if request.call.op is Op.READ:
        return (f"^CURC: {held.get('^CURC', '1')}",)
    held["^CURC"] = str(request.number(0, high=2))
    return None


@COMMANDS.on("^SIMST", Op.READ)
def card_state(request: Request) -> Answer:
    """^SIMST?."""
    return (f"^SIMST: {_system(request)[2]},0",)


@COMMANDS.on("+CSQ", Op.READ)
def signal_read(request: Request) -> Answer:
    """+CSQ? answers here like +CSQ."""
    heard = measure(request)
    return (f"+CSQ: {rssi_index(heard.rssi)},99" if heard else "+CSQ: 99,99",)
