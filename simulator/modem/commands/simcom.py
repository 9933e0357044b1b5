"""SIMCom SIM7600: its own commands and the lines it sends unasked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.modem.answers import Answer
from simulator.modem.commands.network import measure, rssi_index
from simulator.modem.habits import Habits
from simulator.modem.results import Cme, Refusal
from simulator.modem.syntax import Op
from simulator.modem.table import Commands, Request
from simulator.modem.timekeeping import quarters

if TYPE_CHECKING:
    from simulator.modem.device import SimulatedModem

COMMANDS = Commands()
_LTE = 8  # +CNSMOD's number for it
_NETWORK_CID = 1


class VendorHabits(Habits):
    """+CPIN, SMS DONE, +NITZ, +CNSMOD, +AUTOCSQ."""

    def __init__(self, modem: SimulatedModem) -> None:
        super().__init__(modem)
        self._reported = ""

    def registration_changed(self) -> None:
        """A change of system, when +CNSMOD=1 asked for it."""
        if self.modem.volatile.parameters.get("+CNSMOD") == "1":
            self.modem.urc(f"+CNSMOD: {_LTE if self.modem.registration.registered else 0}")

    def sim_changed(self) -> None:
        """Hot swap, and what an unlocked card says."""
        modem = self.modem
        if modem.card is None:
            modem.urc("+SIMCARD: NOT AVAILABLE")
            return
        modem.urc(f"+CPIN: {modem.sim_status()}")
        if modem.sim_status() == "READY":
            modem.plan(1.5, lambda: modem.urc("SMS DONE"))
            modem.plan(2.0, lambda: modem.urc("PB DONE"))

    def time_received(self) -> None:
        """+CTZV and +NITZ, when +CTZR asked."""
        time = self.modem.time
        if self.modem.volatile.time_reports:
            self.modem.urc(f"+CTZV: {quarters(time.zone)}")
            self.modem.urc(f"+NITZ: {time.utc:%y/%m/%d,%H:%M:%S}{quarters(time.zone)},{time.dst}")

    def bearer_changed(self, cid: int, *, up: bool, by_network: bool = False) -> None:
        """A socket network that went down by itself."""
        if by_network and not up and cid == _NETWORK_CID:
            self.modem.urc("+CIPEVENT: NETWORK CLOSED UNEXPECTEDLY")

    def report_signal(self) -> None:
        """+AUTOCSQ: signal every five seconds, with =1,1 only when it changed."""
        modem = self.modem
        wanted, only_changes = (modem.volatile.parameters.get("+AUTOCSQ", "0,0") + ",0").split(",")[:2]
        if wanted != "1":
            return
        cell = modem.registration.cell
        level = rssi_index(modem.air.measure(cell, modem.agenda.now).rssi) if cell else 99
        line = f"+CSQ: {level},99"
        if line != self._reported or only_changes == "0":
            modem.urc(line)
        self._reported = line
        modem.plan(5.0, self.report_signal)

    def sample(self) -> str:
        """Signal reports."""
        return "+CSQ: 21,99"


@COMMANDS.on("+AUTOCSQ", Op.SET)
def auto_signal(request: Request) -> Answer:
    """+AUTOCSQ=on,changes: signal reports unasked."""
    held = request.modem.volatile.parameters
    was_on = held.get("+AUTOCSQ", "0").startswith("1")
    held["+AUTOCSQ"] = f"{request.number(0, high=1)},{request.number(1, 0, high=1)}"
    habits = request.modem.habits
    if isinstance(habits, VendorHabits) and not was_on:
        request.modem.plan(5.0, habits.report_signal)
    return None


@COMMANDS.on("+AUTOCSQ", Op.READ)
def auto_signal_state(request: Request) -> Answer:
    """+AUTOCSQ?."""
    return (f"+AUTOCSQ: {request.modem.volatile.parameters.get('+AUTOCSQ', '0,0')}",)


COMMANDS.fixed("+AUTOCSQ", Op.TEST, ("+AUTOCSQ: (0-1),(0-1)",))


@COMMANDS.on("+CICCID", pace="sim", needs="present")
@COMMANDS.on("+ICCID", pace="sim", needs="present")
def iccid(request: Request) -> Answer:
    """+CICCID: answered with the prefix +ICCID."""
    card = request.modem.card
    assert card is not None
    return (f"+ICCID: {card.subscription.iccid}",)


COMMANDS.fixed("+CICCID", Op.TEST, ())


@COMMANDS.on("+SIMEI", Op.READ)
def imei(request: Request) -> Answer:
    """+SIMEI?: the IMEI."""
    return (f"+SIMEI: {request.modem.imei}",)


@COMMANDS.on("+SPIC", pace="sim", needs="present")
def pin_counters(request: Request) -> Answer:
    """+SPIC: tries left for PIN1, PUK1, PIN2, PUK2."""
    card = request.modem.card
    assert card is not None
    first, second = card.pin1, card.pin2
    return (f"+SPIC: {first.tries},{first.puk_tries},{second.tries},{second.puk_tries}",)


@COMMANDS.on("+SIMCOMATI")
def module_information(request: Request) -> Answer:
    """+SIMCOMATI: what ATI says, without the capabilities."""
    modem = request.modem
    made = modem.personality
    return (
        f"Manufacturer: {made.manufacturer}",
        f"Model: {made.model}",
        f"Revision: {made.revision}",
        f"IMEI: {modem.imei}",
    )


@COMMANDS.on("+CPSI", Op.READ)
def system_information(request: Request) -> Answer:
    """+CPSI?: system, mode, network, TAC in 0x-hex, cell id decimal, levels in tenths."""
    modem = request.modem
    cell, heard = modem.registration.cell, measure(request)
    mode = {0: "Low Power Mode", 1: "Online", 4: "Offline"}.get(modem.volatile.functionality, "Online")
    if cell is None or heard is None:
        return (f"+CPSI: NO SERVICE,{mode}",)
    place = f"{cell.plmn[:3]}-{cell.plmn[3:]},0x{cell.tac:X},{cell.cell_id},{cell.pci},EUTRAN-BAND{cell.band}"
    width = cell.bandwidth_index
    levels = f"{heard.rsrq * 10:.0f},{heard.rsrp * 10:.0f},{heard.rssi * 10:.0f},{max(0, heard.sinr):.0f}"
    return (f"+CPSI: LTE,{mode},{place},{cell.earfcn},{width},{width},{levels}",)


COMMANDS.fixed("+CPSI", Op.TEST, ("+CPSI: (0-255)",))


@COMMANDS.on("+CPSI", Op.SET)
def repeat_information(request: Request) -> Answer:
    """+CPSI=seconds: repeat; accepted, without repeats here."""
    request.number(0, high=255)
    return None


@COMMANDS.on("+CNSMOD", Op.READ)
def system_mode(request: Request) -> Answer:
    """+CNSMOD?: whether changes are reported, and the system."""
    modem = request.modem
    mode = _LTE if modem.registration.registered else 0
    return (f"+CNSMOD: {modem.volatile.parameters.get('+CNSMOD', '0')},{mode}",)


@COMMANDS.on("+CNSMOD", Op.SET)
def report_system_mode(request: Request) -> None:
    """+CNSMOD=n: report changes."""
    request.modem.volatile.parameters["+CNSMOD"] = str(request.number(0, high=1))


COMMANDS.fixed("+CNSMOD", Op.TEST, ("+CNSMOD: (0-1)",))


@COMMANDS.on("+NETOPEN", pace="plain", needs="sim")
def open_network(request: Request) -> Answer:
    """+NETOPEN: OK first; whether it worked follows as +NETOPEN: 0, nought being success."""
    modem = request.modem
    if _NETWORK_CID in modem.bearers.active:
        request.port.note("+IP ERROR: Network is already opened")
        raise Refusal("ERROR")
    modem.renew_service()
    modem.plan(modem.latency("bearer"), lambda: _finish_opening(request))
    return None


def _finish_opening(request: Request) -> None:
    modem = request.modem
    try:
        modem.activate(_NETWORK_CID)
    except Cme:
        modem.urc("+NETOPEN: 1")
    else:
        modem.urc("+NETOPEN: 0")


@COMMANDS.on("+NETOPEN", Op.READ)
def network_open(request: Request) -> Answer:
    """+NETOPEN?: 1 means open: the opposite of the unsolicited line."""
    up = int(_NETWORK_CID in request.modem.bearers.active)
    return (f"+NETOPEN: {up},0" if up else "+NETOPEN: 0",)


COMMANDS.fixed("+NETOPEN", Op.TEST, ())


@COMMANDS.on("+NETCLOSE")
def close_network(request: Request) -> Answer:
    """+NETCLOSE: OK first, then +NETCLOSE: 0."""
    modem = request.modem
    if _NETWORK_CID not in modem.bearers.active:
        request.port.note("+NETCLOSE: 2")
        raise Refusal("ERROR")
    modem.release_bearer(_NETWORK_CID)
    modem.plan(0.3, lambda: modem.urc("+NETCLOSE: 0"))
    return None


@COMMANDS.on("+IPADDR")
def socket_address(request: Request) -> Answer:
    """+IPADDR: the address of the socket network."""
    bearer = request.modem.bearers.active.get(_NETWORK_CID)
    if bearer is None:
        request.port.note("+IP ERROR: Network not opened")
        raise Refusal("ERROR")
    return (f"+IPADDR: {bearer.ipv4}",)


@COMMANDS.on("+CGSOCKCONT", Op.READ)
def socket_context(request: Request) -> Answer:
    """+CGSOCKCONT?: the contexts as the socket commands see them."""
    held = sorted(request.modem.bearers.contexts.values(), key=lambda c: c.cid)
    return tuple(f'+CGSOCKCONT: {c.cid},"{c.kind}","{c.apn}","0.0.0.0",0,0' for c in held)


@COMMANDS.on("+CGPS", Op.SET)
def positioning(request: Request) -> None:
    """+CGPS=on[,mode]: the receiver; when it has stopped, +CGPS: 0 says so."""
    modem, held = request.modem, request.modem.volatile.parameters
    wanted, mode = request.number(0, high=1), request.number(1, 1, low=1, high=3)
    if held.get("+CGPS", "0").startswith("1") and not wanted:
        modem.plan(1.0, lambda: modem.urc("+CGPS: 0"))
    held["+CGPS"] = f"{wanted},{mode}"


@COMMANDS.on("+CPMUTEMP")
def temperature(request: Request) -> Answer:
    """+CPMUTEMP: degrees."""
    warm = 5 if request.modem.bearers.active else 0
    return (f"+CPMUTEMP: {30 + warm + int(request.modem.agenda.now / 60) % 3}",)


@COMMANDS.on("+CPOF")
def power_off(request: Request) -> None:
    """+CPOF: OK, then gone."""
    request.modem.plan(2.0, request.modem.power_off)


@COMMANDS.on("+CRESET")
def reset(request: Request) -> None:
    """+CRESET: OK, then a restart."""
    request.modem.reboot(after_s=0.5)


@COMMANDS.on("+CUSBPIDSWITCH", Op.SET)
def switch_usb(request: Request) -> Answer:
    """+CUSBPIDSWITCH: another USB composition: a restart under other port numbers."""
    request.number(0)
    request.modem.renumbered += len(request.modem.ports)
    request.modem.reboot(after_s=0.3)
    return None


COMMANDS.fixed("+CUSBPIDSWITCH", Op.READ, ("+CUSBPIDSWITCH: 9001",))
COMMANDS.fixed("+CUSBPIDSWITCH", Op.TEST, ("+CUSBPIDSWITCH: (9000-9099),(0-1),(0-1)",))
